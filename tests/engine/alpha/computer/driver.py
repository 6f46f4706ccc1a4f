"""A driver as an operating system's: all it knows of the computer is reads, writes and memory."""

from __future__ import annotations

import struct

from septum.engine.alpha.computer.computer import Computer, assign
from septum.engine.alpha.computer.description import load, parse

HOSE = 1 << 33
PCHIP = 0x801_8000_0000
CCHIP = 0x801_A000_0000
IO = 0x801_FC00_0000
CONFIGURATION = 0x801_FE00_0000
MEMORY = 0x800_0000_0000
DIRECT = 0x8000_0000  # bus address of the direct window: memory one to one

ETHERNET, DISK, ISA = 1, 2, 7  # slots of "clipper", hose 0
SLOTS = ((ETHERNET, DISK), (5, 3))  # the card's and the controller's, of each hose
DRIVER_OK = 0xF
WANTED = 1 << 32 | 1 << 33


def powered(windows: bool = True) -> Computer:
    """A computer after its firmware, its DMA windows as Linux sets them."""
    computer = Computer(load("clipper"))
    assign(computer)
    if windows:
        for hose in range(2):
            direct_window(computer, hose)
    return computer


def direct_window(computer: Computer, hose: int, base: int = 0, mask: int = 0x7FF0_0000) -> None:
    pchip = PCHIP + hose * HOSE
    computer.write(pchip + 0x080, 8, DIRECT | 1)
    computer.write(pchip + 0x180, 8, mask)
    computer.write(pchip + 0x280, 8, base)


def machine(text: str) -> Computer:
    computer = Computer(parse(text, "test.toml"))
    assign(computer)
    return computer


def configuration(hose: int, slot: int, register: int = 0) -> int:
    return CONFIGURATION + hose * HOSE + (slot << 11) + register


class Memory:
    """Where the driver puts its things: machine memory from `start` on, handed out upwards."""

    def __init__(self, computer: Computer, start: int = 0x10_0000) -> None:
        self.content = computer.memory
        self.next = start

    def take(self, size: int, align: int = 16) -> int:
        self.next = (self.next + align - 1) // align * align
        found, self.next = self.next, self.next + size
        return found

    def put(self, at: int, data: bytes) -> None:
        self.content[at : at + len(data)] = memoryview(data)

    def get(self, at: int, size: int) -> bytes:
        return bytes(self.content[at : at + size])


class Ring:
    """One split virtqueue, from the driver's side. `bus` is added to every address given away."""

    def __init__(self, memory: Memory, size: int, bus: int = DIRECT) -> None:
        self.memory, self.size, self.bus = memory, size, bus
        self.descriptors = memory.take(16 * size)
        self.available = memory.take(6 + 2 * size)
        self.used = memory.take(6 + 8 * size)
        self.free = 0
        self.offered = 0
        self.seen = 0
        self.event_index = False

    def descriptor(self, number: int, address: int, length: int, flags: int, then: int) -> None:
        packed = struct.pack("<QIHH", address, length, flags, then)
        self.memory.put(self.descriptors + 16 * number, packed)

    def offer(self, out: list[bytes], room: list[int]) -> tuple[int, list[int]]:
        """A chain: bytes for the device, then room for its answer; head and the room's places."""
        buffers = []
        places = []
        for data in out:
            at = self.memory.take(len(data))
            self.memory.put(at, data)
            buffers.append((at, len(data), 0))
        for size in room:
            at = self.memory.take(size)
            places.append(at)
            buffers.append((at, size, 2))
        head = self.free
        for step, (at, size, flags) in enumerate(buffers):
            last = step == len(buffers) - 1
            number = (head + step) % self.size
            following = 0 if last else (number + 1) % self.size
            self.descriptor(number, at + self.bus, size, flags | (not last), following)
        self.free = (head + len(buffers)) % self.size
        self.make_available(head)
        return head, places

    def offer_indirect(self, out: list[bytes], room: list[int]) -> tuple[int, list[int]]:
        """The same, with its descriptors in a table of its own."""
        inner = Ring(self.memory, 8, self.bus)
        _, places = inner.offer(out, room)
        head = self.free
        count = len(out) + len(room)
        self.descriptor(head, inner.descriptors + self.bus, 16 * count, 4, 0)
        self.free = (head + 1) % self.size
        self.make_available(head)
        return head, places

    def make_available(self, head: int) -> None:
        at = self.available + 4 + 2 * (self.offered % self.size)
        self.memory.put(at, struct.pack("<H", head))
        self.offered = self.offered + 1 & 0xFFFF
        self.memory.put(self.available + 2, struct.pack("<H", self.offered))

    def collect(self) -> list[tuple[int, int]]:
        """Head and length of what the device gave back since this was last asked."""
        (index,) = struct.unpack("<H", self.memory.get(self.used + 2, 2))
        found = []
        while self.seen != index:
            at = self.used + 4 + 8 * (self.seen % self.size)
            found.append(struct.unpack("<II", self.memory.get(at, 8)))
            self.seen = self.seen + 1 & 0xFFFF
        if self.event_index:  # interrupt me for the next one
            at = self.available + 4 + 2 * self.size
            self.memory.put(at, struct.pack("<H", self.seen))
        return found


class Driver:
    """A modern virtio driver: finds the areas by the capabilities, negotiates, sets up queues."""

    def __init__(self, computer: Computer, hose: int, slot: int, bus: int = DIRECT) -> None:
        self.computer, self.hose, self.slot, self.bus = computer, hose, slot, bus
        self.where = configuration(hose, slot)
        self.areas: dict[int, int] = {}
        self.multiplier = 0
        base = computer.read(self.where + 0x10, 4) & ~0xF
        at = computer.read(self.where + 0x34, 1)
        while at:
            kind = computer.read(self.where + at + 3, 1)
            offset = computer.read(self.where + at + 8, 4)
            self.areas[kind] = MEMORY + hose * HOSE + base + offset
            if kind == 2:
                self.multiplier = computer.read(self.where + at + 16, 4)
            at = computer.read(self.where + at + 1, 1)
        computer.write(self.where + 4, 2, 0x6)
        self.rings: list[Ring] = []

    def common(self, offset: int, size: int, value: int | None = None) -> int:
        if value is None:
            return self.computer.read(self.areas[1] + offset, size)
        self.computer.write(self.areas[1] + offset, size, value)
        return value

    def offered(self) -> int:
        words = []
        for word in range(2):
            self.common(0, 4, word)
            words.append(self.common(4, 4))
        return words[0] | words[1] << 32

    def negotiate(self, features: int = WANTED) -> bool:
        """Up to FEATURES_OK; whether the device agreed."""
        self.common(0x14, 1, 0)
        assert self.common(0x14, 1) == 0
        self.common(0x14, 1, 1)
        self.common(0x14, 1, 3)
        for word in range(2):
            self.common(8, 4, word)
            self.common(12, 4, features >> 32 * word & 0xFFFF_FFFF)
        self.common(0x14, 1, 0xB)
        return bool(self.common(0x14, 1) & 8)

    def queue(self, number: int, memory: Memory, size: int = 0) -> Ring:
        self.common(0x16, 2, number)
        if size:
            self.common(0x18, 2, size)
        ring = Ring(memory, self.common(0x18, 2), self.bus)
        for offset, at in ((0x20, ring.descriptors), (0x28, ring.available), (0x30, ring.used)):
            self.common(offset, 4, at + self.bus & 0xFFFF_FFFF)
            self.common(offset + 4, 4, at + self.bus >> 32)
        self.common(0x1C, 2, 1)
        return ring

    def start(self, memory: Memory, features: int = WANTED, size: int = 0) -> list[Ring]:
        """The whole of it: afterwards the device is running and has its queues."""
        assert self.negotiate(features)
        self.rings = [self.queue(n, memory, size) for n in range(self.common(0x12, 2))]
        for ring in self.rings:
            ring.event_index = bool(features >> 29 & 1)
        self.common(0x14, 1, DRIVER_OK)
        return self.rings

    def notify(self, number: int) -> None:
        self.common(0x16, 2, number)
        offset = self.common(0x1E, 2) * self.multiplier
        self.computer.write(self.areas[2] + offset, 2, number)

    def interrupt_status(self) -> int:
        return self.computer.read(self.areas[3], 1)

    @property
    def line(self) -> int:
        """The level of the slot's request line, as the Cchip shows it."""
        bit = 8 + 4 * (self.slot - 1) + 16 * self.hose
        return self.computer.read(CCHIP + 0x300, 8) >> bit & 1

    def wait(self, cycles: int = 1_000_000) -> None:
        self.computer.advance(self.computer.now + cycles)
