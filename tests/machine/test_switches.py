"""Is it seen who can reach whom past the IOMMU, below a switch?"""

from __future__ import annotations

import pytest

from septum.layouts import pci
from septum.machine.division import division
from septum.machine.inventory import inventory
from septum.machine.model import HostNeed, Machine
from septum.machine.switches import reachable
from septum.units import PciAddress
from tests.access_control import ALL, with_access_control
from tests.captured import lab, two_roots, workstation

BELOW = ("0000:03:00.0", "0000:04:00.0", "0000:05:00.0")
PORTS = ("0000:02:00.0", "0000:02:01.0", "0000:02:02.0")


def reach(machine: Machine, address: str) -> list[str]:
    function = machine.function(PciAddress.parse(address))
    assert function is not None
    return [str(one) for one in reachable(machine, function)]


def test_without_access_control_all_below_it_reach_each_other() -> None:
    machine = inventory(two_roots())
    for address in BELOW:
        assert reach(machine, address) == [one for one in BELOW if one != address]
    assert reach(machine, "0000:81:00.0") == reach(machine, "0000:00:01.0") == []


def test_one_port_without_it_is_enough() -> None:
    machine = with_access_control(inventory(two_roots()), *PORTS[:2])
    assert reach(machine, BELOW[0]) == reach(machine, BELOW[1]) == [BELOW[2]]
    assert reach(machine, BELOW[2]) == list(BELOW[:2])


def test_with_it_they_are_apart() -> None:
    machine = with_access_control(inventory(two_roots()), *PORTS)
    assert all(reach(machine, address) == [] for address in BELOW)


@pytest.mark.parametrize("bit", ["source_validation", "request_redirect", "completion_redirect",
                                 "upstream_forwarding"])  # fmt: skip
def test_half_of_it_is_not_enough(bit: str) -> None:
    control = ALL & ~pci.AccessControl.mask(bit)
    machine = with_access_control(inventory(two_roots()), *PORTS, control=control)
    assert reach(machine, BELOW[0]) == list(BELOW[1:])


def test_what_a_port_cannot_be_told_is_not_asked_of_it() -> None:
    some = pci.AccessControl.mask("source_validation", "request_redirect")
    machine = with_access_control(inventory(two_roots()), *PORTS, able=some, control=some)
    assert reach(machine, BELOW[0]) == []
    machine = with_access_control(inventory(two_roots()), *PORTS, able=some, control=some & ~1)
    assert reach(machine, BELOW[0]) == list(BELOW[1:])


def test_who_may_not_read_it_believes_linux() -> None:
    machine = with_access_control(inventory(two_roots()), *PORTS, control=0, size=256)
    assert all(reach(machine, address) == [] for address in BELOW)


def test_ports_of_the_root_are_linux_s_to_judge() -> None:
    for machine in (inventory(lab()), inventory(workstation())):
        assert not any(reachable(machine, one) for one in machine.functions)


def test_scan_says_so() -> None:
    machine = inventory(two_roots())
    answers = {str(one.address): one for one in division(machine)}
    one = answers[BELOW[0]]
    assert one.possible and one.together == tuple(map(PciAddress.parse, BELOW[1:]))
    assert "past the IOMMU" in one.because and "all of them" in one.remedy
    needed = HostNeed(PciAddress.parse(BELOW[2]), "holds swap space (/dev/sda2)")
    stays = machine._replace(host_needs=(*machine.host_needs, needed))
    answers = {str(one.address): one for one in division(stays)}
    assert not answers[BELOW[0]].possible
    assert "swap space" in answers[BELOW[0]].because and "switch" in answers[BELOW[0]].remedy
