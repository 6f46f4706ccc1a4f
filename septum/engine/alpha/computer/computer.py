"""How do the parts of an Alpha computer make one? Physical addresses to devices, and time.

The processors stand outside: whoever runs them passes on their loads and stores that lead
outside memory, says how much time went by, and looks at the wires that interrupt them.

computer.advance(cycles)      time is now so many cycles since power-on
computer.read(physical, 4)    a load from I/O space
computer.pins(0)              the levels of the wires to processor 0
computer.next_event()         when something happens next if nobody does anything
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from septum.engine.alpha.computer.description import (
    ETHERNET,
    SCSI,
    ComputerDescription,
    FunctionDescription,
)
from septum.engine.alpha.computer.devices.cchip import Cchip, Dchip
from septum.engine.alpha.computer.devices.controller import ScsiController
from septum.engine.alpha.computer.devices.disk import Disk
from septum.engine.alpha.computer.devices.function import PciFunction
from septum.engine.alpha.computer.devices.hose import Hose
from septum.engine.alpha.computer.devices.identity import IDENTITIES
from septum.engine.alpha.computer.devices.isa import IsaBus
from septum.engine.alpha.computer.devices.network import NetworkCard
from septum.engine.alpha.computer.devices.pchip import Pchip
from septum.engine.alpha.computer.devices.scsi import ScsiDisk
from septum.engine.alpha.computer.devices.timeline import Timeline
from septum.engine.alpha.computer.devices.wire import FarSide, Wire
from septum.engine.alpha.computer.enumeration import bars, configuration_address
from septum.layouts import pci, tsunami
from septum.units import PciAddress, Span, align_up

_DECODED = ~tsunami.UNDECODED
_START = 1_790_000_000.0  # UTC of power-on where nobody says: every run alike


class NonexistentMemory(Exception):
    """A processor named a physical address where there is nothing: a machine check."""

    def __init__(self, physical: int) -> None:
        super().__init__(f"nothing is at physical address {physical:#x}")
        self.physical = physical


class _Region(NamedTuple):
    """What answers 16 MiB of physical addresses: (offset, size, processor) and with the value."""

    base: int
    read: Callable[[int, int, int], int]
    write: Callable[[int, int, int, int], None]


class Computer:
    """One computer as described; `start` is the time of its clock at power-on (UTC seconds)."""

    def __init__(self, description: ComputerDescription, start: float = _START) -> None:
        self.description = description
        self.memory: npt.NDArray[np.uint8] = np.zeros(description.memory, np.uint8)
        self.timeline = Timeline()
        has_pchip_1 = len(description.hoses) > 1
        self.cchip = Cchip(description.processors, has_pchip_1, description.memory)
        self._dchip = Dchip(has_pchip_1)
        self._regions: dict[int, _Region] = {}
        self.hoses = tuple(self._hose(number) for number in range(len(description.hoses)))
        self.isa: IsaBus | None = None
        self._functions()
        self._connect()
        if description.has_isa:
            self._connect_isa(start)

    # ---- What a processor's loads and stores reach

    def read(self, physical: int, size: int, processor: int = 0) -> int:
        """A load of 1, 2, 4 or 8 bytes from I/O space, unsigned.

        NonexistentMemory where nothing is. A PCI cycle that nobody answers gives all ones.
        """
        region, offset = self._region(physical, processor)
        return region.read(offset, size, processor)

    def write(self, physical: int, size: int, value: int, processor: int = 0) -> None:
        """A store of 1, 2, 4 or 8 bytes to I/O space; NonexistentMemory where nothing is."""
        region, offset = self._region(physical, processor)
        region.write(offset, size, value, processor)

    def _region(self, physical: int, processor: int) -> tuple[_Region, int]:
        decoded = physical & _DECODED if physical & tsunami.IO_SPACE else physical
        region = self._regions.get(decoded >> tsunami.REGION_SHIFT)
        if region is None:
            self.cchip.missing_memory(processor)
            raise NonexistentMemory(physical)
        return region, decoded - region.base

    # ---- Time and interrupts

    @property
    def now(self) -> int:
        """Cycles since power-on."""
        return self.timeline.now

    def advance(self, cycles: int) -> None:
        """It is now `cycles` since power-on; devices finish what is due."""
        isa = self.isa
        while isa is not None and (tick := isa.next_event) is not None and tick <= cycles:
            self.timeline.advance(tick)
            isa.advance()
        self.timeline.advance(cycles)

    def next_event(self) -> int | None:
        """The cycle of the next thing due, or None."""
        due = self.timeline.next
        tick = self.isa.next_event if self.isa is not None else None
        if due is None or tick is None:
            return tick if due is None else due
        return min(due, tick)

    def pins(self, processor: int) -> int:
        """The wires to a processor that are high: tsunami.PIN_..., together."""
        return self.cchip.pins[processor]

    @property
    def drir(self) -> int:
        """The device request lines, as the Cchip's DRIR shows them."""
        return self.cchip.requests

    # ---- How it is put together

    def _hose(self, number: int) -> Hose:
        pchip = Pchip(
            self.memory.data,
            lambda: self.timeline.now,
            number,
            self.description.hoses[number].requester_windows,
            partial(self.cchip.missing_memory, tsunami.PCHIP_SOURCE + number),
            self.cchip.line(tsunami.PCHIP_ERROR_REQUEST - number),
        )
        return Hose(number, pchip)

    def _functions(self) -> None:
        for hose, described in zip(self.hoses, self.description.hoses, strict=True):
            for one in described.functions:
                function = self._function(hose, one)
                wire = None
                if one.slot in tsunami.SLOTS:
                    bit = tsunami.request_bit(hose.number, one.slot, function.pin)
                    wire = self.cchip.line(bit)
                hose.add(function, wire)

    def _function(self, hose: Hose, described: FunctionDescription) -> PciFunction:
        latencies = self.description.latencies
        if described.device == ETHERNET:
            far_side = FarSide(described.far_address, described.far_ip)
            wire = Wire(self.timeline, latencies.wire, far_side)
            return NetworkCard(
                described.slot,
                hose.pchip,
                self.timeline,
                latencies.ethernet,
                described.address,
                wire,
            )
        if described.device == SCSI:
            size, file = described.disk_size, described.disk_file
            target = ScsiDisk(Disk.file(file) if file else Disk.empty(size), described.name)
            return ScsiController(
                described.slot, hose.pchip, self.timeline, latencies.disk, target
            )
        return PciFunction(described.slot, hose.pchip, IDENTITIES[described.device])

    def _connect(self) -> None:
        cchip, dchip = self.cchip, self._dchip
        self._add(tsunami.CCHIP, _register(cchip.read), _register_write(cchip.write))
        self._add(
            tsunami.DCHIP,
            _register(lambda offset, processor: dchip.read(offset)),
            _register_write(dchip.write),
        )
        for hose in self.hoses:
            self._connect_hose(hose)

    def _connect_hose(self, hose: Hose) -> None:
        pchip, number = hose.pchip, hose.number
        areas = (
            (tsunami.PCI_MEMORY, hose.read_memory, hose.write_memory),
            (tsunami.PCI_IO, hose.read_io, hose.write_io),
            (tsunami.PCI_CONFIGURATION, hose.read_configuration, hose.write_configuration),
        )
        for area, read, write in areas:
            self._add(_of_hose(area, number), _plain(read), _plain_write(write))
        self._add(
            _of_hose(tsunami.PCHIP, number),
            _register(lambda offset, processor: pchip.read(offset)),
            _register_write(pchip.write),
        )
        self._add(
            _of_hose(tsunami.INTERRUPT_ACKNOWLEDGE, number),
            lambda offset, size, processor: self._acknowledge(number, size),
            lambda offset, size, value, processor: None,  # a special cycle: nobody listens
        )

    def _connect_isa(self, start: float) -> None:
        self.isa = IsaBus(
            lambda: self.timeline.now,
            self.description.frequency,
            start,
            self.cchip.line(tsunami.ISA_REQUEST),
            self.cchip.interval,
        )
        self.isa.connect(self.hoses[0], tuple(part.name for part in self.description.isa))

    def _acknowledge(self, hose: int, size: int) -> int:
        if self.isa is None or hose:
            return (1 << 8 * size) - 1
        return self.isa.controllers.acknowledge()

    def _add(
        self,
        area: Span,
        read: Callable[[int, int, int], int],
        write: Callable[[int, int, int, int], None],
    ) -> None:
        region = _Region(area.start, read, write)
        shift = tsunami.REGION_SHIFT
        for number in range(area.start >> shift, area.end - 1 >> shift):
            self._regions[number] = region
        self._regions[area.end - 1 >> shift] = region


def _of_hose(area: Span, number: int) -> Span:
    return Span(tsunami.hose_address(number, area), area.size)


def _plain(read: Callable[[int, int], int]) -> Callable[[int, int, int], int]:
    return lambda offset, size, processor: read(offset, size)


def _plain_write(
    write: Callable[[int, int, int], None],
) -> Callable[[int, int, int, int], None]:
    return lambda offset, size, value, processor: write(offset, size, value)


def _register(read: Callable[[int, int], int]) -> Callable[[int, int, int], int]:
    """Chip registers are quadwords: a smaller load gives the part it names."""

    def part(offset: int, size: int, processor: int) -> int:
        inside = offset % tsunami.REGISTER_SIZE
        value = read(offset - inside, processor) >> 8 * inside
        return value & (1 << 8 * size) - 1

    return part


def _register_write(
    write: Callable[[int, int], None],
) -> Callable[[int, int, int, int], None]:
    """A store smaller than a quadword writes zeroes into the rest; beside one, nothing."""

    def whole(offset: int, size: int, value: int, processor: int) -> None:
        if offset % tsunami.REGISTER_SIZE == 0:
            write(offset, value & (1 << 8 * size) - 1)

    return whole


def assign(computer: Computer) -> None:
    """What firmware does before a system starts: sizes each BAR and places it, by PCI cycles.

    BARs lie apart by at least a page of the processor, so that a page belongs to one function.
    Memory decoding is on afterwards, bus mastering is the driver's to switch on.
    """
    for hose in computer.hoses:
        place = tsunami.FIRST_MEMORY_BAR
        for number in sorted(hose.functions):
            slot, part = divmod(number, pci.FUNCTIONS_PER_DEVICE)
            where = configuration_address(PciAddress(hose.number, 0, slot, part))
            for bar in bars(computer.read, computer.write, where):
                size = max(bar.span.size, tsunami.PAGE_SIZE)
                place = align_up(place, size)
                computer.write(where + pci.bar_offset(bar.index), pci.BAR_SIZE, place)
                place += size
            line = _line(computer, hose.number, slot, where)
            computer.write(where + pci.InterruptLine.offset, 1, line)
            computer.write(where + pci.Command.offset, 2, pci.Command.mask("memory_space"))


def _line(computer: Computer, hose: int, slot: int, where: int) -> int:
    pin = computer.read(where + pci.InterruptPin.offset, 1)
    if not pin or slot not in tsunami.SLOTS:
        return 0
    return tsunami.request_bit(hose, slot, pin)
