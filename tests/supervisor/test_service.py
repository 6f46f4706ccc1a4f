"""Does the supervisor work as a service: in the foreground, ready in time, orderly at its end?"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from septum.host import unit_files
from septum.supervisor import beginning, service
from septum.supervisor.keeper import SHUTDOWN_SECONDS
from septum.supervisor.service import Service
from septum.supervisor.workplace import Workplace
from tests.supervisor.desk import LIMIT, Desk, a_desk, until

BLUE, GREEN = "0000:01:00.0", "0000:02:00.0"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_desk() as desk:
        yield desk


def start(desk: Desk, *words: str) -> subprocess.Popen[str]:
    """The supervisor as systemd starts it: returns once it said that it is ready."""
    address = str(desk.root / "ready")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(LIMIT)
        process = desk.start("supervise", *words, environment={"NOTIFY_SOCKET": address})
        assert listener.recv(100) == b"READY=1\n"
    os.unlink(address)
    return process


def end(process: subprocess.Popen[str]) -> int:
    out, error = process.communicate(timeout=LIMIT)
    assert "Traceback" not in out + error, out + error
    return process.returncode


def test_it_keeps_what_up_starts_and_leaves_after_the_last(desk: Desk) -> None:
    process = start(desk)
    supervisor = desk.supervisor()
    assert supervisor is not None and supervisor.number == process.pid
    assert desk.type("up", desk.table("claim", "claim")).returncode == 0
    assert desk.supervisor() == supervisor
    assert desk.claimed() == [BLUE, GREEN]
    assert desk.type("down").returncode == 0
    assert end(process) == 0
    assert desk.is_tidy() and not os.path.exists(desk.directory.control)


def test_it_ends_its_instances_when_it_is_told_to_end(desk: Desk) -> None:
    process = start(desk, "--within", "20")
    desk.type("up", desk.table("claim", "claim"))
    process.send_signal(signal.SIGTERM)
    assert end(process) == 0
    assert desk.is_tidy()


def test_there_is_one_supervisor(desk: Desk) -> None:
    desk.type("up", desk.table(), "blue")
    second = desk.type("supervise")
    assert second.returncode == 1
    assert "a supervisor runs already" in second.stderr
    assert desk.rows()["blue"]["state"] == "running"


def test_what_a_dead_one_left_is_put_back_first(desk: Desk) -> None:
    desk.type("up", desk.table("claim crash", ""), "blue")
    until("the instance is gone", lambda: desk.rows()["blue"]["state"] == "failed")
    supervisor = desk.supervisor()
    assert supervisor is not None
    os.kill(supervisor.number, signal.SIGKILL)
    until("the supervisor is gone", lambda: not supervisor.is_alive)
    process = start(desk)
    assert desk.claimed() == []
    process.send_signal(signal.SIGTERM)
    assert end(process) == 0


def test_it_waits_for_its_first_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(service.time, "monotonic", lambda: now)
    duties = Service(60)
    duties.look_after([])
    assert duties.awaits() == service.FIRST_START_SECONDS
    now += service.FIRST_START_SECONDS
    assert duties.awaits() is None
    duties = Service(60)
    duties.look_after([owner()])
    assert duties.awaits() is None


def owner(*functions: str) -> Any:
    return SimpleNamespace(partition=SimpleNamespace(functions=functions))


def test_an_instance_that_owns_a_function_keeps_the_computer_awake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed: list[bool] = []
    duties = Service(60)
    monkeypatch.setattr(duties.wakefulness, "keep", needed.append)
    duties.look_after([])
    duties.look_after([owner()])
    duties.look_after([owner(), owner(BLUE)])
    assert needed == [False, False, True]


def test_systemd_gives_it_the_time_it_needs() -> None:
    """To unplug who does not go, to insist twice, and for Linux to take back what they had."""
    usual = Workplace(beginning.RunDirectory())
    assert 2 * usual.patience + usual.slow <= unit_files.BEYOND
    assert unit_files.WITHIN == SHUTDOWN_SECONDS


@pytest.mark.parametrize(
    ("runs", "usual", "platform", "expected"),
    [
        (True, True, "pc", True),
        (False, True, "pc", False),
        (True, False, "pc", False),
        (True, True, "alpha", False),
    ],
)
def test_where_systemd_keeps_the_supervisor(
    runs: bool,
    usual: bool,
    platform: str,
    expected: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beginning.systemd, "runs", lambda: runs)
    usually = beginning.RunDirectory()
    other = beginning.RunDirectory(str(tmp_path), str(tmp_path))
    place = Workplace(usually if usual else other)
    assert beginning.is_service(place, platform) is expected


def test_where_systemd_fails_the_supervisor_begins_as_elsewhere(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(program: list[str], within: float) -> None:
        raise beginning.HostProblem("systemd does not start it", because="it is masked")

    monkeypatch.setattr(beginning.systemd, "begin_service", refused)
    desk.directory.make()
    said: list[str] = []
    assert beginning.reach_service(Workplace(desk.directory), said) is None
    assert said == ["systemd does not start it: it is masked; a login's end may end the instances"]
