"""What is one instance on the software Alpha computer? Its view, its PALcode, its devices.

Made anew at each start: memory empty, functions quiet, nothing leased.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from septum.discovery.hwrpb import Exposed, edited
from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.processor import Processor
from septum.engine.alpha.vmm.loading import Image, load
from septum.engine.alpha.vmm.palcode.interrupts import Interrupts, Wire
from septum.engine.alpha.vmm.palcode.registers import Access, OutsideMemory, Palcode
from septum.engine.alpha.vmm.requests import drir
from septum.engine.alpha.vmm.view.bars import Bars
from septum.engine.alpha.vmm.view.chipset import Chipset, Requests
from septum.engine.alpha.vmm.view.configuration import Configuration, OwnedFunction
from septum.engine.alpha.vmm.view.dma_memory import DmaMemory
from septum.engine.alpha.vmm.view.host_bridge import HostBridge
from septum.engine.alpha.vmm.view.ports import IsaDevices, Port, Ports, forwarded
from septum.engine.alpha.vmm.view.windows import TablePlaces
from septum.interrupts.table import InterruptTable
from septum.layouts import alpha as a
from septum.layouts import hwrpb, palcode, tsunami
from septum.machine.model import Function, IsaDevice
from septum.partitions.model import Partition
from septum.translation.physical import Lease, PhysicalMap, Region
from septum.units import PciAddress, Span

_ISA_HOSE = 0
_START = 1_790_000_000.0  # UTC at power-on, as the computer's own clock


class World(NamedTuple):
    """What an instance is cut from: the computer, what is on its buses, what the VMM keeps."""

    computer: Computer
    functions: tuple[Function, ...]
    isa: tuple[IsaDevice, ...]
    table: bytes  # firmware's HWRPB of the whole machine
    tables: Mapping[str, Span]  # the VMM's memory for the DMA tables of each
    shared_hoses: frozenset[int]  # hoses with more than one owner
    interrupts: InterruptTable


class Instance:
    """One instance: started by start(), run by the monitor, ended by end()."""

    def __init__(
        self, partition: Partition, memory: Span, image: Image, world: World, processor: Processor
    ) -> None:
        self.name = partition.name
        self.partition = partition
        self.memory = memory
        self.image = image
        self.world = world
        self.processor = processor
        self.output: Callable[[bytes], None] = _drop
        self.starts = 0
        self.ended: str | None = None  # why it does not run
        self.table = b""  # its HWRPB, as it was when it started
        self.functions = tuple(
            one for one in world.functions if one.address in partition.functions
        )
        bus_functions = [one for one in self.functions if one.class_code != _ISA_CLASS]
        self.hoses = tuple(sorted({one.address.domain for one in bus_functions})) or (_ISA_HOSE,)
        self.pal = Palcode(self.name, processor, PhysicalMap(a.PAGE_SIZE), memory.size)
        self.counters = self.pal.counters
        self.rejections = self.pal.rejections

    # ---- start

    def start(self, super_page: bool = False) -> None:
        """Switch it on, with empty memory. GuestProblem when its image cannot be loaded.

        `super_page` leaves KSEG to the processor, as no VMM should: for the counter-case.
        """
        self.starts += 1
        self.ended = None
        self._make()
        if self.starts > 1:  # at power-on it is empty
            self.processor.memory[self.memory.start : self.memory.end] = 0
        self.table = table = edited(self.world.table, self._exposed())
        load(self.pal, self.image, table)
        spe = a.SPE_KSEG if super_page else 0
        self.pal.st[s.DATA_SUPER_PAGE] = self.pal.st[s.INSTRUCTION_SUPER_PAGE] = spe

    def _exposed(self) -> Exposed:
        described = {one.name for one in self.world.computer.description.isa}
        common = described - {one.name for one in self.world.isa}
        return Exposed(
            memory=self.memory,
            processors=(self.partition.processors.numbers[0],),
            isa=frozenset(common | set(self.partition.isa)),
            console_pages=palcode.CONSOLE_PAGES,
            physical=palcode.HWRPB,
            logout=palcode.LOGOUT,
        )

    def _make(self) -> None:
        """Everything it can touch, as after power-on."""
        counters, rejections = self.counters, self.rejections
        _world, memory = self.world, self.memory
        physical = PhysicalMap(a.PAGE_SIZE)
        physical.place(Region(Span(0, memory.size), memory.start, "memory", "its slice"))
        self.pal = pal = Palcode(self.name, self.processor, physical, memory.size)
        pal.counters, pal.rejections = counters, rejections
        pal.player_of = self._player_of
        pal.output = lambda data: self.output(data)
        pal.environment = {
            palcode.ENV_BOOTED_FLAGS: self.image.command_line.encode(),
            palcode.ENV_TTY_DEVICE: b"0",
        }
        self.requests = Requests()
        self.interrupts = Interrupts(pal, self.requests, self._wires(), self.world.interrupts)
        self._make_isa()
        self.bars = Bars(pal, self.hoses)
        self._players: dict[str, Access] = {}
        self._make_bridges()
        self._make_configuration()
        self._make_chipset()
        self._place_bars()

    def _wires(self) -> tuple[Wire, ...]:
        """Its functions' request lines, as the hoses it sees would number them."""
        found = {}
        for function in self.functions:
            address, pin = function.address, function.interrupt_pin
            if address.device in tsunami.SLOTS and pin:
                own = tsunami.request_bit(address.domain, address.device, pin)
                seen = tsunami.request_bit(self._seen(address.domain), address.device, pin)
                row = self.world.interrupts.at(drir(own))
                if row is not None and row.owner == self.name:
                    found[own] = Wire(own, seen, row)
        return tuple(found.values())

    def _seen(self, hose: int) -> int:
        """The number of a machine's hose, as the instance sees it: its only one is the first."""
        return self.hoses.index(hose)

    def now(self) -> int:
        """The machine's time, as its processor counts it."""
        return self.processor.cycles

    def _make_isa(self) -> None:
        world = self.world
        frequency = world.computer.description.frequency
        self.isa = IsaDevices(
            self.now,
            frequency,
            _START,
            lambda level: self.interrupts.isa_changed(level, self.now()),
            lambda value: self.output(bytes((value,))),
        )
        self.interrupts.controllers = self.isa.controllers

    def _make_bridges(self) -> None:
        """A host bridge for each hose it sees, and the I/O ports behind the first."""
        world, pal = self.world, self.pal
        read, write = world.computer.read, world.computer.write
        self.bridges: dict[int, HostBridge] = {}
        dma = DmaMemory(pal, self._table_stored)
        span = world.tables[self.name]
        places = TablePlaces(span.start, span.end)
        for hose in self.hoses:
            start = tsunami.hose_address(hose, tsunami.PCHIP)
            self.bridges[hose] = HostBridge(
                self._window_sets(hose),
                lambda offset, value, start=start: write(  # type: ignore[misc]
                    start + offset, tsunami.REGISTER_SIZE, value
                ),
                dma,
                places,
                pal.reject,
                self.processor.skip,
            )
        ports = self.isa.ports()
        for device in world.isa:
            if device.name in self.partition.isa:
                ports.update(self._forwarded(device, read, write))
        frequency = world.computer.description.frequency
        left = self.isa.timer.cycles_to_output
        self.ports = Ports(ports, frequency, self.processor.skip, left, self._no_port)

    def _forwarded(
        self,
        device: IsaDevice,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> dict[int, Port]:
        start = tsunami.hose_address(_ISA_HOSE, tsunami.PCI_IO)
        return forwarded(
            device.ports,
            lambda port: read(start + port, 1),
            lambda port, value: write(start + port, 1, value),
        )

    def _no_port(self, number: int) -> None:
        self.pal.reject("I/O port", "not this instance's")

    def _window_sets(self, hose: int) -> tuple[int, ...]:
        """A Pchip's window sets that are its own to fill: none where it owns no function."""
        here = [
            one.address
            for one in self.functions
            if one.address.domain == hose and one.class_code != _ISA_CLASS
        ]
        if here and hose not in self.world.shared_hoses:
            return (0,)
        first, step = tsunami.REQUESTER_WINDOWS.start, tsunami.REQUESTER_STEP
        return tuple(first + address.device * step for address in here)

    def _make_configuration(self) -> None:
        read, write = self.world.computer.read, self.world.computer.write
        owned = {}
        for function in self.functions:
            if function.class_code == _ISA_CLASS:
                continue
            line = function.interrupt_line
            owned[function.address] = OwnedFunction(function, line, read, write)
            owned[function.address].quiet()
        bridges = [one for one in self.world.functions if one.class_code == _ISA_CLASS]
        # The ISA bus is shared: each instance finds its bridge, on the first hose it sees.
        played = {
            one.address._replace(domain=self.hoses[0]): one for one in bridges[:1]
        }
        self.configuration = Configuration(self.hoses, owned, played, self._place_bars)

    def _make_chipset(self) -> None:
        bits = sum(1 << wire.bit for wire in self.interrupts.wires)
        self.chipset = Chipset(
            len(self.hoses),
            self.memory.size,
            tsunami.TSUNAMI_REVISION,
            self.requests,
            bits,
            self.interrupts.refresh,
        )
        players: list[tuple[Span, str, Access]] = [
            (tsunami.CCHIP, "Cchip", self.chipset.cchip),
            (tsunami.DCHIP, "Dchip", self.chipset.dchip),
        ]
        for number, hose in enumerate(self.hoses):
            areas: tuple[tuple[Span, str, Access], ...] = (
                (tsunami.PCHIP, "Pchip", self.bridges[hose].access),
                (tsunami.PCI_CONFIGURATION, "configuration space", self.configuration.access),
                (tsunami.PCI_IO, "I/O ports", self.ports.access if not number else _free),
                (tsunami.INTERRUPT_ACKNOWLEDGE, "interrupt acknowledge", _free),
            )
            for area, what, player in areas:
                place = Span(tsunami.hose_address(number, area), area.size)
                players.append((place, f"{what} of hose {number}", player))
        for span, what, player in players:
            self.pal.physical.place(Region(span, None, what))
            self._players[what] = player

    # ---- what it touches

    def _player_of(self, page: int) -> Access:
        """Who answers for a page that is not given: by region, where it holds several."""
        region = self.pal.physical.find(page << a.PAGE_SHIFT)
        size = a.PAGE_SIZE
        if region is not None and region.span.end >= (page << a.PAGE_SHIFT) + size:
            player = self._players.get(region.what)
            if player is not None:
                return player
        return self._mixed

    def _mixed(self, physical: int, size: int, value: int | None) -> int:
        """An access to a page that is not all one thing: passed on where its owner may go."""
        region = self.pal.physical.find(physical)
        ones = (1 << 8 * size) - 1
        if region is None or region.span.end < physical + size:
            self.pal.reject("I/O space", "not this instance's")
            return ones
        player = self._players.get(region.what)
        if player is not None:
            return player(physical, size, value)
        if region.machine is None:
            return ones
        at = region.machine + physical - region.span.start
        if value is None:
            return self.world.computer.read(at, size)
        self.world.computer.write(at, size, value)
        return 0

    def _place_bars(self) -> None:
        self.bars.place(self.configuration.owned)

    def _table_stored(self, physical: int, entry: int) -> None:
        for bridge in self.bridges.values():
            bridge.stored(physical, entry)

    # ---- from outside

    def type(self, data: bytes) -> None:
        """Bytes arrive at its console; before it has started they are lost."""
        if self.starts:
            self.isa.type(data)

    def revoke_bar(self, address: PciAddress, bar: int | None = None) -> list[Lease]:
        """Take back what leads to a function's registers: the next access is judged anew."""
        return self.bars.revoke(address, bar)

    def revoke(self, page: int) -> bool:
        """Take back the lease of a page of it, for the processor and for devices [0027]."""
        pal = self.pal
        pal.physical.hold_back(page << a.PAGE_SHIFT)
        machine = pal.take_back(page)
        for bridge in self.bridges.values():
            bridge.revoke(page)
        return machine is not None

    def end(self, why: str) -> None:
        """It runs no more: its devices are quiet and reach nothing."""
        self.ended = why
        if not self.starts:
            return
        for owned in self.configuration.owned.values():
            owned.quiet()
        for bridge in self.bridges.values():
            bridge.shut()
        self.requests.mask = 0

    def wants(self) -> int:
        """What its operating system asked for when it halted: flags of its slot."""
        offset = hwrpb.Hwrpb.offset_of("processor_offset")
        try:
            slot = palcode.HWRPB + self.pal.read_quad(palcode.HWRPB + offset)
            flags = self.pal.read_quad(slot + hwrpb.SLOT_FLAGS)
        except OutsideMemory:
            return palcode.HALT_REMAIN  # it has written over its own table
        return flags & palcode.FLAG_HALT_REQUESTED


_ISA_CLASS = tsunami.ISA_BRIDGE_CLASS


def _free(physical: int, size: int, value: int | None) -> int:
    return (1 << 8 * size) - 1


def _drop(data: bytes) -> None:
    """Nobody reads it."""
