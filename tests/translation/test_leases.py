"""Are both sides' leases what was granted, less what was taken back, to the byte?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.memory.slices import Part, Slice
from septum.translation.leases import DEVICES, PROCESSOR, SIDES, Lease, Leases, leased, rows
from septum.translation.physical import Memory, PhysicalMap, Registers, memory, played, registers
from septum.translation.verdict import Emulate
from septum.units import PciAddress, Span

PAGE = 0x2000
SHIFT = 13
FUNCTION = PciAddress(1, 0, 1, 0)
(MEMORY,) = memory(Slice((Part(Span(0, 64 * PAGE), 0, 0x4000000),)))
BAR = registers(Span(0x80009000000, 2 * PAGE), Registers(FUNCTION, 0), 0x80209000000)


def lease(first: int, pages: int, side: str = PROCESSOR) -> Lease:
    start = first * PAGE
    return Lease(side, Span(start, pages * PAGE), Memory(start), "memory", 0x4000000 + start)


@given(
    some.lists(
        some.tuples(
            some.sampled_from(["grant", "revoke", "drop"]),
            some.integers(0, 40),
            some.integers(1, 9),
            some.sampled_from([(PROCESSOR,), (DEVICES,), SIDES]),
        ),
        max_size=30,
    )
)
def test_what_is_held_is_what_was_granted_and_not_taken(
    steps: list[tuple[str, int, int, tuple[str, ...]]],
) -> None:
    leases = Leases(SHIFT)
    held: dict[str, set[int]] = {side: set() for side in SIDES}
    for what, first, pages, sides in steps:
        span = Span(first * PAGE, pages * PAGE)
        here = set(range(first, first + pages))
        if what == "grant":
            for side in sides:
                if held[side] & here:
                    with pytest.raises(ValueError, match="held already"):
                        leases.grant(lease(first, pages, side))
                else:
                    leases.grant(lease(first, pages, side))
                    held[side] |= here
            continue
        before = {one for side in sides for one in leases.held(side)}
        cuts = leases.revoke(span, sides) if what == "revoke" else leases.drop(span, sides)
        for cut in cuts:
            assert cut.lease in before and cut.taken.machine is not None
            parts = [cut.taken, *cut.left]
            assert sum(part.span.size for part in parts) == cut.lease.span.size
            assert all(part.machine == 0x4000000 + part.span.start for part in parts)
            assert all(part.what == Memory(part.span.start) for part in parts)
        for side in sides:
            held[side] -= here
    for side in SIDES:
        spans = [one.span for one in leases.held(side)]
        pages_held = {page for s in spans for page in range(s.start // PAGE, s.end // PAGE)}
        assert pages_held == held[side]
        assert sum(span.size for span in spans) == len(held[side]) * PAGE, "none twice"
        for page in range(50):
            assert (leases.covers(page * PAGE, side) is not None) == (page in held[side])
    assert leases.pages == {page: page + 0x2000 for page in held[PROCESSOR]}


def test_devices_lose_theirs_first() -> None:
    leases = Leases()
    for side in SIDES:
        leases.grant(lease(0, 4, side))
    assert [cut.lease.side for cut in leases.revoke(Span(PAGE, PAGE))] == [DEVICES, PROCESSOR]
    assert leases.granted == {PROCESSOR: 1, DEVICES: 1} == leases.revoked
    assert leases.drop(Span(0, PAGE)) and leases.revoked == {PROCESSOR: 1, DEVICES: 1}


def test_a_verdict_s_lease_is_of_all_its_run() -> None:
    physical = PhysicalMap(PAGE, (MEMORY, BAR, played(Span(100 * PAGE, PAGE), "console")))
    assert leased(physical.judge(5 * PAGE), DEVICES) == lease(0, 64, DEVICES)
    part = leased(physical.judge(BAR.span.start + PAGE), PROCESSOR)
    assert part is not None and part.owner == "0001:00:01.0 BAR 0"
    assert (part.span, part.machine, part.what) == (BAR.span, 0x80209000000, BAR.what)
    assert leased(physical.judge(100 * PAGE), PROCESSOR) is None
    assert leased(physical.judge(99 * PAGE), PROCESSOR) is None


def test_rows_say_who_holds_what_and_who_does_not() -> None:
    physical = PhysicalMap(PAGE, (MEMORY, BAR, played(Span(100 * PAGE, PAGE), "console")))
    leases = Leases()
    leases.grant(lease(0, 64, PROCESSOR))
    leases.grant(lease(0, 32, DEVICES))
    physical.withhold(Span(8 * PAGE, PAGE), Emulate(0, "held back"))
    said = [(row["guest"], row["verdict"], row["held by"]) for row in rows(physical, leases)]
    assert said == [
        ("0x0-0xffff", "modify", "processor, devices"),
        ("0x10000-0x11fff", "emulate", "processor, devices"),
        ("0x12000-0x3ffff", "modify", "processor, devices"),
        ("0x40000-0x7ffff", "modify", "processor"),
        ("0xc8000-0xc9fff", "emulate", ""),
        ("0x80009000000-0x80009003fff", "modify", "no: asks at the next touch"),
    ]
    assert rows(physical, leases)[2]["machine"] == f"{0x4000000 + 9 * PAGE:#x}"


def test_what_is_held_where_nothing_stands_is_not_hidden() -> None:
    """A hole in the wall: it would be a lease that no region gives."""
    physical = PhysicalMap(PAGE, (MEMORY,))
    leases = Leases()
    leases.grant(lease(60, 8))
    assert [(row["guest"], row["because"]) for row in rows(physical, leases)][-1] == (
        "0x80000-0x87fff",
        "nothing stands there",
    )
