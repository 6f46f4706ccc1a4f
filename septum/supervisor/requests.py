"""What was asked of the supervisor and is not done yet?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from septum import protocol
from septum.errors import Problem
from septum.messages import Message
from septum.sockets.askers import Asker
from septum.state import RUNNING
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import AT_ONCE, Keeper

STARTED = "started"  # done when each instance runs, or does not even start
AGAIN = "again"  # the same, of instances that end first
MOST_OPEN = 8  # requests of one asker
GONE = "gone"  # done when each has given everything back; then it is forgotten


class Request:
    """One asker, the instances it asked about, and what it waits for."""

    def __init__(self, asker: Asker, names: tuple[str, ...], wanted: str) -> None:
        self.asker = asker
        self.names = names
        self.wanted = wanted

    def is_met(self, instances: Mapping[str, Instance]) -> bool:
        """True when nothing is left to wait for."""
        about = [instances[name] for name in self.names if name in instances]
        if self.wanted in (STARTED, AGAIN):
            return all(one.state == RUNNING or not one.is_active for one in about)
        return not any(one.is_active for one in about)


class OpenRequests:
    """Those that are open, of all askers; and what they are about: the instances kept."""

    def __init__(
        self, platform: str, keeper: Keeper, send: Callable[[Asker, Message], None]
    ) -> None:
        self.platform = platform
        self.keeper = keeper
        self.send = send
        self.open: list[Request] = []

    def add(self, asker: Asker, names: tuple[str, ...], wanted: str) -> None:
        """Answer when it is met. Problem when this asker waits for very much already."""
        if self.of(asker) >= MOST_OPEN:
            raise Problem(
                "too much is asked at once",
                because=f"{MOST_OPEN} requests of this asker are not done yet",
                remedy="wait for one of them to be done",
            )
        self.open.append(Request(asker, names, wanted))

    def of(self, asker: Asker) -> int:
        """How many of an asker's requests are open."""
        return sum(request.asker is asker for request in self.open)

    def announce(self, instance: Instance, event: Message) -> None:
        """Tell everybody who waits for this instance."""
        fields = {key: value for key, value in event.items() if key != "event"}
        told = protocol.event(event["event"], instance.name, fields)
        for request in self.open:
            if instance.name in request.names:
                self.send(request.asker, told)

    def take_back(self, asker: Asker) -> None:
        """Undo what this asker started and has not yet seen to its end."""
        for request in self.open:
            if request.asker is asker and request.wanted == STARTED:
                request.wanted = GONE
                for name in request.names:
                    if name in self.keeper.instances:
                        instance = self.keeper.instances[name]
                        if instance.is_active:
                            self.keeper.stop(instance, AT_ONCE)

    def review(self) -> None:
        """Finish those that are met."""
        instances = self.keeper.instances
        met = [request for request in self.open if request.is_met(instances)]
        now = time.monotonic()
        for request in met:
            self.open.remove(request)
            rows = [instances[name].row(now) for name in request.names if name in instances]
            is_gone = request.wanted == GONE
            self.send(request.asker, {"done": True, "gone": is_gone, "rows": rows})
        for request in met:
            if request.wanted == GONE:
                for name in request.names:
                    instances.pop(name, None)
