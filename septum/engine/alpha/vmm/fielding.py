"""A device asks: which, whose is it, now or later? The VMM's side of the request line. [0038]

All devices of the machine share one wire to the processor. DRIR says who asks; the interrupt
table whose it is. The owner is switched to, or the request waits for its turn. What is the VMM's
own stays here: the machine's ISA interrupt controllers, and DMA that the windows refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.seat import Seat
from septum.layouts import pic, tsunami
from septum.machine.model import IsaDevice

_ISA = 1 << tsunami.ISA_REQUEST
_REPORTED = tsunami.PchipError.mask("scatter_gather", "no_device")
_PORTS = tsunami.hose_address(0, tsunami.PCI_IO)
_QUAD = tsunami.REGISTER_SIZE


class Fielding:
    """The request line of one computer; look() after time passed or a device was touched."""

    def __init__(
        self, computer: Computer, seats: Sequence[Seat], isa: Sequence[IsaDevice]
    ) -> None:
        self._computer = computer
        self._seats = seats
        self._isa = {device.line: device.name for device in isa}
        self._requests = 0
        self._errors = 0
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
        open_lines = sum(1 << line for line in self._isa)
        if open_lines and self._computer.isa is not None:
            write(_PORTS + pic.FIRST.start + 1, 1, pic.ALL & ~open_lines)

    def look(self, now: int) -> None:
        """See what changed on the line, and tell whom it concerns."""
        requests = self._computer.drir
        if requests == self._requests:
            return
        if requests & self._errors:
            self._tell_refused_dma(requests)
        if requests & _ISA:
            self._forward_isa(now)
        self._requests = requests = self._computer.drir
        for seat in self._seats:
            for instance in seat.running:
                if instance.interrupts.lines_changed(requests, now):
                    self._asked_for(seat, instance)

    def _asked_for(self, seat: Seat, instance: Instance) -> None:
        """Switch to the owner, or let it wait for its turn."""
        if seat.processor.context is instance.pal.context:
            seat.queue.wake(instance.name)
            return
        wants = instance.partition.interrupts == "switch"
        at_once = seat.queue.wake(instance.name, at_once=wants)
        instance.counters["interrupt switched" if at_once else "interrupt queued"] += 1
        seat.preempt |= at_once

    def _tell_refused_dma(self, requests: int) -> None:
        """A device named what no window gives: recorded as its owner's, and cleared."""
        for hose in range(len(self._computer.hoses)):
            if not requests & 1 << tsunami.PCHIP_ERROR_REQUEST - hose:
                continue
            at = tsunami.hose_address(hose, tsunami.PCHIP) + tsunami.PchipError.offset
            error = tsunami.PchipError(self._computer.read(at, _QUAD))
            self._computer.write(at, _QUAD, tsunami.PCHIP_ERRORS)
            for instance in self._owners(hose, error.syndrome):
                why = "its window's entry is not valid" if error.scatter_gather else "no window"
                instance.pal.reject("DMA", why)
                instance.pal.last_trap = f"DMA at bus address {error.address:#x}: {why}"

    def _owners(self, hose: int, slot: int) -> list[Instance]:
        """Whose device it was: the hose's owner, or, where it is divided, the slot's."""
        divided = self._computer.description.hoses[hose].requester_windows
        return [
            one
            for seat in self._seats
            for one in seat.running
            if any(
                address.domain == hose and (not divided or address.device == slot)
                for address in one.owned
            )
        ]

    def _forward_isa(self, now: int) -> None:
        """A dedicated ISA device: acknowledged here, and an edge at its owner's controllers."""
        acknowledge = tsunami.hose_address(0, tsunami.INTERRUPT_ACKNOWLEDGE)
        for _ in range(2 * pic.LINES):
            if not self._computer.drir & _ISA:
                return
            line = self._computer.read(acknowledge, 1) % (2 * pic.LINES)
            self._computer.write(_PORTS + pic.FIRST.start, 1, pic.END)
            name = self._isa.get(line)
            for seat in self._seats:
                for instance in seat.running:
                    if name in instance.partition.isa:
                        instance.isa.controllers.set_line(line, 0)
                        instance.isa.controllers.set_line(line, 1)
                        self._asked_for(seat, instance)
