"""What do a table and a machine file promise each instance, and what is another's?

What is another's is tried on purpose: `Foreign` names it by the machine's own address, as a
program would that knew the whole machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.computer.enumeration import configuration_address
from septum.engine.alpha.vmm.kernel import Kernel
from septum.layouts import elf, palcode, pci, tsunami, virtio
from septum.machine.model import Function, Machine
from septum.memory.slices import slices
from septum.partitions.model import Partition, PartitionTable
from septum.units import PciAddress, Span

ETHERNET, SCSI, ISA_BRIDGE = "0200", "0100", "0601"
MEMORY, CONFIGURATION, REGISTERS, PORT = "memory", "configuration", "registers", "port"
SIZES = {MEMORY: 8, CONFIGURATION: 2, REGISTERS: 1, PORT: 1}  # bytes that init reads and writes
# Linux closes its DMA windows when it powers off; from the last one the lab pulls the plug, with
# windows open and its devices ready, so that it is the VMM's to close them.
POWERED_OFF, UNPLUGGED = "powered off", "unplugged"
DIRECT_WINDOW = 2 << 30  # the bus address at which Linux maps the first byte of its memory


class Owned(NamedTuple):
    """A function: as its owner finds it, and where it is on the machine."""

    seen: str
    machine: PciAddress
    identity: str  # vendor:device
    kind: str  # the first two bytes of its class
    name: str
    registers: Span  # of BAR 0, the machine's physical addresses
    found: int  # where its owner finds them
    seen_hose: int


class Foreign(NamedTuple):
    """Something of a neighbour's: what an instance gets at this address is for nobody to read."""

    kind: str
    whose: str
    name: str
    physical: int  # the machine's
    slot: str  # of a bus the instance sees itself, when the address means that to it

    @property
    def word(self) -> str:
        """As init wants to be told."""
        return f"{self.kind[0]}{self.physical:x}"


class Promise(NamedTuple):
    """What one instance is promised."""

    name: str
    memory: Span  # the machine's; it finds it from 0
    processors: int
    functions: tuple[Owned, ...]
    bridges: dict[str, tuple[str, str]]  # seen address: vendor:device, class
    absent: dict[str, str]  # other device numbers of its buses: what the machine has there, whose
    card: str  # its Ethernet's address
    address: str  # IP: its own and its gateway's
    gateway: str
    disk: int  # bytes
    foreign: tuple[Foreign, ...]
    aim: int  # a bus address, of a neighbour's memory
    end: str  # how it comes to its end
    interrupts: str  # what is done with its devices' requests while others run
    isa: dict[str, int]  # dedicated ISA devices, and their lines
    pchips: int  # of the machine

    def of_kind(self, kind: str) -> Owned:
        """Its only function of a class."""
        (found,) = (one for one in self.functions if one.kind == kind)
        return found

    def tried(self, *kinds: str) -> tuple[Foreign, ...]:
        """What of these kinds it is told to try."""
        return tuple(one for one in self.foreign if one.kind in kinds)


def promises(
    table: PartitionTable, machine: Machine, computer: Computer, kernels: Mapping[str, Kernel]
) -> dict[str, Promise]:
    """By instance. `computer` is as its firmware leaves it."""
    places = {name: one.place for name, one in slices(machine, table.partitions).items()}
    return {
        one.name: _promise(one, table, machine, computer, kernels, places)
        for one in table.partitions
    }


def hoses(partition: Partition) -> tuple[int, ...]:
    """The machine's hoses that an instance sees, in the order in which it counts them [0048]."""
    return tuple(sorted({one.domain for one in partition.functions}))


def seen_address(partition: Partition, address: PciAddress) -> str:
    """Where an owner finds a function; an address that is none of its hoses' is left as it is."""
    own = hoses(partition)
    number = own.index(address.domain) if address.domain in own else address.domain
    return str(address._replace(domain=number))


def _promise(
    partition: Partition,
    table: PartitionTable,
    machine: Machine,
    computer: Computer,
    kernels: Mapping[str, Kernel],
    places: Mapping[str, Span],
) -> Promise:
    owned = _all_owned(partition, machine, computer)
    bridges = {
        str(one.address._replace(domain=0)): _identity(one)
        for one in machine.functions
        if _identity(one)[1] == ISA_BRIDGE
    }
    others = [one for one in table.partitions if one is not partition]
    described = {
        one.kind: computer.description.function(one.machine.domain, one.machine.device)
        for one in owned
    }
    card, disk = described[ETHERNET], described[SCSI]
    assert card is not None and disk is not None
    return Promise(
        partition.name,
        places[partition.name],
        partition.processors.found,
        owned,
        bridges,
        _absent(partition, table, machine, {*bridges, *(one.seen for one in owned)}),
        card.address.hex(":"),
        _said(partition, "address"),
        ".".join(str(part) for part in card.far_ip),
        disk.disk_size,
        tuple(
            thing
            for other in others
            for thing in _foreign(partition, owned, other, machine, computer, kernels, places)
        ),
        DIRECT_WINDOW + places[others[0].name].start if others else 0,
        UNPLUGGED if partition is table.partitions[-1] else POWERED_OFF,
        partition.interrupts,
        {one.name: one.line for one in machine.isa if one.name in partition.isa},
        len(computer.hoses),
    )


def _said(partition: Partition, key: str) -> str:
    found = re.search(rf"septum\.{key}=(\S+)", partition.command_line)
    return found.group(1) if found else ""


def _identity(function: Function) -> tuple[str, str]:
    name = f"{function.vendor:04x}:{function.device:04x}"
    return name, f"{function.class_code >> 8:04x}"


def _all_owned(partition: Partition, machine: Machine, computer: Computer) -> tuple[Owned, ...]:
    """Its functions; Linux places the registers of a hose's one after another, in their order."""
    owned = []
    places: dict[int, int] = {}
    for address in partition.functions:
        function = machine.function(address)
        assert function is not None, "a sound table owns what is there"
        identity, kind = _identity(function)
        seen = seen_address(partition, address)
        hose = PciAddress.parse(seen).domain
        registers = _registers(address, computer)
        first = tsunami.hose_address(hose, tsunami.PCI_MEMORY) + tsunami.FIRST_MEMORY_BAR
        place = places.get(hose, first)
        places[hose] = place + registers.size
        name = function.name
        owned.append(Owned(seen, address, identity, kind, name, registers, place, hose))
    return tuple(owned)


def _registers(address: PciAddress, computer: Computer) -> Span:
    device = computer.hoses[address.domain].function(address.device)
    assert device is not None
    base = device.base(0)
    assert base is not None, "firmware has placed it"
    start = tsunami.hose_address(address.domain, tsunami.PCI_MEMORY)
    return Span(start + base, device.bar_sizes[0])


def _absent(
    partition: Partition, table: PartitionTable, machine: Machine, exposed: set[str]
) -> dict[str, str]:
    """Device numbers without anything of its own: what neighbours have there, on any bus."""
    theirs = {
        at.device: f"{other.name}'s {function.name}"
        for other in table.partitions
        if other is not partition
        for at in other.functions
        if (function := machine.function(at)) is not None
    }
    found = {}
    for hose in range(len(hoses(partition))):
        for device in range(pci.DEVICES_PER_BUS):
            address = str(PciAddress(hose, 0, device, 0))
            if address not in exposed:
                found[address] = theirs.get(device, "")
    return found


def _foreign(
    partition: Partition,
    owned: Sequence[Owned],
    other: Partition,
    machine: Machine,
    computer: Computer,
    kernels: Mapping[str, Kernel],
    places: Mapping[str, Span],
) -> Iterator[Foreign]:
    """What of a neighbour's has an address that does not mean something of its own to it."""
    start = places[other.name].start
    entry = kernels[other.name].entry - elf.KSEG
    yield Foreign(MEMORY, other.name, "description table", start + palcode.HWRPB, "")
    yield Foreign(MEMORY, other.name, "kernel", start + entry, "")
    counted = range(len(hoses(partition)))
    for address in other.functions:
        function = machine.function(address)
        assert function is not None
        at = configuration_address(address) + pci.Command.offset
        slot = str(address) if address.domain in counted else ""
        yield Foreign(CONFIGURATION, other.name, function.name, at, slot)
        status = _registers(address, computer).start + virtio.DeviceStatus.offset
        if not any(Span(one.found, one.registers.size).contains(status) for one in owned):
            yield Foreign(REGISTERS, other.name, function.name, status, "")
    for device in machine.isa:
        if device.name in other.isa:
            last = tsunami.hose_address(0, tsunami.PCI_IO) + device.ports.end - 1
            yield Foreign(PORT, other.name, device.name, last, "")
