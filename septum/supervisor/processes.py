"""How are instances' processes started, heard and stopped, and what follows when one ends?"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from septum import protocol
from septum.confinement.limits import group_memory, group_tasks
from septum.errors import Problem
from septum.host import cgroups, logs
from septum.host.channel import Channel, connect
from septum.host.journal import Journal
from septum.host.processes import tell, this_process
from septum.messages import Message
from septum.platforms.platform import ProcessPlatform
from septum.state import RUNNING, STARTING, STOPPING, UNPLUGGED, WAITING, Ending
from septum.supervisor.child import Child, Life, fork_instance, reap
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import AT_ONCE, Announce, Keeper, Stop
from septum.supervisor.restarts import held_down, wants_restart
from septum.supervisor.returns import Returns, is_watched
from septum.supervisor.steering import Steering
from septum.supervisor.workplace import Workplace
from septum.units import duration_text

LONGEST_ANSWER = 1 << 16  # bytes, of an instance to its supervisor
MOST_LEFT_OUT = 10_000  # reports of one life that were too many; then no more are heeded


class ProcessKeeper(Keeper):
    """Forks a process for each instance, hears it, and sees that what it leaves is given back.

    Between two lives of an instance, what it had is kept for the next one: Linux's drivers do not
    see a device that another system has used, and has not left for good.
    """

    has_power_button = True

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
        self.returns = Returns(platform, place, selector, self.say_of, self.close_in_child)

    def say_of(self, name: str, text: str) -> None:
        if name in self.instances:
            self.say(self.instances[name], text)

    # ---- starting


    def start(self, instance: Instance) -> None:
        """Fork the process of an instance; a failure is that instance's alone."""
        instance.move(STARTING, time.monotonic())
        group = None
        try:
            self.returns.refuse(instance.name)
            self.place.directory.make_instance(instance.name)
            group = self.weighed(instance)
            life = Life(instance.partition, instance.machine, self.platform, self.place, group)
            child = fork_instance(life, self.close_in_child)
        except (Problem, OSError) as problem:
            instance.ending = Ending("failed", str(problem))
            self.give_back(instance, self.leave(instance, group))
            return
        instance.child = child
        self.selector.register(
            child.handle, selectors.EVENT_READ, lambda mask: self.ended(instance)
        )
        self.selector.register(
            child.reports, selectors.EVENT_READ, lambda mask: self.reported(instance, child)
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

    # ---- stopping

    def stop(self, instance: Instance, how: Stop) -> None:
        """Press the power button, and pull the plug when that takes too long; or do so at once."""
        now = time.monotonic()
        instance.starts_again = how.starts_again
        if instance.state == WAITING:
            if how.starts_again:
                instance.starts_at = now
            else:
                instance.ending = Ending("stopped")
                self.give_back(instance, [])
        elif instance.state == STARTING:
            instance.move(STOPPING, now)
            self.say(instance, "stopping")
            self.terminate(instance)
        elif instance.child is not None and instance.unplugged is None:
            self.shut_down(instance, how.within, now)

    def shut_down(self, instance: Instance, within: float, now: float) -> None:
        """Of one that runs, or was told to shut down before: then the sooner of both counts."""
        latest = now + within
        if instance.state == STOPPING:
            if instance.last_resort is not None:
                latest = min(latest, instance.last_resort[0])
        else:
            instance.move(STOPPING, now)
        if not within or not self.ask(instance, "press"):
            self.unplug(instance, "")
            return
        self.say(instance, "its power button is pressed")

        def too_late(instance: Instance) -> None:
            self.unplug(instance, f"it did not shut down within {duration_text(within)}")

        instance.last_resort = (latest, too_late)

    def unplug(self, instance: Instance, because: str) -> None:
        """End it without asking its system."""
        if because and instance.hears_button is False:
            because += "; it was not listening for its power button"
        instance.unplugged = because
        self.say(instance, f"unplugging{because and ': '}{because}")
        if self.ask(instance, "stop"):
            instance.last_resort = (time.monotonic() + self.place.patience, self.terminate)
        else:
            self.terminate(instance)

    def terminate(self, instance: Instance) -> None:
        """Its process does not answer: insist."""
        assert instance.child is not None
        tell(instance.child.process, signal.SIGTERM)
        instance.last_resort = (time.monotonic() + self.place.patience, self.kill)

    def kill(self, instance: Instance) -> None:
        assert instance.child is not None
        tell(instance.child.process, signal.SIGKILL)
        instance.last_resort = None

    def ask(self, instance: Instance, what: str) -> bool:
        """Send a request to the instance's own process; False when it does not listen."""
        if instance.line is None:
            try:
                stream = connect(self.place.directory.control_of(instance.name), within=0)
            except Problem:
                return False
            if stream is None:
                return False
            line = instance.line = Channel(stream, LONGEST_ANSWER)
            self.selector.register(
                line, selectors.EVENT_READ, lambda mask: self.answered(instance, line)
            )
        instance.line.send(protocol.question(what, protocol.INSTANCE))
        return True

    def answered(self, instance: Instance, line: Channel) -> None:
        """Take note of what its process says to what it was asked; it may say anything."""
        if not is_watched(self.selector, line):
            return  # it ended in this same moment
        rows: list[Message] | None = []
        try:
            messages = line.receive()
            if messages is not None:
                rows = [row for message in messages for row in protocol.rows_of(message)]
        except Problem:
            messages = None
        if messages is None:
            self.selector.unregister(line)
        for row in rows or ():
            if isinstance(row.get("heard"), bool):
                instance.hears_button = row["heard"]
                if not instance.hears_button:
                    self.say(instance, "its system is not listening for it yet")

    # ---- time

    def next_moment(self) -> float | None:
        """When, on the monotonic clock, one starts, takes too long, or there is a look to take."""
        moments = [self.returns.next_moment(), self.steering.moment]
        for one in self.instances.values():
            moments.append(one.starts_at if one.state == WAITING else None)
            moments.append(one.last_resort[0] if one.last_resort is not None else None)
        return min((moment for moment in moments if moment is not None), default=None)

    def work(self) -> None:
        """What there is to do whether or not anybody has asked for something."""
        self.returns.work()
        self.steering.work(self.instances.values())
        now = time.monotonic()
        for instance in list(self.instances.values()):
            if instance.child is not None and instance.last_resort is not None:
                moment, act = instance.last_resort
                if moment <= now:
                    act(instance)
            is_due = instance.starts_at is not None and instance.starts_at <= now
            if instance.state == WAITING and is_due:
                self.start(instance)

    # ---- hearing

    def reported(self, instance: Instance, child: Child) -> bool:
        """Read what an instance's process says; whether there may be more."""
        if not is_watched(self.selector, child.reports):
            return False  # it ended in this same moment, and was heard to its end
        try:
            messages = child.reports.receive()
            for message in messages or ():
                self.heed(instance, child, message)
        except Problem as problem:
            self.distrust(instance, child, problem)
            return False
        if messages is None:
            self.selector.unregister(child.reports)
            if instance.state == STARTING and instance.last_resort is None:
                # It ends, as a rule. One that goes on can tell nobody any more that it runs.
                instance.last_resort = (time.monotonic() + self.place.patience, self.terminate)
        return bool(messages)

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
            self.stop(instance, AT_ONCE)

    def ended(self, instance: Instance) -> None:
        """An instance's process is no more: start it again, or see that Linux gets all back."""
        child = instance.child
        if child is None:
            return
        now = time.monotonic()
        self.selector.unregister(child.handle)
        while self.reported(instance, child):
            continue
        if is_watched(self.selector, child.reports):
            self.selector.unregister(child.reports)
        for line in child.limit.rest():
            self.say(instance, line)
        silent = reap(child)
        instance.ending = instance.said or silent
        instance.child = instance.last_resort = instance.running_since = None
        self.hang_up(instance)
        if instance.unplugged is not None and instance.ending.reason == "stopped":
            instance.ending = Ending(UNPLUGGED, instance.unplugged)
        problems = self.leave(instance, child.group)
        at = self.next_start(instance, instance.ending, now)
        if at is None:
            self.give_back(instance, problems)
        else:
            self.wait(instance, at, now)

    def next_start(self, instance: Instance, ending: Ending, now: float) -> float | None:
        """When one that has ended starts again, monotonic; None: it does not."""
        if self.is_ending:
            return None
        if instance.starts_again:
            return now
        if instance.state != RUNNING or not wants_restart(instance.partition, ending):
            return None
        at = instance.restarts.next(instance.partition, instance.started, now)
        if at is None:
            instance.ending = held_down(instance.partition, ending)
        return at

    def wait(self, instance: Instance, at: float, now: float) -> None:
        """Keep what it had for its next life."""
        assert instance.ending is not None
        instance.move(WAITING, now)
        instance.starts_at = at
        reason, wait = instance.ending.reason, at - now
        detail = f"starts again in {duration_text(round(wait, 1))}" if wait > 0 else "starts again"
        said = {"state": WAITING, "reason": reason, "detail": detail}
        self.announce(instance, {"event": "state", **said})

    def hang_up(self, instance: Instance) -> None:
        """Nobody is left to be asked."""
        if instance.line is not None:
            if is_watched(self.selector, instance.line):
                self.selector.unregister(instance.line)
            instance.line.close()
            instance.line = None

    # ---- giving back

    def leave(self, instance: Instance, group: cgroups.ControlGroup | None) -> list[str]:
        """Remove what is ours and its process has left; what did not go."""
        problems = []
        logs.tidy(self.place.directory.log_of(instance.name))
        logs.tidy(self.place.directory.messages_of(instance.name))
        try:
            self.place.directory.remove_instance(instance.name)
        except OSError as error:
            problems.append(f"{error.filename} cannot be removed: {error.strerror}")
        try:
            if group is not None:
                group.remove()
        except (Problem, OSError) as problem:
            problems.append(str(problem))
        return problems

    def give_back(self, instance: Instance, problems: list[str]) -> None:
        """Have given back what a process took, and settle the instance when that is done.

        What is still held then is looked up, not assumed.
        """
        if instance.state != STOPPING:
            instance.move(STOPPING, time.monotonic())

        def done(more: list[str]) -> None:
            for problem in [*problems, *more]:
                logs.say(f"{instance.name}: {problem}")
                self.say(instance, f"not everything could be given back: {problem}")
            with suppress(OSError):
                self.look(instance, [*problems, *more])
            self.settle(instance)

        self.returns.begin(instance.name, done)

    def look(self, instance: Instance, problems: list[str]) -> None:
        """Find out what Linux has not got back, and keep none of it: others may try again."""
        journal = Journal(self.place.directory.claims)
        journal.release(instance.name, this_process())
        instance.kept = [entry.address for entry in journal.left_by(instance.name)]
        if problems and not instance.kept and not journal.abandoned():
            # else it is a function's, perhaps another's
            instance.kept = [problem.partition("\n")[0] for problem in problems]

    def close_in_child(self) -> None:
        """In another process: close everything that is the supervisor's."""
        signal.set_wakeup_fd(-1)
        self.selector.close()
        self.close_the_rest()
        self.returns.close()
        for instance in self.instances.values():
            if instance.child is not None:
                os.close(instance.child.handle)
                instance.child.reports.close()
            if instance.line is not None:
                instance.line.close()
