"""Where may an instance's devices reach? Its DMA windows, put into the hardware's. [0048]

What an instance writes into its host bridge names its own addresses. The bridge gets a
scatter-gather window in its place, as large as the instance's memory at most, whose table the
VMM keeps in memory of its own: each entry is the machine's page behind the instance's page. So
nothing but the instance's memory can be named, page by page, and an entry can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from septum.engine.alpha.vmm.view.dma_memory import PageRun
from septum.layouts import tsunami

_STEP = tsunami.REGISTER_STEP
_COUNT = tsunami.WINDOWS
_BASE_BITS = tsunami.WindowBase.fields["address"].mask
_MASK_BITS = tsunami.WindowMask.fields["varying"].mask
_SMALLEST = _MASK_BITS & -_MASK_BITS
_ENTRY = tsunami.ENTRY_SIZE
_QUAD = np.uint64
_PAGE = tsunami.ScatterGatherEntry.fields["page"]
_VALID = _QUAD(tsunami.ScatterGatherEntry.mask("valid"))
_LOW = _QUAD(_PAGE.low)
_PAGES = _QUAD(_PAGE.mask >> _PAGE.low)
_OPEN = tsunami.WindowBase.mask("enable", "scatter_gather")


class Wanted(NamedTuple):
    """One window as the instance wrote it."""

    base: int
    size: int
    target: int  # of the instance's: memory, or a scatter-gather table
    scatter_gather: bool


class Refused(NamedTuple):
    """Why a window is not opened."""

    why: str


def wanted(base: int, mask: int, target: int) -> Wanted | Refused | None:
    """What three registers ask for; None when the window is not enabled."""
    register = tsunami.WindowBase(base)
    if not register.enable:
        return None
    if register.double_address:
        return Refused("a window of 64-bit addresses")
    inside = mask & _MASK_BITS | _SMALLEST - 1
    if inside & inside + 1:
        return Refused("a window mask with holes")
    start = base & _BASE_BITS & ~inside
    return Wanted(start, inside + 1, target, bool(register.scatter_gather))


def table_of(window: Wanted, memory: int, runs: Sequence[PageRun]) -> bytes:
    """A direct window's scatter-gather table: entries of the memory it reaches, no more.

    Its length is a power of two, and at least that of the smallest window.
    """
    target = window.target & ~(window.size - 1)
    reach = min(max(memory - target, 0), window.size)
    pages = (reach + tsunami.PAGE_SIZE - 1) >> tsunami.PAGE_SHIFT
    length = 1 << (max(pages, _SMALLEST >> tsunami.PAGE_SHIFT) - 1).bit_length()
    table = np.zeros(length, _QUAD)
    first = target >> tsunami.PAGE_SHIFT
    for run in runs:
        start, end = max(run.first, first), min(run.first + run.count, first + pages)
        if start < end:
            machine = run.machine + start - run.first
            there = np.arange(machine, machine + end - start, dtype=_QUAD)
            table[start - first : end - first] = there << _LOW | _VALID
    return table.tobytes()


def translated(entries: bytes, runs: Sequence[PageRun]) -> bytes:
    """A scatter-gather table of the instance's, its pages replaced by the machine's.

    Entries of pages that are not the instance's are not valid in the result.
    """
    raw = np.frombuffer(entries, _QUAD)
    found = np.zeros(len(raw), _QUAD)
    used = np.flatnonzero(raw & _VALID)  # mostly few: Linux makes a table for 1 GiB
    pages = raw[used] >> _LOW & _PAGES
    for run in runs:
        own = (pages >= _QUAD(run.first)) & (pages < _QUAD(run.first + run.count))
        found[used[own]] = pages[own] - _QUAD(run.first) + _QUAD(run.machine) << _LOW | _VALID
    return found.tobytes()


def entry_of(raw: int, runs: Sequence[PageRun]) -> int:
    """The same for one entry."""
    entry = tsunami.ScatterGatherEntry(raw)
    for run in runs:
        if entry.valid and run.first <= entry.page < run.first + run.count:
            page = run.machine + entry.page - run.first
            return int(tsunami.ScatterGatherEntry(0).but(valid=1, page=page))
    return 0


def registers(base: int, table: int, length: int) -> tuple[int, int, int]:
    """WSBA, WSM and TBA of a window over a table of `length` bytes."""
    size = length // _ENTRY << tsunami.PAGE_SHIFT
    return base & _BASE_BITS | _OPEN, size - 1 & _MASK_BITS, table


CLOSED = (0, 0, 0)


def register_offsets(number: int) -> tuple[int, int, int]:
    """Where WSBA, WSM and TBA of a window stand in a set."""
    return number * _STEP, (_COUNT + number) * _STEP, (2 * _COUNT + number) * _STEP


class TablePlaces:
    """Memory of the VMM for tables: aligned to their length, as the bridge wants them."""

    def __init__(self, start: int, end: int) -> None:
        self._next = start
        self._end = end
        self._free: dict[int, list[int]] = {}

    def take(self, length: int) -> int | None:
        """Where a table of a power of two of bytes may stand; None when there is no room."""
        if self._free.get(length):
            return self._free[length].pop()
        place = (self._next + length - 1) & -length
        if place + length > self._end:
            return None
        self._next = place + length
        return place

    def give_back(self, place: int, length: int) -> None:
        self._free.setdefault(length, []).append(place)
