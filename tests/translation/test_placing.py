"""Do BARs answer where their owner put them, and nowhere else, whatever it does?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.memory.slices import Part, Slice
from septum.translation.pci_config import BarState
from septum.translation.physical import PhysicalMap, Region, Registers, memory, registers
from septum.translation.placing import Placement
from septum.units import PAGE, PciAddress, Span

ONE, OTHER = PciAddress(0, 1, 0, 0), PciAddress(0, 2, 0, 0)
(RAM,) = memory(Slice((Part(Span(0, 4 * PAGE), 0, None),)))


def regions_of(function: PciAddress, bar: BarState) -> list[Region]:
    """In two parts, as around an interrupt table."""
    half = bar.span.size // 2
    parts = (Span(bar.span.start, half), Span(bar.span.start + half, half))
    return [registers(part, Registers(function, bar.index), part.start) for part in parts]


STEPS = some.lists(
    some.tuples(
        some.sampled_from([ONE, OTHER]),
        some.lists(
            some.builds(
                BarState,
                some.integers(0, 1),
                some.sampled_from(["memory32", "io"]),
                some.builds(Span, some.integers(0, 12).map(lambda n: n * PAGE), some.just(PAGE)),
                some.booleans(),
            ),
            max_size=2,
            unique_by=lambda bar: bar.index,
        ),
    ),
    max_size=12,
)


@given(STEPS)
def test_what_answers_is_what_is_placed(steps: list[tuple[PciAddress, list[BarState]]]) -> None:
    where, ports = PhysicalMap(PAGE, [RAM]), PhysicalMap(1)
    placement = Placement(where, ports)
    answering: set[Region] = set()
    for function, bars in steps:
        gone = placement.withdraw(function, bars)
        placed = placement.place(function, bars, lambda bar, at=function: regions_of(at, bar))
        assert set(gone) <= answering
        answering = answering - set(gone) | set(placed.regions)
        assert {*where.regions} == {RAM, *answering}
        for bar, why in placed.refused:
            assert bar in bars and "overlaps" in why
        owned = {region for region in answering if region.owner.startswith(str(function))}
        assert set(placement.of(function)) == owned
        for bar in bars:
            if bar.enabled and bar.kind != "io" and bar not in [one for one, _ in placed.refused]:
                regions = placement.of(function, bar.index)
                assert not regions or {one.span.start for one in regions} == {
                    bar.span.start, bar.span.start + PAGE // 2,
                }  # fmt: skip
    for function in (ONE, OTHER):
        placement.withdraw(function, ())
    assert where.regions == (RAM,) and ports.regions == ()


def test_two_over_each_other_have_no_use() -> None:
    where = PhysicalMap(PAGE)
    placement = Placement(where)
    first = BarState(0, "memory32", Span(8 * PAGE, PAGE), True)
    second = first._replace(index=1)
    placed = placement.place(ONE, [first, second], lambda bar: regions_of(ONE, bar))
    assert [bar.index for bar, _ in placed.refused] == [1]
    assert len(where.regions) == 2
    port = BarState(2, "io", Span(0xC000, 32), True)
    told = placement.place(OTHER, [port], lambda bar: regions_of(OTHER, bar))
    assert "not reachable" in told.refused[0][1], "no ports on this machine"
