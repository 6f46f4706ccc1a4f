"""What do the tests run as operating systems? Programs of a few instructions, put together here.

A guest's code stands where a kernel would; it leaves what it found in its memory at RESULTS.
Registers 9 to 15 are the program's own, 1 to 8 and 22 to 25 are used up by what is below.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from septum.engine.alpha.computer.computer import Computer, assign
from septum.engine.alpha.computer.description import ComputerDescription, load
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.kernel import Kernel, Segment
from septum.engine.alpha.vmm.loading import Image
from septum.engine.alpha.vmm.monitor import Monitor
from septum.layouts import alpha as a
from septum.layouts import palcode
from septum.layouts.palcode import Call
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import MiB, PciAddress
from tests.engine.alpha.processor.assembler import branch as branch_word
from tests.engine.alpha.processor.assembler import call_pal, jump, literal, memory, operate

KSEG = 0xFFFFFC0000000000
IO = 0xFFFFFD0000000000  # KSEG of I/O space, without PA<43>
CODE = 0x310000
RESULTS = 0x400000
TABLES = 0x500000
STACK = 0x3F0000
SIZE = 16 * MiB
SECRET = 0x5EC2E75EC2E75EC2

V0, A0, A1, A2, SP, ZERO = 0, 16, 17, 18, 30, 31
CHECKS, FAULTS = 14, 15  # registers that count machine checks, and other faults


class Guest:
    """Collects instructions; image() is what a monitor loads."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self._labels: dict[str, int] = {}
        self._branches: list[tuple[int, int, int, str]] = []
        self._addresses: list[tuple[int, int, str]] = []

    def put(self, *words: int) -> None:
        self.words.extend(words)

    def label(self, name: str) -> None:
        self._labels[name] = len(self.words)

    def branch(self, opcode: int, register: int, name: str) -> None:
        self._branches.append((len(self.words), opcode, register, name))
        self.put(0)

    def load(self, register: int, value: int) -> None:
        """A 64-bit constant into a register, always seven instructions."""
        parts = []
        for _ in range(4):
            part = ((value & 0xFFFF) ^ 0x8000) - 0x8000
            parts.append(part)
            value = value - part >> 16
        high, *rest = reversed(parts)
        self.put(memory(a.LDA, register, ZERO, high))
        for part in rest:
            self.put(literal(a.INTS, a.SLL, register, 16, register))
            self.put(memory(a.LDA, register, register, part))

    def address(self, register: int, name: str) -> None:
        """The KSEG address of a label into a register."""
        self._addresses.append((len(self.words), register, name))
        self.load(register, 0)

    def add(self, register: int, number: int) -> None:
        """A small number to a register."""
        self.put(literal(a.INTA, a.ADDQ, register, number, register))

    def move(self, source: int, to: int) -> None:
        self.put(operate(a.INTL, a.BIS, source, source, to))

    def call(self, function: int) -> None:
        self.put(call_pal(function))

    def keep(self, register: int, number: int) -> None:
        """A register into the results, by number."""
        self.load(8, KSEG + RESULTS + 8 * number)
        self.put(memory(a.STQ, register, 8))

    def handler(self, entry: int, name: str) -> None:
        """Register an entry point."""
        self.address(A0, name)
        self.put(memory(a.LDA, A1, ZERO, entry))
        self.call(Call.WRENT)

    def halt(self) -> None:
        self.call(Call.HALT)

    def prepared(self) -> None:
        """Begin: a stack, handlers that count and go on after what faulted."""
        self.load(SP, KSEG + STACK)
        self.load(CHECKS, 0)
        self.load(FAULTS, 0)
        self.handler(palcode.Entry.INTERRUPT, "interrupted")
        for entry in (
            palcode.Entry.MEMORY_MANAGEMENT,
            palcode.Entry.ARITHMETIC,
            palcode.Entry.UNALIGNED,
        ):
            self.handler(entry, "faulted")
        self.handler(palcode.Entry.INSTRUCTION_FAULT, "refused")
        self.branch(a.BR, ZERO, "begin")
        self.label("interrupted")
        self.put(memory(a.LDA, A0, ZERO, 7))
        self.call(Call.WRMCES)
        self.add(CHECKS, 1)
        self.call(Call.RTI)
        self.label("faulted")
        self.put(memory(a.LDQ, 22, SP, palcode.Frame.PC))
        self.add(22, 4)
        self.put(memory(a.STQ, 22, SP, palcode.Frame.PC))
        self.label("refused")
        self.add(FAULTS, 1)
        self.call(Call.RTI)
        self.label("begin")

    def loop(self, register: int, times: int, body: Callable[[], None], name: str) -> None:
        """`body` so many times; the register counts down."""
        self.load(register, times)
        self.label(name)
        body()
        self.put(literal(a.INTA, a.SUBQ, register, 1, register))
        self.branch(a.BNE, register, name)

    def finish(self) -> None:
        """Keep both counts as results 0 and 1, and halt."""
        self.keep(CHECKS, 0)
        self.keep(FAULTS, 1)
        self.halt()

    def image(self) -> Image:
        words = list(self.words)
        for at, opcode, register, name in self._branches:
            words[at] = branch_word(opcode, register, self._labels[name] - at - 1)
        for at, register, name in self._addresses:
            one = Guest()
            one.load(register, KSEG + CODE + 4 * self._labels[name])
            words[at : at + len(one.words)] = one.words
        data = np.array(words, np.uint32).tobytes()
        return Image(Kernel("guest", KSEG + CODE, (Segment(CODE, data, len(data)),)))


SLOTS = ((1, 2), (3, 5))  # of "clipper": on each hose, in order


def partition(name: str, hose: int, **changes: object) -> Partition:
    """A partition with one hose's Ethernet and SCSI."""
    one = Partition(
        name=name,
        kernel="",
        initrd=None,
        command_line="",
        memory=MemorySlice(SIZE, 0),
        processors=Processors((0,), own=False, weight=100),
        functions=tuple(PciAddress(hose, 0, slot, 0) for slot in SLOTS[hose]),
        on_reboot="stop",
    )
    return one._replace(**changes)  # type: ignore[arg-type]


class Bench:
    """A computer with two instances, called "bad" (hose 0) and "good" (hose 1)."""

    def __init__(
        self,
        bad: Guest,
        good: Guest | None = None,
        *,
        described: ComputerDescription | None = None,
        changes: dict[str, dict[str, object]] | None = None,
        slice_cycles: int = 100_000,
    ) -> None:
        self.computer = Computer(described or load("clipper"))
        assign(self.computer)
        each = changes or {}
        partitions = [
            partition("bad", 0, **each.get("bad", {})),
            partition("good", 1, **each.get("good", {})),
        ]
        guests = {"bad": bad, "good": good or counting(1)}
        self.monitor = Monitor(
            self.computer,
            partitions,
            {name: guest.image() for name, guest in guests.items()},
            slice_cycles=slice_cycles,
        )
        self.bad: Instance = self.monitor.instances["bad"]
        self.good: Instance = self.monitor.instances["good"]

    def start(self) -> Bench:
        self.monitor.start()
        for instance in (self.bad, self.good):
            self.write(instance, 0x600000, SECRET + int(instance is self.bad))
        return self

    def run(self, cycles: int = 400_000_000) -> Bench:
        self.start()
        self.monitor.run(cycles)
        return self

    def write(self, instance: Instance, physical: int, value: int) -> None:
        at = instance.memory.start + physical
        self.computer.memory[at : at + 8] = np.frombuffer(value.to_bytes(8, "little"), np.uint8)

    def read(self, instance: Instance, physical: int) -> int:
        at = instance.memory.start + physical
        return int.from_bytes(self.computer.memory[at : at + 8].tobytes(), "little")

    def result(self, number: int, instance: Instance | None = None) -> int:
        return self.read(instance or self.bad, RESULTS + 8 * number)

    def contents(self, instance: Instance) -> bytes:
        """All of an instance's memory but its results, for comparing."""
        whole = bytearray(
            self.computer.memory[instance.memory.start : instance.memory.end].tobytes()
        )
        whole[RESULTS : RESULTS + 0x2000] = bytes(0x2000)
        return bytes(whole)

    def reasons(self) -> set[tuple[str, str]]:
        return set(self.bad.rejections)


def counting(times: int) -> Guest:
    """Counts in memory, and powers off: a guest that minds its own business."""
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + RESULTS + 16)
    guest.load(10, 0)

    def body() -> None:
        guest.add(10, 1)
        guest.put(memory(a.STQ, 10, 9))

    guest.loop(11, times, body, "count")
    guest.finish()
    return guest


def to_user(guest: Guest, name: str, stack: int = 0x2000) -> None:
    """Leave kernel mode for a label, whose page is mapped (see mapped)."""
    guest.put(memory(a.LDA, SP, SP, -palcode.Frame.SIZE))
    guest.load(1, palcode.PS_USER)
    guest.put(memory(a.STQ, 1, SP, palcode.Frame.PS))
    guest.address(1, name)
    guest.load(2, KSEG - USER)
    guest.put(operate(a.INTA, a.SUBQ, 1, 2, 1))
    guest.put(memory(a.STQ, 1, SP, palcode.Frame.PC))
    guest.call(Call.RTI)


USER = 0x40000000  # where the user sees the guest's physical memory from 0 on, 8 MiB of it
_USER_PTE = 0x3301 | 0x4  # valid, all reads and writes but FOW


def mapped(bench: Bench, instance: Instance, entry: int = 0x3301, pages: int = 1024) -> None:
    """Page tables of an instance: its first 8 MiB at USER, for user and kernel."""
    level_1, level_2, level_3 = TABLES, TABLES + 0x2000, TABLES + 0x4000

    def pte(physical: int, bits: int) -> int:
        return physical >> 13 << 32 | bits

    bench.write(instance, level_1 + (USER >> 33 & 1023) * 8, pte(level_2, 0x1101))
    bench.write(instance, level_2 + (USER >> 23 & 1023) * 8, pte(level_3, 0x1101))
    for number in range(pages):
        bench.write(instance, level_3 + number * 8, pte(number << 13, entry))
    instance.pal.page_table = level_1 >> 13


def jumps_to(guest: Guest, address: int) -> None:
    guest.load(1, address)
    guest.put(jump(26, 1))
