"""What do Linux's VFIO and KVM do behind a running instance? Fakes that refuse what Linux refuses.

FakeDevice     a function with a memory BAR (0), one with an MSI-X table in it (1), ports (2),
               four MSI vectors and three of MSI-X, an INTx pin and a function-level reset
FakeMachine    memory slots, irqfds and the routing table
Owner          an owned function over both, driven by configuration and memory accesses
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from septum.engine.kvm.exits import RESUME, answer
from septum.engine.kvm.routing import RoutingTable
from septum.errors import HostProblem
from septum.host.vfio import InterruptIndex, Region
from septum.instance.address_space import AddressSpace
from septum.instance.interrupts import DeviceInterrupts, Routes, table_of
from septum.instance.owned import OwnedFunction
from septum.layouts import kvm, vfio
from septum.machine.model import Capability, Function
from septum.memory.slices import Part, Slice
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import KiB, MiB, Span
from tests.engine.kvm.fakes import entries, stopped
from tests.machines import a_function, memory_bar, port_bar

MEMORY, TABLE_BAR, PORTS = 0xFEA00000, 0xFEA20000, 0xC000
TABLE, PENDING = 0x2000, 0x3000  # offsets in BAR 1
MSI, MSIX, EXPRESS = 0x50, 0x70, 0x80  # capabilities
LINE = 17
RAM = Span(0, 64 * MiB)
NOTICES = (vfio.PCI_ERR_IRQ, vfio.PCI_REQ_IRQ)  # beside any kind of interrupts
HOST = 0x7E0000000000  # where it lies in this process


def configuration() -> bytes:
    """256 bytes of configuration space with the capabilities above."""
    function = a_function(
        "01:00.0",
        vendor=0x8086,
        device=0x10D3,
        interrupt_pin=1,
        bars=BARS,
        capabilities=(
            Capability(0x05, MSI, False),
            Capability(0x11, MSIX, False),
            Capability(0x10, EXPRESS, False),
        ),
    )
    space = bytearray(function.configuration)
    space[MSI + 2 : MSI + 4] = (0x0184).to_bytes(2, "little")  # 4 vectors, 64 bits, masks
    space[MSIX + 2 : MSIX + 4] = (2).to_bytes(2, "little")  # three vectors
    space[MSIX + 4 : MSIX + 8] = (TABLE | 1).to_bytes(4, "little")
    space[MSIX + 8 : MSIX + 12] = (PENDING | 1).to_bytes(4, "little")
    space[EXPRESS + 2 : EXPRESS + 4] = (0x0002).to_bytes(2, "little")
    space[EXPRESS + 4 : EXPRESS + 8] = (1 << 28).to_bytes(4, "little")  # can be reset (FLR)
    return bytes(space)


BARS = (
    memory_bar(0, MEMORY, 128 * KiB),
    memory_bar(1, TABLE_BAR, 16 * KiB),
    port_bar(2, PORTS, 32),
)
FUNCTION: Function = a_function(
    "01:00.0",
    vendor=0x8086,
    device=0x10D3,
    class_code=0x020000,
    interrupt_pin=1,
    bars=BARS,
    iommu_group=9,
    msi_vectors=4,
    msix_vectors=3,
    configuration=configuration(),
)


BLUE = Partition(
    "blue", "/k", None, "", MemorySlice(64 * MiB, 0), Processors((0,), False, 100),
    (FUNCTION.address,),
)  # fmt: skip


class FakeDevice:
    """A function in VFIO's hands: bytes for each region, one kind of interrupts at a time."""

    def __init__(self) -> None:
        self.address = "0000:01:00.0"
        self.can_reset = True
        mappable = vfio.REGION_FLAG_MMAP
        sizes = {0: (mappable, 128 * KiB), 1: (mappable, 16 * KiB), 2: (0, 32), 7: (0, 256)}
        self.regions = tuple(Region(*sizes.get(n, (0, 0)), 0) for n in range(8))
        self.bytes = {n: bytearray(size) for n, (_, size) in sizes.items()}
        self.bytes[7][:] = configuration()
        self.interrupts = tuple(InterruptIndex(count, False) for count in (1, 4, 3, 1, 1))
        self.has = 1 << 16  # vectors Linux has left to give
        self.connected: dict[int, list[int]] = {}  # interrupts: index to eventfds
        self.unmask = -1
        self.reads: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, int, int, int]] = []
        self.resets = 0
        self.refuses: set[str] = set()

    def configuration(self) -> bytes:
        return bytes(self.bytes[7])

    def read(self, region: int, offset: int, width: int) -> int:
        self.reads.append((region, offset, width))
        return int.from_bytes(self.bytes[region][offset : offset + width], "little")

    def write(self, region: int, offset: int, width: int, value: int) -> None:
        self.writes.append((region, offset, width, value))
        self.bytes[region][offset : offset + width] = value.to_bytes(width, "little")

    def mapped(self, region: int) -> int:
        self._may("map")
        return 0x7F0000000000 + region * MiB

    def reset(self) -> None:
        self._may("reset")
        self.resets += 1

    def connect(self, index: int, events: Sequence[int], start: int = 0) -> int:
        """As vfio_pci_intrs.c: all at once, or, one by one, more of the kind that is in use."""
        self._may("connect")
        if index not in NOTICES and set(self.connected) - {index, *NOTICES}:
            raise HostProblem("EINVAL: another kind of interrupts is in use")
        if index == vfio.PCI_INTX_IRQ:
            self._may("connect the line")
        if start + len(events) > self.interrupts[index].vectors:
            raise HostProblem("EINVAL: it has not got so many")
        if len(events) > self.has:
            return -self.has
        before = self.connected.get(index, [])
        if start and not self.interrupts[index].one_by_one:
            raise HostProblem("EINVAL: they are set up at once")
        kept = [*before, *[-1] * (start + len(events) - len(before))]
        kept[start : start + len(events)] = events
        self.connected[index] = kept
        return len(events)

    def connect_unmask(self, index: int, event: int) -> None:
        self._may("connect unmask")
        if index not in self.connected:
            raise HostProblem("EINVAL: the line is not in use")
        self.unmask = event

    def disconnect(self, index: int) -> None:
        if index not in self.connected:
            raise HostProblem("EINVAL: it is not in use")
        del self.connected[index]

    def _may(self, what: str) -> None:
        if what in self.refuses:
            raise HostProblem(f"Linux does not {what}")


def with_vectors(
    count: int, one_by_one: bool, table: int = 0
) -> tuple[Function, FakeDevice]:
    """The same function with a larger MSI-X table in BAR 1; pending bits begin its second half."""
    device, size = FakeDevice(), 128 * KiB
    space = device.bytes[7]
    space[MSIX + 2 : MSIX + 4] = (count - 1).to_bytes(2, "little")
    space[MSIX + 4 : MSIX + 12] = ((table | 1) | (size // 2 | 1) << 32).to_bytes(8, "little")
    bars = (BARS[0], memory_bar(1, TABLE_BAR, size), BARS[2])
    device.bytes[1] = bytearray(size)
    device.regions = tuple(
        region._replace(size=size) if number == 1 else region
        for number, region in enumerate(device.regions)
    )
    device.interrupts = (
        *device.interrupts[: vfio.PCI_MSIX_IRQ],
        InterruptIndex(count, one_by_one),
        *device.interrupts[vfio.PCI_MSIX_IRQ + 1 :],
    )
    return FUNCTION._replace(bars=bars, msix_vectors=count, configuration=bytes(space)), device


class FakeMachine:
    """KVM's slots, irqfds and routes."""

    def __init__(self) -> None:
        self.slots: dict[int, tuple[Span, int]] = {}
        self.irqfds: dict[int, int] = {}  # event to GSI
        self.table = b""
        self.made = 0
        self.refuses = False

    def map(self, guest: int, size: int, host: int) -> int:
        span = Span(guest, size)
        if self.refuses or any(span.overlaps(other) for other, _ in self.slots.values()):
            raise HostProblem("KVM_SET_USER_MEMORY_REGION failed", because="File exists")
        self.made += 1
        self.slots[self.made] = (span, host)
        return self.made

    def unmap(self, slot: int) -> None:
        del self.slots[slot]

    def irqfd(self, event: int, gsi: int, *, resample: int | None = None) -> None:
        if event in self.irqfds:
            raise HostProblem("KVM_IRQFD failed", because="Device or resource busy")
        self.irqfds[event] = gsi

    def irqfd_off(self, event: int, gsi: int) -> None:
        assert self.irqfds.pop(event) == gsi

    def route(self, table: RoutingTable) -> None:
        self.table = bytes(table.text)

    @property
    def spans(self) -> list[Span]:
        """Of registers: memory has its slot from the start."""
        return sorted(span for span, _ in self.slots.values() if span != RAM)

    def messages(self) -> dict[int, tuple[int, int]]:
        """GSI to the (address, data) of each message in the routing table."""
        return {
            e.gsi: (e.word1 << 32 | e.word0, e.word2)
            for e in entries(self.table)
            if e.type == kvm.IRQ_ROUTING_MSI
        }


class FakeContainer:
    """VFIO's IOMMU map: whole mappings come and go."""

    def __init__(self) -> None:
        self.maps: dict[Span, int] = {}
        self.refuses = False

    def map(self, host: int, address: int, size: int) -> None:
        span = Span(address, size)
        if self.refuses or any(span.overlaps(other) for other in self.maps):
            raise HostProblem("VFIO_IOMMU_MAP_DMA failed", because="File exists")
        self.maps[span] = host

    def unmap(self, address: int, size: int) -> None:
        del self.maps[Span(address, size)]


class Owner:
    """An instance that owns the one function; a memory slot spares the exit, as on KVM."""

    def __init__(
        self,
        line: int = LINE,
        function: Function = FUNCTION,
        device: FakeDevice | None = None,
        with_devices: bool = False,
    ) -> None:
        self.said: list[str] = []
        self.device = cast(Any, device or FakeDevice())
        self.machine = cast(Any, FakeMachine())
        self.container = cast(Any, FakeContainer())
        self.space = AddressSpace(self.machine, self.said.append)
        self.space.give_memory(Slice((Part(RAM, 0, None),)), HOST)
        if with_devices:
            self.space.join(self.container)
        self.table = table_of(BLUE, (function,))
        routes = Routes(self.machine, self.table, BLUE.name, self.said.append)
        self.interrupts = DeviceInterrupts(self.device, routes, line)
        self.function = OwnedFunction(function, self.device, self.interrupts, self.space)
        self.function.place_bars()
        self.interrupts.use_line()
        self.stop, self.processor = stopped(self.space.ports, self.space.memory)
        self.exits = 0

    # ---- configuration space

    def configure(self, offset: int, width: int, value: int) -> str:
        return self.function.write(offset, width, value)

    def command(self, value: int) -> None:
        self.configure(0x04, 2, value)

    # ---- memory and ports

    def load(self, address: int, width: int = 4) -> int | None:
        """A load; None when a slot backs it and nobody is asked."""
        if any(span.contains(address) for span in self.machine.spans):
            return None
        self.exits += 1
        self.processor.at_memory(address, width)
        assert answer(self.stop) == RESUME
        return int(self.processor.mmio.data)

    def store(self, address: int, value: int, width: int = 4) -> None:
        if any(span.contains(address) for span in self.machine.spans):
            return
        self.exits += 1
        self.processor.at_memory(address, width, value)
        assert answer(self.stop) == RESUME

    def port(self, port: int, width: int = 4) -> int:
        self.processor.at_port(port, width, 1)
        assert answer(self.stop) == RESUME
        return int(self.processor.got()[0])

    # ---- MSI-X, as Linux's drivers/pci/msi does it

    def vector(
        self, number: int, address: int, data: int, masked: int = 0, table: int = TABLE
    ) -> None:
        at = TABLE_BAR + table + 16 * number
        self.store(at, address)
        self.store(at + 4, address >> 32)
        self.store(at + 8, data)
        self.store(at + 12, masked)

    def enable_msix(self, *, masked: bool = False) -> None:
        self.configure(MSIX + 2, 2, 0x8000 | (0x4000 if masked else 0))

    def delivered(self) -> dict[int, tuple[int, int]]:
        """Vector number to the message it would reach the guest as."""
        events: list[int] = next((e for k, e in self.device.connected.items() if k in (1, 2)), [])
        messages = self.machine.messages()
        return {
            number: messages[self.machine.irqfds[event]]
            for number, event in enumerate(events)
            if event in self.machine.irqfds
        }
