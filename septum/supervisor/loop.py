"""Who asks for what, and what has just happened? The supervisor's one loop.

It waits in one place, for: askers at its socket, reports of instances, the end of an
instance's process, a signal, and the moment a stop has taken too long.
"""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable

from septum.errors import Problem
from septum.host.channel import Channel
from septum.messages import Message, error_message
from septum.platforms import registry
from septum.platforms.platform import ComputerPlatform, Platform, ProcessPlatform
from septum.supervisor.answers import ANSWERS
from septum.supervisor.computers import ComputerKeeper
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import Keeper
from septum.supervisor.processes import ProcessKeeper
from septum.supervisor.requests import STOP_SECONDS, OpenRequests
from septum.supervisor.workplace import Workplace

RETRY_LEAVING_SECONDS = 0.05


class Supervisor:
    """Answers those who ask, until no instance is left to be asked about."""

    def __init__(self, place: Workplace, platform: str, listener: socket.socket) -> None:
        self.place = place
        self.platform = registry.platform(platform)
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.wakeups = socket.socketpair()
        self.askers: list[Channel] = []
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
            for key, mask in self.selector.select(self.patience()):
                act: Callable[[int], None] = key.data
                act(mask)
            self.keeper.work()
            self.requests.review()
            if self.is_idle() and self.leave():
                return

    def listen_to_signals(self) -> None:
        """SIGTERM stops every instance; what a terminal sends means nothing to a daemon."""
        for end in self.wakeups:
            end.setblocking(False)
        signal.set_wakeup_fd(self.wakeups[1].fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(self.wakeups[0], selectors.EVENT_READ, self.signalled)

    def signalled(self, mask: int) -> None:
        self.wakeups[0].recv(64)
        self.keeper.is_ending = True
        for instance in self.keeper.active():
            self.keeper.stop(instance, politely=True, within=STOP_SECONDS)

    def accept(self, mask: int) -> None:
        try:
            stream, _ = self.listener.accept()
        except BlockingIOError:
            return
        channel = Channel(stream)
        self.askers.append(channel)
        self.selector.register(
            channel, selectors.EVENT_READ, lambda mask: self.asked(channel, mask)
        )

    def asked(self, channel: Channel, mask: int) -> None:
        """Something arrived from an asker, or it takes more, or it has left."""
        if mask & selectors.EVENT_WRITE:
            channel.flush()
            self.watch_for_room(channel)
        if not mask & selectors.EVENT_READ:
            return
        try:
            messages = channel.receive()
            if messages is None:
                self.asker_left(channel)
                return
            for message in messages:
                ANSWERS.get(message.get("ask", ""), ANSWERS[""])(self.requests, channel, message)
        except Problem as problem:
            self.send(channel, error_message(problem))
        except (KeyError, TypeError, ValueError) as error:
            # A message without its fields must not end a process that others depend on.
            lacking = Problem("a request lacks a field", because=f"{type(error).__name__}: {error}")
            self.send(channel, error_message(lacking))

    def asker_left(self, channel: Channel) -> None:
        """Nobody waits for what it asked: a start it did not see to its end is taken back."""
        self.requests.take_back(channel)
        self.selector.unregister(channel)
        self.askers.remove(channel)
        channel.close()

    def announce(self, instance: Instance, event: Message) -> None:
        self.requests.announce(instance, event)

    def send(self, channel: Channel, message: Message) -> None:
        if not channel.is_closed:
            channel.send(message)
            self.watch_for_room(channel)

    def watch_for_room(self, channel: Channel) -> None:
        """Wait for an asker to take more only while there is more."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.unsent else 0)
        key = self.selector.get_key(channel)
        if key.events != wanted:
            self.selector.modify(channel, wanted, key.data)

    def patience(self) -> float | None:
        """Seconds the loop may sleep; None: until something happens."""
        if self.is_idle():
            return RETRY_LEAVING_SECONDS
        moment = self.keeper.next_moment()
        return None if moment is None else max(0.0, moment - time.monotonic())

    def is_idle(self) -> bool:
        """True when the supervisor is of no more use."""
        if self.keeper.is_ending:
            return not self.keeper.active()
        return not (self.keeper.instances or self.askers)

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
        for channel in self.askers:
            channel.close()
