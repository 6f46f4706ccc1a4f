"""What is an instance told about its memory? The map that a PC's firmware gives. ACPI 6.4, 15"""

from __future__ import annotations

from collections.abc import Sequence

from septum.layouts import x86
from septum.machine.model import Machine, MemoryRange
from septum.memory.layout import merged, without
from septum.memory.slices import Slice
from septum.units import Span

_EBDA = Span(x86.EBDA, x86.VIDEO_MEMORY - x86.EBDA)
_VIDEO = Span(x86.VIDEO_MEMORY, x86.BIOS_AREA - x86.VIDEO_MEMORY)
_BIOS = Span(x86.BIOS_AREA, x86.LEGACY_END - x86.BIOS_AREA)


def memory_map(machine: Machine, own: Slice) -> tuple[MemoryRange, ...]:
    """The map for the owner of a slice of this machine; ECAM is reserved in it."""
    return e820(own.ram, [area.span for area in machine.ecam])


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
