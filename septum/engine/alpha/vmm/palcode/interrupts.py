"""Which interrupt does an instance get, when, and with which vector? [0037-0039]

The VMM fields every interrupt of the machine. Device requests arrive on one multiplexed line;
which device it was stands in DRIR, whose it is in the interrupt table. The owner's entInt is
entered at the device's IPL as soon as the instance runs and its IPL allows it.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode.entries import interrupt
from septum.engine.alpha.vmm.palcode.registers import Palcode
from septum.engine.alpha.vmm.requests import ISA_PLAYED, isa_line
from septum.engine.alpha.vmm.view.chipset import Requests
from septum.interrupts.table import TIMER, InterruptTable, Row
from septum.layouts import palcode, tsunami
from septum.shared.pic import InterruptControllers

_DEVICE, _CLOCK = palcode.IPL_DEVICE, palcode.IPL_CLOCK
_ISA = 1 << tsunami.ISA_REQUEST
_WORD = (1 << 64) - 1


class Wire(NamedTuple):
    """A device's request line: DRIR's bit, the bit its owner sees, and its row."""

    machine_bit: int
    bit: int
    row: Row


class Delivered:
    """What became of one line's interrupts; how many there were stands in the table's row."""

    __slots__ = ("latency", "longest", "row", "since")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.latency = 0  # cycles, of all together
        self.longest = 0
        self.since: int | None = None  # when the line rose, while it is not delivered


class Interrupts:
    """What waits for one instance. Whose a request is, the interrupt table says."""

    def __init__(
        self, pal: Palcode, requests: Requests, wires: tuple[Wire, ...], table: InterruptTable
    ) -> None:
        self.pal = pal
        self.requests = requests
        self.wires = wires
        self.machine_bits = sum(1 << wire.machine_bit for wire in wires)
        self.lines = {wire.bit: Delivered(wire.row) for wire in wires}
        played = table.at(ISA_PLAYED)
        assert played is not None, "every table of this computer has it"
        self.isa = Delivered(played)
        self.clock = Delivered(table.own(TIMER))
        lines = range(palcode.ISA_LINES)
        found = {line: table.at(isa_line(line)) for line in lines}
        self.isa_rows = {
            line: row for line, row in found.items() if row is not None and row.owner == pal.name
        }
        self.controllers: InterruptControllers | None = None
        self._seen = 0
        pal.fielded = table.fielded

    def programmed(self, is_running: bool) -> None:
        """Write into the table's rows what the operating system has registered. [0037]

        The mask of one that has ended is the VMM's, and says nothing.
        """
        address = self.pal.entries[palcode.Entry.INTERRUPT]
        entry = "not registered" if address is None else f"{address & _WORD:#x}"
        for wire in self.wires:
            vector = _vector(palcode.ISA_LINES + wire.bit)
            masked = is_running and not self.requests.mask >> wire.bit & 1
            wire.row.handler = f"{entry}, vector {vector:#x}{', masked' if masked else ''}"
        for line, row in self.isa_rows.items():
            row.handler = f"{entry}, vector {_vector(line):#x}"

    def lines_changed(self, machine_requests: int, now: int) -> bool:
        """DRIR has changed: note it; whether a device of this instance asks that did not."""
        own = machine_requests & self.machine_bits
        if own == self._seen:
            return False
        risen = own & ~self._seen
        self._seen = own
        raw = self.requests.raw & _ISA
        for wire in self.wires:
            bit = 1 << wire.machine_bit
            if own & bit:
                raw |= 1 << wire.bit
            if risen & bit:
                self.lines[wire.bit].since = now
        self.requests.raw = raw
        self.refresh()
        return bool(risen) and bool(raw & self.requests.mask)

    def isa_changed(self, level: int, now: int) -> None:
        """The INT pin of its interrupt controllers."""
        if level:
            self.requests.raw |= _ISA
            if self.isa.since is None:
                self.isa.since = now
        else:
            self.requests.raw &= ~_ISA
        self.refresh()

    def owe_ticks(self, ticks: int, now: int) -> None:
        """Its clock has ticked: each is delivered on its own."""
        self.pal.ticks += ticks
        if self.clock.since is None:
            self.clock.since = now
        self.refresh()

    def refresh(self) -> None:
        """The highest level at which something waits, for the look at each lowering of IPL."""
        pal = self.pal
        if pal.ticks:
            level = _CLOCK
        elif self.requests.raw & self.requests.mask:
            level = _DEVICE
        else:
            level = 0
        pal.st[s.PENDING_LEVEL] = level
        if level:
            pal.waiting = False

    def deliver(self, now: int) -> None:
        """Enter entInt for what waits at the highest level; the IPL has been looked at."""
        pal = self.pal
        if pal.ticks:
            pal.ticks -= 1
            _count(self.clock, now)
            self.clock.since = now if pal.ticks else None
            self.refresh()
            interrupt(pal, _CLOCK, palcode.InterruptKind.CLOCK, palcode.VECTOR_CLOCK)
            pal.counters["interrupt clock"] += 1
            return
        asking = self.requests.raw & self.requests.mask
        if not asking:
            self.refresh()
            return
        bit = (asking & -asking).bit_length() - 1
        if bit == tsunami.ISA_REQUEST and self.controllers is not None:
            line = self.controllers.acknowledge() % palcode.ISA_LINES
            _time(self.isa, now)
            self.isa_rows.get(line, self.isa.row).count += 1
            name = "interrupt ISA"
        else:
            line = palcode.ISA_LINES + bit
            _count(self.lines[bit], now)
            name = "interrupt device"
        vector = _vector(line)
        interrupt(pal, _DEVICE, palcode.InterruptKind.DEVICE, vector)
        pal.counters[name] += 1


def _vector(line: int) -> int:
    """Of an ISA line, or of a request line after those."""
    return palcode.VECTOR_DEVICE + line * palcode.VECTOR_STEP


def _count(line: Delivered, now: int) -> None:
    line.row.count += 1
    _time(line, now)


def _time(line: Delivered, now: int) -> None:
    if line.since is not None:
        waited = max(now - line.since, 0)  # another processor's clock may be a little ahead
        line.latency += waited
        line.longest = max(line.longest, waited)
        line.since = None
