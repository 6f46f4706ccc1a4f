"""At which of its own addresses does an instance find its memory?

Pure: sizes and spans in, spans out. RAM begins at 0, ends below the lowest thing the machine
decodes under 4 GiB, and goes on from 4 GiB around whatever is decoded there: owned BARs stand
at the machine's own addresses, so RAM has to make way for them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from septum.machine.model import Machine
from septum.units import HUGE_PAGE, GiB, MiB, PciAddress, Span, align_down, align_up

LEGACY_END = 1 * MiB  # below it every machine of a kind has the same holes
_FOUR_GIB = 4 * GiB


def holes(machine: Machine, addresses: Collection[PciAddress]) -> tuple[Span, ...]:
    """Where no RAM may lie for an owner of these functions; sorted, disjoint, above 1 MiB.

    What the platform decodes itself, the windows of all root buses and bridges, ECAM, all BARs,
    and what the IOMMU reserves in the groups of these functions (MSI, HyperTransport on AMD).
    Others' BARs too: a bus may route DMA at such an address to that device, past the IOMMU.
    """
    spans = list(machine.decoded)
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
    # The first MiB is the memory map's business: every PC has the same holes there.
    return merged(span for span in spans if span.end > LEGACY_END)


def layout(size: int, holes: Sequence[Span]) -> tuple[Span, ...]:
    """Where `size` bytes (a multiple of 2 MiB) of RAM lie; ValueError when it is no multiple.

    Sorted and disjoint, each span 2 MiB aligned, none overlapping a hole above 1 MiB.
    """
    if size < 0 or size % HUGE_PAGE:
        raise ValueError(f"{size} bytes are not a multiple of {HUGE_PAGE}")
    above = merged(hole for hole in holes if hole.end > LEGACY_END)
    ceiling = align_down(min((hole.start for hole in above), default=_FOUR_GIB), HUGE_PAGE)
    low = min(size, ceiling, _FOUR_GIB)
    ram = [Span(0, low)] if low else []
    left = size - low
    start = _FOUR_GIB
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
