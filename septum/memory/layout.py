"""Where in guest-physical space does the memory of an instance lie, and what does it read of it?

Pure: sizes and spans in, spans out. RAM begins at 0, ends below the lowest thing the machine
decodes under 4 GiB, and goes on from 4 GiB around whatever is decoded there: owned BARs stand
at the machine's own addresses, so RAM has to make way for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from septum.layouts import x86
from septum.machine.model import Machine, MemoryRange
from septum.partitions.model import Partition
from septum.units import HUGE_PAGE, PciAddress, Span, align_down, align_up

_EBDA = Span(x86.EBDA, x86.VIDEO_MEMORY - x86.EBDA)
_VIDEO = Span(x86.VIDEO_MEMORY, x86.BIOS_AREA - x86.VIDEO_MEMORY)
_BIOS = Span(x86.BIOS_AREA, x86.LEGACY_END - x86.BIOS_AREA)


class Slice(NamedTuple):
    """The memory of one instance: where its RAM lies, and the map its firmware tells."""

    ram: tuple[Span, ...]  # guest-physical, backed by memory, 2 MiB aligned
    e820: tuple[MemoryRange, ...]  # kinds "usable", "reserved", "acpi"

    @property
    def size(self) -> int:
        """Bytes of RAM behind it."""
        return sum(span.size for span in self.ram)


def slice_of(machine: Machine, partition: Partition) -> Slice:
    """The slice of one partition of this machine; base and float together."""
    ram = layout(partition.memory.total, holes(machine, partition.functions))
    return Slice(ram, e820(ram, [area.span for area in machine.ecam]))


def holes(machine: Machine, addresses: Collection[PciAddress]) -> tuple[Span, ...]:
    """Where no RAM may lie for an owner of these functions; sorted, disjoint, above 1 MiB.

    The windows of all root buses and bridges, ECAM, the interrupt controllers, all BARs, and
    what the IOMMU reserves in the groups of these functions (MSI, HyperTransport on AMD).
    Others' BARs too: a bus may route DMA at such an address to that device, past the IOMMU.
    """
    spans = [
        Span(x86.IO_APIC, x86.IO_APIC_SIZE),
        Span(x86.LOCAL_APIC, x86.LOCAL_APIC_SIZE),
    ]
    spans += [area.span for area in machine.ecam]
    for bus in machine.root_buses:
        spans += bus.memory
    for function in machine.functions:
        spans += [bar.span for bar in function.bars if bar.kind != "io"]
        if function.bridge is not None:
            windows = (function.bridge.memory, function.bridge.prefetchable)
            spans += [window for window in windows if window is not None]
    for group in machine.iommu.groups:
        if any(address in addresses for address in group.functions):
            spans += group.reserved
    # The first MiB is e820's business: every PC has the same holes there.
    return merged(span for span in spans if span.end > x86.LEGACY_END)


def layout(size: int, holes: Sequence[Span]) -> tuple[Span, ...]:
    """Where `size` bytes (a multiple of 2 MiB) of RAM lie; ValueError when it is no multiple.

    Sorted and disjoint, each span 2 MiB aligned, none overlapping a hole above 1 MiB.
    """
    if size < 0 or size % HUGE_PAGE:
        raise ValueError(f"{size} bytes are not a multiple of {HUGE_PAGE}")
    above = merged(hole for hole in holes if hole.end > x86.LEGACY_END)
    ceiling = align_down(min((hole.start for hole in above), default=x86.FOUR_GIB), HUGE_PAGE)
    low = min(size, ceiling, x86.FOUR_GIB)
    ram = [Span(0, low)] if low else []
    left = size - low
    start = x86.FOUR_GIB
    for hole in above:
        if not left:
            break
        room = min(align_down(hole.start, HUGE_PAGE) - start, left)
        if room > 0:
            ram.append(Span(start, room))
            left -= room
        start = max(start, align_up(hole.end, HUGE_PAGE))
    if left:
        ram.append(Span(start, left))
    return tuple(ram)


def e820(
    ram: Sequence[Span], reserved: Sequence[Span], acpi: Sequence[Span] = ()
) -> tuple[MemoryRange, ...]:
    """The memory map for these spans of RAM: "usable", "reserved", "acpi"; sorted, disjoint.

    The first MiB is as on every PC: EBDA and BIOS area (which holds the ACPI tables) reserved,
    video memory not listed. `reserved` and `acpi` may lie in RAM or outside (ECAM does).
    """
    if any(span.overlaps(Span(0, x86.LEGACY_END)) for span in ram):
        reserved = [_EBDA, _BIOS, *reserved]
    taken = merged(reserved)
    tables = without(merged(acpi), taken)
    usable = without(merged(ram), [*taken, *tables, _VIDEO])
    ranges = [MemoryRange(span, "reserved") for span in taken]
    ranges += [MemoryRange(span, "acpi") for span in tables]
    ranges += [MemoryRange(span, "usable") for span in usable]
    return tuple(sorted(ranges))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same addresses as sorted spans that neither overlap nor touch."""
    result: list[Span] = []
    for span in sorted(spans):
        if not span.size:
            continue
        if result and span.start <= result[-1].end:
            last = result.pop()
            span = Span(last.start, max(last.end, span.end) - last.start)
        result.append(span)
    return tuple(result)


def without(spans: Sequence[Span], taken: Sequence[Span]) -> tuple[Span, ...]:
    """The addresses of sorted, disjoint `spans` that are not in `taken`."""
    result: list[Span] = []
    cuts = merged(taken)
    for span in spans:
        start = span.start
        for cut in cuts:
            if cut.end <= start or cut.start >= span.end:
                continue
            if cut.start > start:
                result.append(Span(start, cut.start - start))
            start = cut.end
        if start < span.end:
            result.append(Span(start, span.end - start))
    return tuple(result)
