"""How are instances' processes started, heard and stopped, and what follows when one ends?"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable

from septum import protocol
from septum.confinement.limits import group_memory, group_tasks
from septum.errors import Problem
from septum.host import cgroups, logs
from septum.host.channel import connect
from septum.host.journal import Journal
from septum.host.processes import tell
from septum.messages import Message, encode
from septum.platforms.platform import ProcessPlatform
from septum.state import RUNNING, STARTING, STOPPING, Ending, after
from septum.supervisor.child import Child, Life, fork_instance, reap
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import Announce, Keeper
from septum.supervisor.requests import STOP_SECONDS
from septum.supervisor.steering import Steering
from septum.supervisor.workplace import Workplace

MOST_LEFT_OUT = 10_000  # reports of one life that were too many; then no more are heeded


class ProcessKeeper(Keeper):
    """Forks a process for each instance, hears it, and gives back what it leaves."""

    def __init__(
        self,
        platform: ProcessPlatform,
        place: Workplace,
        selector: selectors.BaseSelector,
        announce: Announce,
        close_the_rest: Callable[[], None],
    ) -> None:
        super().__init__(place, selector, announce)
        self.platform = platform
        self.close_the_rest = close_the_rest
        self.steering = Steering(self.say, place.root)

    def start(self, instance: Instance) -> None:
        """Fork the process of an instance; a failure is that instance's alone."""
        instance.move(STARTING, time.monotonic())
        group = None
        try:
            self.place.directory.make_instance(instance.name)
            group = self.weighed(instance)
            life = Life(instance.partition, instance.machine, self.platform, self.place, group)
            child = fork_instance(life, self.close_in_child)
        except (Problem, OSError) as problem:
            instance.ending = Ending("failed", str(problem))
            self.give_back(instance, group)
            self.settle(instance)
            return
        instance.child = child
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
            memory=group_memory(instance.partition.memory.total),
            tasks=group_tasks(processors.found),
            root=self.place.groups,
        )
        try:
            group.make()
        except Problem as problem:
            self.say(instance, f"processors are not weighed: {problem.because}")
            return None
        if group.lacking:
            self.say(instance, f"not limited in its control group: {', '.join(group.lacking)}")
        return group

    def stop(self, instance: Instance, *, politely: bool, within: float) -> None:
        """Ask an instance to end; after so many seconds insist, after as many more end it."""
        child = instance.child
        if child is None or instance.state == STOPPING:
            return
        was_running = instance.state == RUNNING
        now = time.monotonic()
        instance.move(STOPPING, now)
        self.say(instance, "stopping")
        if politely and was_running and self.ask_to_stop(instance):
            instance.last_resorts = [
                (now + within, signal.SIGTERM),
                (now + 2 * within, signal.SIGKILL),
            ]
            return
        tell(child.process, signal.SIGTERM)
        instance.last_resorts = [(now + within, signal.SIGKILL)]

    def ask_to_stop(self, instance: Instance) -> bool:
        """Send the instance's own process the request; False when it does not listen."""
        try:
            stream = connect(self.place.directory.control_of(instance.name), within=0)
        except Problem:
            return False
        if stream is None:
            return False
        instance.asked_to_stop = stream  # open until it has ended: it may answer
        try:
            stream.send(encode(protocol.question("stop", protocol.INSTANCE)))
        except OSError:
            return False
        return True

    def next_moment(self) -> float | None:
        """When, on the monotonic clock, a stop takes too long or there is a look to take."""
        moments = [one.last_resorts[0][0] for one in self.instances.values() if one.last_resorts]
        if self.steering.moment is not None:
            moments.append(self.steering.moment)
        return min(moments, default=None)

    def work(self) -> None:
        """What there is to do whether or not anybody has asked for something."""
        self.use_last_resorts()
        self.steering.work(self.instances.values())

    def use_last_resorts(self) -> None:
        """Insist where a stop has taken too long."""
        now = time.monotonic()
        for instance in self.instances.values():
            while instance.child and instance.last_resorts and instance.last_resorts[0][0] <= now:
                _, number = instance.last_resorts.pop(0)
                tell(instance.child.process, number)

    def reported(self, instance: Instance) -> None:
        """Read what an instance's process says."""
        child = instance.child
        if child is None:
            return
        try:
            messages = child.reports.receive()
            for message in messages or ():
                self.heed(instance, child, message)
        except Problem as problem:
            self.distrust(instance, child, problem)
            return
        if messages is None:
            self.selector.unregister(child.reports)
            if instance.state == STARTING and not instance.last_resorts:
                # It ends, as a rule. One that goes on can tell nobody any more that it runs.
                now = time.monotonic()
                instance.last_resorts = [
                    (now + STOP_SECONDS, signal.SIGTERM),
                    (now + 2 * STOP_SECONDS, signal.SIGKILL),
                ]

    def heed(self, instance: Instance, child: Child, message: Message) -> None:
        """Take note of one report; Problem when it makes no sense, or there are far too many."""
        event = protocol.reported(message)
        if event == "ending":
            reason, detail = (protocol.readable(message[key]) for key in ("reason", "detail"))
            instance.said = Ending(reason, detail)
        elif event == "state":
            if instance.state == STARTING:
                instance.move(RUNNING, time.monotonic())
                self.announce(instance, {"event": "state", "state": RUNNING})
        else:
            for line in child.limit.let(message["text"]):
                self.say(instance, line)
            if child.limit.left_out > MOST_LEFT_OUT:
                raise Problem("it reports too much", because="most of it was left out")

    def distrust(self, instance: Instance, child: Child, problem: Problem) -> None:
        """What an instance reports makes no sense: nothing it reports is heeded any more.

        It runs on, if it runs: whoever works with it is not to lose it for that.
        """
        self.selector.unregister(child.reports)
        why = f"its reports are not heeded any more: {problem.what}, {problem.because}"
        logs.say(f"{instance.name}: {why}")
        self.say(instance, why)
        instance.said = Ending("failed", why)
        if instance.state == STARTING:  # nobody would ever hear that it runs
            self.stop(instance, politely=False, within=STOP_SECONDS)

    def ended(self, instance: Instance) -> None:
        """An instance's process is no more: give back what it left, perhaps start it again."""
        child = instance.child
        if child is None:
            return
        self.selector.unregister(child.handle)
        self.hear_the_rest(instance, child)
        silent = reap(child)
        instance.ending = instance.said or silent
        instance.child = None
        instance.last_resorts = []
        if instance.asked_to_stop is not None:
            instance.asked_to_stop.close()
            instance.asked_to_stop = None
        was_running = instance.state == RUNNING
        self.give_back(instance, child.group)
        if was_running and not self.is_ending and instance.wants_restart:
            instance.move(after(instance.ending), time.monotonic())
            self.start(instance)
            return
        self.settle(instance)

    def hear_the_rest(self, instance: Instance, child: Child) -> None:
        """What the process said last may still wait in the socket."""
        if child.reports not in self.selector.get_map():
            return
        self.selector.unregister(child.reports)
        try:
            while messages := child.reports.receive():
                for message in messages:
                    self.heed(instance, child, message)
        except Problem as problem:
            instance.said = Ending("failed", f"its last reports make no sense: {problem.because}")
        for line in child.limit.rest():
            self.say(instance, line)

    def give_back(self, instance: Instance, group: cgroups.ControlGroup | None) -> None:
        """What a process took and did not return itself; one failure does not keep the rest.

        What is still held then is looked up, not assumed.
        """
        journal = Journal(self.place.directory.claims)

        def restore() -> None:
            for line in self.platform.restore(journal):
                self.say(instance, line)

        def leave() -> None:
            logs.tidy(self.place.directory.log_of(instance.name))
            logs.tidy(self.place.directory.messages_of(instance.name))
            self.place.directory.remove_instance(instance.name)

        problems = []
        steps = [restore, leave] if group is None else [restore, group.remove, leave]
        for step in steps:
            try:
                step()
            except (Problem, OSError) as problem:
                logs.say(f"{instance.name}: {problem}")
                self.say(instance, f"not everything could be given back: {problem}")
                problems.append(problem)
        instance.kept = [entry.address for entry in journal.left_by(instance.name)]
        if problems and not journal.abandoned():  # else it is a function's, perhaps another's
            instance.kept += [str(problem).partition("\n")[0] for problem in problems]

    def close_in_child(self) -> None:
        """In an instance's process: close everything that is the supervisor's."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        self.close_the_rest()
        for instance in self.instances.values():
            if instance.child is not None:
                os.close(instance.child.handle)
                instance.child.reports.close()
            if instance.asked_to_stop is not None:
                instance.asked_to_stop.close()
