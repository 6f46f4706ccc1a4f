"""Does a device that interrupts by one message (MSI) do so in its owner?

In a lab computer of its own: the others' devices have MSI-X or a line. (QEMU's e1000e has MSI
too, but Linux finds by a test that it does not work there, outside an instance as well as in.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.lab import lost
from septum.lab.computer import read_computer
from septum.lab.demo import PATIENCE, PROMPTS
from septum.lab.run import Lab
from septum.lab.terminal import Terminal

SATA = "0000:00:03.0"
TABLE = f"""
[machine]
platform = "pc"
[instances.green]
kernel = "/var/lib/septum/green.vmlinuz"
initrd = "/var/lib/septum/green.initrd"
command_line = "console=ttyS0 quiet panic=-1"
memory = "256M"
processors = {{ share = [0, 1], count = 1 }}
functions = ["{SATA}"]
without_reset = ["{SATA}"]
on_reboot = "stop"
"""
BYTES = 4 << 20
# Written past the caches and read back past them: each block is asked of the controller
WORK = (
    "dd if=/dev/urandom of=/dev/pattern bs=1048576 count=4 2>/dev/null && "
    "dd if=/dev/pattern of=/dev/sda bs=65536 oflag=direct 2>/dev/null && "
    "echo 3 > /proc/sys/vm/drop_caches && "
    f"dd if=/dev/sda bs=65536 count={BYTES // 65536} iflag=direct 2>/dev/null | cmp - /dev/pattern"
)


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Lab]:
    """Another lab computer than that of the other tests, for those of this file."""
    with Lab(read_computer("messages")) as lab:
        yield lab


def test_a_disk_behind_one_message(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "table.toml").write_text(TABLE)
    lab.put(tmp_path / "table.toml", "/var/tmp/messages.toml")
    lab.run("modprobe -a kvm_amd vfio-pci", check=True)
    arrivals = lost.Arrivals(lab)
    lab.run("septum up /var/tmp/messages.toml", timeout=PATIENCE, check=True)
    terminal = Terminal(lab, "green", lab.folder / "messages.log")
    try:
        arrivals.wait_for(terminal, PROMPTS["green"], PATIENCE)
        terminal.quiet_shell(PATIENCE)
        before = messages(lab)
        terminal.ask(WORK, PATIENCE)
        after = messages(lab)
    finally:
        terminal.close()
        lab.run("septum down --now", timeout=PATIENCE)
    assert before.keys() == after.keys() == {"MSI 0"}
    assert after["MSI 0"] - before["MSI 0"] >= 2 * BYTES // 65536


def messages(lab: Lab) -> dict[str, int]:
    """The controller's requests and how often each came."""
    rows = json.loads(lab.run("septum show interrupts green --json", check=True).stdout)
    return {row["request"]: row["count"] for row in rows if SATA in str(row["device"])}
