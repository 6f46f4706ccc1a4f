"""How does what an instance had go back to Linux, without anybody having to wait for it?

A driver that takes a device back may need seconds, or hang in it. So a process of its own does that
for each instance; the supervisor's loop hears what it says, and reaps it.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from septum.errors import Problem
from septum.host import logs, processes
from septum.host.channel import Channel
from septum.host.journal import Journal
from septum.messages import encode
from septum.platforms.platform import ProcessPlatform
from septum.supervisor.child import Child, fork_process, reap
from septum.supervisor.workplace import Workplace
from septum.units import duration_text

Done = Callable[[list[str]], None]  # hears what could not be given back, a text for each


class Return:
    """One that goes on."""

    def __init__(self, child: Child, until: float, done: Done) -> None:
        self.child = child
        self.until: float | None = until  # monotonic; None: nobody waits for it any more
        self.done = done
        self.problems: list[str] = []


class Returns:
    """Those that go on, by the instance's name."""

    def __init__(
        self,
        platform: ProcessPlatform,
        place: Workplace,
        selector: selectors.BaseSelector,
        say: Callable[[str, str], None],
        forget: Callable[[], None],
    ) -> None:
        self.platform = platform
        self.place = place
        self.selector = selector
        self.say = say
        self.forget = forget
        self.open: dict[str, Return] = {}

    def refuse(self, name: str) -> None:
        """Problem when an instance of this name had something that is still on its way back."""
        if name in self.open:
            raise Problem(
                f"{name} cannot start",
                because="Linux has not taken back yet what its last process had",
                remedy="see dmesg: which driver hangs? septum ps says what it is",
            )

    def begin(self, name: str, done: Done) -> None:
        """Give back what the last process of an instance left; done() is called in any case."""
        if name in self.open:
            done([])
            return

        def work(reports: socket.socket) -> int:
            return give_back(self.platform, self.place, name, reports)

        try:
            child = fork_process(work, self.forget)
        except OSError as error:
            done([f"no process can be had for that: {error}"])
            return
        one = self.open[name] = Return(child, time.monotonic() + self.place.slow, done)
        self.selector.register(child.handle, selectors.EVENT_READ, lambda mask: self.ended(name))
        self.selector.register(
            child.reports, selectors.EVENT_READ, lambda mask: self.hear(name, one)
        )

    def hear(self, name: str, one: Return) -> bool:
        """Pass on what it says; whether there may be more."""
        if not is_watched(self.selector, one.child.reports):
            return False  # it ended in this same moment, and was heard to its end
        try:
            messages = one.child.reports.receive()
        except Problem as problem:
            one.problems.append(str(problem))
            messages = None
        if messages is None:
            self.selector.unregister(one.child.reports)
        for message in messages or ():
            if message["event"] == "problem":
                one.problems.append(message["text"])
            elif one.until is not None:
                self.say(name, message["text"])
        return bool(messages)

    def ended(self, name: str) -> None:
        """It has done what it could."""
        one = self.open.pop(name)
        self.selector.unregister(one.child.handle)
        while self.hear(name, one):
            continue
        if is_watched(self.selector, one.child.reports):
            self.selector.unregister(one.child.reports)
        reap(one.child)
        if one.until is not None:
            one.done(one.problems)

    def next_moment(self) -> float | None:
        """When, on the monotonic clock, one will have taken too long."""
        return min((one.until for one in self.open.values() if one.until is not None), default=None)

    def work(self) -> None:
        """Wait no longer for those that take too long; they go on by themselves."""
        now = time.monotonic()
        for one in list(self.open.values()):
            if one.until is not None and one.until <= now:
                one.until = None
                slow = duration_text(self.place.slow)
                one.done([*one.problems, f"Linux takes longer than {slow} over it: see dmesg"])

    def close(self) -> None:
        """In another process: close what is this one's."""
        for one in self.open.values():
            os.close(one.child.handle)
            one.child.reports.close()


def is_watched(selector: selectors.BaseSelector, channel: Channel) -> bool:
    """Whether a selector looks at a channel; not at one that was closed in this same moment."""
    return not channel.is_closed and channel in selector.get_map()


def give_back(
    platform: ProcessPlatform, place: Workplace, name: str, reports: socket.socket
) -> int:
    """The whole life of such a process; its exit code."""
    # Half given back, a function has no driver: who ends the supervisor does not mean this one
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    processes.set_name(f"septum<{name}")

    def tell(event: str, text: str) -> None:
        logs.say(f"{name}: {text}")
        with suppress(OSError):  # the supervisor has died; this goes on
            reports.sendall(encode({"event": event, "text": text}))

    try:
        for line in platform.restore(Journal(place.directory.claims), name):
            tell("stage", line)
    except Exception as problem:  # noqa: BLE001  whatever it is, it has to be said
        tell("problem", str(problem))
        return 1
    return 0
