"""May an instance have this page? Only what a region gives it, wherever regions stand."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as some

from septum.translation.physical import Lease, Leases, PhysicalMap, Region
from septum.translation.verdict import Accept, Emulate, Modify, Reject
from septum.units import Span

PAGE = 0x2000
SHIFT = 13
MEMORY = Region(Span(0, 64 * PAGE), 0x4000000, "memory", "its slice")
REGISTERS = Region(Span(0x80009000000, 2 * PAGE), 0x80209000000, "0001:00:01.0 BAR 0")
PLAYED = Region(Span(0x801FE000000, 4 * PAGE), None, "configuration space")


@some.composite
def maps(draw: some.DrawFn) -> PhysicalMap:
    physical = PhysicalMap(PAGE)
    for number in range(draw(some.integers(0, 6))):
        start = draw(some.integers(0, 40 * PAGE))
        if draw(some.booleans()):
            start = start // PAGE * PAGE
        size = draw(some.integers(1, 6 * PAGE))
        if draw(some.booleans()):
            size = -(-size // PAGE) * PAGE
        machine = draw(some.none() | some.integers(0, 1 << 30).map(lambda page: page * PAGE))
        physical.place(Region(Span(start, size), machine, f"thing {number}"))
    return physical


@given(maps(), some.integers(0, 48 * PAGE))
def test_a_page_is_given_only_where_one_region_gives_all_of_it(
    physical: PhysicalMap, address: int
) -> None:
    verdict = physical.judge(address)
    page = Span(address // PAGE * PAGE, PAGE)
    here = [one for one in physical.regions if one.span.overlaps(page)]
    if isinstance(verdict, Accept | Modify):
        (region,) = here
        assert region.machine is not None
        given_page = verdict.value if isinstance(verdict, Modify) else page.start
        assert region.machine <= given_page
        assert given_page + PAGE <= region.machine + region.span.size
        assert given_page % PAGE == 0
    assert isinstance(verdict, Reject) == (not here)


@given(maps())
def test_regions_never_overlap(physical: PhysicalMap) -> None:
    spans = [region.span for region in physical.regions]
    assert spans == sorted(spans)
    assert all(one.end <= two.start for one, two in itertools.pairwise(spans))


@given(maps(), some.integers(0, 48 * PAGE))
def test_find_agrees_with_the_regions(physical: PhysicalMap, address: int) -> None:
    here = [one for one in physical.regions if one.span.contains(address)]
    assert physical.find(address) == (here[0] if here else None)


def test_each_verdict() -> None:
    physical = PhysicalMap(PAGE, (MEMORY, REGISTERS, PLAYED))
    assert physical.judge(3 * PAGE + 5) == Modify(0x4000000 + 3 * PAGE, "its slice")
    assert physical.judge(0x80009002000) == Modify(0x80209002000, "0001:00:01.0 BAR 0")
    assert isinstance(physical.judge(0x801FE002040), Emulate)
    assert physical.judge(64 * PAGE) == Reject("not this instance's")
    same = PhysicalMap(PAGE, (MEMORY._replace(machine=0),))
    assert same.judge(0) == Accept()


def test_a_revoked_page_is_refused_until_let_go() -> None:
    physical = PhysicalMap(PAGE, (MEMORY,))
    physical.hold_back(PAGE + 8)
    assert physical.judge(PAGE) == Reject("revoked")
    assert isinstance(physical.judge(0), Modify)
    physical.let_go(PAGE)
    assert isinstance(physical.judge(PAGE), Modify)


def test_removed_is_gone() -> None:
    physical = PhysicalMap(PAGE, (MEMORY, REGISTERS))
    physical.remove(REGISTERS)
    assert isinstance(physical.judge(REGISTERS.span.start), Reject)
    assert not physical.place(MEMORY)


def test_leases_join_and_fall() -> None:
    physical = PhysicalMap(PAGE, (MEMORY, REGISTERS))
    leases = Leases(SHIFT)
    for page in (2, 0, 1, 5):
        leases.grant(page, page + 0x2000)
    assert leases.runs(physical) == (
        Lease(Span(0, 3 * PAGE), 0x4000000, "memory"),
        Lease(Span(5 * PAGE, PAGE), 0x4000000 + 5 * PAGE, "memory"),
    )
    assert leases.revoke(1) == 0x2001
    assert leases.revoke(1) is None
    assert leases.drop(Span(2 * PAGE, 4 * PAGE)) == [0x2002, 0x2005]
    assert (leases.granted, leases.revoked, leases.pages) == (4, 1, {0: 0x2000})
