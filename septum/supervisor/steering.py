"""Who keeps interrupts of an instance's functions on the instance's processors? The supervisor.

A vector becomes one of Linux's when its owner unmasks it, at any time, and an instance's own
process has no right to say where Linux serves it. Nobody tells of it either, so it is looked for:
soon after an instance has begun or something had to be moved, less often while nothing has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from septum.host.affinity import Affinity
from septum.state import RUNNING, STOPPING
from septum.supervisor.instances import Instance

SOON, LATE = 0.5, 8.0  # seconds between looks
Say = Callable[[Instance, str], None]


class Steering:
    """The functions of running instances. `root` is where /proc and /sys stand."""

    def __init__(self, say: Say, root: str = "/") -> None:
        self._say = say
        self._root = root
        self._kept: dict[str, list[Affinity]] = {}
        self._said: set[tuple[str, str]] = set()
        self._pause = SOON
        self.moment: float | None = None  # of the next look, on the monotonic clock

    def work(self, instances: Iterable[Instance]) -> None:
        """Look where interrupts go, if it is time to."""
        now = time.monotonic()
        here = {one.name: one for one in instances if one.state in (RUNNING, STOPPING)}
        for name in self._kept.keys() - here.keys():
            del self._kept[name]
            self._said = {(who, why) for who, why in self._said if who != name}
        for name, instance in here.items():
            if name not in self._kept:
                self._kept[name] = self._functions_of(instance)
                if self._kept[name]:
                    self.moment, self._pause = now, SOON
        if not any(self._kept.values()):
            self.moment = None
        elif self.moment is not None and self.moment <= now:
            self._look([(here[name], one) for name, kept in self._kept.items() for one in kept])
            self.moment = now + self._pause

    def _functions_of(self, instance: Instance) -> list[Affinity]:
        numbers = instance.partition.processors.numbers
        return [Affinity(str(one), numbers, self._root) for one in instance.partition.functions]

    def _look(self, kept: list[tuple[Instance, Affinity]]) -> None:
        moved = [affinity.follow() for _, affinity in kept]
        self._pause = SOON if any(moved) else min(2 * self._pause, LATE)
        for instance, affinity in kept:
            for why in affinity.refused.values():
                text = f"interrupts of {affinity.address} stay where Linux has them: {why}"
                if (instance.name, text) not in self._said:
                    self._said.add((instance.name, text))
                    self._say(instance, text)
