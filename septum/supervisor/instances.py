"""What does the supervisor know about one instance?"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from septum.host.channel import Channel
from septum.machine.model import Machine
from septum.messages import Message
from septum.partitions.model import Partition
from septum.state import ACTIVE, DEFINED, RUNNING, STARTING, WAITING, Ending, moved
from septum.supervisor.child import Child
from septum.supervisor.restarts import Restarts


class Instance:
    """One instance from its first start until nobody wants to hear of it any more."""

    def __init__(self, partition: Partition, machine: Machine) -> None:
        self.partition = partition
        self.machine = machine
        self.state = DEFINED
        self.child: Child | None = None
        self.lives_in: int | None = None  # the process that is its home and others', if it is
        self.started = 0.0  # this and what follows: seconds, monotonic clock
        self.running_since: float | None = None
        self.starts_at: float | None = None  # while it waits
        self.restarts = Restarts()
        self.said: Ending | None = None  # by the instance itself, before its process ended
        self.ending: Ending | None = None
        self.kept: list[str] = []  # what its last process had and Linux has not got back
        self.starts_again = False  # once it has ended, as somebody asked
        self.line: Channel | None = None  # to its process, once it was asked something
        self.hears_button: bool | None = None  # as it answered when that was pressed
        self.unplugged: str | None = None  # why
        # What is done when it takes too long over its end, and when
        self.last_resort: tuple[float, Callable[[Instance], None]] | None = None

    @property
    def name(self) -> str:
        return self.partition.name

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    def move(self, to: str, now: float) -> None:
        """Change the state; a Problem when it cannot follow."""
        self.state = moved(self.name, self.state, to)
        if to == RUNNING:
            self.running_since = now
        elif to == STARTING:
            self.started = now
            self.running_since = self.starts_at = None
            self.said = self.ending = self.last_resort = None
            self.hears_button = self.unplugged = None
            self.starts_again = False
            self.kept = []

    def look_again(self, unreturned: Iterable[str]) -> None:
        """Forget of what was kept each function that Linux has got back since."""
        still = set(unreturned)
        owned = {str(address) for address in self.partition.functions}
        self.kept = [one for one in self.kept if one in still or one not in owned]

    def row(self, now: float) -> Message:
        """What ps lists. Memory in bytes; uptime, and the time until it starts, in seconds."""
        is_up = self.is_active and self.running_since is not None and self.state != WAITING
        waits = None if self.starts_at is None else round(max(0.0, self.starts_at - now), 1)
        partition = self.partition
        return {
            "name": self.name,
            "state": self.state,
            "pid": self.child.process.number if self.child else self.lives_in,
            "processors": list(partition.processors.numbers),
            "memory": partition.memory.total,
            "functions": [str(address) for address in partition.functions],
            "uptime": round(now - (self.running_since or 0), 1) if is_up else None,
            "restarts": self.restarts.count,
            "starts_in": waits if self.state == WAITING else None,
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
