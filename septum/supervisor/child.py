"""How does the process of one instance begin and end?"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from septum.errors import Problem
from septum.host import processes
from septum.host.cgroups import ControlGroup
from septum.host.channel import Channel
from septum.host.processes import Process
from septum.machine.model import Machine
from septum.messages import Report, encode
from septum.partitions.model import Partition
from septum.platforms.platform import ProcessPlatform
from septum.state import FAILED, Ending, after
from septum.supervisor.workplace import Workplace

GUARDED = (signal.SIGINT, signal.SIGTERM)


class Child(NamedTuple):
    """The process of one instance, as its parent sees it."""

    process: Process
    handle: int  # pidfd: readable when the process has ended
    reports: Channel
    group: ControlGroup | None


class Life(NamedTuple):
    """What an instance's process is forked for."""

    partition: Partition
    machine: Machine
    platform: ProcessPlatform
    place: Workplace
    group: ControlGroup | None


def fork_instance(life: Life, forget: Callable[[], None]) -> Child:
    """Start an instance's process; forget() closes, in it, what is its parent's alone."""
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal that comes before the child has its own handlers would run the parent's.
    signal.pthread_sigmask(signal.SIG_BLOCK, GUARDED)
    try:
        number = os.fork()
        if number == 0:
            code = 1
            try:
                forget()
                ours.close()
                code = become_instance(life, parent, theirs)
            finally:
                os._exit(code)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, GUARDED)
    theirs.close()
    return Child(processes.process(number), os.pidfd_open(number), Channel(ours), life.group)


def become_instance(life: Life, parent: int, reports: socket.socket) -> int:
    """The whole life of an instance's process; its exit code."""
    partition, directory, group = life.partition, life.place.directory, life.group
    report = reporter(reports)
    try:
        os.setsid()
        processes.redirect(directory.messages_of(partition.name))
        processes.set_name(f"septum:{partition.name}")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        processes.end_on_terminate()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, GUARDED)
        processes.die_with_parent(parent)
        name_file = directory.process_of(partition.name)
        processes.write_process(name_file, processes.this_process())
        if group is not None:
            group.take(os.getpid())
        ending = life.platform.run(partition, life.machine, directory, report)
    except KeyboardInterrupt:
        ending = Ending("stopped")
    except Problem as problem:
        ending = Ending("failed", str(problem))
    except BaseException as error:  # noqa: BLE001  a bug must not leave without a word
        import traceback

        traceback.print_exc()
        log = directory.messages_of(partition.name)
        ending = Ending("failed", f"a bug, {type(error).__name__}: {error} (see {log})")
    report("ending", {"reason": ending.reason, "detail": ending.detail})
    sys.stdout.flush()
    sys.stderr.flush()
    return 1 if after(ending) == FAILED else 0


def reporter(reports: socket.socket) -> Report:
    """What an instance calls, from any of its threads, to tell its parent something."""
    from _thread import allocate_lock

    one_at_a_time = allocate_lock()

    def report(event: str, fields: Mapping[str, object]) -> None:
        with one_at_a_time:
            text = " ".join(str(value) for value in fields.values() if value)
            print(time.strftime("%F %T"), event, text, file=sys.stderr, flush=True)
            try:
                reports.sendall(encode({"event": event, **fields}))
            except OSError:
                return  # the parent died; this process ends by its signal

    return report


def reap(child: Child) -> Ending:
    """Collect a process that has ended; what its exit says when it said nothing itself."""
    _, status = os.waitpid(child.process.number, 0)
    os.close(child.handle)
    child.reports.close()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Ending("failed", f"its process was ended by {signal.Signals(-code).name}")
    return Ending("failed", f"its process left without a word, exit code {code}")
