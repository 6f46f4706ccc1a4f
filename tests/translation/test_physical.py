"""May an instance have this run of pages? Only what one region gives it, wherever regions stand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.errors import Problem
from septum.memory.slices import Part, Slice
from septum.translation.physical import (
    Judgement,
    PhysicalMap,
    Region,
    Registers,
    memory,
    played,
    registers,
    split,
)
from septum.translation.verdict import Accept, Emulate, Modify, Reject
from septum.units import PciAddress, Span

PAGE = 0x2000
FUNCTION = PciAddress(1, 0, 1, 0)
(MEMORY,) = memory(Slice((Part(Span(0, 64 * PAGE), 0, 0x4000000),)))
BAR = registers(Span(0x80009000000, 2 * PAGE), Registers(FUNCTION, 0), 0x80209000000)
PLAYED = played(Span(0x801FE000000, 4 * PAGE), "configuration space")
EVERYWHERE = some.integers(0, 48 * PAGE)


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
        span = Span(start, size)
        machine = draw(some.integers(0, 1 << 20)) * PAGE
        if draw(some.booleans()):
            machine += start % PAGE
        region = draw(
            some.sampled_from(
                [
                    *memory(Slice((Part(span, 0, machine),))),
                    *memory(Slice((Part(span, 0, None),))),
                    played(span, f"thing {number}"),
                    registers(span, Registers(FUNCTION, number), machine),
                    registers(span, Registers(FUNCTION, number), machine, alone=True),
                    registers(span, Registers(FUNCTION, number), machine, closed="not to be had"),
                ]
            )
        )
        try:
            physical.place(region)
        except Problem:
            assert any(one.span.overlaps(span) for one in physical.regions)
    for _ in range(draw(some.integers(0, 2))):
        span = Span(draw(EVERYWHERE), draw(some.integers(1, 5 * PAGE)))
        physical.withhold(span, draw(some.sampled_from([Reject("lent"), Emulate(0, "traced")])))
    return physical


def alone_for(region: Region, page: Span) -> bool:
    """What a page must be like to be given: one statement of the rule, page by page."""
    whole = region.span.start <= page.start and page.end <= region.span.end
    return (whole or region.alone) and not region.closed


@given(maps(), EVERYWHERE)
def test_a_page_is_given_only_where_one_region_gives_all_of_it(
    physical: PhysicalMap, address: int
) -> None:
    judgement = physical.judge(address)
    page = Span(address // PAGE * PAGE, PAGE)
    here = [one for one in physical.regions if one.span.overlaps(page)]
    assert judgement.run.contains(address) and judgement.run.start % PAGE == 0
    assert judgement.run.size % PAGE == 0
    if judgement.granted:
        (region,) = here
        assert region == judgement.region and alone_for(region, page)
        if region.machine is not None:
            shift = region.machine - region.span.start
            assert shift % PAGE == 0
            value = getattr(judgement.verdict, "value", judgement.run.start)
            assert value == judgement.run.start + shift
    if not here and "lent" not in judgement.why and "traced" not in judgement.why:
        assert judgement.verdict == Reject("not this instance's")


@given(maps(), EVERYWHERE)
def test_a_run_is_what_each_of_its_pages_gets(physical: PhysicalMap, address: int) -> None:
    """One verdict for a run is the verdict for every page of it, and no page more."""

    def plain(at: int) -> tuple[object, ...]:
        one = physical.judge(at)
        shift = one.verdict.value - one.run.start if isinstance(one.verdict, Modify) else 0
        return type(one.verdict), one.why, one.region, shift, one.run

    whole = physical.judge(address)
    pages = range(whole.run.start, min(whole.run.end, 60 * PAGE), PAGE)
    assert {plain(at) for at in pages} == {plain(address)}


@given(maps(), EVERYWHERE, some.integers(1, 30 * PAGE))
def test_runs_cover_a_span_without_a_gap(physical: PhysicalMap, start: int, size: int) -> None:
    runs = [one.run for one in physical.judged(Span(start, size))]
    assert runs[0].contains(start) and runs[-1].contains(start + size - 1)
    assert all(one.end == two.start for one, two in itertools.pairwise(runs))


@given(maps())
def test_regions_never_overlap(physical: PhysicalMap) -> None:
    spans = [region.span for region in physical.regions]
    assert spans == sorted(spans)
    assert all(one.end <= two.start for one, two in itertools.pairwise(spans))


@given(maps(), EVERYWHERE)
def test_find_agrees_with_the_regions(physical: PhysicalMap, address: int) -> None:
    here = [one for one in physical.regions if one.span.contains(address)]
    assert physical.find(address) == (here[0] if here else None)


def test_each_verdict() -> None:
    physical = PhysicalMap(PAGE, (MEMORY, BAR, PLAYED))
    its_own = Judgement(Span(0, 64 * PAGE), Modify(0x4000000, "its slice"), MEMORY)
    assert physical.judge(3 * PAGE + 5) == its_own
    assert physical.judge(0x80009002000).verdict == Modify(
        0x80209000000, "on the machine it is elsewhere"
    )
    assert isinstance(physical.judge(0x801FE002040).verdict, Emulate)
    gap = physical.judge(64 * PAGE)
    assert gap.verdict == Reject("not this instance's")
    assert gap.run == Span(64 * PAGE, BAR.span.start - 64 * PAGE)
    same = PhysicalMap(PAGE, (MEMORY._replace(machine=0),))
    assert same.judge(0).verdict == Accept()
    assert PhysicalMap(PAGE, (MEMORY._replace(machine=None),)).judge(0).verdict == Accept()


def test_why_registers_stay_trapped() -> None:
    def why(region: Region, address: int) -> str:
        return PhysicalMap(PAGE, (region,)).judge(address).why

    small = registers(Span(PAGE, 0x400), Registers(FUNCTION, 0), 8 * PAGE)
    assert "not a whole page" in why(small, PAGE)
    given_whole = "on the machine it is elsewhere"
    assert why(small._replace(alone=True), PAGE) == given_whole, "its page has nothing else"
    assert "does not start at a page" in why(
        small._replace(alone=True, machine=8 * PAGE + 0x400), PAGE
    )
    assert "not to be had" in why(BAR._replace(closed="not to be had"), BAR.span.start)


def test_a_page_of_two_is_nobody_s_to_hold() -> None:
    """The interrupt table stands beside registers: their page traps, those before it do not."""
    table = played(Span(BAR.span.start + PAGE, 0x40), "interrupt table")
    rest = registers(
        Span(table.span.end, PAGE - 0x40), Registers(FUNCTION, 0, PAGE + 0x40), table.span.end
    )
    before = BAR._replace(span=Span(BAR.span.start, PAGE))
    physical = PhysicalMap(PAGE, (before, table, rest))
    assert physical.judge(BAR.span.start).granted
    assert "a page of both" in physical.judge(table.span.start).why
    assert physical.find(table.span.start + 8) == table
    assert physical.find(table.span.end) == rest


def test_what_is_withheld_is_let_go_in_parts() -> None:
    physical = PhysicalMap(PAGE, (MEMORY,))
    physical.withhold(Span(4 * PAGE, 4 * PAGE), Reject("lent"))
    assert physical.judge(5 * PAGE).verdict == Reject("lent")
    assert physical.judge(0).run == Span(0, 4 * PAGE)
    assert physical.judge(8 * PAGE) == Judgement(
        Span(8 * PAGE, 56 * PAGE), Modify(0x4000000 + 8 * PAGE, "its slice"), MEMORY
    )
    physical.let_go(Span(5 * PAGE, PAGE))
    assert physical.judge(5 * PAGE).run == Span(5 * PAGE, PAGE)
    assert physical.judge(6 * PAGE).verdict == Reject("lent")
    physical.let_go(Span(0, 64 * PAGE))
    assert physical.judge(6 * PAGE).run == MEMORY.span


def test_removed_is_gone() -> None:
    physical = PhysicalMap(PAGE, (MEMORY, BAR))
    physical.remove(BAR)
    assert isinstance(physical.judge(BAR.span.start).verdict, Reject)
    with pytest.raises(Problem, match="overlaps memory"):
        physical.place(MEMORY)
    with pytest.raises(Problem, match="no addresses"):
        physical.place(played(Span(1 << 40, 0), "nothing"))


def test_an_access_reads_or_writes() -> None:
    done: list[tuple[int, ...]] = []
    access = split(
        0x3F8,
        lambda offset, width: offset * 16 + width,
        lambda offset, width, value: done.append((offset, width, value)),
    )
    assert access(0x3FB, 1, None) == 0x31
    assert access(0x3F9, 2, 7) == 0 and done == [(1, 2, 7)]
