"""How are instances kept whose computer is software, in this very process?"""

from __future__ import annotations

import os
import selectors
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from septum.errors import Problem
from septum.messages import Report
from septum.platforms.platform import ComputerPlatform, RunningComputer
from septum.state import RUNNING, STARTING, STOPPING, UNPLUGGED, Ending
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import Announce, Keeper, Stop
from septum.supervisor.restarts import wants_restart
from septum.supervisor.workplace import Workplace


class ComputerKeeper(Keeper):
    """Switches one computer on for all, and gives it a moment each time round the loop."""

    def __init__(
        self,
        platform: ComputerPlatform,
        place: Workplace,
        selector: selectors.BaseSelector,
        announce: Announce,
    ) -> None:
        super().__init__(place, selector, announce)
        self.platform = platform
        self.computer: RunningComputer | None = None
        self.watched: list[int] = []
        self.waiting: list[Instance] = []  # started since the computer had its last moment

    def start(self, instance: Instance) -> None:
        """Have it start with all others that are asked for at once."""
        instance.move(STARTING, time.monotonic())
        self.waiting.append(instance)

    def stop(self, instance: Instance, how: Stop) -> None:
        """Pull its plug: the Alpha's kernels know no power button that could be pressed."""
        instance.starts_again = how.starts_again
        if instance.state == STOPPING:
            return
        instance.move(STOPPING, time.monotonic())
        instance.unplugged = ""
        self.say(instance, "unplugging")
        if instance in self.waiting:
            self.waiting.remove(instance)
            self.end(instance, Ending("stopped"))
        elif self.computer is not None:
            self.computer.stop(instance.name)

    def next_moment(self) -> float | None:
        """When the computer has something to do again."""
        if self.waiting:
            return time.monotonic()
        return None if self.computer is None else self.computer.ready_at()

    def work(self) -> None:
        """Start those that wait, and give the computer a moment."""
        if self.waiting:
            self.begin()
        if self.computer is None:
            return
        try:
            ended = self.computer.step()
        except Exception as error:  # noqa: BLE001  a bug that an instance found is all of theirs
            ended = [(one.name, bug(error)) for one in self.active()]
        for name, ending in ended:
            instance = self.instances[name]
            if instance.unplugged is not None and ending.reason == "stopped":
                ending = Ending(UNPLUGGED)
            again = instance.starts_again or wants_restart(instance.partition, ending)
            self.end(instance, ending)
            if again and not self.is_ending:
                instance.restarts.count += not instance.starts_again
                self.start(instance)
        if not self.active():
            self.switch_off()

    def begin(self) -> None:
        """Start all that wait; one that cannot start is its own loss alone."""
        started, self.waiting = self.waiting, []

        def say(text: str) -> None:
            self.say(started[0], text)

        if self.computer is None:
            partitions = tuple(one.partition for one in started)
            try:
                machine, directory = started[0].machine, self.place.directory
                self.computer = self.platform.switch_on(machine, partitions, directory, say)
            except Exception as error:  # noqa: BLE001  what cannot be switched on has ended
                known = isinstance(error, Problem)
                ending = Ending("failed", str(error)) if known else bug(error)
                for one in started:
                    self.end(one, ending)
                return
        for one in started:
            self.begin_one(self.computer, one)
        self.watch(self.computer)

    def begin_one(self, computer: RunningComputer, instance: Instance) -> None:
        try:
            self.place.directory.make_instance(instance.name)
            computer.add(instance.partition, self.reporter(instance))
        except (Problem, OSError) as problem:
            self.end(instance, Ending("failed", str(problem)))
            return
        instance.move(RUNNING, time.monotonic())
        instance.lives_in = os.getpid()
        self.announce(instance, {"event": "state", "state": RUNNING})

    def reporter(self, instance: Instance) -> Report:
        def report(event: str, fields: Mapping[str, object]) -> None:
            self.announce(instance, {"event": event, **fields})

        return report

    def end(self, instance: Instance, ending: Ending) -> None:
        """An instance is no more."""
        instance.ending = ending
        instance.lives_in = None
        with suppress(OSError):
            self.place.directory.remove_instance(instance.name)
        self.settle(instance)

    def watch(self, computer: RunningComputer) -> None:
        """Wake up when somebody asks an instance something, or types at its console."""
        for number in computer.files():
            if number not in self.watched:
                self.selector.register(number, selectors.EVENT_READ, lambda mask: None)
                self.watched.append(number)

    def switch_off(self) -> None:
        """Nothing runs on the computer: the next start gets a fresh one."""
        if self.computer is not None:
            for number in self.watched:
                self.selector.unregister(number)
            self.watched.clear()
            self.computer.close()
            self.computer = None


def bug(error: Exception) -> Ending:
    """How instances end by what nobody expected; the log has the rest."""
    sys.excepthook(type(error), error, error.__traceback__)
    return Ending("failed", f"a bug, {type(error).__name__}: {error} (see supervisor.log)")
