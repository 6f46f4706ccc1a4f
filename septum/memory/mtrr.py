"""What may a processor not cache? The memory type ranges that firmware would set. SDM 3A, 11.11

An instance has no firmware, and a processor begins with its ranges switched off: then all memory
counts as uncacheable. Old kernels give up PAT over that, and where an IOMMU does not enforce
coherence, KVM on Intel takes the ranges at their word. So all is cached but what devices decode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from septum.layouts import msr, x86
from septum.memory.layout import merged, without
from septum.units import PAGE, Span, align_down, align_up

Register = tuple[int, int]  # its number, its value


def uncached(ram: Sequence[Span], devices: Iterable[Span]) -> tuple[Span, ...]:
    """What an instance with this memory is told not to cache. Two ranges are left to its system."""
    return blocks(ram, between(ram, devices), msr.RANGES - 2)


def between(ram: Sequence[Span], devices: Iterable[Span]) -> tuple[Span, ...]:
    """What devices decode beside RAM; none of the first MiB, which has registers of its own.

    Below 4 GiB it is all from the first device on: interrupt controllers and firmware are there.
    """
    system = Span(x86.IO_APIC, x86.FOUR_GIB - x86.IO_APIC)
    areas = [_whole_pages(span) for span in (system, *devices) if span.end > x86.LEGACY_END]
    found = []
    for gap in gaps(ram):
        inside = [_part(area, gap) for area in merged(areas) if area.overlaps(gap)]
        if inside and gap.end <= x86.FOUR_GIB:
            inside = [Span(inside[0].start, inside[-1].end - inside[0].start)]
        found += inside
    return tuple(found)


def blocks(ram: Sequence[Span], areas: Sequence[Span], most: int) -> tuple[Span, ...]:
    """At most so many powers of two, each at a multiple of its size, that cover areas and no RAM.

    Where there are more, those above 4 GiB are left out, and the smallest: what is said to be
    cached and is a device's is mapped uncached by its driver. The other way round, memory would
    be slow.
    """
    found = {
        block
        for area in areas
        for gap in gaps(ram)
        if gap.start <= area.start and area.end <= gap.end
        for block in _covering(area, gap)
    }
    first = sorted(found, key=lambda one: (one.start >= x86.FOUR_GIB, -one.size))
    return tuple(sorted(first[:most]))


def gaps(ram: Sequence[Span]) -> Iterator[Span]:
    """Before, between and after the runs of RAM, as far as addresses go; cut at 4 GiB."""
    halves = (Span(0, x86.FOUR_GIB), Span(x86.FOUR_GIB, _END - x86.FOUR_GIB))
    yield from without(halves, ram)


def _covering(area: Span, gap: Span) -> Iterator[Span]:
    size = max(PAGE, 1 << (area.size - 1).bit_length())
    while align_down(area.start, size) + size < area.end:
        size *= 2
    block = Span(align_down(area.start, size), size)
    if gap.start <= block.start and block.end <= gap.end:
        yield block
        return
    middle = block.start + size // 2
    yield from _covering(Span(area.start, middle - area.start), gap)
    yield from _covering(Span(middle, area.end - middle), gap)


def _part(area: Span, gap: Span) -> Span:
    start = max(area.start, gap.start)
    return Span(start, min(area.end, gap.end) - start)


def _whole_pages(span: Span) -> Span:
    start = align_down(span.start, PAGE)
    return Span(start, align_up(span.end, PAGE) - start)


def registers(uncached: Iterable[Span], address_bits: int) -> tuple[Register, ...]:
    """What to write, in this order: the switch comes last. Spans are those of blocks()."""
    everywhere = msr.EVERY_PART * msr.WRITE_BACK
    written = [
        (msr.FIXED_64K, everywhere),
        (msr.FIXED_16K_LOW, everywhere),
        (msr.FIXED_16K_VIDEO, msr.EVERY_PART * msr.UNCACHEABLE),
        *((register, everywhere) for register in msr.FIXED_4K),
    ]
    inside = [span for span in uncached if span.end <= 1 << address_bits]
    for number, span in enumerate(inside):
        base = msr.VARIABLE_BASE + 2 * number
        mask = (1 << address_bits) - span.size
        written += [(base, span.start | msr.UNCACHEABLE), (base + 1, mask | msr.RANGE_VALID)]
    return (*written, (msr.DEFAULT_TYPE, msr.ENABLE | msr.FIXED_ENABLE | msr.WRITE_BACK))


_END = 1 << 52  # no processor has more address bits. SDM 3A, 4.1.4
