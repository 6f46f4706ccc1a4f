"""How does the process of one instance begin and end?"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from septum import protocol
from septum.errors import Problem
from septum.host import logs, processes
from septum.host.cgroups import ControlGroup
from septum.host.channel import Channel
from septum.host.processes import Process
from septum.machine.model import Machine
from septum.messages import Message, Report, encode
from septum.partitions.model import Partition
from septum.platforms.platform import ProcessPlatform
from septum.rate_limit import RateLimit
from septum.state import FAILED, Ending, after
from septum.supervisor.workplace import Workplace

GUARDED = (signal.SIGINT, signal.SIGTERM)
LONGEST_REPORT = 1 << 18  # bytes
MOST_STAGES = 500  # of one kind in a minute; a start has a few for each function
PATIENCE = 30.0  # seconds a supervisor may be busy, or stopped, when it is told of an ending


class Child(NamedTuple):
    """The process of one instance, as its parent sees it."""

    process: Process
    handle: int  # pidfd: readable when the process has ended
    reports: Channel
    limit: RateLimit  # of what is passed on of its reports
    group: ControlGroup | None = None


class Life(NamedTuple):
    """What an instance's process is forked for."""

    partition: Partition
    machine: Machine
    platform: ProcessPlatform
    place: Workplace
    group: ControlGroup | None


def fork_instance(life: Life, forget: Callable[[], None]) -> Child:
    """Start an instance's process; forget() closes, in it, what is its parent's alone."""
    keeper = processes.this_process()
    child = fork_process(lambda reports: become_instance(life, keeper, reports), forget)
    return child._replace(group=life.group)


def fork_process(work: Callable[[socket.socket], int], forget: Callable[[], None]) -> Child:
    """A process that does some work and leaves with the code it returns; OSError: there is none.

    What it sends into the socket is what its parent hears.
    """
    # Each report is a packet: it is sent whole, or not at all, and nobody waits to send it.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
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
                code = work(theirs)
            finally:
                os._exit(code)
    except OSError:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, GUARDED)
        theirs.close()
    return Child(
        processes.process(number),
        os.pidfd_open(number),
        Channel(ours, LONGEST_REPORT, LONGEST_REPORT),
        RateLimit(MOST_STAGES),
    )


def become_instance(life: Life, keeper: Process, reports: socket.socket) -> int:
    """The whole life of an instance's process, which a keeper forked; its exit code."""
    partition, directory, group = life.partition, life.place.directory, life.group
    report = reporter(reports)
    try:
        os.setsid()
        log = logs.Log(
            directory.messages_of(partition.name), partition.log_size, partition.log_count
        )
        log.hold()
        log.take_output()
        processes.set_name(f"septum:{partition.name}")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        processes.end_on_terminate()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, GUARDED)
        processes.die_with_parent(keeper.number)
        name_file = directory.process_of(partition.name)
        processes.write_process(name_file, processes.this_process())
        if group is not None:
            group.take(os.getpid())
        ending = life.platform.run(partition, life.machine, directory, report, keeper=keeper)
    except KeyboardInterrupt:
        ending = Ending("stopped")
    except Problem as problem:
        ending = Ending("failed", str(problem))
    except BaseException as error:  # noqa: BLE001  a bug must not leave without a word
        sys.excepthook(type(error), error, error.__traceback__)  # which opens no file
        place = directory.messages_of(partition.name)
        ending = Ending("failed", f"a bug, {type(error).__name__}: {error} (see {place})")
    report("ending", {"reason": ending.reason, "detail": ending.detail})
    sys.stdout.flush()
    sys.stderr.flush()
    return 1 if after(ending) == FAILED else 0


def reporter(reports: socket.socket) -> Report:
    """What an instance calls, from any of its threads, to tell its parent something.

    A stage is told if the parent takes it now: whoever reports one may hold up a guest. What
    everything depends on, a state or an ending, is never left out.
    """
    reports.setblocking(False)
    left_out = 0

    def report(event: str, fields: Mapping[str, object]) -> None:
        nonlocal left_out
        message = protocol.report(event, fields)
        text = " ".join(str(value) for value in fields.values() if value)
        logs.say(f"{time.strftime('%F %T')} {event} {text}")
        if left_out and event == "stage":
            more = f"... and {left_out:,} reports before this one (see its messages' log)"
            if not sent(reports, protocol.report("stage", {"text": more})):
                left_out += 1
                return
            left_out = 0
        if not sent(reports, message, 0.0 if event == "stage" else PATIENCE):
            left_out += 1

    return report


def sent(reports: socket.socket, message: Message, within: float = 0.0) -> bool:
    """Send a report within so many seconds; False when there was no room for it."""
    end = time.monotonic() + within
    while True:
        try:
            reports.send(encode(message))
            return True
        except BlockingIOError:
            left = end - time.monotonic()
            if left <= 0:
                return False
            import select

            select.select([], [reports], [], left)
        except OSError:
            return True  # the parent died; this process ends by its signal


def reap(child: Child) -> Ending:
    """Collect a process that has ended; what its exit says when it said nothing itself."""
    _, status = os.waitpid(child.process.number, 0)
    os.close(child.handle)
    child.reports.close()
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return Ending("failed", f"its process was ended by {signal.Signals(-code).name}")
    return Ending("failed", f"its process left without a word, exit code {code}")
