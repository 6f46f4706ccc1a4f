"""Who runs, who asked for what, and what has just happened? The supervisor's one loop.

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
from septum.host import cgroups
from septum.host.channel import Channel, connect
from septum.host.journal import Journal
from septum.host.processes import tell, write_process
from septum.messages import Message, encode, error_message
from septum.state import FAILED, RUNNING, STARTING, STOPPING, Ending, after
from septum.supervisor.answers import ANSWERS
from septum.supervisor.child import fork_instance, reap
from septum.supervisor.instances import Instance
from septum.supervisor.requests import GONE, STARTED, Request
from septum.supervisor.world import World

RETRY_LEAVING_SECONDS = 0.05
PATIENCE_SECONDS = 20.0  # for a stop that was asked for, and again after SIGTERM


class Supervisor:
    """Owns the processes of the instances and the answers to those who ask about them."""

    def __init__(self, world: World, listener: socket.socket) -> None:
        self.world = world
        self.listener = listener
        self.instances: dict[str, Instance] = {}
        self.requests: list[Request] = []
        self.askers: list[Channel] = []
        self.is_ending = False  # told to end by a signal
        self.selector = selectors.DefaultSelector()
        self.wakeups: tuple[socket.socket, socket.socket] = socket.socketpair()

    def serve(self) -> None:
        """Work until nothing is left to do."""
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        while True:
            for key, mask in self.selector.select(self.patience()):
                act: Callable[[int], None] = key.data
                act(mask)
            self.use_last_resorts()
            self.review()
            if self.is_idle() and self.leave():
                return

    # --- what happens

    def listen_to_signals(self) -> None:
        for end in self.wakeups:
            end.setblocking(False)
        signal.set_wakeup_fd(self.wakeups[1].fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(self.wakeups[0], selectors.EVENT_READ, self.signalled)

    def signalled(self, mask: int) -> None:
        self.wakeups[0].recv(64)
        self.is_ending = True
        for instance in self.instances.values():
            self.stop(instance, politely=True)

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
                ANSWERS.get(message.get("ask", ""), ANSWERS[""])(self, channel, message)
        except Problem as problem:
            self.send(channel, error_message(problem))
        except (KeyError, TypeError, ValueError) as error:
            # A message without its fields must not end a process that others depend on.
            lacking = Problem("a request lacks a field", because=f"{type(error).__name__}: {error}")
            self.send(channel, error_message(lacking))

    def asker_left(self, channel: Channel) -> None:
        """Nobody waits for what it asked: a start it did not see to its end is taken back."""
        for request in [one for one in self.requests if one.channel is channel]:
            if request.wanted == STARTED:
                self.take_back(request)
        self.selector.unregister(channel)
        self.askers.remove(channel)
        channel.close()

    def reported(self, instance: Instance) -> None:
        """Read what an instance's process says."""
        child = instance.child
        if child is None:
            return
        messages = child.reports.receive()
        if messages is None:
            self.selector.unregister(child.reports)
            return
        for message in messages:
            self.heed(instance, message)

    def heed(self, instance: Instance, message: Message) -> None:
        if message["event"] == "ending":
            instance.said = Ending(message["reason"], message["detail"])
        elif message["event"] == "state":
            if message.get("state") == RUNNING and instance.state == STARTING:
                instance.move(RUNNING, time.monotonic())
                self.announce(instance, {"event": "state", "state": RUNNING})
        else:
            self.announce(instance, message)

    def ended(self, instance: Instance) -> None:
        """An instance's process is no more: give back what it left, perhaps start it again."""
        child = instance.child
        if child is None:
            return
        self.selector.unregister(child.handle)
        if child.reports in self.selector.get_map():
            self.hear_the_rest(instance)
        silent = reap(child)
        instance.ending = instance.said or silent
        instance.child = None
        if instance.asked_to_stop is not None:
            instance.asked_to_stop.close()
            instance.asked_to_stop = None
        self.give_back(instance, child.group)
        was = instance.state
        instance.move(after(instance.ending), time.monotonic())
        wants_again = instance.ending.reason == "reset" and was == RUNNING and not self.is_ending
        if wants_again and instance.partition.on_reboot == "restart":
            self.start(instance)
            return
        fields = {"reason": instance.ending.reason, "detail": instance.ending.detail}
        self.announce(instance, {"event": "state", "state": instance.state, **fields})

    def hear_the_rest(self, instance: Instance) -> None:
        """What the process said last may still wait in the socket."""
        assert instance.child is not None
        reports = instance.child.reports
        while messages := reports.receive():
            for message in messages:
                self.heed(instance, message)
        self.selector.unregister(reports)

    def give_back(self, instance: Instance, group: cgroups.ControlGroup | None) -> None:
        """What a process took and did not return itself."""
        try:
            for address in self.world.restore(Journal(self.world.directory.claims)):
                text = f"{address}: given back to Linux"
                self.announce(instance, {"event": "stage", "text": text})
            if group is not None:
                group.remove()
            self.world.directory.remove_instance(instance.name)
        except (Problem, OSError) as problem:
            print(f"{instance.name}: {problem}", flush=True)
            self.announce(instance, {"event": "stage", "text": str(problem)})

    # --- what is done

    def start(self, instance: Instance) -> None:
        """Fork the process of an instance; a failure is that instance's alone."""
        now = time.monotonic()
        instance.move(STARTING, now)
        try:
            self.world.directory.make_instance(instance.name)
            group = self.weighed(instance)
            child = fork_instance(
                instance.partition, instance.machine, self.world, group, self.forget
            )
        except (Problem, OSError) as problem:
            instance.ending = Ending("failed", str(problem))
            instance.move(FAILED, now)
            fields = {"reason": "failed", "detail": str(problem)}
            self.announce(instance, {"event": "state", "state": FAILED, **fields})
            return
        instance.child = child
        write_process(self.world.directory.process_of(instance.name), child.process)
        self.selector.register(
            child.handle, selectors.EVENT_READ, lambda mask: self.ended(instance)
        )
        self.selector.register(
            child.reports, selectors.EVENT_READ, lambda mask: self.reported(instance)
        )

    def weighed(self, instance: Instance) -> cgroups.ControlGroup | None:
        """The instance's control group; None, and a word about it, where there cannot be one."""
        processors = instance.partition.processors
        group = cgroups.ControlGroup(
            instance.name,
            weight=processors.weight,
            processors=processors.numbers,
            root=self.world.groups,
        )
        try:
            group.make()
        except Problem as problem:
            text = f"processors are not weighed: {problem.because}"
            self.announce(instance, {"event": "stage", "text": text})
            return None
        return group

    def stop(self, instance: Instance, *, politely: bool, within: float = PATIENCE_SECONDS) -> None:
        """Ask an instance to end; after a while insist, after another while end it."""
        child = instance.child
        if child is None or instance.state == STOPPING:
            return
        was_running = instance.state == RUNNING
        now = time.monotonic()
        instance.move(STOPPING, now)
        self.announce(instance, {"event": "stage", "text": "stopping"})
        if not (politely and was_running and self.ask_to_stop(instance)):
            tell(child.process, signal.SIGTERM)
            instance.last_resorts = [(now + within, signal.SIGKILL)]
            return
        instance.last_resorts = [
            (now + within, signal.SIGTERM),
            (now + 2 * within, signal.SIGKILL),
        ]

    def ask_to_stop(self, instance: Instance) -> bool:
        """Send the instance's own process the request; False when it does not listen."""
        try:
            stream = connect(self.world.directory.control_of(instance.name))
        except Problem:
            return False
        if stream is None:
            return False
        stream.setblocking(False)
        instance.asked_to_stop = stream  # open until it has ended: it may answer
        try:
            stream.send(encode({"ask": "stop"}))
        except OSError:
            return False
        return True

    def take_back(self, request: Request) -> None:
        """Undo a start that is not wanted any more."""
        request.wanted = GONE
        for name in request.names:
            if name in self.instances:
                self.stop(self.instances[name], politely=False)

    def announce(self, instance: Instance, event: Message) -> None:
        """Tell everybody who waits for this instance."""
        for request in self.requests:
            if instance.name in request.names:
                self.send(request.channel, {"instance": instance.name, **event})

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

    # --- when

    def patience(self) -> float | None:
        """Seconds the loop may sleep; None: until something happens."""
        if self.is_idle():
            return RETRY_LEAVING_SECONDS
        moments = [one.last_resorts[0][0] for one in self.instances.values() if one.last_resorts]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def use_last_resorts(self) -> None:
        now = time.monotonic()
        for instance in self.instances.values():
            while instance.child and instance.last_resorts and instance.last_resorts[0][0] <= now:
                _, number = instance.last_resorts.pop(0)
                tell(instance.child.process, number)
            if instance.child is None:
                instance.last_resorts = []

    def review(self) -> None:
        """Finish the requests that are met."""
        for request in [one for one in self.requests if one.is_met(self.instances)]:
            self.requests.remove(request)
            now = time.monotonic()
            rows = [self.instances[n].row(now) for n in request.names if n in self.instances]
            self.send(request.channel, {"done": True, "rows": rows})
            if request.wanted == GONE:
                for name in request.names:
                    self.instances.pop(name, None)

    def is_idle(self) -> bool:
        """True when the supervisor is of no more use."""
        if self.is_ending:
            return not any(one.is_active for one in self.instances.values())
        return not (self.instances or self.askers)

    def leave(self) -> bool:
        """Give up the socket, unless somebody is just about to use it."""
        lock = os.open(self.world.directory.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with selectors.DefaultSelector() as waiting:
                waiting.register(self.listener, selectors.EVENT_READ)
                if waiting.select(0) and not self.is_ending:
                    return False
            for path in (self.world.directory.control, self.world.directory.supervisor):
                if os.path.exists(path):
                    os.unlink(path)
            self.listener.close()
            return True
        except BlockingIOError:
            return False
        finally:
            os.close(lock)

    def forget(self) -> None:
        """In an instance's process: close everything that is the supervisor's."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        self.listener.close()
        for end in self.wakeups:
            end.close()
        for channel in self.askers:
            channel.close()
        for instance in self.instances.values():
            if instance.child is not None:
                os.close(instance.child.handle)
                instance.child.reports.close()
            if instance.asked_to_stop is not None:
                instance.asked_to_stop.close()
