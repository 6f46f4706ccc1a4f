"""A device asks: which, whose is it, now or later? The VMM's side of the request line. [0038]

All devices of the machine share one wire to the processor. DRIR says who asks; the interrupt
table whose it is, and what is done: the owner gets it now, is switched to, or the request waits
for its turn. What is the VMM's own stays here: the machine's ISA interrupt controllers, and DMA
that the windows refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.requests import drir, isa_line
from septum.engine.alpha.vmm.seat import Seat
from septum.interrupts.table import (
    DELIVER,
    INTERPROCESSOR,
    NMI,
    QUEUE,
    SWITCH,
    VMM,
    InterruptTable,
    Row,
)
from septum.layouts import pic, tsunami

_ISA = 1 << tsunami.ISA_REQUEST
_REPORTED = tsunami.PchipError.mask("scatter_gather", "no_device")
_PORTS = tsunami.hose_address(0, tsunami.PCI_IO)
_QUAD = tsunami.REGISTER_SIZE
_COUNTED = {SWITCH: "interrupt switched", QUEUE: "interrupt queued"}


class Fielding:
    """The request line of one computer; look() after time passed or a device was touched."""

    def __init__(self, computer: Computer, seats: Sequence[Seat], table: InterruptTable) -> None:
        self._computer = computer
        self._table = table
        self._members = {one.name: (seat, one) for seat in seats for one in seat.instances}
        self._rows = [table.at(drir(bit)) for bit in range(tsunami.REQUESTS)]
        self._requests = 0
        self._errors = 0
        self._pins = [0] * tsunami.PROCESSORS
        self._arm()

    def _arm(self) -> None:
        """Let the chipset tell of every device, and of DMA that it refused."""
        write = self._computer.write
        for hose in range(len(self._computer.hoses)):
            start = tsunami.hose_address(hose, tsunami.PCHIP)
            write(start + tsunami.PchipError.offset, _QUAD, tsunami.PCHIP_ERRORS)
            write(start + tsunami.PchipErrorMask.offset, _QUAD, _REPORTED)
            self._errors |= 1 << tsunami.PCHIP_ERROR_REQUEST - hose
        devices = (1 << tsunami.ERROR_REQUESTS.start) - 1
        mask = tsunami.CCHIP.start + tsunami.DeviceMask0.offset
        write(mask, _QUAD, devices | self._errors)
        lines = range(2 * pic.LINES)
        open_lines = sum(1 << line for line in lines if self._table.at(isa_line(line)))
        if open_lines and self._computer.isa is not None:
            write(_PORTS + pic.FIRST.start + 1, 1, pic.ALL & ~open_lines)

    def begin(self, instance: Instance, now: int) -> None:
        """An instance has started: it hears of what asks already."""
        instance.interrupts.lines_changed(self._requests, now)

    def look(self, now: int) -> None:
        """See what changed on the line, and tell whom it concerns."""
        requests = self._computer.drir
        if requests == self._requests:
            return
        if requests & self._errors:
            self._tell_refused_dma(requests)
        if requests & _ISA:
            self._forward_isa(now)
        before, self._requests = self._requests, self._computer.drir
        changed = (before ^ self._requests) & ~(self._errors | _ISA)
        while changed:
            bit = changed.bit_length() - 1
            changed ^= 1 << bit
            row = self._rows[bit]
            if row is not None:
                self._changed(row, bit, now)

    def _changed(self, row: Row, bit: int, now: int) -> None:
        """A request line has risen or fallen: its owner's to know."""
        if row.owner == VMM:
            row.count += self._requests >> bit & 1  # of a device that was given to nobody
            return
        seat, instance = self._members[row.owner]
        runs = instance.starts and instance.ended is None
        if runs and instance.interrupts.lines_changed(self._requests, now):
            self._asked_for(row, seat, instance)

    def _asked_for(self, row: Row, seat: Seat, instance: Instance) -> None:
        """As the table says: the owner gets it, is switched to, or it waits for its turn."""
        answer = row.ask(owner_runs=seat.processor.context is instance.pal.context)
        at_once = seat.queue.wake(instance.name, at_once=answer == SWITCH)
        if answer == DELIVER:
            return
        # One that took too much time by interrupts is not switched to: it waits as with QUEUE.
        instance.counters[_COUNTED[SWITCH if at_once else QUEUE]] += 1
        seat.preempt |= at_once

    def look_at_pins(self, seat: Seat) -> None:
        """What comes to a processor by wires of its own: from another one, or the halt button."""
        pins = self._computer.pins(seat.number) & tsunami.PINS_OF_PROCESSORS
        if pins == self._pins[seat.number]:
            return
        risen = pins & ~self._pins[seat.number]
        self._pins[seat.number] = pins
        if risen & tsunami.PIN_INTERPROCESSOR:
            self._table.fielded(INTERPROCESSOR)
        if risen & ~tsunami.PIN_INTERPROCESSOR:
            self._table.fielded(NMI)

    def _tell_refused_dma(self, requests: int) -> None:
        """A device named what no window gives: recorded as its owner's, and cleared."""
        for hose in range(len(self._computer.hoses)):
            bit = tsunami.PCHIP_ERROR_REQUEST - hose
            if not requests & 1 << bit:
                continue
            at = tsunami.hose_address(hose, tsunami.PCHIP) + tsunami.PchipError.offset
            error = tsunami.PchipError(self._computer.read(at, _QUAD))
            self._computer.write(at, _QUAD, tsunami.PCHIP_ERRORS)
            row = self._rows[bit]
            if row is not None:
                row.count += 1
            # A hose of several owners has windows for each slot, and tells which it was.
            divided = self._computer.description.hoses[hose].requester_windows
            for name in self._table.owners_at(hose, error.syndrome if divided else None):
                _, instance = self._members[name]
                if instance.starts and instance.ended is None:
                    why = (
                        "its window's entry is not valid" if error.scatter_gather else "no window"
                    )
                    instance.pal.reject("DMA", why)
                    instance.pal.last_trap = f"DMA at bus address {error.address:#x}: {why}"

    def _forward_isa(self, now: int) -> None:
        """A dedicated ISA device: acknowledged here, and an edge at its owner's controllers."""
        acknowledge = tsunami.hose_address(0, tsunami.INTERRUPT_ACKNOWLEDGE)
        for _ in range(2 * pic.LINES):
            if not self._computer.drir & _ISA:
                return
            line = self._computer.read(acknowledge, 1) % (2 * pic.LINES)
            self._computer.write(_PORTS + pic.FIRST.start, 1, pic.END)
            controllers = self._rows[tsunami.ISA_REQUEST]
            if controllers is not None:
                controllers.count += 1
            row = self._table.at(isa_line(line))
            if row is None or row.owner == VMM:
                continue
            seat, instance = self._members[row.owner]
            if instance.starts and instance.ended is None:
                instance.isa.controllers.set_line(line, 0)
                instance.isa.controllers.set_line(line, 1)
                self._asked_for(row, seat, instance)
