"""Are who resets, faults and dies again and again held back, on a computer with real drivers?

Their kernels are a few instructions long, so no system has to start for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.lab.run import Lab
from tests.engine.kvm.kernels import vmlinux
from tests.instance import guests

ETHERNET = "0000:02:00.0"
LINK = f"/sys/bus/pci/devices/{ETHERNET}/driver"
RESET = guests.code("b006", "66baf90c", "ee", "f4")  # mov al, 6; mov dx, 0xcf9; out dx, al; hlt
TABLE = f"""
[machine]
platform = "pc"
[instances.red]
kernel = "/var/tmp/red.vmlinux"
memory = "64M"
processors = {{ share = [0] }}
functions = ["{ETHERNET}"]
"""


@pytest.fixture
def red(lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    lab.run("modprobe -a kvm_amd vfio-pci; septum down --now", timeout=60)
    yield lab
    lab.run("septum down --now", timeout=60)


def begin(lab: Lab, folder: Path, program: bytes, keys: str) -> None:
    (folder / "red.vmlinux").write_bytes(vmlinux(program))
    (folder / "red.toml").write_text(TABLE + keys)
    for name in ("red.vmlinux", "red.toml"):
        lab.put(folder / name, f"/var/tmp/{name}")
    # Not waited for: it may never be seen to run
    lab.run("septum up /var/tmp/red.toml >/var/tmp/red.up 2>&1 & sleep 0.1", timeout=60)


def row(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.run("septum ps --json").stdout)[0]
    return found


def until(lab: Lab, state: str) -> dict[str, Any]:
    condition = f"septum ps --json | grep -q '\"state\": \"{state}\"'"
    lab.run(f"until {condition}; do sleep 0.1; done", timeout=60, check=True)
    return row(lab)


def driver(lab: Lab) -> str:
    """The driver's name, and the number of the link, which another link would not have."""
    return str(lab.run(f"stat -c '%i %N' {LINK}", check=True).stdout)


@pytest.mark.parametrize(
    ("program", "keys", "reason"),
    [
        (RESET, "", "reset"),
        (guests.TRIPLE_FAULT, 'on_crash = "restart"\n', "shut down (triple fault)"),
    ],
    ids=["reset", "triple fault"],
)
def test_who_ends_at_once_again_and_again_is_held_back(
    red: Lab, tmp_path: Path, program: bytes, keys: str, reason: str
) -> None:
    limits = 'restart_limit = 2\nrestart_delay = "3s"\n'
    begin(red, tmp_path, program, f"{keys}{limits}")
    held = until(red, "failed")
    assert held["reason"] == "restarted too often" and held["restarts"] == 2
    assert held["detail"].startswith(f"{reason} again, after 2 restarts within 10m")
    said = red.run("cat /var/log/septum/red.messages.log", check=True).stdout
    assert said.count(f"resetting {ETHERNET}") >= 3, "its card is reset between two lives"
    assert "/e1000e" in driver(red), "and Linux has it again"
    assert red.run("ls /run/septum/claims/*.json").code != 0, "nothing is claimed"


def test_its_card_is_nobodys_else_while_it_waits(red: Lab, tmp_path: Path) -> None:
    """The waiting one is killed with its supervisor: what it had is given back all the same."""
    begin(red, tmp_path, RESET, 'restart_delay = "1h"\n')
    waiting = until(red, "waiting")
    assert waiting["starts_in"] > 3000 and waiting["pid"] is None
    assert "/vfio-pci" in driver(red)
    claim = json.loads(red.run(f"cat /run/septum/claims/{ETHERNET}.json", check=True).stdout)
    assert claim["instance"] == "red" and claim["driver"] == "e1000e"
    supervisor = red.run("cat /run/septum/supervisor", check=True).stdout.split()
    assert [str(one) for one in claim["keeper"]] == supervisor
    red.run(f"kill -KILL {supervisor[0]}", check=True)
    gone = f"until ! test -e /run/septum/claims/{ETHERNET}.json; do sleep 0.1; done"
    red.run(gone, timeout=60, check=True)
    assert "/e1000e" in driver(red)
    assert "no instances" in red.run("septum ps", check=True).stdout
