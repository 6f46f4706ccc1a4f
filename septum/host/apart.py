"""How does a thing that gives up every privilege still have somebody to tidy after it?

It is done in a process forked for it, while this one waits, with all that it may do. A terminal's
Ctrl-C, SIGTERM and SIGHUP all reach that process as one SIGTERM, which ends it in order.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable

from septum.errors import Problem, explained
from septum.host import processes
from septum.state import Ending

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SEPARATOR = "\0"
_ENDED, _REFUSED, _INTERRUPTED = "ended", "refused", "interrupted"
_MOST = 1 << 16  # bytes of what it may say of its end


def apart(act: Callable[[], Ending], tidy: Callable[[], None]) -> Ending:
    """What act() returns, or the Problem or KeyboardInterrupt it raises, in a process of its own.

    Whatever becomes of that process, tidy() is called here after it, which no signal disturbs.
    A process that says nothing has failed. HostProblem: there could be no process.
    """
    handlers = [(one, signal.getsignal(one)) for one in ENDING_SIGNALS]
    try:
        text, code = _waited_for(act)
    finally:
        for one in ENDING_SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        try:
            tidy()
        finally:
            for one, handler in handlers:
                signal.signal(one, handler)
    return _heard(text, code)


def _waited_for(act: Callable[[], Ending]) -> tuple[str, int]:
    """What a process that does it said, and its exit code."""
    reading, writing = os.pipe()
    woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    number = -1
    try:
        with explained("cannot have a process for the instance"):
            number = os.fork()
        if number == 0:
            for one in (reading, woken, waking):
                os.close(one)
            _be_it(act, parent, writing)
        # A handler could run just before a wait that it should have ended: what it writes cannot.
        wakes = signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        for one in ENDING_SIGNALS:
            signal.signal(one, lambda number, frame: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)
        text = _listen(reading, woken, number)
        signal.set_wakeup_fd(wakes)
        return text, os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for one in (reading, woken, waking, *((writing,) if number < 0 else ())):
            os.close(one)


def _listen(reading: int, woken: int, number: int) -> str:
    """All that the process says; SIGTERM for it each time this one is signalled."""
    said = b""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        for ready, _ in poll.poll():
            data = os.read(ready, _MOST)
            if ready == woken:
                os.kill(number, signal.SIGTERM)  # not reaped yet: the number is still its own
            elif not data:
                return said[:_MOST].decode("utf-8", "replace")
            else:
                said += data


def _be_it(act: Callable[[], Ending], parent: int, writing: int) -> None:
    """In the new process; does not return."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent makes a SIGTERM of it
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        processes.end_on_terminate()
        processes.die_with_parent(parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
        os.write(writing, _said(act).encode("utf-8", "replace")[:_MOST])
        code = 0
    except BaseException:  # noqa: BLE001  what is above belongs to the parent
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _said(act: Callable[[], Ending]) -> str:
    try:
        return _SEPARATOR.join((_ENDED, *act()))
    except Problem as problem:
        return _SEPARATOR.join((_REFUSED, problem.what, problem.because, problem.remedy))
    except KeyboardInterrupt:
        return _INTERRUPTED


def _heard(text: str, code: int) -> Ending:
    kind, *fields = text.split(_SEPARATOR)
    if kind == _ENDED and len(fields) == len(Ending._fields):
        return Ending(*fields)
    if kind == _REFUSED and len(fields) == 3:
        what, because, remedy = fields
        raise Problem(what, because=because, remedy=remedy)
    if kind == _INTERRUPTED:
        raise KeyboardInterrupt
    if code < 0:
        return Ending("failed", f"its process was ended by {signal.Signals(-code).name}")
    return Ending("failed", f"its process left without a word, exit code {code}")
