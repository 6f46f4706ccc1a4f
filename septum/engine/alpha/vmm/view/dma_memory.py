"""What of an instance's memory may its devices be led to, and where are its tables of it?"""

from __future__ import annotations

from collections.abc import Callable

from septum.engine.alpha.vmm.palcode.registers import WORD, OutsideMemory, Palcode
from septum.layouts import alpha as a
from septum.layouts import palcode, tsunami


class DmaMemory:
    """The memory of one instance, for its host bridges.

    `stored` is called with the address and the new value of each quad that is written in a
    watched table.
    """

    def __init__(self, pal: Palcode, stored: Callable[[int, int], None]) -> None:
        self._pal = pal
        self._stored = stored
        self.size = pal.ram_pages << a.PAGE_SHIFT

    def page_of(self, page: int) -> int | None:
        """The machine's page behind one of its own; None: it may not be named."""
        try:
            return self._pal.memory_page(page)
        except OutsideMemory:
            return None

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
            self._pal.watch(pages, self._told)
        else:
            self._pal.unwatch(pages, self._told)

    def _told(self, physical: int, size: int) -> None:
        for quad in range(physical & -palcode.QUAD, physical + size, palcode.QUAD):
            self._stored(quad, self._pal.read_quad(quad) & WORD)
