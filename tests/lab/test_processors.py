"""Does an instance run on two processors, and on one of its own?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.lab import lost
from septum.lab.demo import PATIENCE, PROMPTS
from septum.lab.run import Lab
from septum.lab.terminal import Terminal

PLACE = "/var/tmp/processors.toml"
TABLE = """
[machine]
platform = "pc"
[instances.green]
kernel = "/var/lib/septum/green.vmlinuz"
initrd = "/var/lib/septum/green.initrd"
command_line = "console=ttyS0 quiet panic=-1"
memory = "256M"
processors = {processors}
functions = ["0000:02:00.0"]
on_reboot = "stop"
"""


@pytest.fixture
def started(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A table with the test's processors, started; the console of its instance at a shell."""
    (tmp_path / "table.toml").write_text(TABLE.format(processors=request.param))
    lab.put(tmp_path / "table.toml", PLACE)
    lab.run("modprobe -a kvm_amd vfio-pci", check=True)
    lab.run("septum down", timeout=PATIENCE)
    arrivals = lost.Arrivals(lab)
    lab.run(f"septum up {PLACE}", timeout=PATIENCE, check=True)
    terminal = Terminal(lab, "green", lab.folder / "processors.log")
    try:
        arrivals.wait_for(terminal, PROMPTS["green"], PATIENCE)
        terminal.quiet_shell(PATIENCE)
        yield terminal
    finally:
        terminal.close()
        lab.run("septum down", timeout=PATIENCE)


def group_and_threads(lab: Lab) -> tuple[str, dict[str, str]]:
    """The processors of the instance's group, and on which of them each of its threads may run."""
    rows = json.loads(lab.run("septum ps --json", check=True).stdout)
    (pid,) = [row["pid"] for row in rows if row["name"] == "green"]
    said = lab.run("cat /sys/fs/cgroup/septum/green/cpuset.cpus", check=True).stdout.strip()
    line = "echo $(grep -h -e ^Name -e ^Cpus_allowed_l $t/status)"
    each = f"for t in /proc/{pid}/task/*; do {line}; done"
    lines = lab.run(each, check=True).stdout.splitlines()
    found = [re.fullmatch(r"Name: (.*) Cpus_allowed_list: (\S+)", line) for line in lines]
    return said, {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("started", ["{ share = [0, 1] }"], indirect=True)
def test_an_instance_on_two_processors(lab: Lab, started: Terminal) -> None:
    numbers = started.ask(
        "grep -c ^processor /proc/cpuinfo; cat /sys/devices/system/cpu/online", PATIENCE
    )
    assert numbers.text.split() == ["2", "0-1"]
    # Both do work: each counts its own timer's interrupts
    (local,) = re.findall(
        r"LOC: +(\d+) +(\d+)", started.ask("grep LOC /proc/interrupts", PATIENCE).text
    )
    assert all(int(count) > 0 for count in local)
    group, threads = group_and_threads(lab)
    assert group == "0-1"
    assert {"green cpu0", "green cpu1"} <= threads.keys()


@pytest.mark.parametrize("started", ["{ own = [1] }"], indirect=True)
def test_a_processor_of_its_own(lab: Lab, started: Terminal) -> None:
    assert started.ask("grep -c ^processor /proc/cpuinfo", PATIENCE).text.strip() == "1"
    group, threads = group_and_threads(lab)
    assert group == "1"
    assert threads["green cpu0"] == "1"
    other = "sed -e s/instances.green/instances.amber/ -e s/02:00.0/01:00.0/"
    lab.run(f"{other} {PLACE} > /var/tmp/second.toml", check=True)
    second = lab.run("septum up /var/tmp/second.toml", timeout=PATIENCE)
    assert second.code == 1
    assert "processor 1" in second.stderr and "green" in second.stderr, second.stderr
