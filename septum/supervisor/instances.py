"""What does the supervisor know about one instance?"""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterable

from septum.machine.model import Machine
from septum.messages import Message
from septum.partitions.model import Partition
from septum.state import ACTIVE, DEFINED, RUNNING, STARTING, Ending, moved
from septum.supervisor.child import Child


class Instance:
    """One instance from its first start until nobody wants to hear of it any more."""

    def __init__(self, partition: Partition, machine: Machine) -> None:
        self.partition = partition
        self.machine = machine
        self.state = DEFINED
        self.child: Child | None = None
        self.lives_in: int | None = None  # the process that is its home and others', if it is
        self.running_since: float | None = None  # seconds, monotonic clock
        self.said: Ending | None = None  # by the instance itself, before its process ended
        self.ending: Ending | None = None
        self.kept: list[str] = []  # what its last process had and Linux has not got back
        self.asked_to_stop: socket.socket | None = None
        self.last_resorts: list[tuple[float, signal.Signals]] = []  # when, monotonic; what

    @property
    def name(self) -> str:
        return self.partition.name

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def wants_restart(self) -> bool:
        """True after a reset from inside, where the table says so."""
        was_reset = self.ending is not None and self.ending.reason == "reset"
        return was_reset and self.partition.on_reboot == "restart"

    def move(self, to: str, now: float) -> None:
        """Change the state; a Problem when it cannot follow."""
        self.state = moved(self.name, self.state, to)
        if to == RUNNING:
            self.running_since = now
        elif to == STARTING:
            self.running_since = self.said = self.ending = None
            self.last_resorts = []
            self.kept = []

    def look_again(self, unreturned: Iterable[str]) -> None:
        """Forget of what was kept each function that Linux has got back since."""
        still = set(unreturned)
        owned = {str(address) for address in self.partition.functions}
        self.kept = [one for one in self.kept if one in still or one not in owned]

    def row(self, now: float) -> Message:
        """What ps lists. Memory in bytes, uptime in seconds."""
        is_up = self.is_active and self.running_since is not None
        partition = self.partition
        return {
            "name": self.name,
            "state": self.state,
            "pid": self.child.process.number if self.child else self.lives_in,
            "processors": list(partition.processors.numbers),
            "memory": partition.memory.total,
            "functions": [str(address) for address in partition.functions],
            "uptime": round(now - (self.running_since or 0), 1) if is_up else None,
            "ending": ending_text(self.ending, self.kept),
            "kept": list(self.kept),
            "reason": self.ending.reason if self.ending else "",
            "detail": self.ending.detail if self.ending else "",
        }


def ending_text(ending: Ending | None, kept: list[str]) -> str:
    """One line about an ending: its reason, the first line of its detail, what is still held."""
    if ending is None:
        return ""
    first = ending.detail.partition("\n")[0]
    text = f"{ending.reason}: {first}" if first else ending.reason
    return f"{text}; not given back: {', '.join(kept)}" if kept else text
