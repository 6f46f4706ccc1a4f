"""What is one instance on the software Alpha computer? Its view, its PALcode, its devices.

Made anew at each start: memory empty, functions quiet, nothing leased.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from septum.discovery.hwrpb import Exposed, edited
from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.responder import Responder
from septum.discovery.routing import Place, route
from septum.discovery.view import view
from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.processor import Processor
from septum.engine.alpha.vmm.loading import Image, load
from septum.engine.alpha.vmm.palcode.interrupts import Interrupts, Wire
from septum.engine.alpha.vmm.palcode.registers import OutsideMemory, Palcode
from septum.engine.alpha.vmm.requests import drir
from septum.engine.alpha.vmm.view.bars import Bars
from septum.engine.alpha.vmm.view.chipset import Chipset, Requests
from septum.engine.alpha.vmm.view.dma_memory import DmaMemory
from septum.engine.alpha.vmm.view.function import FunctionOnHose
from septum.engine.alpha.vmm.view.host_bridge import HostBridge
from septum.engine.alpha.vmm.view.ports import IsaDevices, Ports, forwarded
from septum.engine.alpha.vmm.view.windows import TablePlaces
from septum.interrupts.table import InterruptTable
from septum.layouts import alpha as a
from septum.layouts import hwrpb, palcode, tsunami
from septum.machine.model import IsaDevice, Machine
from septum.memory.slices import Slice
from septum.partitions.model import Partition
from septum.translation import pci_emulated
from septum.translation.leases import Lease
from septum.translation.physical import Access, PhysicalMap, Region, memory, played
from septum.translation.verdict import Reject, all_ones
from septum.units import PciAddress, Span

_ISA_HOSE = 0
REVOKED = Reject("revoked")
_START = 1_790_000_000.0  # UTC at power-on, as the computer's own clock


class World(NamedTuple):
    """What an instance is cut from: the computer, the machine it is, what the VMM keeps."""

    computer: Computer
    machine: Machine
    table: bytes  # firmware's HWRPB of the whole machine
    tables: Mapping[str, Span]  # the VMM's memory for the DMA tables of each
    shared_hoses: frozenset[int]  # hoses with more than one owner
    interrupts: InterruptTable


class Instance:
    """One instance: started by start(), run by the monitor, ended by end()."""

    def __init__(
        self, partition: Partition, own: Slice, image: Image, world: World, processor: Processor
    ) -> None:
        self.name = partition.name
        self.partition = partition
        self.slice = own
        self.memory = own.place  # in the machine
        self.image = image
        self.world = world
        self.processor = processor
        self.output: Callable[[bytes], None] = _drop
        self.starts = 0
        self.ended: str | None = None  # why it does not run
        self.table = b""  # its HWRPB, as it was when it started
        self.seen = view(world.machine, partition)
        roots = self.seen.root_buses
        self.routing = route(self.seen, _request_bit)
        # By the number of each hose it sees, the machine's.
        self.hoses = tuple(self.seen.machine_bus(root).domain for root in roots)
        self.pal = Palcode(self.name, processor, PhysicalMap(a.PAGE_SIZE), own.size)
        self.counters = self.pal.counters
        self.rejections = self.pal.rejections

    # ---- start

    def start(self) -> None:
        """Switch it on, with empty memory. GuestProblem when its image cannot be loaded."""
        self.starts += 1
        self.ended = None
        self._make()
        if self.starts > 1:  # at power-on it is empty
            self.processor.memory[self.memory.start : self.memory.end] = 0
        self.table = table = edited(self.world.table, self._exposed())
        load(self.pal, self.image, table)
        # KSEG stays the VMM's: with SPE_KSEG here the processor would translate it by itself.
        self.pal.st[s.DATA_SUPER_PAGE] = self.pal.st[s.INSTRUCTION_SUPER_PAGE] = 0

    def _exposed(self) -> Exposed:
        described = {one.name for one in self.world.computer.description.isa}
        common = described - {one.name for one in self.world.machine.isa}
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
        size = self.memory.size
        physical = PhysicalMap(a.PAGE_SIZE, memory(self.slice))
        self.pal = pal = Palcode(self.name, self.processor, physical, size)
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
        self._make_bridges()
        self._make_functions()
        self._make_chipset()
        for owned in self.owned.values():
            owned.place()

    def _wires(self) -> tuple[Wire, ...]:
        """Its functions' request lines, as the hoses it sees would number them."""
        found = {}
        for function in self.seen.functions:
            if function.address in self.routing.gsi_of:
                at = self.seen.machine(function.address)
                own = tsunami.request_bit(at.domain, at.device, function.interrupt_pin)
                row = self.world.interrupts.at(drir(own))
                if row is not None and row.owner == self.name:
                    found[own] = Wire(own, self.routing.gsi_of[function.address], row)
        return tuple(found.values())

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
        self.bridges: list[HostBridge] = []
        dma = DmaMemory(pal, self._table_stored)
        span = world.tables[self.name]
        places = TablePlaces(span.start, span.end)
        for hose in self.hoses:
            start = tsunami.hose_address(hose, tsunami.PCHIP)
            bridge = HostBridge(
                self._window_sets(hose),
                lambda offset, value, start=start: write(  # type: ignore[misc]
                    start + offset, tsunami.REGISTER_SIZE, value
                ),
                dma,
                places,
                pal.reject,
                self.processor.skip,
            )
            self.bridges.append(bridge)
        self.port_map = PhysicalMap(1, self.isa.regions())
        for device in world.machine.isa:
            if device.name in self.partition.isa:
                self.port_map.place(self._forwarded(device, read, write))
        frequency = world.computer.description.frequency
        left = self.isa.timer.cycles_to_output
        self.ports = Ports(self.port_map, frequency, self.processor.skip, left, self._no_port)

    def _forwarded(
        self,
        device: IsaDevice,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> Region:
        start = tsunami.hose_address(_ISA_HOSE, tsunami.PCI_IO)
        return forwarded(
            device.name,
            device.ports,
            lambda port: read(start + port, 1),
            lambda port, value: write(start + port, 1, value),
        )

    def _no_port(self, number: int) -> None:
        self.pal.reject("I/O port", "not this instance's")

    def _window_sets(self, hose: int) -> tuple[int, ...]:
        """A Pchip's window sets that are its own to fill: none where it owns no function."""
        places = (self.seen.machine(one.address) for one in self.seen.functions)
        here = [at for at in places if at.domain == hose]
        if here and hose not in self.world.shared_hoses:
            return (0,)
        first, step = tsunami.REQUESTER_WINDOWS.start, tsunami.REQUESTER_STEP
        return tuple(first + at.device * step for at in here)

    def _make_functions(self) -> None:
        """What answers on its buses, and its functions' registers."""
        read, write = self.world.computer.read, self.world.computer.write
        self.bars = Bars(self.pal, self.seen, read, write)
        self.owned: dict[PciAddress, FunctionOnHose] = {}  # by the machine's address
        for function in self.seen.functions:
            at = self.seen.machine(function.address)
            line = self.routing.gsi_of.get(function.address, 0)
            one = FunctionOnHose(function, at, line, read, write)
            one.withdraw = partial(self._bars_change, self.bars.withdraw, one)
            one.place = partial(self._bars_change, self.bars.place, one)
            one.quiet()
            self.owned[at] = one
        spaces = {one.function.address: one for one in self.owned.values()}
        self.responder = Responder(self.seen, spaces, pci_emulated.played(self.seen))

    def _bars_change(self, change: Callable[..., None], one: FunctionOnHose) -> None:
        change(one.function, one.bars)

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
        place = self.pal.physical.place
        place(played(tsunami.CCHIP, "Cchip", self.chipset.cchip))
        areas_of_space = ConfigurationMechanism(self.responder, self.seen.ecam)
        for ecam in self.seen.ecam:
            what = f"configuration space of hose {ecam.domain}"
            place(played(ecam.span, what, areas_of_space.ecam_access))
        place(played(tsunami.DCHIP, "Dchip", self.chipset.dchip))
        for number, bridge in enumerate(self.bridges):
            areas: tuple[tuple[Span, str, Access], ...] = (
                (tsunami.PCHIP, "Pchip", bridge.access),
                (tsunami.PCI_IO, "I/O ports", self.ports.access if not number else _free),
                (tsunami.INTERRUPT_ACKNOWLEDGE, "interrupt acknowledge", _free),
            )
            for area, what, access in areas:
                span = Span(tsunami.hose_address(number, area), area.size)
                place(played(span, f"{what} of hose {number}", access))

    # ---- what it touches

    def _player_of(self, page: int) -> Access:
        """Who answers for a page that is not given: by region, where it holds several."""
        physical = page << a.PAGE_SHIFT
        region = self.pal.physical.find(physical)
        if region is not None and region.span.end >= physical + a.PAGE_SIZE and region.access:
            return region.access
        return self._mixed

    def _mixed(self, physical: int, size: int, value: int | None) -> int:
        """An access to a page that is not all one thing: answered by what it is to."""
        region = self.pal.physical.find(physical)
        if region is None or region.span.end < physical + size:
            self.pal.reject("I/O space", "not this instance's")
            return all_ones(size)
        return region.access(physical, size, value) if region.access else all_ones(size)

    def _table_stored(self, physical: int, entry: int) -> None:
        for bridge in self.bridges:
            bridge.stored(physical, entry)

    # ---- from outside

    def type(self, data: bytes) -> None:
        """Bytes arrive at its console; before it has started they are lost."""
        if self.starts:
            self.isa.type(data)

    def revoke_bar(self, address: PciAddress, bar: int | None = None) -> list[Lease]:
        """Take back what leads to a function's registers: the next access is judged anew."""
        return self.bars.revoke(address, bar)

    def revoke(self, span: Span) -> bool:
        """Take back a run of its memory, from its processor and its devices [0027]; if it was held.

        Whatever touches it is refused from now on, until the map lets it go.
        """
        pal = self.pal
        pal.physical.withhold(span, REVOKED)
        cuts = pal.take_back(span)
        for bridge in self.bridges:
            bridge.make_anew()
        return bool(cuts)

    def end(self, why: str) -> None:
        """It runs no more: its devices are quiet and reach nothing."""
        self.ended = why
        if not self.starts:
            return
        for owned in self.owned.values():
            owned.quiet()
        for bridge in self.bridges:
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


def _request_bit(number: int, place: Place) -> int | None:
    """The board wires each pin of a slot to a bit of DRIR."""
    if place.device not in tsunami.SLOTS:
        return None
    return tsunami.request_bit(place.domain, place.device, place.pin + 1)


def _free(physical: int, size: int, value: int | None) -> int:
    return (1 << 8 * size) - 1


def _drop(data: bytes) -> None:
    """Nobody reads it."""
