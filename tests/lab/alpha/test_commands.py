"""Do the commands work on a computer that is software: up, ps, show, console, revoke, down?"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.host import processes
from septum.host.runtime import RunDirectory
from septum.interrupts.table import missing
from septum.lab.alpha import demo, files
from tests.engine.alpha.vmm.test_kernel import image
from tests.house.source import ROOT

LIMIT = 90.0  # seconds
RESERVED_INSTRUCTION = 0x1C000FE0  # opcode 07
UP = "septum.do=io,shell"


class Desk:
    """A run directory and a table of its own, and the commands typed there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = RunDirectory(str(root / "run"), str(root / "log"))
        self.environment = {
            **os.environ,
            "SEPTUM_RUN": self.directory.root,
            "SEPTUM_LOG": self.directory.logs,
        }
        self.table = root / "two.toml"
        self.write()

    def write(self, *changes: tuple[str, str]) -> None:
        """The example with other words for init, and these changes."""
        text = demo.TABLE.read_text().replace("../build", str(ROOT / "build"))
        text = text.replace("septum.do=report,shell", UP)
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        self.table.write_text(text)

    def type(self, *words: str, code: int = 0, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "septum.admin.cli.main", *words],
            env=self.environment,
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def rows(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.type(*words, "--json"))
        return found

    def states(self) -> dict[str, str]:
        return {row["name"]: row["state"] for row in self.rows("ps")}

    def until_said(self, name: str, words: str) -> str:
        return until(f"{name} says {words}", lambda: words in self.log(name) and self.log(name))

    def log(self, name: str) -> str:
        path = Path(self.directory.log_of(name))
        return path.read_text(errors="replace") if path.exists() else ""

    def end(self) -> None:
        supervisor = processes.read_process(self.directory.supervisor)
        if supervisor is not None and supervisor.is_alive:
            import signal

            processes.tell(supervisor, signal.SIGKILL)


def until(what: str, condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


@pytest.fixture
def desk(built: files.AlphaFiles) -> Iterator[Desk]:
    root = Path(tempfile.mkdtemp(prefix="septum-"))
    made = Desk(root)
    try:
        yield made
        log = root / "log" / "supervisor.log"
        assert not log.exists() or "Traceback" not in log.read_text(), log.read_text()
    finally:
        made.end()
        shutil.rmtree(root)


def test_a_day_at_the_desk(desk: Desk) -> None:
    table = str(desk.table)
    assert "sound: 2 instances on clipper" in desk.type("check", table)
    said = desk.type("up", table)
    assert "blue: running, 1 processor, 64M, 2 functions" in said
    assert desk.states() == {"blue": "running", "green": "running"}
    supervisor = processes.read_process(desk.directory.supervisor)
    assert supervisor is not None
    assert {row["pid"] for row in desk.rows("ps")} == {supervisor.number}
    for name in ("blue", "green"):
        assert "pings 4 4" in desk.until_said(name, "septum: tasks")
    assert "runs already" in desk.type("up", table, code=1)

    assert "septum: processors 1" in desk.type("console", "green", stdin="facts\n", code=0) or (
        "septum: processors 1" in desk.until_said("green", "septum: processors")
    )
    show_everything(desk)
    revoke_and_touch_again(desk)

    for words in (("down", "--within", "5s"), ("reboot", "blue")):
        assert "no power button that their kernels know" in desk.type(*words, code=1)
    assert "blue: running" in desk.type("reboot", "blue", "--now")
    until("it starts anew", lambda: desk.log("blue").count("septum: init") > 1)
    assert "blue: stopped, unplugged; everything is given back" in desk.type("down", "blue")
    assert desk.states() == {"green": "running"}
    assert "everything is given back" in desk.type("down")
    assert "no instances" in desk.type("ps")
    assert desk.directory.instances() == []


def show_everything(desk: Desk) -> None:
    table = desk.rows("show", "interrupts")
    assert missing(table) == []
    cards = [row for row in table if row["line"].startswith("DRIR") and row["handled_by"] != "VMM"]
    handled = {row["device"]: row["handled_by"] for row in cards}
    assert handled == {
        "Ethernet 1": "blue",
        "SCSI 1": "blue",
        "Ethernet 2": "green",
        "SCSI 2": "green",
    }
    assert all(row["count"] > 0 for row in cards)
    others = [row["device"] for row in table if row["handled_by"] == "VMM"]
    assert len(others) == len(set(others) - {"processor"}) + 2, "each of the VMM's is listed once"
    assert {row["instance"] for row in desk.rows("show", "memory", str(desk.table))} == {
        "blue",
        "green",
    }
    probes = desk.rows("show", "probes", "green")
    assert {"exposed", "absent"} <= {row["answer"] for row in probes}
    devices = {row["address"] for row in desk.rows("show", "devices", "blue")}
    assert {"0000:00:01.0", "0000:00:02.0"} <= devices
    assert not any(address.startswith("0001:") for address in devices)
    assert any(row["by"] == "exit" for row in desk.rows("show", "exits", "blue"))
    verdicts = {row["verdict"] for row in desk.rows("show", "translations")}
    assert {"modify", "emulate", "reject"} <= verdicts


def revoke_and_touch_again(desk: Desk) -> None:
    """[0027]: what is taken back traps again at the next touch, and is decided anew."""

    def leases(kind: str) -> int:
        rows = desk.rows("show", "exits", "blue")
        what = f"{kind}, processor"
        return next(
            int(row["exits"]) for row in rows if (row["by"], row["what"]) == ("lease", what)
        )

    granted, revoked = leases("granted"), leases("revoked")
    (taken,) = desk.rows("revoke", "blue", "0000:00:01.0")
    assert taken["to"] == "0000:00:01.0 BAR 0"
    assert leases("revoked") > revoked
    desk.type("console", "blue", stdin="ethernet\n")
    until("its card works again", lambda: desk.log("blue").count("pings 4 4") == 2)
    assert leases("granted") > granted
    assert "holds nothing back" in desk.type(
        "revoke", "blue", "0000:00:01.0", "--hold", "1", code=1
    )
    assert "does not own it" in desk.type("revoke", "blue", "0001:00:05.0", code=1)


def test_one_that_crashes_is_alone(desk: Desk) -> None:
    """Its registers are shown, and the other goes on."""
    wrong = bytearray(image())
    code = wrong[128:]
    wrong[128:] = struct.pack("<I", RESERVED_INSTRUCTION) * (len(code) // 4)
    (desk.root / "wrong").write_bytes(wrong)
    desk.write((str(ROOT / "build/alpha/blue.vmlinux"), str(desk.root / "wrong")))
    said = desk.type("up", str(desk.table), code=1)
    until("blue has failed", lambda: desk.states()["blue"] == "failed")
    (blue,) = [row for row in desk.rows("ps") if row["name"] == "blue"]
    assert "r27 0xfffffc0000300000" in said + blue["detail"]
    desk.until_said("green", "septum: tasks")
    assert desk.states() == {"blue": "failed", "green": "running"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"#!/bin/sh\n", "is not an Alpha kernel"),
        (image(machine=62), "it is for x86-64"),
        (image(entry=0), "jumps nowhere"),
        (image(memory_size=128 << 20), "is larger than its memory"),
    ],
)
def test_what_is_no_kernel_is_refused(desk: Desk, content: bytes, says: str) -> None:
    (desk.root / "wrong").write_bytes(content)
    desk.write((str(ROOT / "build/alpha/blue.vmlinux"), str(desk.root / "wrong")))
    for command in ("check", "up"):
        said = desk.type(command, str(desk.table), code=1)
        assert says in said and "instances.blue.kernel" in said


def test_a_computer_that_is_not_there(desk: Desk) -> None:
    desk.write(('computer = "clipper"', 'computer = "cutter"'))
    assert "there is no computer cutter" in desk.type("check", str(desk.table), code=1)
    desk.write(('computer = "clipper"\n', ""))
    assert "does not say which computer" in desk.type("up", str(desk.table), code=1)


def test_none_of_it_runs_alone(desk: Desk) -> None:
    assert "septum up" in desk.type("run", str(desk.table), "blue", code=1)


def test_a_system_that_reboots_begins_again(desk: Desk) -> None:
    desk.write((UP, "septum.do=reboot"))
    desk.type("up", str(desk.table))
    until("blue began again", lambda: desk.log("blue").count("septum: init") > 1)
    desk.type("down")
