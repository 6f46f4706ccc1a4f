"""What of an instance's memory may its devices be led to, and where are its tables of it?

Its devices hold leases as its processor does, of the same map; windows are how they are installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.engine.alpha.vmm.palcode.registers import WORD, OutsideMemory, Palcode
from septum.layouts import alpha as a
from septum.layouts import palcode, tsunami
from septum.translation.leases import DEVICES, leased
from septum.units import Span


class PageRun(NamedTuple):
    """Pages of the instance one after the other, and the machine's first behind them."""

    first: int
    count: int  # type: ignore[assignment]  # hides tuple.count
    machine: int


class DmaMemory:
    """The memory of one instance, for its host bridges.

    `stored` is called with the address and the new value of each quad that is written in a
    watched table.
    """

    def __init__(self, pal: Palcode, stored: Callable[[int, int], None]) -> None:
        self._pal = pal
        self._stored = stored
        self._windows = 0
        self.size = pal.ram_pages << a.PAGE_SHIFT

    def runs(self) -> tuple[PageRun, ...]:
        """Every page its devices may be led to: leased to them, as far as the verdicts grant it."""
        leases = self._pal.leases
        for judgement in self._pal.physical.judged(Span(0, self.size)):
            whole = leased(judgement, DEVICES)
            for lease in leases.missing(whole) if whole is not None else ():
                leases.grant(lease)
        shift = a.PAGE_SHIFT
        return tuple(
            PageRun(lease.span.start >> shift, lease.span.size >> shift, lease.machine >> shift)
            for lease in leases.held(DEVICES)
            if lease.machine is not None
        )

    def opened(self) -> None:
        """A window leads to it."""
        self._windows += 1

    def closed(self) -> None:
        """One less does."""
        self._windows -= 1
        self.settle()

    def settle(self) -> None:
        """Without a window that leads to it, devices hold nothing of it."""
        if not self._windows:
            self._pal.leases.drop(Span(0, self.size), (DEVICES,))

    def read_table(self, physical: int, pages: int) -> bytes | None:
        """A scatter-gather table of its own; None when it is not all in its memory."""
        size = pages * tsunami.ENTRY_SIZE
        if physical + size > self.size:
            return None
        try:
            parts = [
                self._pal.read_bytes(at, min(a.PAGE_SIZE, physical + size - at))
                for at in range(physical, physical + size, a.PAGE_SIZE)
            ]
        except OutsideMemory:
            return None
        return b"".join(parts)

    def put(self, place: int, data: bytes) -> None:
        """Into the VMM's own memory."""
        self._pal.processor.memory.data[place : place + len(data)] = data

    def watch(self, physical: int, size: int, is_on: bool) -> None:
        """Look at stores to a table of its own, or no longer."""
        pages = range(physical >> a.PAGE_SHIFT, (physical + size - 1 >> a.PAGE_SHIFT) + 1)
        if is_on:
            self._pal.watch(pages, self._store)
        else:
            for page in pages:
                self._pal.watched.pop(page, None)

    def _store(self, physical: int, size: int, value: int | None) -> int:
        self._pal.write_bytes(physical, (value or 0).to_bytes(size, "little"))
        quad = physical & -palcode.QUAD
        self._stored(quad, self._pal.read_quad(quad) & WORD)
        return 0
