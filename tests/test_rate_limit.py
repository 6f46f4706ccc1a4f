"""Is what happens again and again said a few times, and then counted?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from septum.rate_limit import MOST, MOST_KINDS, WHILE, RateLimit, kind_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_two_thousand_bar_writes_are_a_few_lines() -> None:
    clock = Clock()
    limit = RateLimit(clock=clock)
    said = []
    for number in range(2000):
        said += limit.let(f"0000:01:00.0 BAR 0 is not placed: {number << 12:#x} is taken")
    assert len(said) == MOST
    assert limit.rest() == [
        "... and 1,995 more like it, the last: 0000:01:00.0 BAR 0 is not placed: 0x7cf000 is taken"
    ]
    assert limit.rest() == [], "told once"


def test_after_a_while_the_next_one_says_how_many_were_left_out() -> None:
    clock = Clock()
    limit = RateLimit(most=1, clock=clock)
    assert limit.let("one 1") == ["one 1"]
    assert limit.let("one 2") == limit.let("one 3") == []
    assert limit.let("two") == ["two"], "another kind is said"
    clock.now += WHILE
    assert limit.let("one 4") == ["... and 2 more like it, the last: one 3", "one 4"]
    assert limit.left_out == 2


def test_kinds_differ_in_more_than_numbers() -> None:
    assert kind_of("at 0xa") == kind_of("at 0x1") == kind_of("at beef0") == "at #"
    assert kind_of("0000:01:00.0 BAR 3 at 0xfe00") == kind_of("0000:02:1f.7 BAR 0 at 0x1")
    assert kind_of("is not placed") != kind_of("is not reached")


@given(st.lists(st.text(), max_size=300))
def test_whatever_is_said_it_is_bounded(texts: list[str]) -> None:
    limit = RateLimit(clock=Clock())
    said = [line for text in texts for line in limit.let(text)]
    assert len(said) + limit.left_out == len(texts)
    assert len(said) <= MOST * (MOST_KINDS + 1)
    assert len(limit.rest()) <= MOST_KINDS + 1
