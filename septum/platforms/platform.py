"""What must be known of a kind of computer before its tables can be checked, and run?

Commands and the supervisor ask these questions and never which platform it is. Each platform is a
module of this folder, named as in settings.PLATFORMS, with its answers as PLATFORM.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from septum.host.journal import Journal
    from septum.host.processes import Process
    from septum.host.runtime import RunDirectory
    from septum.machine.model import Machine
    from septum.messages import Report
    from septum.partitions.draft import Draft
    from septum.partitions.findings import Finding
    from septum.partitions.model import Partition, PartitionTable
    from septum.state import Ending


class Platform(ABC):
    """A kind of computer that tables divide."""

    @abstractmethod
    def directory(self) -> RunDirectory:
        """Where its instances and their supervisor meet."""

    @abstractmethod
    def machine(self, draft: Draft) -> Machine:
        """The computer a table divides. MachineProblem: there is none."""

    @abstractmethod
    def captured(self, draft: Draft, capture: str) -> Machine:
        """A captured one in its place. MachineProblem: that cannot be read, or cannot be."""

    def image_findings(self, draft: Draft, table: PartitionTable) -> list[Finding]:
        """What is wrong with kernels, as far as that can be told before they are started."""
        return []

    @abstractmethod
    def warm_up(self) -> None:
        """Import what instances need, once for all. Problem: it is not installed."""

    def restore(self, journal: Journal, instance: str = "") -> list[str]:
        """Give back what dead processes held; a line for each thing. Problem: not all came.

        What a living keeper keeps for an instance's next process is left alone, unless that is
        the instance which is named.
        """
        return []


class ProcessPlatform(Platform):
    """Each instance is a process."""

    @abstractmethod
    def run(
        self,
        partition: Partition,
        machine: Machine,
        directory: RunDirectory,
        report: Report,
        *,
        terminal: bool = False,
        keeper: Process | None = None,
    ) -> Ending:
        """An instance's whole life, in this process; Problem when it cannot start.

        With `terminal`, its serial port is on this process's input and output. A keeper, as long
        as it lives, gives back what this process took, or keeps it for the instance's next one.
        """


class ComputerPlatform(Platform):
    """The computer itself is a program, and all its instances live in that one's process."""

    @abstractmethod
    def switch_on(
        self,
        machine: Machine,
        partitions: tuple[Partition, ...],
        directory: RunDirectory,
        say: Callable[[str], None],
    ) -> RunningComputer:
        """The computer, with these instances to be started on it. Problem: there is none."""


class RunningComputer(Protocol):
    """A computer that is software, as whoever keeps its instances sees it."""

    def add(self, partition: Partition, report: Report) -> None:
        """Start one more instance; Problem when it cannot, and then it is that one's alone."""

    def step(self) -> list[tuple[str, Ending]]:
        """Run for a moment; who ended in it, and how."""

    def ready_at(self) -> float:
        """When, on the monotonic clock, there is something to do again; now or before: at once."""

    def files(self) -> list[int]:
        """Descriptors that are readable when somebody outside wants something."""

    def stop(self, name: str) -> None:
        """End an instance."""

    def close(self) -> None:
        """Leave nothing behind."""
