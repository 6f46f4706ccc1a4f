"""How do instances end and start again: by themselves, by the power button, by the plug?"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.host import processes
from septum.host.channel import ask
from septum.host.journal import Journal
from tests.supervisor.desk import Desk, a_desk, until

BLUE, GREEN = "0000:01:00.0", "0000:02:00.0"


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_desk() as desk:
        yield desk


def blue(desk: Desk) -> dict[str, Any]:
    return desk.rows()["blue"]


def up_again(desk: Desk, before: int) -> bool:
    row = blue(desk)
    return bool(row["state"] == "running") and row["pid"] != before


def state(desk: Desk, wanted: str) -> None:
    until(f"blue is {wanted}", lambda: desk.rows().get("blue", {}).get("state") == wanted)


def log(desk: Desk) -> str:
    return Path(desk.directory.logs, "supervisor.log").read_text()


# ---- by themselves


def test_what_it_had_is_kept_across_its_resets(desk: Desk) -> None:
    """Linux's drivers never see it; the journal says at each moment whose it is."""
    reset = desk.root / "reset"
    desk.type("up", desk.table(f"claim reset={reset}"), "blue")
    journal, supervisor = Journal(desk.directory.claims), desk.supervisor()
    for count in (1, 2, 3):
        before = blue(desk)["pid"]
        reset.write_text("")
        until("it runs again", lambda before=before: up_again(desk, before))
        row, entry = blue(desk), journal.read(BLUE)
        assert row["restarts"] == count and entry is not None
        assert entry.holder == processes.process(row["pid"]) and entry.keeper == supervisor
        assert entry.driver == "e1000e", "the one it had at first"
    assert "given back" not in log(desk)
    said = Path(desk.directory.messages_of("blue")).read_text()
    assert said.count(f"taking {BLUE} over") == 3
    assert "RESTARTS" in desk.type("ps").stdout.splitlines()[0]
    assert desk.type("down").returncode == 0
    assert f"{BLUE}: given back to Linux" in log(desk) and desk.is_tidy()


WAITS = 'restart_delay = "10m"'


def test_who_resets_too_quickly_waits_and_is_seen_to(desk: Desk) -> None:
    up = desk.start("up", desk.table("claim resets", keys=WAITS), "blue")
    state(desk, "waiting")
    row, entry = blue(desk), Journal(desk.directory.claims).read(BLUE)
    assert 590 < row["starts_in"] <= 600 and row["restarts"] == 1 and row["pid"] is None
    assert row["uptime"] is None and row["ending"] == "reset"
    assert entry is not None and not entry.holder.is_alive and entry.is_held
    assert desk.type("ps").returncode == 0, "nothing is owed to Linux"
    assert "waiting 9m" in desk.type("ps").stdout
    assert desk.claimed() == [BLUE]

    down = desk.type("down", "blue")
    assert down.returncode == 0 and "blue: stopped; everything is given back" in down.stdout
    out, _ = up.communicate(timeout=60)
    if up.returncode:  # it was not seen to run, and then waited for
        assert "blue: waiting, reset: starts again in 10m" in out
    assert desk.is_tidy()


def test_what_is_kept_for_one_that_waits_is_nobody_elses(desk: Desk) -> None:
    """A start without the supervisor gives back what the dead left, and this is not left."""
    up = desk.start("up", desk.table("claim resets", keys=WAITS), "blue")
    state(desk, "waiting")
    run = desk.type("run", desk.table(green="powered-off"), "green")
    assert run.returncode == 0, run.stderr
    assert desk.claimed() == [BLUE] and "given back" not in run.stderr
    assert desk.type("down", "blue").returncode == 0
    up.communicate(timeout=60)


def test_a_supervisor_that_dies_while_one_waits_is_cleaned_up_after(desk: Desk) -> None:
    up = desk.start("up", desk.table("claim resets", keys=WAITS), "blue")
    state(desk, "waiting")
    supervisor = desk.supervisor()
    assert supervisor is not None
    os.kill(supervisor.number, signal.SIGKILL)
    up.communicate(timeout=60)
    until("its heir gives it back", lambda: desk.claimed() == [])
    assert f"{BLUE}: given back to Linux" in log(desk)
    assert desk.type("ps").returncode == 0 and desk.is_tidy()


def test_who_resets_endlessly_stays_down_and_says_so(desk: Desk) -> None:
    keys = 'restart_delay = "0.05s"\nrestart_limit = 3'
    up = desk.type("up", desk.table("claim resets", "claim", keys=keys))
    assert "blue: failed, restarted too often: reset again, after 3 restarts" in up.stdout or (
        up.returncode == 0  # it was seen to run
    )
    state(desk, "failed")
    row = blue(desk)
    assert row["restarts"] == 3 and row["reason"] == "restarted too often"
    assert "restart_limit" in row["detail"]
    assert desk.claimed() == [GREEN], "what it had is given back, then"
    assert desk.rows()["green"]["state"] == "running"
    assert desk.type("up", desk.table(), "blue").returncode == 0


@pytest.mark.parametrize(("on_crash", "ends"), [("stop", True), ("restart", False)])
def test_a_triple_fault_does_what_the_table_says(desk: Desk, on_crash: str, ends: bool) -> None:
    fault = desk.root / "fault"
    keys = f'on_crash = "{on_crash}"'
    desk.type("up", desk.table(f"claim fault={fault}", keys=keys), "blue")
    before = blue(desk)["pid"]
    fault.write_text("")
    if ends:
        state(desk, "failed")
        assert blue(desk)["ending"] == "shut down (triple fault)" and desk.claimed() == []
    else:
        until("it runs again", lambda: up_again(desk, before))
        assert desk.claimed() == [BLUE]


# ---- by the power button, and by the plug


def test_who_does_not_go_is_unplugged_and_said_to_be(desk: Desk) -> None:
    desk.type("up", desk.table("claim no-button", "claim"))
    down = desk.type("down", "--within", "0.5s")
    assert down.returncode == 0, down.stderr
    assert "blue: its power button is pressed" in down.stdout
    assert "blue: its system is not listening for it yet" in down.stdout
    why = "it did not shut down within 0.5s; it was not listening for its power button"
    assert f"blue: unplugging: {why}" in down.stdout
    assert f"blue: stopped, unplugged: {why}; everything is given back" in down.stdout
    assert "green: stopped, powered off; everything is given back" in down.stdout
    assert desk.is_tidy()


def test_the_plug_at_once(desk: Desk) -> None:
    desk.type("up", desk.table("claim", "claim"))
    down = desk.type("down", "--now")
    assert down.returncode == 0
    assert "blue: stopped, unplugged; everything is given back" in down.stdout
    assert "power button" not in down.stdout and desk.is_tidy()


def test_whoever_is_in_more_of_a_hurry_counts(desk: Desk) -> None:
    desk.type("up", desk.table("no-button"), "blue")
    slow = desk.start("down", "--within", "7d")
    state(desk, "stopping")
    again = desk.start("down", "blue", "--within", "2h")
    assert slow.stdout is not None
    presses = 0
    while presses < 2:
        presses += "power button is pressed" in slow.stdout.readline()
    assert desk.type("down", "blue", "--now").returncode == 0
    for process in (slow, again):
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, (out, error)
        assert "blue: stopped, unplugged" in out


@pytest.mark.parametrize(
    "within", ["inf", "nan", "-1s", "1e9", "soon", "3000000", "", "0x10", "9" * 400]
)
def test_what_is_no_time_is_refused(desk: Desk, within: str) -> None:
    down = desk.type("down", f"--within={within}")
    assert down.returncode == 1
    assert f"--within {within} is not possible" in down.stderr and "--within 90s" in down.stderr


def test_a_supervisor_refuses_every_time_that_is_none(desk: Desk) -> None:
    """Whatever a client sends: JSON's readers know Infinity and NaN, and numbers of any length."""
    desk.type("up", desk.table("no-button"), "blue")
    for value in ("Infinity", "-Infinity", "NaN", "1e999", "-1", "3000000", "9" * 400, "true"):
        for what in ("down", "reboot"):
            with socket.socket(socket.AF_UNIX) as stream:
                stream.connect(desk.directory.control)
                line = f'{{"ask": "{what}", "names": ["blue"], "within": {value}}}\n'
                stream.sendall(line.encode())
                assert "error" in json.loads(stream.makefile().readline()), (what, value)
    assert blue(desk)["state"] == "running"


def test_a_supervisor_told_to_end_presses_first(desk: Desk) -> None:
    desk.type("up", desk.table("claim no-button", "claim"))
    supervisor = desk.supervisor()
    assert supervisor is not None
    os.kill(supervisor.number, signal.SIGTERM)
    until("who hears it goes", lambda: desk.rows()["green"]["state"] == "stopped")
    assert desk.rows()["green"]["ending"] == "powered off"
    assert blue(desk)["state"] == "stopping"
    os.kill(supervisor.number, signal.SIGTERM)  # and now in earnest
    until("it ends", lambda: not supervisor.is_alive)
    assert desk.is_tidy()


def test_one_in_the_foreground_has_a_button_too(desk: Desk) -> None:
    process = desk.start("run", "-v", desk.table("claim"), "blue")
    until("it runs", lambda: os.path.exists(desk.directory.control_of("blue")))
    refused = desk.type("reboot", "blue")
    assert refused.returncode == 1 and "in the foreground" in refused.stderr
    down = desk.type("down", "blue")
    assert down.returncode == 0 and "blue: shut down, it ran in the foreground" in down.stdout
    process.communicate(timeout=60)
    assert process.returncode == 0


# ---- and again


@pytest.mark.parametrize(
    ("words", "options", "how"),
    [
        ("claim", [], "its power button is pressed"),
        ("claim", ["--now"], "unplugging"),
        ("claim no-button", ["--within", "0.3s"], "it did not shut down within 0.3s"),
    ],
)
def test_a_reboot(desk: Desk, words: str, options: list[str], how: str) -> None:
    desk.type("up", desk.table(words, "claim"))
    before = desk.rows()
    reboot = desk.type("reboot", "blue", *options)
    assert reboot.returncode == 0, reboot.stderr
    assert how in reboot.stdout and "blue: running" in reboot.stdout
    after = desk.rows()
    assert after["blue"]["pid"] != before["blue"]["pid"]
    assert after["blue"]["restarts"] == 0, "nobody holds it against it"
    assert after["green"]["pid"] == before["green"]["pid"]
    assert "given back" not in log(desk) and desk.claimed() == [BLUE, GREEN]


def test_a_reboot_ends_a_wait(desk: Desk) -> None:
    reset = desk.root / "reset"
    desk.type("up", desk.table(f"reset={reset}", keys=WAITS), "blue")
    reset.write_text("")
    state(desk, "waiting")
    assert desk.type("reboot", "blue").returncode == 0
    assert blue(desk)["state"] == "running"


def test_what_does_not_run_is_not_rebooted(desk: Desk) -> None:
    nothing = desk.type("reboot", "blue")
    assert nothing.returncode == 1 and "blue does not run" in nothing.stderr
    desk.type("up", desk.table("powered-off"), "blue")
    state(desk, "stopped")
    stopped = desk.type("reboot", "blue")
    assert stopped.returncode == 1
    assert "it is stopped" in stopped.stderr and "septum up" in stopped.stderr


def test_a_down_during_a_reboot_counts(desk: Desk) -> None:
    desk.type("up", desk.table("claim no-button"), "blue")
    reboot = desk.start("reboot", "blue", "--within", "1h")
    state(desk, "stopping")
    assert desk.type("down", "blue", "--now").returncode == 0
    reboot.communicate(timeout=60)
    assert reboot.returncode == 1 and desk.is_tidy()


# ---- slow work


def test_a_device_that_hangs_keeps_only_its_own_waiting(desk: Desk) -> None:
    gate = desk.root / "gate"
    environment = {"SEPTUM_HANGS": f"{BLUE}={gate}"}
    desk.type("up", desk.table("claim", "claim"), environment=environment)
    down = desk.start("down", "blue", "--now")
    until("its process has ended", lambda: blue(desk)["pid"] is None)
    began = time.monotonic()
    assert "error" not in ask(desk.directory.control, {"ask": "list"}, "the supervisor")
    assert time.monotonic() - began < 2.0
    assert blue(desk)["state"] == "stopping", "it still has what Linux has not taken"
    assert desk.type("down", "green").returncode == 0
    gate.touch()
    out, _ = down.communicate(timeout=60)
    assert down.returncode == 0 and "blue: stopped, unplugged; everything is given back" in out
    assert desk.is_tidy()


def test_who_waits_for_a_device_that_hangs_is_told(desk: Desk) -> None:
    gate = desk.root / "gate"
    environment = {"SEPTUM_HANGS": f"{BLUE}={gate}", "SEPTUM_SLOW": "0.5"}
    desk.type("up", desk.table("claim", "claim"), environment=environment)
    down = desk.type("down", "blue", "--now")
    assert down.returncode == 1 and "Linux takes longer than 0.5s over it" in down.stdout
    assert f"not given back: {BLUE}" in down.stdout
    again = desk.type("up", desk.table("claim"), "blue")
    assert again.returncode == 1 and "Linux has not taken back yet" in again.stdout
    gate.touch()
    until("Linux has it", lambda: desk.claimed() == [GREEN])
    until(
        "it may start",
        lambda: desk.type("up", desk.table("claim"), "blue").returncode == 0,
    )
