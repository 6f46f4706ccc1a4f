"""Where in memory does a device's bus address lead? One Pchip: its registers and DMA windows.

A device reaches memory here or not at all. What no window takes, a scatter-gather entry that is
not valid, and an address beyond the memory are refused: the reader gets all ones, the write is
dropped, and the Pchip's error register, the Cchip and `refused` say so. (A real Pchip is not the
master of such a cycle and sees the first of the three only as silence.)

The scatter-gather table is read at every access; there is nothing to invalidate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from septum.layouts import tsunami

_STEP = tsunami.REGISTER_STEP
_BASE_BITS = tsunami.WindowBase.fields["address"].mask
_MASK_BITS = tsunami.WindowMask.fields["varying"].mask
_TABLE_BITS = tsunami.TranslatedBase.fields["address"].mask
_BELOW = _MASK_BITS & -_MASK_BITS  # the smallest window
_LIMIT = tsunami.PCI_MEMORY.size  # bus addresses of windows 0 to 2 have 32 bits
_CONTROLS = tsunami.PCHIP_CONTROL_WRITABLE
_REMEMBERED = 256  # refusals
_ONES = bytes([tsunami.FREE_PORT])

NO_WINDOW = "no window takes it"
NOT_VALID = "its scatter-gather entry is not valid"
NO_MEMORY = "there is no memory"


class Refusal(NamedTuple):
    """One DMA access that was not done."""

    cycle: int
    slot: int  # PCI device number of the requester
    address: int  # on the bus
    is_write: bool
    reason: str


class Segment(NamedTuple):
    """A run of bus addresses that is a run of memory; `refused` says why it is not."""

    physical: int
    length: int
    refused: str = ""


class _Window(NamedTuple):
    base: int
    inside: int  # address bits that vary inside the window
    target: int
    scatter_gather: bool

    def takes(self, address: int) -> bool:
        return address < _LIMIT and not (address ^ self.base) & ~self.inside

    def run(self, address: int) -> int:
        """How many bytes from `address` on follow one another inside."""
        whole = self.inside if not self.inside & self.inside + 1 else _BELOW - 1
        return (address | whole) + 1 - address


class Windows:
    """Four windows: twelve registers, as the common set and each requester's own have them."""

    def __init__(self) -> None:
        self._registers = [0] * (3 * tsunami.WINDOWS)
        self.open: tuple[_Window, ...] = ()

    def read(self, offset: int) -> int:
        return self._registers[offset // _STEP]

    def write(self, offset: int, value: int) -> None:
        number = offset // _STEP
        kept = (_writable_base(number), _MASK_BITS, _TABLE_BITS)[number // tsunami.WINDOWS]
        self._registers[number] = value & kept
        self.open = tuple(self._opened())

    def _opened(self) -> Iterator[_Window]:
        count = tsunami.WINDOWS
        for number in range(count):
            base = tsunami.WindowBase(self._registers[number])
            if not base.enable or base.double_address:
                continue
            inside = self._registers[count + number] | _BELOW - 1
            yield _Window(
                int(base) & _BASE_BITS & ~inside,
                inside,
                self._registers[2 * count + number],
                bool(base.scatter_gather),
            )


def _writable_base(number: int) -> int:
    names = ["enable", "scatter_gather", "peer_to_peer", "address"]
    last = number == tsunami.WINDOWS - 1
    return tsunami.WindowBase.mask(*names, *(["double_address"] if last else []))


class Pchip:
    """One Pchip. `memory` is the machine's; `cycles` says the time, for the record.

    `missing` is told when DMA names memory that does not exist; `error` the level of the error
    line.
    """

    def __init__(
        self,
        memory: memoryview,
        cycles: Callable[[], int],
        number: int,
        requester_windows: bool,
        missing: Callable[[], None],
        error: Callable[[int], None],
    ) -> None:
        self._memory = memory
        self._cycles = cycles
        self._missing = missing
        self._error = error
        self.windows = Windows()
        self._own: dict[int, Windows] = {}  # those that are switched on are also in _switched
        self._switched: dict[int, Windows] = {}
        self._has_own = requester_windows
        self._control = int(tsunami.PchipControl(0).but(arbiter_enable=1, pchip=number))
        self._errors = 0
        self._error_mask = 0
        self._latency = 0
        self.refused: deque[Refusal] = deque(maxlen=_REMEMBERED)
        self.refused_count = 0

    # ---- Registers

    def read(self, offset: int) -> int:
        """A register, by its offset in the Pchip's area; what is not there reads as zero."""
        if offset < tsunami.PchipControl.offset:
            return self.windows.read(offset)
        if tsunami.REQUESTER_WINDOWS.contains(offset):
            return self._read_own(offset - tsunami.REQUESTER_WINDOWS.start)
        return {
            tsunami.PchipControl.offset: self._control,
            tsunami.PchipLatency.offset: self._latency,
            tsunami.PchipError.offset: self._errors,
            tsunami.PchipErrorMask.offset: self._error_mask,
        }.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """A register, by its offset; what is not there, or cannot be written, stays."""
        if offset < tsunami.PchipControl.offset:
            self.windows.write(offset, value)
        elif tsunami.REQUESTER_WINDOWS.contains(offset):
            self._write_own(offset - tsunami.REQUESTER_WINDOWS.start, value)
        elif offset == tsunami.PchipControl.offset:
            self._control = self._control & ~_CONTROLS | value & _CONTROLS
        elif offset == tsunami.PchipLatency.offset:
            self._latency = value
        elif offset == tsunami.PchipError.offset:
            self._errors &= ~(value & tsunami.PCHIP_ERRORS)
        elif offset == tsunami.PchipErrorMask.offset:
            self._error_mask = value & tsunami.PCHIP_ERRORS
        elif offset == tsunami.PchipErrorSet.offset:
            self._errors |= value & tsunami.PCHIP_ERRORS
        self._signal()

    def _read_own(self, offset: int) -> int:
        slot, register = divmod(offset, tsunami.REQUESTER_STEP)
        if not self._has_own:
            return 0
        if register == tsunami.REQUESTER_SWITCH:
            return int(slot in self._switched)
        own = self._own.get(slot)
        return own.read(register) if own and register < tsunami.PchipControl.offset else 0

    def _write_own(self, offset: int, value: int) -> None:
        slot, register = divmod(offset, tsunami.REQUESTER_STEP)
        if not self._has_own:
            return
        own = self._own.setdefault(slot, Windows())
        if register < tsunami.PchipControl.offset:
            own.write(register, value)
        elif register == tsunami.REQUESTER_SWITCH and value & 1:
            self._switched[slot] = own
        elif register == tsunami.REQUESTER_SWITCH:
            self._switched.pop(slot, None)

    def record(self, field: str, address: int, command: int, slot: int = 0) -> None:
        """An error: the first keeps its address until cleared, later ones say that they were."""
        bit = tsunami.PchipError.mask(field)
        if self._errors & tsunami.PCHIP_ERRORS:
            self._errors |= bit | tsunami.PchipError.mask("lost")
        else:
            shown = address % tsunami.MEMORY_SIZE_LIMIT
            error = tsunami.PchipError(bit).but(address=shown, command=command)
            self._errors = int(error.but(syndrome=slot) if self._has_own else error)
        self._signal()

    def _signal(self) -> None:
        self._error(1 if self._errors & self._error_mask & tsunami.PCHIP_ERRORS else 0)

    # ---- DMA

    def segments(self, slot: int, address: int, length: int, is_write: bool) -> Iterator[Segment]:
        """Where each part of a run of bus addresses leads; refusals are recorded."""
        while length > 0:
            segment = self._segment(slot, address, length)
            if segment.refused:
                self._refuse(slot, address, is_write, segment.refused)
            yield segment
            address += segment.length
            length -= segment.length

    def _segment(self, slot: int, address: int, length: int) -> Segment:
        own = self._switched.get(slot)
        for window in (own or self.windows).open:
            if window.takes(address) and not self._in_hole(address):
                length = min(length, window.run(address))
                if window.scatter_gather:
                    return self._through_table(window, address, length)
                inside = window.inside
                return self._in_memory(window.target & ~inside | address & inside, length)
        monster = tsunami.MONSTER_WINDOW
        open_monster = self._control & tsunami.PchipControl.mask("monster_window")
        if open_monster and own is None and monster.contains(address):
            within = min(length, monster.end - address)
            return self._in_memory(address - monster.start, within)
        # Windows begin at multiples of their smallest size: all up to there is refused at once.
        return Segment(0, min(length, _BELOW - address % _BELOW), NO_WINDOW)

    def _in_hole(self, address: int) -> bool:
        hole = self._control & tsunami.PchipControl.mask("hole")
        return bool(hole) and tsunami.HOLE.contains(address)

    def _through_table(self, window: _Window, address: int, length: int) -> Segment:
        inside = address & window.inside
        pages = window.inside >> tsunami.PAGE_SHIFT
        table = window.target & ~(pages * tsunami.ENTRY_SIZE)
        entry_at = table | (inside >> tsunami.PAGE_SHIFT) * tsunami.ENTRY_SIZE
        offset = address % tsunami.PAGE_SIZE
        length = min(length, tsunami.PAGE_SIZE - offset)
        if entry_at + tsunami.ENTRY_SIZE > len(self._memory):
            return Segment(0, length, NO_MEMORY)
        raw = self._memory[entry_at : entry_at + tsunami.ENTRY_SIZE]
        entry = tsunami.ScatterGatherEntry(int.from_bytes(raw, "little"))
        if not entry.valid:
            return Segment(0, length, NOT_VALID)
        return self._in_memory(entry.page << tsunami.PAGE_SHIFT | offset, length)

    def _in_memory(self, physical: int, length: int) -> Segment:
        there = len(self._memory) - physical
        if there <= 0:
            return Segment(0, length, NO_MEMORY)
        return Segment(physical, min(length, there))

    def _refuse(self, slot: int, address: int, is_write: bool, reason: str) -> None:
        self.refused_count += 1
        self.refused.append(Refusal(self._cycles(), slot, address, is_write, reason))
        command = tsunami.COMMAND_WRITE if is_write else tsunami.COMMAND_READ
        field = "scatter_gather" if reason == NOT_VALID else "no_device"
        self.record(field, address, command, slot)
        if reason == NO_MEMORY:
            self._missing()

    def read_memory(self, slot: int, address: int, length: int) -> bytes:
        """DMA from memory: `length` bytes, ones where nothing answered."""
        parts = [
            _ONES * part.length
            if part.refused
            else bytes(self._memory[part.physical : part.physical + part.length])
            for part in self.segments(slot, address, length, False)
        ]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write_memory(self, slot: int, address: int, data: bytes | memoryview) -> None:
        """DMA to memory; what nobody takes is dropped."""
        done = 0
        for part in self.segments(slot, address, len(data), True):
            if not part.refused:
                self._memory[part.physical : part.physical + part.length] = data[
                    done : done + part.length
                ]
            done += part.length
