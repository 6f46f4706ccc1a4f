"""Does each address have at most one answerer, and the right one?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.errors import Problem
from septum.translation.trap_map import TrapMap
from septum.units import Span

spans = some.builds(Span, some.integers(0, 200), some.integers(1, 40))


def add(traps: TrapMap, span: Span, owner: str) -> None:
    traps.add(span, owner, lambda offset, width: 0, lambda offset, width, value: None)


@given(some.lists(spans, max_size=20))
def test_overlapping_spans_are_refused_and_find_is_right(asked: list[Span]) -> None:
    traps = TrapMap()
    held: dict[str, Span] = {}
    for number, span in enumerate(asked):
        owner = f"owner {number}"
        if any(span.overlaps(other) for other in held.values()):
            with pytest.raises(Problem, match="overlaps owner"):
                add(traps, span, owner)
        else:
            add(traps, span, owner)
            held[owner] = span
    assert {trap.owner: trap.span for trap in traps.traps} == held
    for address in range(-1, 250):
        found = traps.find(address)
        owners = [owner for owner, span in held.items() if span.contains(address)]
        assert [found.owner] == owners if found else not owners


@given(some.lists(some.tuples(spans, some.sampled_from("abc")), max_size=20))
def test_a_removed_owner_answers_nowhere_and_its_place_is_free(
    asked: list[tuple[Span, str]],
) -> None:
    traps = TrapMap()
    for span, owner in asked:
        try:
            add(traps, span, owner)
        except Problem:
            continue
    kept = [trap for trap in traps.traps if trap.owner != "a"]
    freed = [trap.span for trap in traps.traps if trap.owner == "a"]
    traps.remove("a")
    traps.remove("nobody")
    assert list(traps.traps) == kept
    for span in freed:
        assert traps.find(span.start) is None
        add(traps, span, "d")


def test_a_refusal_names_both() -> None:
    traps = TrapMap()
    add(traps, Span(0x3F8, 8), "console")
    with pytest.raises(Problem) as told:
        add(traps, Span(0x3FF, 1), "rtc")
    assert str(told.value) == "rtc at 0x3ff-0x3ff overlaps console at 0x3f8-0x3ff"
