"""How much memory has this machine, and what does its firmware say lies where?"""

from __future__ import annotations

from typing import NamedTuple

from septum.machine.files import HostFiles
from septum.machine.model import HugePages, MemoryRange
from septum.machine.processors import whole
from septum.units import KiB, Span

_FIRMWARE = "/sys/firmware/memmap"
_POOLS = "/sys/kernel/mm/hugepages"


class Resource(NamedTuple):
    """One line of /proc/iomem or /proc/ioports; depth 0 is outermost."""

    depth: int
    span: Span
    name: str


def memory_map(files: HostFiles) -> tuple[MemoryRange, ...]:
    """The firmware's memory map, sorted; from /proc/iomem where Linux does not keep it."""
    found = []
    for name in files.names(_FIRMWARE):
        first = whole(files.read_text(f"{_FIRMWARE}/{name}/start", ""), -1, 0)
        last = whole(files.read_text(f"{_FIRMWARE}/{name}/end", ""), -1, 0)
        if 0 <= first <= last:
            kind = files.read_text(f"{_FIRMWARE}/{name}/type", "unknown")
            found.append(MemoryRange(Span(first, last - first + 1), kind))
    if not found:
        lines = resources(files.read_text("/proc/iomem", ""))
        found = [MemoryRange(line.span, line.name) for line in lines if line.depth == 0]
    return tuple(sorted(found))


def memory_totals(files: HostFiles) -> tuple[int, int]:
    """Bytes Linux has, and bytes it could give now. MachineProblem when it does not say."""
    amounts = {}
    for line in files.read_text("/proc/meminfo").splitlines():
        key, _, rest = line.partition(":")
        words = rest.split()
        if words:
            amounts[key] = whole(words[0], 0) * KiB
    total = amounts.get("MemTotal", 0)
    return total, amounts.get("MemAvailable", amounts.get("MemFree", 0))


def huge_pages(files: HostFiles) -> tuple[HugePages, ...]:
    """The pools of huge pages, smallest pages first."""
    pools = []
    for name in files.names(_POOLS):
        size = whole(name.removeprefix("hugepages-").removesuffix("kB"), 0) * KiB
        if size > 0:
            total = whole(files.read_text(f"{_POOLS}/{name}/nr_hugepages", ""), 0)
            free = whole(files.read_text(f"{_POOLS}/{name}/free_hugepages", ""), 0)
            pools.append(HugePages(size, total, free))
    return tuple(sorted(pools))


def resources(text: str) -> tuple[Resource, ...]:
    """The lines of /proc/iomem or /proc/ioports; none when its addresses are hidden.

    Linux shows every address as zero to a reader who is not root.
    """
    found = []
    for line in text.splitlines():
        addresses, colon, name = line.partition(" : ")
        bare = addresses.lstrip(" ")
        first, _, last = bare.partition("-")
        low, high = whole(first, -1, 16), whole(last, -1, 16)
        if colon and 0 <= low <= high:
            depth = (len(addresses) - len(bare)) // 2
            found.append(Resource(depth, Span(low, high - low + 1), name.strip()))
    if all(line.span == Span(0, 1) for line in found):
        return ()
    return tuple(found)
