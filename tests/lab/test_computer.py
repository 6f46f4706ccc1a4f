"""Is the lab computer what its file says, and fit to be divided?"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from septum.errors import Problem
from septum.lab.computer import USUAL, read_computer
from septum.lab.run import Lab

IDENTITIES = {"e1000e": "8086:10d3", "lsi53c895a": "1000:0012", "nvme": "1b36:0010"}
DIVISIBLE = ("0000:00:03.0", "0000:00:04.0", "0000:01:00.0", "0000:02:00.0")


def test_it_has_the_functions_of_its_file(lab: Lab) -> None:
    lines = lab.run("lspci -n", check=True).stdout.splitlines()
    found = {line.split()[0]: line.split()[2] for line in lines}
    on_bus_0 = {function.at: function.device for function in read_computer(USUAL).functions}
    for place, device in on_bus_0.items():
        if place:
            assert found[place] == IDENTITIES[device]
    # Root ports are numbered in the order in which they stand on bus 0
    assert found["01:00.0"] == found["02:00.0"] == IDENTITIES["e1000e"]


def test_each_divisible_function_has_a_group_of_its_own(lab: Lab) -> None:
    command = "for g in /sys/kernel/iommu_groups/*; do echo $(ls $g/devices); done"
    groups = [line.split() for line in lab.run(command, check=True).stdout.splitlines()]
    alone = {group[0] for group in groups if len(group) == 1}
    assert alone.issuperset(address for address in DIVISIBLE if address.startswith("0000:00"))
    for address in DIVISIBLE:
        (group,) = [group for group in groups if address in group]
        ports = {"0000:00:05.0", "0000:00:06.0"}
        assert set(group) - ports == {address}


def test_interrupts_are_remapped(lab: Lab) -> None:
    assert "Enabled IRQ remapping" in lab.run("dmesg", check=True).stdout


def test_its_processor_virtualizes(lab: Lab) -> None:
    lab.run("modprobe kvm_amd && test -c /dev/kvm", check=True)
    nested = lab.run("cat /sys/module/kvm_amd/parameters/npt", check=True).stdout
    assert nested.strip() in ("Y", "1")


def test_functions_can_be_taken_through_vfio(lab: Lab) -> None:
    lab.run("modprobe vfio-pci && test -c /dev/vfio/vfio", check=True)
    assert "vfio-pci" in lab.run("ls /sys/bus/pci/drivers", check=True).stdout


def test_septum_is_installed_as_a_user_would(lab: Lab) -> None:
    assert lab.run("readlink -f $(command -v septum)", check=True).stdout.startswith("/opt/septum/")
    where = "/opt/septum/bin/python -c 'import septum; print(septum.__file__)'"
    assert lab.run(where, check=True).stdout.startswith("/opt/septum/lib/")


def test_the_guests_files_are_there(lab: Lab) -> None:
    found = lab.run("ls /var/lib/septum", check=True).stdout.split()
    assert set(found) >= {"blue.initrd", "blue.vmlinuz", "green.initrd", "green.vmlinuz"}


def test_a_failing_command_is_an_answer(lab: Lab) -> None:
    done = lab.run("echo here; echo there >&2; exit 7")
    assert (done.code, done.stdout, done.stderr) == (7, "here\n", "there\n")
    assert lab.run("exit 255").code == 255
    with pytest.raises(Problem, match="failed in the lab"):
        lab.run("false", check=True)


def test_a_command_has_its_time_and_no_more(lab: Lab) -> None:
    started = time.monotonic()
    assert lab.run("sleep 60", timeout=1).timed_out
    assert time.monotonic() - started < 30


def test_files_go_in_and_come_out(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(range(256)) * 100)
    lab.put(tmp_path / "in", "/tmp/with a space")
    lab.get("/tmp/with a space", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()
    with pytest.raises(Problem):
        lab.get("/tmp/not there", tmp_path / "none")


def test_something_can_run_in_the_background(lab: Lab) -> None:
    work = lab.start_background("echo started; sleep 0.1; exit 3", log="background.log")
    assert work.wait(30) == 3
    assert work.text() == "started\n"
