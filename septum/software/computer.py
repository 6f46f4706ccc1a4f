"""How do the instances of a software computer live in one process, with whoever asks about them?

The computer gets a moment at a time (step); between moments, questions are answered and what
instances wrote to their consoles is passed on. Where all instances wait, so does this process:
the computer's time then goes as fast as the clock on the wall, and no faster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from septum.engine.alpha.computer.computer import Computer, assign
from septum.engine.alpha.computer.description import load
from septum.engine.alpha.processor.processor import prepare
from septum.engine.alpha.vmm import show
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.kernel import read_kernel
from septum.engine.alpha.vmm.loading import Image
from septum.engine.alpha.vmm.monitor import Monitor
from septum.errors import GuestProblem, Problem
from septum.host.runtime import RunDirectory
from septum.machine.model import Machine
from septum.messages import Report
from septum.partitions.model import Partition
from septum.sockets.console import Console
from septum.sockets.link import Link
from septum.software.answers import answers
from septum.state import Ending

STEP_SECONDS = 0.005  # of machine time: how long a question may wait, about
REGISTERS_A_LINE = 4


class Member:
    """One instance, its console and its sockets."""

    def __init__(self, partition: Partition, directory: RunDirectory) -> None:
        self.name = name = partition.name
        nobody = threading.Lock()  # one thread does it all
        self.console = Console(
            directory.log_of(name),
            lambda level: None,
            nobody,
            log_size=partition.log_size,
            log_count=partition.log_count,
        )
        self.link = Link(self.console, nobody, name)
        self.link.listen(directory.control_of(name), directory.console_of(name))

    def heard(self, data: bytes) -> None:
        """What the instance wrote to its console."""
        for value in data:
            self.console.output(value)

    def turn(self) -> None:
        """Pass on what it wrote, and answer who asks."""
        self.console.pass_on()
        self.link.turn(0)

    def close(self) -> None:
        self.link.close()
        self.console.close()


class GuestInput:
    """The instance's serial port as a console sees it: it holds back what it has no room for."""

    room = 1 << 12  # bytes

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self.receive = receive


class SoftwareComputer:
    """A software Alpha computer and the instances that may be started on it.

    `partitions` are all of them; one whose kernel cannot be loaded is refused by add() alone.
    MachineProblem or TableProblem when there is no such computer.
    """

    def __init__(
        self,
        machine: Machine,
        partitions: tuple[Partition, ...],
        directory: RunDirectory,
        say: Callable[[str], None],
    ) -> None:
        self.directory = directory
        self.refused: dict[str, Problem] = {}
        self.members: dict[str, Member] = {}
        images: dict[str, Image] = {}
        for partition in partitions:
            try:
                images[partition.name] = image_of(partition)
            except Problem as problem:
                self.refused[partition.name] = problem
        description = load(machine.source)
        self.computer = Computer(description)
        assign(self.computer)
        whole = [one for one in partitions if one.name in images]
        prepare(say)
        self.monitor = Monitor(self.computer, whole, images, machine=machine)
        self.frequency = description.frequency
        self.behind = time.monotonic()  # the wall's clock when the computer's stood at 0
        self.waited = False  # in the last moment, at least one processor had nothing to do

    def add(self, partition: Partition, report: Report) -> None:
        """Switch an instance on. Problem when its kernel is none, or it came too late."""
        name = partition.name
        if name in self.refused:
            raise self.refused[name]
        if name not in self.monitor.instances:
            raise GuestProblem(
                f"{name} cannot join",
                because="the computer was divided when its first instances started",
                remedy="septum down, then septum up with all of them",
            )
        instance = self.monitor.instances[name]
        member = Member(partition, self.directory)
        member.console.port = GuestInput(instance.type)  # type: ignore[assignment]
        member.link.answers = answers(self.monitor, instance)
        instance.output = member.heard
        try:
            self.monitor.start(name)
        except Problem:
            member.close()
            raise
        self.members[name] = member

    def step(self) -> list[tuple[str, Ending]]:
        """Let the computer run for a moment; who ended in it, and how."""
        idle = self.idle
        self.monitor.step(int(STEP_SECONDS * self.frequency))
        self.waited = self.idle > idle
        if not self.waited:
            # Busy, it may be slower than its clock says: that is not caught up afterwards
            self.behind = max(self.behind, time.monotonic() - self.seconds)
        ended = []
        for name, member in list(self.members.items()):
            member.turn()
            instance = self.monitor.instances[name]
            if instance.ended is not None:
                ended.append((name, ending_of(instance)))
                self.members.pop(name).close()
        return ended

    @property
    def seconds(self) -> float:
        """Of machine time, since it was switched on."""
        return self.monitor.now / self.frequency

    @property
    def idle(self) -> int:
        return sum(seat.idle for seat in self.monitor.seats)

    def ready_at(self) -> float:
        """At once while somebody computes; else when the wall's clock has caught up."""
        return self.behind + self.seconds if self.waited else 0.0

    def files(self) -> list[int]:
        return [member.link.fileno() for member in self.members.values()]

    def stop(self, name: str) -> None:
        self.monitor.stop(name)

    def close(self) -> None:
        for member in self.members.values():
            member.close()
        self.members.clear()


def image_of(partition: Partition) -> Image:
    """What an instance starts from. GuestProblem when it cannot."""
    kernel = read_kernel(partition.kernel)
    initrd = b""
    if partition.initrd:
        try:
            with open(partition.initrd, "rb") as file:
                initrd = file.read()
        except OSError as error:
            raise GuestProblem(
                f"cannot read the initrd {partition.initrd}",
                because=error.strerror or str(error),
                remedy="name a file that this user can read",
            ) from error
    kernel.require_room(partition.memory.total, len(initrd))
    return Image(kernel, initrd, partition.command_line)


def ending_of(instance: Instance) -> Ending:
    """How an instance ended; unless it was on purpose, with its registers and last trap."""
    why = instance.ended or ""
    if why in ("powered off", "stopped"):
        return Ending(why)
    if why == "asked to be restarted":
        return Ending("reset")
    words = show.last_words(instance)
    registers = words.pop("registers")
    assert isinstance(registers, list)
    known = {key: value for key, value in words.items() if key != "ended" and value != ""}
    lines = [f"  {key.replace('_', ' ')} {value}" for key, value in known.items()]
    for first in range(0, len(registers), REGISTERS_A_LINE):
        part = registers[first : first + REGISTERS_A_LINE]
        lines.append("  " + " ".join(f"r{first + at} {value}" for at, value in enumerate(part)))
    return Ending("failed", "\n".join([why, *lines]))
