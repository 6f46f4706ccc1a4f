"""What goes wrong around an instance: nothing stays claimed, nobody else is disturbed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.lab.run import Completed, Lab

ETHERNET = "0000:02:00.0"
SCSI = "0000:00:04.0"
TABLE = f"""
[machine]
platform = "pc"
[instances.green]
kernel = "/var/lib/septum/green.vmlinuz"
initrd = "/var/lib/septum/green.initrd"
command_line = "console=ttyS0 quiet panic=-1"
memory = "256M"
processors = {{ share = [0] }}
functions = ["{ETHERNET}", "{SCSI}"]
without_reset = ["{SCSI}"]
on_reboot = "stop"
"""

# Runs `septum up`, sends SIGINT when a line with the given words appears, and tells how it ended.
INTERRUPT = """
import signal, subprocess, sys
words = sys.argv[1]
up = subprocess.Popen(["septum", "up", "/var/tmp/bad.toml"], stdout=subprocess.PIPE,
                      stderr=subprocess.STDOUT, text=True, bufsize=1)
seen = []
for line in up.stdout:
    seen.append(line)
    if words in line:
        up.send_signal(signal.SIGINT)
        words = "\\0"
print("".join(seen))
sys.exit(up.wait())
"""


# struct aer_error_inj of drivers/pci/pcie/aer_inject.c: a completion timeout of 0000:02:00.0
INJECT = """
import struct
with open("/dev/aer_inject", "wb", 0) as file:
    file.write(struct.pack("<4B7I", 2, 0, 0, 0, 0x4000, 0, 0, 0, 0, 0, 0))
"""


@pytest.fixture(autouse=True)
def a_table(lab: Lab, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "bad.toml").write_text(TABLE)
    (tmp_path / "interrupt.py").write_text(INTERRUPT)
    lab.put(tmp_path / "bad.toml", "/var/tmp/bad.toml")
    lab.put(tmp_path / "interrupt.py", "/var/tmp/interrupt.py")
    lab.run("modprobe kvm_amd", check=True)
    lab.run("septum down --now", timeout=60)
    yield
    lab.run("septum down --now", timeout=60)


def said(done: Completed) -> str:
    text: str = done.stdout + done.stderr
    assert "Traceback" not in text, text
    return text


def wait_until(lab: Lab, condition: str, seconds: int = 60) -> None:
    """Wait in the lab for a shell condition."""
    loop = f"for i in $(seq {seconds * 5}); do {condition} && exit 0; sleep 0.2; done; exit 1"
    assert lab.run(loop, timeout=seconds * 3).code == 0, f"never came: {condition}"


def nothing_is_held(lab: Lab) -> None:
    """As before: drivers back, no entry in the journal, no huge page, no group, no process."""
    wait_until(lab, "! ls /run/septum/claims/*.json 2>/dev/null | grep -q .")
    assert "e1000e" in lab.run(f"readlink /sys/bus/pci/devices/{ETHERNET}/driver").stdout
    assert lab.run(f"test -e /sys/bus/pci/devices/{SCSI}/driver").code != 0
    assert lab.run("cat /proc/sys/vm/nr_hugepages").stdout.strip() == "0"
    assert lab.run("find /sys/fs/cgroup -type d -path '*/septum/green'").stdout == ""


@pytest.mark.parametrize("stage", ["preparing", "memory", "claiming", "resetting"])
def test_ctrl_c_at_a_stage_of_up(lab: Lab, stage: str) -> None:
    done = lab.run(["python3", "/var/tmp/interrupt.py", stage], timeout=120)
    text = said(done)
    assert stage in text, text
    assert done.code == 130, text
    nothing_is_held(lab)


def test_a_truncated_initrd_is_the_guests_own_end(lab: Lab) -> None:
    """The kernel panics over it, on its own console; panic=-1 makes that a reset."""
    lab.run("head -c 1000 /var/lib/septum/green.initrd > /var/tmp/short.initrd", check=True)
    edit = "sed -i s,/var/lib/septum/green.initrd,/var/tmp/short.initrd, /var/tmp/bad.toml"
    lab.run(edit, check=True)
    said(lab.run("septum up /var/tmp/bad.toml", timeout=120, check=True))
    wait_until(lab, "septum ps --json | grep -q '\"stopped\"\\|\"failed\"'", 120)
    rows = json.loads(lab.run("septum ps --json", check=True).stdout)
    assert "reset" in json.dumps(rows), rows
    assert "anic" in lab.run("cat /var/log/septum/green.log").stdout
    nothing_is_held(lab)


def test_a_device_that_vanishes_ends_its_owner_alone(lab: Lab) -> None:
    said(lab.run("septum up /var/tmp/bad.toml", timeout=120, check=True))
    unbind = f"echo {ETHERNET} > /sys/bus/pci/drivers/vfio-pci/unbind"
    done = lab.run(unbind, timeout=60)
    assert done.code == 0, done.stderr
    wait_until(lab, "septum ps --json | grep -q '\"failed\"'")
    rows = lab.run("septum ps --json").stdout
    assert f"Linux wants {ETHERNET} back" in rows, rows
    nothing_is_held(lab)


def test_an_error_of_a_device_ends_its_owner_alone(lab: Lab) -> None:
    """One that cannot be corrected, as Linux makes the root port report it (aer_inject)."""
    said(lab.run("septum up /var/tmp/bad.toml", timeout=120, check=True))
    lab.run("modprobe aer_inject", check=True)
    lab.run(["python3", "-c", INJECT], check=True)
    wait_until(lab, "septum ps --json | grep -q '\"failed\"'")
    rows = lab.run("septum ps --json").stdout
    assert f"{ETHERNET} reported an error that cannot be corrected" in rows, rows
    nothing_is_held(lab)


def test_up_twice_and_down_of_nothing(lab: Lab) -> None:
    nothing = lab.run("septum down --now", timeout=60)
    assert nothing.code == 1
    assert "nothing runs" in said(nothing)
    said(lab.run("septum up /var/tmp/bad.toml", timeout=120, check=True))
    before = json.loads(lab.run("septum ps --json", check=True).stdout)
    again = lab.run("septum up /var/tmp/bad.toml", timeout=120)
    assert again.code == 1
    assert "green" in said(again) and "runs already" in said(again)
    after = json.loads(lab.run("septum ps --json", check=True).stdout)
    assert [row["pid"] for row in after] == [row["pid"] for row in before]
    said(lab.run("septum down --now", timeout=60, check=True))
    nothing_is_held(lab)
