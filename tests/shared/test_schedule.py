"""Is processor time given out by weight, and to who has something to do?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.shared.schedule import RunQueue


@given(some.lists(some.integers(1, 10_000), min_size=1, max_size=5))
def test_time_is_by_weight(weights: list[int]) -> None:
    queue = RunQueue(1000)
    for number, weight in enumerate(weights):
        queue.add(str(number), weight)
    turns = 40 * sum(weights) // min(weights)
    for _ in range(min(turns, 20_000)):
        name = queue.pick()
        assert name is not None
        queue.charge(name, 1000)
    # Nobody is further ahead of another than by one turn of it.
    shares = [queue.used(str(number)) / weight for number, weight in enumerate(weights)]
    assert max(shares) - min(shares) <= 1000 / min(weights) + 1


def test_who_waits_is_passed_over() -> None:
    queue = RunQueue(1000)
    queue.add("a", 1)
    queue.add("b", 1)
    queue.wait("a")
    assert queue.pick() == "b"
    queue.wait("b")
    assert queue.pick() is None


def test_waiting_saves_no_time_up() -> None:
    queue = RunQueue(1000)
    queue.add("a", 1)
    queue.add("b", 1)
    queue.wait("a")
    for _ in range(100):
        queue.charge("b", 1000)
    queue.wake("a")
    turns = []
    for _ in range(20):
        name = queue.pick()
        assert name is not None
        queue.charge(name, 1000)
        turns.append(name)
    assert 8 <= turns.count("b") <= 12


def test_an_interrupt_s_owner_is_next() -> None:
    queue = RunQueue(1000)
    queue.add("a", 1)
    queue.add("b", 1)
    queue.charge("b", 1_500)
    assert queue.wake("b", at_once=True)
    assert queue.wake("b", at_once=True)
    assert [queue.pick(), queue.pick()] == ["b", "a"]
    queue.charge("b", 1_500)
    assert not queue.wake("b", at_once=True)
    assert queue.pick() == "a"


def test_one_that_has_ended_is_not_asked() -> None:
    queue = RunQueue(1000)
    queue.add("a", 1)
    queue.wake("a", at_once=True)
    queue.remove("a")
    queue.wake("a")
    queue.charge("a", 5)
    assert queue.pick() is None
    assert queue.used("a") == 0


@given(some.integers(1, 1000), some.integers(1, 10), some.integers(1, 10))
def test_asking_all_the_time_takes_no_time_from_others(
    until_it_asks: int, own: int, other: int
) -> None:
    """One lets its device interrupt as soon as the other runs; the shares stay by weight."""
    queue = RunQueue(1000)
    queue.add("asks", own)
    queue.add("works", other)
    for _ in range(4_000):
        name = queue.pick()
        assert name is not None
        if name == "works" and queue.wake("asks", at_once=True):
            queue.charge(name, until_it_asks)
        else:
            queue.charge(name, 1000)
    together = queue.used("asks") + queue.used("works")
    fair = together * other / (own + other)
    assert queue.used("works") > fair - 1000 * (5 + 3 * other / own)


def test_who_just_woke_is_switched_to() -> None:
    queue = RunQueue(1000)
    queue.add("a", 1)
    queue.add("b", 1)
    queue.wait("b")
    queue.charge("a", 500_000)
    assert queue.wake("b", at_once=True)
    assert queue.pick() == "b"
