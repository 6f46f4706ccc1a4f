"""What do the systems of a table do from switching on to power-off? One run, in this process.

Their consoles are read as they write: at certain words, all that is counted is noted down.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from septum.engine.alpha.computer.computer import Computer, assign
from septum.engine.alpha.computer.description import load
from septum.engine.alpha.computer.devices.controller import ScsiController
from septum.engine.alpha.computer.devices.function import PciFunction
from septum.engine.alpha.computer.inventory import machine_of
from septum.engine.alpha.vmm import show
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.kernel import read_kernel
from septum.engine.alpha.vmm.loading import Image
from septum.engine.alpha.vmm.monitor import Monitor
from septum.errors import LabLost
from septum.machine.model import Machine
from septum.partitions.model import Partition, PartitionTable
from septum.partitions.table import checked
from septum.units import PciAddress

MARKS = ("init", "io begins", "io ends", "reported")
PREFIX = "septum: "
TASKS = "io,report,off"
ROUNDS = 2  # of I/O in these: so that the system that is first still does it when the last begins
BYTES = 4 << 20  # written to each disk and read back in a round
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


class Witness:
    """Reads one instance's console. I/O begins with its first round, and ends with its last."""

    def __init__(self, monitor: Monitor, instance: Instance, second: Callable[[], float]) -> None:
        self.monitor = monitor
        self.instance = instance
        self.second = second
        self.text = bytearray()
        self.moments: dict[str, Moment] = {}
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
    images = {one.name: image(one, tasks) for one in table.partitions}
    monitor = Monitor(computer, table.partitions, images, machine=machine)
    switched_on = time.perf_counter()
    witnesses = {
        name: Witness(monitor, instance, lambda: time.perf_counter() - switched_on)
        for name, instance in monitor.instances.items()
    }
    monitor.measure()
    monitor.start()
    while monitor.step(STEP):
        if time.perf_counter() - switched_on > LONGEST:
            last = [f"{name}: {one.text[-200:]!r}" for name, one in witnesses.items()]
            raise LabLost(
                f"the systems are not at their end after {LONGEST:.0f} s", because="; ".join(last)
            )
    ended = time.perf_counter()
    seconds = {"switching on": switched_on - began, "running": ended - switched_on}
    return Run(table, machine, computer, monitor, witnesses, seconds)


def image(partition: Partition, tasks: str) -> Image:
    """What an instance starts from, with other words for its init."""
    initrd = Path(partition.initrd).read_bytes() if partition.initrd else b""
    return Image(read_kernel(partition.kernel), initrd, command_line(partition, tasks))


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
