"""What does the supervisor need from outside? Handed in, so that tests hand in other things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from septum.host import cgroups
from septum.host.journal import Journal
from septum.host.runtime import RunDirectory
from septum.machine.model import Machine
from septum.partitions.model import Partition
from septum.state import Ending

Report = Callable[[str, Mapping[str, object]], None]
Run = Callable[[Partition, Machine, RunDirectory, Report], tuple[str, str]]  # a state.Ending
Restore = Callable[[Journal], list[str]]  # one line for each thing that was put back


class Computer(Protocol):
    """A computer that is software: all its instances live in the supervisor's own process."""

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


Build = Callable[[Machine, tuple[Partition, ...], RunDirectory, Callable[[str], None]], Computer]


class World(NamedTuple):
    """Where things are, what an instance is, and who puts back what a dead one held."""

    directory: RunDirectory
    run: Run
    restore: Restore
    warm_up: Callable[[], None]  # imports what run needs, before any process is forked for it
    groups: str = cgroups.DEFAULT_ROOT
    patience: float = 20.0  # seconds an instance gets to clean up when its supervisor has died
    build: Build | None = None  # the computer, where it is software and not this one
