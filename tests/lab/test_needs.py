"""What Linux uses, in a Linux that uses it: nothing of it is taken, and all of it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from septum.lab.run import Lab

HOST_DISK, HOST_ETHERNET, ETHERNET = "0000:00:02.0", "0000:00:01.0", "0000:02:00.0"
LOOP = "/sys/devices/virtual/block/loop0"
CLAIM = f"""
import sys
from septum.errors import HostProblem
from septum.host.claim import Claim
from septum.host.journal import Journal
try:
    with Claim("{HOST_DISK}", Journal("/run/no-claims"), "blue"):
        print("TAKEN")
except HostProblem as problem:
    print(problem)
"""
HELD = f"""
from septum.errors import HostProblem
from septum.host.users import Exclusively
from septum.machine.files import HostFiles
from septum.machine import storage
try:
    with Exclusively("it", "{LOOP}", patience=0.5):
        print("FREE", __import__("subprocess").call("mount -o ro /dev/loop0 /mnt", shell=True))
except HostProblem as problem:
    print(problem)
files = HostFiles()
used = storage.uses(files, tuple(storage.mounts(files)))
print([use for use in used if use.device == "loop0"])
"""

Python = Callable[..., str]


@pytest.fixture
def python(lab: Lab, tmp_path: Path) -> Iterator[Python]:
    """Runs a program in the lab, with the lab's Septum; what it says."""
    interpreter = lab.run("head -1 $(command -v septum)", check=True).stdout.strip()[2:]

    def run(text: str, code: int = 0) -> str:
        (tmp_path / "program.py").write_text(text)
        lab.put(tmp_path / "program.py", "/var/tmp/program.py")
        done = lab.run(f"{interpreter} /var/tmp/program.py", timeout=60)
        assert done.code == code, done.stderr
        return done.stdout

    yield run


def needs(lab: Lab, address: str, kind: str = "host_needs") -> list[str]:
    said = json.loads(lab.run("septum scan --json", check=True, timeout=60).stdout)["machine"]
    return [one["reason"] for one in said[kind] if one["address"] == address]


def test_the_disk_below_linux_is_never_taken(lab: Lab, python: Python) -> None:
    said = python(CLAIM)
    assert "TAKEN" not in said and "cannot take 0000:00:02.0 from Linux" in said, said
    assert "/dev/nvme0n1" in said
    lab.run("cat /etc/hostname && sync && test ! -e /run/no-claims/*.json", check=True)


def test_a_disk_is_seen_in_use_whatever_uses_it(lab: Lab, python: Python) -> None:
    make = "truncate -s 8M /var/tmp/disk && mkfs.ext4 -q /var/tmp/disk && modprobe loop"
    lab.run(f"{make} && losetup /dev/loop0 /var/tmp/disk", check=True)
    try:
        assert "FREE 32" in python(HELD), "held, so that nobody can mount it meanwhile"

        lab.run("sleep 1000 < /dev/loop0 > /dev/null 2>&1 & echo $! > /var/tmp/pid", check=True)
        said = python(HELD)
        assert "opened by sleep (process" in said and "/dev/loop0" in said
        lab.run("kill $(cat /var/tmp/pid)", check=True)

        apart = "mount -o ro /dev/loop0 /mnt && echo $$ > /var/tmp/pid && exec sleep 1000"
        lab.run(f"unshare -m sh -c '{apart}' > /dev/null 2>&1 & "
                "until test -s /var/tmp/pid && ! kill -0 $(cat /var/tmp/pid) 2>/dev/null || "
                "grep -q loop0 /proc/$(cat /var/tmp/pid)/mountinfo; do sleep 0.1; done",
                timeout=60, check=True)  # fmt: skip
        said = python(HELD)
        process = lab.run("cat /var/tmp/pid", check=True).stdout.strip()
        assert "Linux uses /dev/loop0" in said
        assert f"holds a file system that process {process} has mounted" in said
    finally:
        lab.run("kill $(cat /var/tmp/pid); umount /mnt; losetup -d /dev/loop0; true")


def test_what_linux_needs_is_told_with_its_way(lab: Lab) -> None:
    lab.run("ip link add br7 type bridge && ip link set br7 up", check=True)
    lab.run("ip link add link enp2s0 name v7 type vlan id 7 && ip link set v7 master br7"
            " && ip route add 10.77.0.0/16 dev br7 && ip route add default via 10.77.0.1 metric 900"
            " dev br7 onlink", check=True)  # fmt: skip
    try:
        assert needs(lab, HOST_DISK)[0].startswith("holds the root file system (/dev/nvme0n")
        assert any(reason.startswith("carries the") for reason in needs(lab, HOST_ETHERNET))
        way = "bridge br7 above vlan v7 above enp2s0"
        assert needs(lab, ETHERNET) == [f"carries the default route ({way})"]
    finally:
        lab.run("ip link del v7; ip link del br7", check=True)
    assert needs(lab, ETHERNET) == []


def test_an_interface_in_a_namespace_of_its_own_is_told(lab: Lab) -> None:
    lab.run("ip netns add apart && ip link set enp2s0 netns apart", check=True)
    try:
        (reason,) = needs(lab, ETHERNET, "host_uses")
        assert "network namespace" in reason
    finally:
        lab.run("ip netns del apart && until test -e /sys/class/net/enp2s0; do sleep 0.1; done",
                timeout=60, check=True)  # fmt: skip


def doctor(lab: Lab) -> list[dict[str, str]]:
    answer = lab.run("septum doctor --json", timeout=120).stdout
    return list(json.loads(answer)["checks"])


def test_doctor_says_what_was_left_behind(lab: Lab, python: Python) -> None:
    """A process that took a function was killed, and Linux could not have it back yet."""
    lab.run("septum ps", timeout=60)
    checks = {one["question"]: one for one in doctor(lab)}
    assert checks["claims"]["answer"] == checks["drivers"]["answer"] == "yes", checks
    assert checks["interrupt remapping"]["answer"] == checks["IOMMU groups"]["answer"] == "yes"
    taken = CLAIM.replace(HOST_DISK, ETHERNET).replace("/run/no-claims", "/run/septum/claims")
    python(taken.replace('print("TAKEN")', "import os; os.kill(os.getpid(), 9)"), code=137)
    checks = {one["question"]: one for one in doctor(lab)}
    assert f"{ETHERNET} of blue: e1000e had it, vfio-pci has it" in checks["claims"]["found"]
    said = lab.run("septum ps", timeout=60)
    assert said.code == 0 and f"{ETHERNET}: given back to Linux" in said.stderr
    assert doctor(lab)[-4]["answer"] == "yes"
