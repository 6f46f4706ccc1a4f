"""What does whoever keeps instances have in common, wherever these live?"""

from __future__ import annotations

import selectors
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from septum.messages import Message
from septum.state import after
from septum.supervisor.instances import Instance
from septum.supervisor.workplace import Workplace

Announce = Callable[[Instance, Message], None]
SHUTDOWN_SECONDS = 60.0  # a system gets to shut itself down, where nobody says how long


class Stop(NamedTuple):
    """How an instance is to end."""

    within: float = 0.0  # seconds its system gets after the power button; 0: the plug, at once
    starts_again: bool = False


AT_ONCE = Stop()


class Keeper(ABC):
    """The instances; what happens to them is announced."""

    has_power_button = False

    def __init__(
        self, place: Workplace, selector: selectors.BaseSelector, announce: Announce
    ) -> None:
        self.place = place
        self.selector = selector
        self.announce = announce
        self.instances: dict[str, Instance] = {}
        self.is_ending = False  # nothing starts any more

    def active(self) -> list[Instance]:
        """Instances that hold what their table gave them."""
        return [instance for instance in self.instances.values() if instance.is_active]

    @abstractmethod
    def start(self, instance: Instance) -> None:
        """Start an instance; a failure is that instance's alone."""

    @abstractmethod
    def stop(self, instance: Instance, how: Stop) -> None:
        """End an instance that holds something; asked again, sooner or otherwise."""

    @abstractmethod
    def next_moment(self) -> float | None:
        """When, on the monotonic clock, there is something to do; None: nothing before news."""

    @abstractmethod
    def work(self) -> None:
        """What there is to do whether or not anybody has asked for something."""

    def settle(self, instance: Instance) -> None:
        """An instance has come to rest: say in what state, and why."""
        assert instance.ending is not None
        instance.move(after(instance.ending), time.monotonic())
        fields = {"reason": instance.ending.reason, "detail": instance.ending.detail}
        self.announce(instance, {"event": "state", "state": instance.state, **fields})

    def say(self, instance: Instance, text: str) -> None:
        self.announce(instance, {"event": "stage", "text": text})
