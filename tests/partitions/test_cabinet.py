"""What may be split and what not, on a computer with every way to stand together?

The lab's cabinet, captured: root ports without access control, conventional bridges, devices
with several functions that are kept apart or not, a switch.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.routing import route
from septum.discovery.view import view
from septum.machine.division import division
from septum.machine.inventory import inventory
from septum.partitions.findings import UnsoundTable
from septum.partitions.model import PartitionTable
from septum.partitions.table import checked
from septum.units import PciAddress
from tests.captured import amd, cabinet
from tests.discovery.test_enumeration import by_ports, responder, scan
from tests.lab.cabinet import EVERY, LEFT, RIGHT, owner, table

MACHINE = inventory(cabinet())
# What Linux's IOMMU groups hold together, and what a switch does
GROUPS = {
    "root ports without ACS": ("0000:01:00.0", "0000:02:00.0"),
    "conventional bridge": ("0000:09:01.0", "0000:09:02.0"),
    "old conventional bridge": ("0000:03:01.0", "0000:03:02.0"),
    "functions of one device": ("0000:00:12.0", "0000:00:12.1", "0000:00:12.7"),
}
SWITCH = ("0000:06:00.0", "0000:07:00.0")
WITHOUT_RESET = tuple(str(one.address) for one in division(MACHINE) if one.without_reset)


def check(folder: Path, **owned: tuple[str, ...]) -> PartitionTable:
    path = folder / "table.toml"
    instances = (owner(name, what).text(WITHOUT_RESET) for name, what in owned.items())
    path.write_text(table(*instances))
    return checked(str(path), MACHINE, files_exist=None)


def refusals(folder: Path, **owned: tuple[str, ...]) -> str:
    with pytest.raises(UnsoundTable) as told:
        check(folder, **owned)
    assert all(finding.because and finding.remedy for finding in told.value.findings)
    return str(told.value)


@pytest.mark.parametrize("together", GROUPS.values(), ids=list(GROUPS))
def test_a_group_has_one_owner(tmp_path: Path, together: tuple[str, ...]) -> None:
    first, *others = together
    said = refusals(tmp_path, blue=(first,))
    assert "the IOMMU cannot tell it from" in said and "of Linux" in said
    assert all(other in said for other in others) and "whole group" in said
    said = refusals(tmp_path, blue=(first,), green=tuple(others))
    assert f"{others[0]} of green" in said and f"{first} of blue" in said
    partition = check(tmp_path, blue=together).partitions[0]
    assert {str(one) for one in partition.functions} == set(together)


def test_below_a_switch_without_access_control_there_is_one_owner(tmp_path: Path) -> None:
    said = refusals(tmp_path, blue=SWITCH[:1], green=SWITCH[1:])
    assert "past the IOMMU" in said and f"{SWITCH[1]} of green" in said
    check(tmp_path, blue=SWITCH)


def test_one_system_may_have_them_all(tmp_path: Path) -> None:
    assert {str(one.address) for one in division(MACHINE) if one.possible} == set(EVERY)
    check(tmp_path, every=tuple(EVERY))


def test_a_device_that_keeps_its_functions_apart_may_have_two_owners(tmp_path: Path) -> None:
    left, right = check(tmp_path, left=LEFT, right=RIGHT).partitions
    for partition, own, other in ((left, LEFT[1], RIGHT[1]), (right, RIGHT[1], LEFT[1])):
        found = view(MACHINE, partition)
        read = by_ports(ConfigurationMechanism(responder(found), found.ecam))
        seen = scan(read, 0, 0)
        assert seen[own[5:]] == 0x10C9_8086
        # Function 0 is what a scan asks first: for who owns function 1 it is played
        assert seen.get(other[5:]) == (0xFFFE_1B36 if other.endswith(".0") else None)


def test_a_bridge_is_found_by_whoever_has_what_is_behind_it(tmp_path: Path) -> None:
    behind = GROUPS["conventional bridge"]
    blue, green = check(tmp_path, blue=behind, green=LEFT).partitions
    assert [str(one.address) for one in view(MACHINE, blue).bridges] == ["0000:00:13.0"]
    assert "0000:00:13.0" not in {str(one.address) for one in view(MACHINE, green).bridges}


def test_a_conventional_bridge_turns_the_pins(tmp_path: Path) -> None:
    """INTA of device 1 behind it is INTB above, of device 2 INTC. PCI-to-PCI Bridge 1.2, 9.1."""
    for name, bridge in (("conventional bridge", 0x13), ("old conventional bridge", 0x0E)):
        (partition,) = check(tmp_path, blue=GROUPS[name]).partitions
        routing = route(view(MACHINE, partition))
        assert [(one.device, one.pin) for one in routing.prt] == [(bridge, 1), (bridge, 2)]


def test_with_an_amd_iommu_it_is_read_as_with_intel_s() -> None:
    machine = inventory(amd())
    assert machine.iommu.present and machine.iommu.interrupt_remapping
    possible = [str(one.address) for one in division(machine) if one.possible]
    assert possible == ["0000:00:04.0", "0000:00:05.0"]
    (iommu,) = [one for one in division(machine) if one.address == PciAddress(0, 0, 1, 0)]
    assert not iommu.possible and "platform" in iommu.because
