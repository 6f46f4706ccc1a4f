"""Which process is it, does it still live, and what becomes of it when its parent dies?"""

from __future__ import annotations

import os
import signal
from typing import NamedTuple

from septum.layouts.privileges import SET_NAME, SET_PARENT_DEATH_SIGNAL

START_TIME_FIELD = 19  # starttime, counted after the name: proc(5), /proc/PID/stat, field 22


class Process(NamedTuple):
    """A process that cannot be mistaken for a later one of the same number."""

    number: int
    started: int  # clock ticks after the computer's own start

    @property
    def is_alive(self) -> bool:
        """True while it runs; a zombie holds nothing any more and counts as dead."""
        state, started = state_and_start(self.number)
        return state not in ("", "Z", "X") and started == self.started


def state_and_start(number: int, root: str = "/proc") -> tuple[str, int]:
    """A process's state letter and start time (clock ticks); ("", 0) when there is none."""
    try:
        with open(os.path.join(root, str(number), "stat"), encoding="utf-8", errors="replace") as f:
            text = f.read()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    # The name stands in parentheses and may contain any character, parentheses too.
    words = text[text.rindex(")") + 1 :].split()
    return words[0], int(words[START_TIME_FIELD])


def process(number: int) -> Process:
    """The process that has this number now."""
    return Process(number, state_and_start(number)[1])


def this_process() -> Process:
    return process(os.getpid())


def write_process(path: str, who: Process) -> None:
    """Keep a process's identity in a file, whole or not at all."""
    fresh = f"{path}.new"
    with open(fresh, "w", encoding="ascii") as f:
        f.write(f"{who.number} {who.started}\n")
    os.rename(fresh, path)


def read_process(path: str) -> Process | None:
    """The process a file names; None when there is no such file."""
    try:
        with open(path, encoding="ascii") as f:
            number, started = f.read().split()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return Process(int(number), int(started))


def prctl(operation: int, argument: object) -> None:
    """Linux's prctl(2) with one argument; OSError when it is refused."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(operation, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def set_name(name: str) -> None:
    """What ps and top call this thread from now on (15 bytes)."""
    prctl(SET_NAME, name.encode()[:15])


def die_with_parent(parent: int) -> None:
    """Get SIGTERM when the parent dies, also when it has died already.

    Linux ties this to the parent's thread that forked: the parent must not fork from a thread
    that ends earlier than itself.
    """
    prctl(SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def end_on_terminate() -> None:
    """Make the first SIGTERM unwind this process like Ctrl-C; later ones do not disturb that.

    So does the end of its terminal (SIGHUP), unless it was started so that it does not care.
    """
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def unwind(number: int, frame: object) -> None:
        for one in numbers:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt

    for one in numbers:
        signal.signal(one, unwind)


def tell(who: Process, number: signal.Signals) -> None:
    """Send a signal to a process if it is still that process."""
    if who.is_alive:
        try:
            os.kill(who.number, number)
        except ProcessLookupError:
            return


def wait_for_end(process: Process, seconds: float | None) -> bool:
    """True when a process of ours or anybody's ended within so many seconds (None: ever)."""
    try:
        handle = os.pidfd_open(process.number)
    except ProcessLookupError:
        return True
    try:
        import select

        poll = select.poll()
        poll.register(handle, select.POLLIN)
        limit = None if seconds is None else seconds * 1000
        return bool(poll.poll(limit)) or not process.is_alive
    finally:
        os.close(handle)


def open_files() -> list[int]:
    """Numbers of this process's open files."""
    return [int(number) for number in os.listdir("/proc/self/fd")]


def keep_only(numbers: tuple[int, ...]) -> None:
    """Close every open file but these and the standard three."""
    for number in open_files():
        if number > 2 and number not in numbers:
            try:
                os.close(number)
            except OSError:
                continue  # it was the listing's own


def more_files() -> None:
    """Let this process have as many open files as it can be let have."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
