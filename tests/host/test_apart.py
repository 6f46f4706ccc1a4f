"""Is what happens in a process apart told here, and is there always somebody to tidy after it?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import NoReturn

import pytest

from septum.errors import GuestProblem, Problem
from septum.host.apart import apart
from septum.state import Ending

HERE = os.getpid()


class Tidied:
    """Counts, in this process."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def raises(error: BaseException) -> Callable[[], Ending]:
    def act() -> NoReturn:
        raise error

    return act


@pytest.mark.parametrize("ending", [Ending("powered off"), Ending("failed", "it\nended: ü")])
def test_its_ending(ending: Ending) -> None:
    tidied = Tidied()
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    files = len(os.listdir("/proc/self/fd"))
    assert apart(lambda: ending, tidied) == ending
    assert tidied.times == 1
    assert os.getpid() == HERE, "the process apart never comes back"
    assert len(os.listdir("/proc/self/fd")) == files
    assert [
        signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ] == handlers


def test_a_problem() -> None:
    tidied = Tidied()
    with pytest.raises(Problem) as told:
        apart(raises(GuestProblem("no kernel", because="there is none", remedy="make one")), tidied)
    problem = told.value
    assert (problem.what, problem.because, problem.remedy) == (
        "no kernel",
        "there is none",
        "make one",
    )
    assert tidied.times == 1


def test_a_bug_leaves_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    tidied = Tidied()
    ending = apart(raises(ZeroDivisionError("of ours")), tidied)
    assert ending == Ending("failed", "its process left without a word, exit code 1")
    said = capfd.readouterr().err
    assert "Traceback" in said and "ZeroDivisionError: of ours" in said
    assert tidied.times == 1


def test_a_process_that_is_killed() -> None:
    tidied = Tidied()

    def act() -> Ending:
        os.kill(os.getpid(), signal.SIGSYS)
        return Ending("never")

    ending = apart(act, tidied)
    assert ending == Ending("failed", "its process was ended by SIGSYS")
    assert tidied.times == 1


PROGRAM = """
import os, signal, sys, time
from septum.host.apart import apart
from septum.state import Ending

def act():
    try:
        print("ready", os.getpid(), flush=True)
        while True:
            time.sleep(0.1)  # a signal just before a long sleep would wait for its end
    finally:
        print("undone", flush=True)

def tidy():
    print("tidied", flush=True)

try:
    apart(act, tidy)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("to_the_group", [False, True], ids=["alone", "as a terminal does"])
def test_it_is_interrupted(number: signal.Signals, to_the_group: bool) -> None:
    with begun() as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[0] == b"ready"
        for _ in range(3):  # whoever presses Ctrl-C again must not stop the tidying
            if to_the_group:
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid, number)
        assert process.stdout.read().split() == [b"undone", b"tidied", b"interrupted"]
        assert process.wait(10) == 0


def test_it_does_not_outlive_its_parent() -> None:
    with begun() as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        assert process.stdout.read().split() == [b"undone"], "the pipe ends with the last process"


def begun() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
