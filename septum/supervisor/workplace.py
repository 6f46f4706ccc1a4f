"""Where does a supervisor work? Handed in, so that tests have it work elsewhere."""

from __future__ import annotations

from typing import NamedTuple

from septum.host import cgroups
from septum.host.runtime import RunDirectory
from septum.sockets.askers import PATIENCE


class Workplace(NamedTuple):
    """Where things are, and how long a supervisor has patience."""

    directory: RunDirectory
    groups: str = cgroups.DEFAULT_ROOT
    patience: float = 20.0  # seconds an instance's process gets to clean up, and once more to end
    asker_patience: float = PATIENCE  # seconds in which an asker must ask, or read
    root: str = "/"  # where /proc and /sys stand
    slow: float = 60.0  # seconds Linux gets to take back what an instance had
