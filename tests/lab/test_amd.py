"""Is a computer with an AMD IOMMU divided as one with Intel's? In a lab computer of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.lab import drivers, lost
from septum.lab.computer import read_computer
from septum.lab.demo import PATIENCE
from septum.lab.run import Lab
from septum.lab.terminal import Terminal
from tests.captured import AMD
from tests.lab.cabinet import Owner, table
from tests.lab.captures import same

ETHERNET, NVME = "0000:00:04.0", "0000:00:05.0"
PLACE = "/var/tmp/amd.toml"

# Tries to take the disk's controller as nobody who has asked first would, in three ways of its use.
CLAIMS = f"""
import os, subprocess
from septum.errors import HostProblem
from septum.host.claim import Claim, driver_of
from septum.host.journal import Journal
from septum.host.users import nodes
from septum.machine.files import HostFiles
from septum.machine.inventory import inventory

def disk():
    found = nodes("/sys/bus/pci/devices/{NVME}")
    return next("/dev/" + node.name for node in found if node.is_disk)

def claimed(when):
    try:
        with Claim("{NVME}", Journal("/run/claims"), "blue"):
            print(when, "taken, and", driver_of("{NVME}"), "has it")
    except HostProblem as problem:
        print(when, "refused:", problem.because)

path = disk()
subprocess.run(f"mkswap -q {{path}} && swapon {{path}}", shell=True, check=True)
print([need.reason for need in inventory(HostFiles()).host_needs if str(need.address) == "{NVME}"])
claimed("swap:")
subprocess.run(["swapoff", path], check=True)
raw = subprocess.Popen(["sleep", "1000"], stdin=open(path))
claimed("raw:")
raw.kill()
raw.wait()
claimed("free:")
print("back:", driver_of("{NVME}"), Journal("/run/claims").entries())
"""


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Lab]:
    """Another lab computer than that of the other tests, for those of this file."""
    with Lab(read_computer("amd")) as lab:
        yield lab


def test_the_capture_is_of_this_computer(lab: Lab) -> None:
    assert same(lab, Path(AMD))


def test_a_disk_that_somebody_uses_is_not_taken(lab: Lab) -> None:
    """Neither swap space, nor one that a program has merely opened; then it is, and comes back."""
    lab.run("modprobe -a kvm_amd vfio-pci", check=True)
    interpreter = lab.run("head -1 $(command -v septum)", check=True).stdout.strip()[2:]
    said = lab.run(f"{interpreter} -", stdin=CLAIMS.encode(), timeout=120, check=True).stdout
    need, swap, raw, free, back = said.splitlines()
    assert re.fullmatch(r"\['holds swap space \(/dev/nvme\dn1\)'\]", need), said
    assert swap.startswith("swap: refused: Linux uses /dev/nvme"), said
    assert re.match(r"raw: refused: opened by sleep \(process \d+\): /dev/nvme", raw), said
    assert free == "free: taken, and vfio-pci has it", said
    assert back == "back: nvme []", said


def test_it_is_fit_and_what_it_gives_away_works(lab: Lab) -> None:
    lab.run("modprobe -a kvm_amd vfio-pci", check=True)
    said = json.loads(lab.run("septum doctor --json").stdout)
    answers = {row["question"]: row["answer"] for row in said["checks"]}
    assert answers["IOMMU"] == answers["interrupt remapping"] == "yes"
    log = lab.run("dmesg", check=True).stdout
    assert "AMD-Vi: Interrupt remapping enabled" in log
    lab.put(drivers.build(lab.host_tree, lab.progress), f"/var/tmp/{drivers.INITRD}")
    own = Owner("one", (ETHERNET, NVME), networks=1, disks=1)
    lab.run(f"cat > {PLACE}", stdin=table(own.text(())).encode(), check=True)
    arrivals = lost.Arrivals(lab)
    lab.run(f"septum up {PLACE}", timeout=PATIENCE, check=True)
    terminal = Terminal(lab, "one", lab.folder / "one.log")
    try:
        arrivals.wait_for(terminal, drivers.END, PATIENCE)
        found = drivers.tried(terminal.heard)
    finally:
        terminal.close()
        lab.run("septum down", timeout=PATIENCE)
    assert re.fullmatch(r"10\.1\.0\.\d+/24 20", found.networks[ETHERNET])
    assert found.disks[NVME] == "same"
    assert "IO_PAGE_FAULT" not in lab.run("dmesg", check=True).stdout
