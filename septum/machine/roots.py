"""Which PCI roots has this machine, and which addresses do they decode?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from septum.layouts import pci
from septum.machine.files import HostFiles
from septum.machine.memory import Resource, resources
from septum.machine.model import Ecam, Function, RootBus
from septum.machine.pci import DEVICES, root_of
from septum.units import Span

# "PCI ECAM 0000 [bus 00-ff]" since Linux 6.7, "PCI MMCONFIG ..." before.
_ECAM = re.compile(r"PCI (?:ECAM|MMCONFIG) ([0-9a-f]+) \[bus ([0-9a-f]+)-([0-9a-f]+)\]")
_BUS = re.compile(r"PCI Bus ([0-9a-f]+):([0-9a-f]+)")
_LAST_BUS = 255


def root_buses(
    files: HostFiles, found: Sequence[Function], unknown: list[str]
) -> tuple[tuple[RootBus, ...], tuple[Ecam, ...]]:
    """The roots with their windows, and the memory-mapped configuration areas."""
    memory = resources(files.read_text("/proc/iomem", ""))
    ports = resources(files.read_text("/proc/ioports", ""))
    if not memory:
        unknown.append("windows of the PCI roots, ECAM: only root may read /proc/iomem")
    areas = _areas(memory)
    starts = sorted(_starts(files, found))
    roots = []
    for place, (domain, first) in enumerate(starts):
        following = starts[place + 1] if place + 1 < len(starts) else (-1, 0)
        roots.append(
            RootBus(
                domain=domain,
                first=first,
                last=_last(domain, first, following, areas),
                memory=_windows(memory, domain, first, areas),
                io=_windows(ports, domain, first, ()),
            )
        )
    return tuple(roots), areas


def _starts(files: HostFiles, found: Sequence[Function]) -> set[tuple[int, int]]:
    starts = set()
    for item in found:
        root = root_of(files.read_link(f"{DEVICES}/{item.address}"))
        if root is not None:
            starts.add(root)
        elif item.parent is None:
            starts.add((item.address.domain, item.address.bus))
    return starts


def _last(domain: int, first: int, following: tuple[int, int], areas: Sequence[Ecam]) -> int:
    if following[0] == domain:
        return following[1] - 1
    for area in areas:
        if area.domain == domain and area.first_bus <= first <= area.last_bus:
            return area.last_bus
    return _LAST_BUS


def _areas(memory: Sequence[Resource]) -> tuple[Ecam, ...]:
    areas = []
    for line in memory:
        if match := _ECAM.fullmatch(line.name):
            domain, first, last = (int(word, 16) for word in match.groups())
            whole = last >= first and line.span.size == (last - first + 1) * pci.ECAM_BUS_SIZE
            if whole:
                areas.append(Ecam(domain, first, last, line.span))
    return tuple(sorted(set(areas)))


def _windows(
    lines: Sequence[Resource], domain: int, bus: int, areas: Sequence[Ecam]
) -> tuple[Span, ...]:
    """Spans named after the root's own bus; Linux 6.7+ names the ECAM area so a second time."""
    windows = set()
    for line in lines:
        match = _BUS.fullmatch(line.name)
        if match and (int(match[1], 16), int(match[2], 16)) == (domain, bus):
            windows.add(line.span)
    return tuple(sorted(windows - {area.span for area in areas}))
