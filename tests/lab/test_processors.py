"""Does an instance run on two processors, and on one of its own? And what are they like?"""

from __future__ import annotations

import json
import re
import time
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
functions = ["0000:02:00.0", "0000:00:04.0"]
without_reset = ["0000:00:04.0"]
on_reboot = "stop"
"""


@pytest.fixture
def started(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A table with the test's processors, started; the console of its instance at a shell."""
    (tmp_path / "table.toml").write_text(TABLE.format(processors=request.param))
    lab.put(tmp_path / "table.toml", PLACE)
    lab.run("modprobe -a kvm_amd vfio-pci", check=True)
    lab.run("septum down --now", timeout=PATIENCE)
    arrivals = lost.Arrivals(lab)
    lab.run(f"septum up {PLACE}", timeout=PATIENCE, check=True)
    terminal = Terminal(lab, "green", lab.folder / "processors.log")
    try:
        arrivals.wait_for(terminal, PROMPTS["green"], PATIENCE)
        terminal.quiet_shell(PATIENCE)
        yield terminal
    finally:
        terminal.close()
        lab.run("septum down --now", timeout=PATIENCE)


def pid_of_green(lab: Lab) -> int:
    rows = json.loads(lab.run("septum ps --json", check=True).stdout)
    (pid,) = [row["pid"] for row in rows if row["name"] == "green"]
    return int(pid)


def group_and_threads(lab: Lab) -> tuple[str, dict[str, str]]:
    """The processors of the instance's group, and on which of them each of its threads may run."""
    pid = pid_of_green(lab)
    group = lab.run(f"sed s/^0::// /proc/{pid}/cgroup", check=True).stdout.strip()
    assert group.endswith("/septum/green"), group
    said = lab.run(f"cat /sys/fs/cgroup{group}/cpuset.cpus", check=True).stdout.strip()
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
    they_begin_as_firmware_leaves_them(started)
    kvm_knows_of_its_devices(lab)


def they_begin_as_firmware_leaves_them(terminal: Terminal) -> None:
    """Cached memory, uncached devices, page attributes; no virtualization, which nobody asked for.

    Linux compares the second processor's ranges with the first's, and says when they differ.
    """
    ranges = terminal.ask("cat /proc/mtrr", PATIENCE).text
    first = r"reg00: base=0x0*80000000 \( *2048MB\), size= *2048MB.*uncachable"
    assert re.search(first, ranges), ranges
    said = terminal.ask("dmesg | grep -i -e mtrr -e x86/pat -e topo; echo", PATIENCE).text
    assert "disabled" not in said and "inconsistent" not in said and "incorrect" not in said, said
    assert re.search(r"x86/PAT: Configuration .*WB +WC +UC- +UC", said), said
    flags = terminal.ask("grep -m 1 ^flags /proc/cpuinfo", PATIENCE).text.split()
    assert {"mtrr", "pat", "hypervisor"} <= set(flags) and not {"svm", "vmx"} & set(flags)
    where = "/sys/devices/system/cpu/cpu1/topology"
    topology = f"cat {where}/core_id {where}/physical_package_id {where}/thread_siblings_list"
    assert terminal.ask(topology, PATIENCE).text.split() == ["1", "0", "1"]


def kvm_knows_of_its_devices(lab: Lab) -> None:
    """Where the IOMMU does not enforce coherence, as here, KVM must know that devices are there."""
    files = lab.run(f"readlink /proc/{pid_of_green(lab)}/fd/*").stdout.splitlines()
    assert [file for file in files if "vfio" in file and "kvm" in file] == ["anon_inode:kvm-vfio"]
    assert "KVM" not in lab.run("cat /var/log/septum/green.messages.log", check=True).stdout


@pytest.mark.parametrize("started", ["{ own = [1] }"], indirect=True)
def test_a_processor_of_its_own(lab: Lab, started: Terminal) -> None:
    assert started.ask("grep -c ^processor /proc/cpuinfo", PATIENCE).text.strip() == "1"
    group, threads = group_and_threads(lab)
    assert group == "1"
    assert threads["green cpu0"] == "1"
    interrupts_follow(lab)
    other = "sed -e s/instances.green/instances.amber/ -e s/02:00.0/01:00.0/ -e s/00:04/00:03/"
    lab.run(f"{other} {PLACE} > /var/tmp/second.toml", check=True)
    second = lab.run("septum up /var/tmp/second.toml", timeout=PATIENCE)
    assert second.code == 1
    assert "processor 1" in second.stderr and "green" in second.stderr, second.stderr


def interrupts_follow(lab: Lab) -> None:
    """Where the machine may serve messages and the line of what green owns; others go anywhere."""
    devices = "/sys/bus/pci/devices"
    numbers = f"$(ls {devices}/0000:02:00.0/msi_irqs) $(cat {devices}/0000:00:04.0/irq)"
    look = f"for n in {numbers}; do cat /proc/irq/$n/smp_affinity_list; done"
    deadline = time.monotonic() + PATIENCE
    while set(found := lab.run(look, check=True).stdout.split()) != {"1"}:
        assert time.monotonic() < deadline, found
    assert len(found) >= 4, found  # an e1000e's driver uses three vectors; the SCSI has a line
    assert lab.run("cat /proc/irq/default_smp_affinity").stdout.strip() == "3"
