"""Is a second root bus, and what stands below a switch, found where it is?"""

from __future__ import annotations

from septum.machine.division import division
from septum.machine.inventory import inventory
from septum.machine.kinds import is_bridge
from septum.units import PciAddress
from tests.captured import two_roots

ETHERNET, DISK = "0000:81:00.0", "0000:82:00.0"  # on the second root bus
BELOW = {  # and its switch's port
    "0000:03:00.0": "0000:02:00.0",
    "0000:04:00.0": "0000:02:01.0",
    "0000:05:00.0": "0000:02:02.0",
}


def test_each_function_to_divide_has_a_group_with_nobody_but_its_port() -> None:
    machine = inventory(two_roots())
    possible = {str(one.address) for one in division(machine) if one.possible}
    assert possible == {ETHERNET, DISK, *BELOW}
    for address in possible:
        function = machine.function(PciAddress.parse(address))
        assert function is not None and function.iommu_group is not None
        group = machine.group(function.iommu_group)
        assert group is not None
        # The ports of QEMU's switch have no access control: each stands with what is below it
        assert {str(one) for one in group.functions} - {BELOW.get(address)} == {address}


def test_the_way_to_what_is_below_a_switch_is_known() -> None:
    machine = inventory(two_roots())
    for address, port in BELOW.items():
        way = []
        function = machine.function(PciAddress.parse(address))
        while function is not None and function.parent is not None:
            function = machine.function(function.parent)
            assert function is not None and is_bridge(function)
            way.append(str(function.address))
        assert way == [port, "0000:01:00.0", "0000:00:05.0"]


def test_the_second_root_bus_has_windows_of_its_own() -> None:
    machine = inventory(two_roots())
    first, second = sorted(machine.root_buses, key=lambda root: root.first)
    assert (first.first, first.last, second.first, second.last) == (0, 0x7F, 0x80, 0xFF)
    assert second.memory and second.io
    for kind in ("memory", "io"):
        of_one, of_other = getattr(first, kind), getattr(second, kind)
        assert not any(one.overlaps(other) for one in of_one for other in of_other)
