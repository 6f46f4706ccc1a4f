"""Is each function's answer the right one, with the right reason?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.machine.capture import CapturedFiles
from septum.machine.division import Divisibility, division
from septum.machine.inventory import inventory
from septum.machine.model import Capability, HostNeed, Iommu, Machine
from septum.units import PciAddress
from tests.captured import lab, laptop, workstation
from tests.machines import a_function, a_machine, lab_functions


def answers(machine: Machine) -> dict[str, Divisibility]:
    return {str(answer.address)[5:]: answer for answer in division(machine)}


def remapped_laptop() -> Machine:
    machine = inventory(laptop())
    return machine._replace(iommu=machine.iommu._replace(interrupt_remapping=True))


def test_the_lab() -> None:
    found = answers(inventory(lab()))
    possible = {where for where, answer in found.items() if answer.possible}
    assert possible == {"00:03.0", "00:04.0", "01:00.0", "02:00.0"}
    assert found["00:03.0"].without_reset and not found["01:00.0"].without_reset
    assert "root file system" in found["00:02.0"].because
    assert "group 7" in found["00:1f.2"].because
    assert "01:00.0" in found["00:05.0"].remedy


def test_the_workstation() -> None:
    found = answers(inventory(workstation()))
    card, sound = found["18:00.0"], found["18:00.1"]
    assert card.possible and card.together == (sound.address,) and sound.together
    assert "whole group" in card.remedy
    assert found["3b:00.0"].possible and not found["3b:00.0"].together
    assert "firmware" in found["00:14.0"].because
    assert "default route (br0 above eno1)" in found["01:00.0"].because
    assert "/dev/dm-0 above nvme0n1p2" in found["81:00.0"].because
    assert found["82:00.0"].possible


def test_without_remapping_nothing_is_divided() -> None:
    found = answers(inventory(laptop()))
    assert not any(answer.possible for answer in found.values())
    assert "intremap=off" in found["05:01.0"].remedy


def test_the_laptop_with_remapping() -> None:
    found = answers(remapped_laptop())
    assert "carries the default route" in found["02:00.0"].because  # of its neighbour in group 7
    assert "shares interrupt line 19 with 0000:05:00.0" in found["05:01.0"].because
    assert found["05:01.0"].possible and found["05:01.0"].without_reset
    assert not found["05:00.0"].possible and "console (ttyS4)" in found["05:00.0"].because
    assert found["00:14.0"].together == (PciAddress.parse("00:14.2"),)


PORT = {"class_code": 0x078000, "vendor": 0x8086, "driver": None}


@pytest.mark.parametrize(
    ("says", "fields"),
    [
        ("SMBus", {"class_code": 0x0C0500, "driver": "i801_smbus"}),
        ("flash memory", {"class_code": 0x0C8000, "vendor": 0x8086, "driver": "intel-spi"}),
        ("chipset", {"class_code": 0x058000, "vendor": 0x8086}),
        ("MEI", {**PORT, "driver": "mei_me"}),
        ("MEI", PORT),  # its driver is not loaded
        ("PSP", {"class_code": 0x108000, "vendor": 0x1022, "driver": "ccp"}),
        ("", {**PORT, "driver": "intel-lpss"}),
        ("", {"class_code": 0x0C8000, "vendor": 0x8086, "driver": "intel-lpss"}),
        ("", {"class_code": 0x108000, "vendor": 0x8086, "driver": "qat"}),
        ("", {**PORT, "vendor": 0x10EC}),
        ("", {**PORT, "parent": PciAddress.parse("00:01.0")}),  # a card in a slot
    ],
)
def test_what_manages_the_machine_stays(says: str, fields: dict[str, Any]) -> None:
    function = a_function("00:16.0", iommu_group=40, **fields)
    machine = a_machine(functions=tuple(sorted((*lab_functions(), function))))
    answer = answers(machine)["00:16.0"]
    assert answer.possible == (not says)
    assert says in answer.because and ("manages the machine itself" in answer.because) == bool(says)


def test_all_of_the_management_engine_stays() -> None:
    engine = a_function("00:16.0", iommu_group=40, multifunction=True, **PORT)
    redirection = a_function("00:16.3", iommu_group=41, vendor=0x8086, class_code=0x070002)
    other = a_function("00:17.0", iommu_group=42, vendor=0x8086, class_code=0x070002)
    machine = a_machine(functions=tuple(sorted((*lab_functions(), engine, redirection, other))))
    found = answers(machine)
    assert "MEI" in found["00:16.3"].because and found["00:17.0"].possible


@pytest.mark.parametrize(
    ("told", "is_said"),
    [("", True), ("pci=nomsi", True), ("pci=nommconf,noats", False), ("pci=noatso", True)],
)
def test_translations_of_its_own_are_a_caution(told: str, is_said: bool) -> None:
    ats = Capability(0x000F, 0x150, True)
    function = a_function("00:08.0", iommu_group=40, capabilities=(ats,))
    functions = tuple(sorted((*lab_functions(), function)))
    machine = a_machine(functions=functions, command_line=f"intel_iommu=on {told}")
    answer = answers(machine)["00:08.0"]
    assert answer.possible
    assert ("ATS" in answer.because) == ("pci=noats" in answer.remedy) == is_said


def test_physical_and_virtual_functions_know_each_other() -> None:
    virtual = a_function("01:10.0", iommu_group=40, physical=PciAddress.parse("01:00.0"))
    machine = a_machine(functions=tuple(sorted((*lab_functions(), virtual))))
    found = answers(machine)
    assert "removes its virtual functions 0000:01:10.0" in found["01:00.0"].because
    assert "driver of 0000:01:00.0 can take it away" in found["01:10.0"].because
    assert found["01:10.0"].possible and found["01:00.0"].possible


@pytest.mark.parametrize(
    ("kind", "told", "is_possible"),
    [
        ("identity", "iommu=nopt", False),
        ("DMA-FQ", "iommu=pt", True),  # root may change it for a group
        ("DMA", "", True),
        ("", "iommu=pt", False),
        ("", "iommu.passthrough=1", False),
        ("", "iommu=nopt", True),
    ],
)
def test_what_cannot_be_reset_is_not_given_where_linux_passes_through(
    kind: str, told: str, is_possible: bool
) -> None:
    """Its last owner's DMA would go on, with addresses that are the machine's then."""
    machine = a_machine(command_line=told)
    groups = tuple(group._replace(kind=kind) for group in machine.iommu.groups)
    machine = machine._replace(iommu=machine.iommu._replace(groups=groups))
    found = answers(machine)
    assert found["00:04.0"].possible == is_possible and found["01:00.0"].possible
    assert ("iommu=pt" in found["00:04.0"].remedy) != is_possible


def test_without_an_iommu() -> None:
    machine = inventory(lab())._replace(iommu=Iommu(False, False, ()))
    assert "intel_iommu=on" in answers(machine)["01:00.0"].remedy


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("holds swap space (/dev/sda2)", "another disk"),
        ("carries the login from 10.0.0.1 (eth0)", "log in"),
        ("carries the default route (eth0)", "another interface"),
        ("is the console (ttyS4)", "console="),
        ("holds a part of /dev/md0 (/dev/sda1)", "mdadm --stop"),
        ("may hold a part of a ZFS pool (tank)", "zpool status"),
        ("has a keyboard (Logitech)", "over the network"),
        ("carries the file system at /home, nfs4 of 10.2.0.5 (eth0)", "another interface"),
    ],
)
def test_a_need_has_its_own_remedy(reason: str, remedy: str) -> None:
    machine = inventory(lab())
    where = PciAddress.parse("01:00.0")
    needing = machine._replace(host_needs=(HostNeed(where, reason),))
    answer = answers(needing)["01:00.0"]
    assert not answer.possible and reason in answer.because and remedy in answer.remedy


MACHINES = (inventory(lab()), inventory(workstation()), remapped_laptop())


@given(st.sampled_from(MACHINES), st.data())
def test_whatever_linux_needs_stays_with_its_whole_group(
    machine: Machine, data: st.DataObject
) -> None:
    function = data.draw(st.sampled_from(machine.functions))
    machine = machine._replace(host_needs=(HostNeed(function.address, "holds x"),))
    for answer in division(machine):
        other = machine.function(answer.address)
        assert other is not None
        same = other.iommu_group is not None and other.iommu_group == function.iommu_group
        if answer.address == function.address or (same and not function.is_bridge):
            assert not answer.possible


@given(st.sampled_from(MACHINES))
def test_every_no_says_why(machine: Machine) -> None:
    for answer in division(machine):
        assert answer.possible or answer.because


def test_companions_agree_with_each_other() -> None:
    for machine in MACHINES:
        found = {answer.address: answer for answer in division(machine)}
        for answer in found.values():
            for other in answer.together:
                assert found[other].possible and answer.address in found[other].together


def test_a_function_without_group_is_refused() -> None:
    files = lab()
    assert isinstance(files, CapturedFiles)
    link = next(path for path in files.entries if path.endswith("01:00.0/iommu_group"))
    del files.entries[link]
    answer = answers(inventory(files))["01:00.0"]
    assert not answer.possible and "no IOMMU covers it" in answer.because
