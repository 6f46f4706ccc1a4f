"""Who asks for what, and what has just happened? The supervisor's one loop.

It waits in one place, for: askers at its socket, reports of instances, the end of an
instance's process, a signal, and the moment a stop has taken too long. All instances depend on
it: whatever one asker or one instance sends is that one's alone, and a bug that it brings to light
is written down, and the next is served.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from functools import partial

from septum import protocol
from septum.errors import Problem
from septum.host import logs
from septum.host.channel import MOMENT, Listener
from septum.messages import LONGEST_LINE, Message, error_message
from septum.platforms import registry
from septum.platforms.platform import ComputerPlatform, Platform, ProcessPlatform
from septum.rate_limit import RateLimit
from septum.sockets.askers import Asker
from septum.supervisor.answers import ANSWERS
from septum.supervisor.computers import ComputerKeeper
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import AT_ONCE, SHUTDOWN_SECONDS, Keeper, Stop
from septum.supervisor.processes import ProcessKeeper
from septum.supervisor.requests import OpenRequests
from septum.supervisor.service import Service
from septum.supervisor.workplace import Workplace

RETRY_LEAVING_SECONDS = 0.05
LOOK_SECONDS = 1.0  # between looks whether an asker has kept us for too long
LONGEST_SLEEP = 3600.0  # seconds; more than epoll takes is no moment at all
MOST_ASKERS = 32
MOST_UNFINISHED = 4 * LONGEST_LINE  # bytes of messages that are not whole yet, of all askers
MOST_UNSENT = 8 << 20  # bytes that one asker may leave unread
QUESTIONS_AT_ONCE = 8  # of one asker, before the others have their turn


class Supervisor:
    """Answers those who ask, until no instance is left to be asked about."""

    def __init__(
        self,
        place: Workplace,
        platform: str,
        listener: socket.socket,
        service: Service | None = None,
    ) -> None:
        self.place = place
        self.service = service
        self.platform = registry.platform(platform)
        self.listener = Listener(listener)
        self.selector = selectors.DefaultSelector()
        self.wakeups = socket.socketpair()
        self.askers: list[Asker] = []
        self.bugs = RateLimit()
        self.keeper = self.keeper_for(self.platform)
        self.requests = OpenRequests(platform, self.keeper, self.send)

    def keeper_for(self, platform: Platform) -> Keeper:
        """Who keeps the instances of a platform: it depends on where these live."""
        if isinstance(platform, ComputerPlatform):
            return ComputerKeeper(platform, self.place, self.selector, self.announce)
        assert isinstance(platform, ProcessPlatform), "instances live there or here"
        return ProcessKeeper(platform, self.place, self.selector, self.announce, self.close)

    def serve(self) -> None:
        """Work until nothing is left to do."""
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        while True:
            self.turn(self.patience())
            if self.is_idle() and self.leave():
                return

    def turn(self, patience: float | None) -> None:
        """Wait so many seconds (None: for ever) for something, and do what there is to do."""
        for key, mask in self.selector.select(patience):
            act: Callable[[int], None] = key.data
            self.guarded(partial(act, mask))
        for asker in list(self.askers):
            self.guarded(partial(self.answer_some, asker))
        self.guarded(self.keeper.work)
        self.guarded(self.requests.review)
        if self.service is not None:
            self.guarded(partial(self.service.look_after, self.keeper.active()))

    def guarded(self, act: Callable[[], None]) -> None:
        """Do what is one asker's or one instance's: no other may pay for a bug in it."""
        try:
            act()
        except Exception as error:  # noqa: BLE001  every instance depends on this process
            import traceback

            for line in self.bugs.let(f"a bug, {type(error).__name__}: {error}"):
                logs.say(f"{line}\n{''.join(traceback.format_exception(error))}")
            time.sleep(MOMENT)  # what goes wrong each time must not keep a processor busy

    def listen_to_signals(self) -> None:
        """SIGTERM shuts every instance down, a second one pulls the plugs.

        What a terminal sends means nothing to a daemon.
        """
        for end in self.wakeups:
            end.setblocking(False)
        signal.set_wakeup_fd(self.wakeups[1].fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(self.wakeups[0], selectors.EVENT_READ, self.signalled)

    def signalled(self, mask: int) -> None:
        self.wakeups[0].recv(64)
        within = SHUTDOWN_SECONDS if self.service is None else self.service.within
        how = AT_ONCE if self.keeper.is_ending else Stop(within)
        self.keeper.is_ending = True
        for instance in self.keeper.active():
            self.keeper.stop(instance, how)

    def accept(self, mask: int) -> None:
        stream = self.listener.accept()
        if stream is None:
            return
        if len(self.askers) >= MOST_ASKERS:
            idle = [one for one in self.askers if not self.requests.of(one)]
            if not idle:
                Asker(stream, 0).let_go(f"{MOST_ASKERS} others ask already")
                return
            self.let_go(min(idle, key=lambda one: one.asked_at), "others want to ask")
        asker = Asker(stream, LONGEST_LINE, self.place.asker_patience, MOST_UNSENT)
        self.askers.append(asker)
        self.selector.register(asker, selectors.EVENT_READ, partial(self.asked, asker))

    def asked(self, asker: Asker, mask: int) -> None:
        """Something arrived from an asker, or it takes more, or it has left."""
        if asker not in self.askers:
            return  # somebody else's coming has ended it a moment ago
        if mask & selectors.EVENT_WRITE:
            asker.flush()
            self.watch_for_room(asker)
        if not mask & selectors.EVENT_READ:
            return
        try:
            if not asker.receive():
                self.asker_left(asker)
        except Problem as problem:
            asker.send(error_message(problem))
            self.let_go(asker, f"it speaks nonsense ({problem.what}, {problem.because})")
        if sum(one.unfinished for one in self.askers) > MOST_UNFINISHED:
            most = max(self.askers, key=lambda one: one.unfinished)
            self.let_go(most, "too many long messages are on their way at once")

    def answer_some(self, asker: Asker) -> None:
        """Answer the next few questions of an asker, and see whether it has stayed too long."""
        for message in asker.take(QUESTIONS_AT_ONCE):
            try:
                word = protocol.asked(message, protocol.SUPERVISOR, "the supervisor")
                ANSWERS[word](self.requests, asker, message)
            except Problem as problem:
                self.send(asker, error_message(problem))
        if why := asker.too_much() or asker.overdue(self.requests.of(asker) > 0):
            self.let_go(asker, why)

    def let_go(self, asker: Asker, why: str) -> None:
        """An asker is sent away, with a word; so is what it has not seen to its end."""
        for line in self.bugs.let(f"an asker was let go: {why}"):
            logs.say(line)
        self.requests.take_back(asker)
        self.forget(asker)
        asker.let_go(why)

    def asker_left(self, asker: Asker) -> None:
        """Nobody waits for what it asked: a start it did not see to its end is taken back."""
        self.requests.take_back(asker)
        self.forget(asker)
        asker.channel.close()

    def forget(self, asker: Asker) -> None:
        self.selector.unregister(asker)
        self.askers.remove(asker)

    def announce(self, instance: Instance, event: Message) -> None:
        self.requests.announce(instance, event)

    def send(self, asker: Asker, message: Message) -> None:
        if not asker.channel.is_closed:
            asker.send(message)
            self.watch_for_room(asker)

    def watch_for_room(self, asker: Asker) -> None:
        """Wait for an asker to take more only while there is more."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if asker.unsent else 0)
        key = self.selector.get_key(asker)
        if key.events != wanted:
            self.selector.modify(asker, wanted, key.data)

    def patience(self) -> float | None:
        """Seconds the loop may sleep; None: until something happens."""
        if any(asker.waiting for asker in self.askers):
            return 0.0
        if self.is_idle():
            return RETRY_LEAVING_SECONDS
        moment = self.keeper.next_moment()
        until = LONGEST_SLEEP if moment is None else max(0.0, moment - time.monotonic())
        if self.askers:
            return min(until, LOOK_SECONDS)
        if (awaits := self.awaits()) is not None:
            return min(until, awaits)
        return None if moment is None else min(until, LONGEST_SLEEP)

    def awaits(self) -> float | None:
        """Seconds for which this supervisor waits for its first instance; None: it does not."""
        return None if self.service is None else self.service.awaits()

    def is_idle(self) -> bool:
        """True when the supervisor is of no more use."""
        if self.keeper.is_ending:
            return not self.keeper.active()
        return not (self.keeper.instances or self.askers or self.awaits())

    def leave(self) -> bool:
        """Give up the socket, unless somebody is just about to use it."""
        lock = os.open(self.place.directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with selectors.DefaultSelector() as waiting:
                waiting.register(self.listener, selectors.EVENT_READ)
                if waiting.select(0) and not self.keeper.is_ending:
                    return False
            for path in (self.place.directory.control, self.place.directory.supervisor):
                if os.path.exists(path):
                    os.unlink(path)
            self.listener.close()
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(lock)

    def close(self) -> None:
        """In an instance's process: close what belongs to this loop."""
        self.listener.close()
        for end in self.wakeups:
            end.close()
        if self.service is not None:
            self.service.close()
        for asker in self.askers:
            asker.channel.close()
