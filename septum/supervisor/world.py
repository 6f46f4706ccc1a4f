"""What does the supervisor need from outside? Handed in, so that tests hand in other things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from septum.host import cgroups
from septum.host.journal import Journal
from septum.host.runtime import RunDirectory
from septum.machine.model import Machine
from septum.partitions.model import Partition

Report = Callable[[str, Mapping[str, object]], None]
Run = Callable[[Partition, Machine, RunDirectory, Report], tuple[str, str]]  # a state.Ending
Restore = Callable[[Journal], list[str]]  # one line for each thing that was put back


class World(NamedTuple):
    """Where things are, what an instance is, and who puts back what a dead one held."""

    directory: RunDirectory
    run: Run
    restore: Restore
    warm_up: Callable[[], None]  # imports what run needs, before any process is forked for it
    groups: str = cgroups.DEFAULT_ROOT
    patience: float = 20.0  # seconds an instance gets to clean up when its supervisor has died
