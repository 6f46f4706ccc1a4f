"""What do the systems of a table do from switching on to power-off? One run, in this process.

Their consoles are read as they write: at certain words, all that is counted is noted down.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from septum.engine.alpha.computer.computer import Computer, assign
from septum.engine.alpha.computer.description import load
from septum.engine.alpha.computer.devices.controller import ScsiController
from septum.engine.alpha.computer.devices.function import PciFunction
from septum.engine.alpha.computer.inventory import machine_of
from septum.engine.alpha.vmm import show
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.kernel import Kernel, read_kernel
from septum.engine.alpha.vmm.loading import Image
from septum.engine.alpha.vmm.monitor import Monitor
from septum.errors import LabLost
from septum.lab.alpha.promise import MEMORY, SIZES, UNPLUGGED, Foreign, Promise, promises
from septum.machine.model import Machine
from septum.partitions.model import Partition, PartitionTable
from septum.partitions.table import checked
from septum.units import PciAddress

ATTEMPTS = ("attempts begin", "attempts end")
MARKS = ("init", "io begins", *ATTEMPTS, "io ends", "reported", "idle")
PREFIX = "septum: "
TASKS = "attempts,aim,report,off"
LEAST_ROUNDS = 3  # of I/O in these
TRIES = 2  # of each thing of a neighbour's: as init/attempts.c has it
BYTES = 2 << 20  # written to each disk and read back in a round
FIRST_BYTE = 8192  # from here on; before it is the label
STEP = 2_500_000  # cycles, 5 ms
LONGEST = 60.0  # seconds


class Moment(NamedTuple):
    """What was counted when an instance said one of MARKS."""

    cycle: int
    second: float  # of the wall's clock, since the first instance was switched on
    compiled: float  # of these seconds, in compiled code
    instructions: int  # of the first processor
    counters: Mapping[str, int]
    interrupts: list[dict[str, Any]]
    accesses: Mapping[str, int]  # DMA cycles of each of the machine's functions
    foreign: tuple[int, ...]  # what the machine has where the instance tries to write


class Witness:
    """Reads one instance's console. I/O begins with its first round, and ends with its last."""

    def __init__(
        self,
        monitor: Monitor,
        instance: Instance,
        second: Callable[[], float],
        foreign: Sequence[Foreign] = (),
    ) -> None:
        self.monitor = monitor
        self.instance = instance
        self.second = second
        self.foreign = foreign
        self.text = bytearray()
        self.moments: dict[str, Moment] = {}
        self.translations: list[dict[str, object]] = []  # when all was reported
        self._line = bytearray()
        instance.output = self.heard

    def heard(self, data: bytes) -> None:
        self.text += data
        self._line += data
        while b"\n" in self._line:
            line, _, rest = self._line.partition(b"\n")
            self._line = bytearray(rest)
            mark = line.decode(errors="replace").strip().removeprefix(PREFIX)
            if mark in MARKS and (mark not in self.moments or mark == "io ends"):
                self.moments[mark] = self._moment()
                if mark == "reported":
                    self.translations = show.translations(self.instance)

    def _moment(self) -> Moment:
        table = show.interrupts(self.monitor)
        counters = dict(self.instance.counters)
        compiled = self.monitor.measured
        return Moment(
            self.monitor.now,
            self.second(),
            compiled[0] if compiled else 0.0,
            self.monitor.seats[0].processor.instructions,
            counters,
            table,
            accesses(self.monitor.computer),
            tuple(_on_machine(self.monitor.computer, one) for one in self.foreign),
        )

    @property
    def lines(self) -> list[str]:
        """What init said, without the word each of its lines begins with."""
        said = self.text.decode(errors="replace").splitlines()
        return [line.strip().removeprefix(PREFIX) for line in said if line.startswith(PREFIX)]


class Run(NamedTuple):
    """One run that came to its end."""

    table: PartitionTable
    machine: Machine
    computer: Computer
    monitor: Monitor
    witnesses: dict[str, Witness]
    promised: dict[str, Promise]
    seconds: dict[str, float]


def sound(path: Path) -> tuple[PartitionTable, Machine]:
    """A table and the machine it divides. TableProblem when it is not sound."""
    from septum.partitions.file import read

    computer = read(str(path)).computer
    machine = machine_of(load(computer), computer)
    return checked(str(path), machine, files_exist=os.path.isfile), machine


def run(table: PartitionTable, machine: Machine, tasks: str = TASKS) -> Run:
    """Start all of a table's systems at once, let their inits do these tasks, wait for the end.

    LabLost when they are not at their end after LONGEST: with what each said last.
    """
    began = time.perf_counter()
    computer = Computer(load(machine.source))
    assign(computer)
    label_disks(computer, table)
    kernels = {one.name: read_kernel(one.kernel) for one in table.partitions}
    promised = promises(table, machine, computer, kernels)
    images = {
        one.name: image(one, kernels[one.name], tasks, promised[one.name])
        for one in table.partitions
    }
    monitor = Monitor(computer, table.partitions, images, machine=machine)
    switched_on = time.perf_counter()
    witnesses = {
        name: Witness(
            monitor, instance, lambda: time.perf_counter() - switched_on, promised[name].foreign
        )
        for name, instance in monitor.instances.items()
    }
    monitor.measure()
    monitor.start()
    signs = _signs(monitor, witnesses, promised) if "attempts" in tasks else iter(())
    while monitor.step(STEP):
        next(signs, None)
        if time.perf_counter() - switched_on > LONGEST:
            last = [f"{name}: {one.text[-200:]!r}" for name, one in witnesses.items()]
            raise LabLost(
                f"the systems are not at their end after {LONGEST:.0f} s", because="; ".join(last)
            )
    ended = time.perf_counter()
    seconds = {"switching on": switched_on - began, "running": ended - switched_on}
    return Run(table, machine, computer, monitor, witnesses, promised, seconds)


def _signs(
    monitor: Monitor, witnesses: Mapping[str, Witness], promised: Mapping[str, Promise]
) -> Iterator[None]:
    """Type a line to all when each is at its I/O, and one when nobody tries any more.

    So each system tries its neighbours' things while these are at work. Pull the plug of who is
    to end that way when it has done all.
    """
    for mark in ("io begins", ATTEMPTS[1]):
        while not all(mark in one.moments for one in witnesses.values()):
            yield
        for one in witnesses.values():
            one.instance.type(b"\n")
    for name, promise in promised.items():
        if promise.end == UNPLUGGED:
            while "idle" not in witnesses[name].moments:
                yield
            monitor.stop(name, UNPLUGGED)


def image(partition: Partition, kernel: Kernel, tasks: str, promise: Promise) -> Image:
    """What an instance starts from, with other words for its init."""
    initrd = Path(partition.initrd).read_bytes() if partition.initrd else b""
    if "attempts" in tasks and promise.end == UNPLUGGED:
        tasks = tasks.replace("off", "idle")
    line = command_line(partition, tasks)
    if "attempts" in tasks:
        line += f" septum.foreign={','.join(one.word for one in promise.foreign)}"
    if "aim" in tasks:
        line += f" septum.aim={promise.aim:x}"
    return Image(kernel, initrd, line)


def command_line(partition: Partition, tasks: str) -> str:
    """The table's, with these tasks."""
    line = re.sub(r" ?septum\.(do|bytes)=\S*", "", partition.command_line)
    return f"{line} septum.bytes={BYTES} septum.do={tasks}"


def label_disks(computer: Computer, table: PartitionTable) -> None:
    """Write whose it is into the first sector of each disk, as an administrator would."""
    for partition in table.partitions:
        for address in partition.functions:
            controller = function_at(computer, address)
            if isinstance(controller, ScsiController):
                label = f"septum disk of {partition.name}\0".encode()
                controller.target.disk.content[: len(label)] = label


def function_at(computer: Computer, address: PciAddress) -> PciFunction | None:
    """The computer's function at an address, itself."""
    functions = computer.hoses[address.domain].functions.values()
    return next((one for one in functions if one.slot == address.device), None)


def accesses(computer: Computer) -> dict[str, int]:
    """How often each of the computer's functions has begun a DMA cycle, by its name."""
    found = {}
    for hose in computer.hoses:
        for function in hose.functions.values():
            described = computer.description.function(hose.number, function.slot)
            found[described.name if described else ""] = function.accesses
    return found


def _on_machine(computer: Computer, thing: Foreign) -> int:
    """What stands at an address of the machine's, read by nobody's processor."""
    size = SIZES[thing.kind]
    if thing.kind != MEMORY:
        return computer.read(thing.physical, size)
    content = computer.memory[thing.physical : thing.physical + size]
    return int.from_bytes(content.tobytes(), "little")
