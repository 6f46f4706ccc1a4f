"""What does an instance find at a Pchip's registers? Its own copy; only its windows take effect.

Writes are kept for reading back. The windows go to the hardware translated (`windows`); the
monster window, which would reach all of memory, stays shut whatever is written.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.engine.alpha.vmm.view import windows
from septum.engine.alpha.vmm.view.dma_memory import DmaMemory
from septum.engine.alpha.vmm.view.windows import Refused, TablePlaces, Wanted
from septum.layouts import tsunami

_WORD = (1 << 64) - 1
_STEP = tsunami.REGISTER_STEP
_END = tsunami.SoftReset.offset
_ENTRY_CYCLES = 32  # what an entry of a table takes of its owner's time
_MONSTER = tsunami.PchipControl.mask("monster_window")


class HostBridge:
    """One hose's Pchip as its owner sees it.

    `write` stores into a register of the machine's Pchip by its offset; `sets` are the offsets of
    the window sets that are the instance's: the common one, its requesters', or none. `dma` is
    its memory; `refuse` records; `cost` lets its time pass.
    """

    def __init__(
        self,
        sets: tuple[int, ...],
        write: Callable[[int, int], None],
        dma: DmaMemory,
        places: TablePlaces,
        refuse: Callable[[str, str], None],
        cost: Callable[[int], None],
    ) -> None:
        self._sets = sets
        self._write = write
        self._dma = dma
        self._places = places
        self._refuse = refuse
        self._cost = cost
        self._registers: dict[int, int] = {
            tsunami.PchipControl.offset: int(tsunami.PchipControl(0).but(arbiter_enable=1))
        }
        self._tables: dict[int, tuple[int, int]] = {}  # window: place, length
        self.opened: dict[int, Wanted] = {}
        self.shut()

    def shut(self) -> None:
        """No window is open: its devices reach nothing."""
        for number in range(tsunami.WINDOWS):
            self._install(number, windows.CLOSED)
            self._forget(number)
        for offset in self._sets:
            if tsunami.REQUESTER_WINDOWS.contains(offset):
                self._write(offset + tsunami.REQUESTER_SWITCH, 1)

    def access(self, physical: int, size: int, value: int | None) -> int:
        """A load (value None) or store of a register; parts of one are as on the machine."""
        offset = physical & tsunami.PCHIP.size - 1
        inside = offset % tsunami.REGISTER_SIZE
        register = offset - inside
        if value is None:
            return self._registers.get(register, 0) >> 8 * inside & (1 << 8 * size) - 1
        if not inside and register < _END and register % _STEP == 0:
            self._store(register, value & _WORD)
        return 0

    def _store(self, register: int, value: int) -> None:
        if register == tsunami.PchipError.offset:
            return  # errors are the machine's to tell
        if register in (tsunami.InvalidateAll.offset, tsunami.InvalidateVirtual.offset):
            self.refresh()
            return
        self._registers[register] = value
        if register < tsunami.PchipControl.offset:
            self._place(register // _STEP % tsunami.WINDOWS)
        elif register == tsunami.PchipControl.offset and value & _MONSTER:
            self._refuse("DMA window", "the monster window reaches all memory")

    def refresh(self) -> None:
        """The instance changed a table of its own, and says so."""
        for number, window in list(self.opened.items()):
            if window.scatter_gather:
                self._place(number)

    def _place(self, number: int) -> None:
        """Open, move or close one window as the registers say now."""
        base, mask, target = (
            self._registers.get(at, 0) for at in windows.register_offsets(number)
        )
        asked = windows.wanted(base, mask, target)
        self._install(number, windows.CLOSED)
        self._forget(number)
        if asked is None:
            return
        if isinstance(asked, Refused):
            self._refuse("DMA window", asked.why)
            return
        table = self._table(asked)
        if table is None:
            return
        place = self._places.take(len(table))
        if place is None:
            self._dma.settle()
            self._refuse("DMA window", "the VMM has no memory left for its table")
            return
        self._dma.put(place, table)
        self._tables[number] = place, len(table)
        self.opened[number] = asked
        self._dma.opened()
        self._install(number, windows.registers(asked.base, place, len(table)))

    def _table(self, asked: Wanted) -> bytes | None:
        if not asked.scatter_gather:
            self._cost((min(asked.size, self._dma.size) >> tsunami.PAGE_SHIFT) * _ENTRY_CYCLES)
            return windows.table_of(asked, self._dma.size, self._dma.runs())
        pages = asked.size >> tsunami.PAGE_SHIFT
        self._cost(pages * _ENTRY_CYCLES)
        own = self._dma.read_table(table_start(asked), pages)
        if own is None:
            self._refuse("DMA window", "its table is not in the instance's memory")
            return None
        self._dma.watch(table_start(asked), pages * tsunami.ENTRY_SIZE, True)
        return windows.translated(own, self._dma.runs())

    def stored(self, physical: int, entry: int) -> None:
        """The instance wrote an entry of a scatter-gather table of its own: follow it."""
        for number, window in self.opened.items():
            start = table_start(window)
            size = (window.size >> tsunami.PAGE_SHIFT) * tsunami.ENTRY_SIZE
            if window.scatter_gather and start <= physical < start + size:
                place = self._tables[number][0] + physical - start
                own = windows.entry_of(entry, self._dma.runs())
                self._dma.put(place, own.to_bytes(tsunami.ENTRY_SIZE, "little"))

    def _install(self, number: int, values: tuple[int, int, int]) -> None:
        for offset in self._sets:
            for at, value in zip(windows.register_offsets(number), values, strict=True):
                self._write(offset + at, value)

    def _forget(self, number: int) -> None:
        window = self.opened.pop(number, None)
        if window is not None:
            self._dma.closed()
        if window is not None and window.scatter_gather:
            pages = window.size >> tsunami.PAGE_SHIFT
            self._dma.watch(table_start(window), pages * tsunami.ENTRY_SIZE, False)
        if number in self._tables:
            self._places.give_back(*self._tables.pop(number))

    def make_anew(self) -> None:
        """What its devices may reach has changed: every table is written again."""
        for number in list(self.opened):
            self._place(number)


def table_start(window: Wanted) -> int:
    """Where a scatter-gather window's table begins: aligned to its length. HRM 10.1.4.4"""
    pages = window.size >> tsunami.PAGE_SHIFT
    return window.target & ~(pages * tsunami.ENTRY_SIZE - 1)
