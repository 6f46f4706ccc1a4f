"""Does an instance's memory stay clear of everything the machine decodes?"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.layouts import x86
from septum.machine.files import HostFiles
from septum.machine.inventory import inventory
from septum.machine.model import Iommu, IommuGroup
from septum.memory.e820 import e820, memory_map
from septum.memory.layout import holes, layout, merged, without
from septum.memory.slices import slices
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import HUGE_PAGE, GiB, KiB, MiB, Span
from tests.captured import lab, laptop, workstation
from tests.machines import MSI_WINDOW, a_function, a_machine, address, memory_bar

sizes = some.integers(0, 4096).map(lambda pages: pages * HUGE_PAGE)
spans = some.builds(
    Span,
    some.integers(1, 16 * GiB // (4 * KiB)).map(lambda page: page * 4 * KiB),
    some.integers(1, GiB // (4 * KiB)).map(lambda pages: pages * 4 * KiB),
)


def disjoint(ranges: list[Span]) -> bool:
    return all(a.end <= b.start for a, b in pairwise(ranges))


@given(sizes, some.lists(spans, max_size=8))
def test_all_of_it_is_placed_and_nothing_overlaps(size: int, decoded: list[Span]) -> None:
    ram = layout(size, decoded)
    above = [hole for hole in decoded if hole.end > MiB]
    assert sum(span.size for span in ram) == size
    assert disjoint(list(ram))
    assert not any(span.overlaps(hole) for span in ram for hole in above)
    assert all(span.start % HUGE_PAGE == 0 == span.size % HUGE_PAGE for span in ram)
    assert all(span.start == 0 or span.start >= 4 * GiB for span in ram)


@given(sizes, some.lists(spans, max_size=4), some.lists(spans, max_size=4))
def test_the_map_tells_every_byte_once(
    size: int, decoded: list[Span], reserved: list[Span]
) -> None:
    ram = layout(size, decoded)
    told = e820(ram, reserved)
    assert disjoint([entry.span for entry in told])
    usable = [entry.span for entry in told if entry.kind == "usable"]
    kept = [entry.span for entry in told if entry.kind == "reserved"]
    video = Span(0xA0000, 0x40000)
    inside = overlap(ram, kept) + overlap(without([video], kept), ram)
    assert sum(span.size for span in usable) + inside == size
    assert not any(span.overlaps(other) for span in usable for other in [*reserved, video])


def overlap(spans: object, others: object) -> int:
    """Bytes two sets of disjoint spans have in common."""
    return sum(
        max(0, min(one.end, other.end) - max(one.start, other.start))
        for one in spans  # type: ignore[attr-defined]
        for other in others  # type: ignore[attr-defined]
    )


def test_a_small_instance_lies_in_one_piece_from_zero() -> None:
    machine = a_machine()
    assert layout(768 * MiB, holes(machine, ())) == (Span(0, 768 * MiB),)


def test_a_large_instance_goes_on_above_4_gib() -> None:
    machine = a_machine()
    assert layout(6 * GiB, holes(machine, ())) == (
        Span(0, 2 * GiB),
        Span(4 * GiB, 2 * GiB),  # then comes the 64-bit window
        Span(0x980000000, 2 * GiB),
    )


def test_the_map_of_a_small_instance_is_a_pc_s() -> None:
    told = [(str(entry.span), entry.kind) for entry in e820([Span(0, 64 * MiB)], [])]
    assert told == [
        ("0x0-0x9fbff", "usable"),
        ("0x9fc00-0x9ffff", "reserved"),
        ("0xe0000-0xfffff", "reserved"),
        ("0x100000-0x3ffffff", "usable"),
    ]


def test_acpi_data_yields_to_what_is_reserved() -> None:
    told = e820([Span(0, 4 * MiB)], [Span(2 * MiB, MiB)], [Span(2 * MiB, 2 * MiB)])
    assert [entry.kind for entry in told if entry.span.start >= MiB] == [
        "usable",
        "reserved",
        "acpi",
    ]
    assert told[-1].span == Span(3 * MiB, MiB)


def test_holes_know_bars_windows_ecam_and_what_the_iommu_reserves() -> None:
    gpu = a_function(
        "03:00.0",
        bars=(memory_bar(0, 0x7000000000, 256 * MiB, "memory64"),),
        iommu_group=30,
    )
    machine = a_machine(functions=(*a_machine().functions, gpu))
    mine = holes(machine, [address("03:00.0")])
    for start in (0x7000000000, 0xB0000000, 0x80000000, 0xFEC00000, 0xFEE00000, 0x180000000):
        assert any(hole.contains(start) for hole in mine), hex(start)
    assert any(hole.contains(MSI_WINDOW.end - 1) for hole in mine)
    assert mine == merged(mine)
    reserving = machine._replace(
        iommu=Iommu(True, True, (IommuGroup(30, (gpu.address,), (Span(0xFD00000000, GiB),)),))
    )
    assert any(hole.contains(0xFD00000000) for hole in holes(reserving, [gpu.address]))
    assert not any(hole.contains(0xFD00000000) for hole in holes(reserving, ()))
    bare = machine._replace(root_buses=(), ecam=())
    assert any(hole.contains(0xFE800000) for hole in holes(bare, ())), "a bridge's window"
    assert any(hole.contains(0x7000000000) for hole in holes(bare, ())), "another's BAR"
    assert all(hole.end > MiB for hole in mine)  # VGA's window is not one of them


def test_sizes_that_huge_pages_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        layout(3 * MiB, ())


def test_a_slice_has_base_and_float_and_reserves_ecam() -> None:
    partition = Partition(
        "blue", "/k", None, "", MemorySlice(64 * MiB, 32 * MiB), Processors((0,), False, 100), ()
    )
    found = slices(a_machine(), [partition])["blue"]
    assert found.size == 96 * MiB
    assert (Span(0xB0000000, 256 * MiB), "reserved") in memory_map(a_machine(), found)
    assert [part.machine for part in found.parts] == [None]
    with pytest.raises(ValueError, match="the host's to know"):
        _ = found.place


@pytest.mark.parametrize("files", [lab, laptop, workstation])
def test_on_real_computers_ram_makes_way(files: Callable[[], HostFiles]) -> None:
    machine = inventory(files())
    addresses = [function.address for function in machine.functions]
    decoded = holes(machine, addresses)
    bars = [bar.span for f in machine.functions for bar in f.bars if bar.kind != "io"]
    ram = layout(16 * GiB, decoded)
    assert bars and sum(span.size for span in ram) == 16 * GiB
    assert not any(span.overlaps(bar) for span in ram for bar in bars)
    assert ram[0].size >= GiB  # what a kernel is loaded into


def test_type_numbers_are_the_firmware_s() -> None:
    assert x86.E820_TYPES == {"usable": 1, "reserved": 2, "acpi": 3}
