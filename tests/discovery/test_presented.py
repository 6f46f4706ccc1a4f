"""Is a bus that is presented as another found there, with all that makes it work? [0046]-[0048]"""

from __future__ import annotations

import pytest

from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.routing import route
from septum.discovery.view import View, view
from septum.machine.inventory import inventory
from septum.machine.model import Machine
from septum.partitions.model import Partition
from septum.partitions.present import behind
from septum.settings import PciBus
from septum.units import PciAddress
from tests.captured import two_roots
from tests.discovery.test_enumeration import by_ports, responder, scan
from tests.discovery.test_view import a_partition

# On the machine: 80:01.0 leads to 81 (Ethernet), 80:02.0 to 82 (NVMe); 00:05.0 to a switch,
# 01:00.0, whose ports 02:00.0, 02:01.0 and 02:02.0 lead to 03 (Ethernet), 04 (NVMe), 05 (SCSI).
ETHERNET, DISK, BELOW, NVME, LINE = "81:00.0", "82:00.0", "03:00.0", "04:00.0", "05:00.0"


@pytest.fixture(scope="module")
def machine() -> Machine:
    return inventory(two_roots())


def presented(*functions: str, **buses: str) -> Partition:
    """The owner of functions, with buses as others: bus_80="00"."""
    pairs = ((PciBus.parse(own[4:]), PciBus.parse(seen)) for own, seen in buses.items())
    return a_partition(*functions)._replace(present=tuple(pairs))


def at(functions: object) -> list[str]:
    return [str(one.address)[5:] for one in functions]  # type: ignore[attr-defined]


def places(seen: View) -> dict[str, str]:
    """By the machine's address, where it is seen."""
    return {
        str(seen.machine(one.address))[5:]: str(one.address)[5:]
        for one in (*seen.functions, *seen.bridges)
    }


def test_the_second_root_bus_as_the_first(machine: Machine) -> None:
    seen = view(machine, presented(ETHERNET, DISK, bus_80="00"))
    assert places(seen) == {
        "81:00.0": "01:00.0", "82:00.0": "02:00.0", "80:01.0": "00:01.0", "80:02.0": "00:02.0",
    }  # fmt: skip
    (root,) = seen.root_buses
    assert (root.first, root.last) == (0, 2)
    assert seen.machine_bus(root) == PciBus(0, 0x80)
    own = next(one for one in machine.root_buses if one.first == 0x80)
    assert root.memory == own.memory and root.io == own.io, "windows stay the machine's"
    ways = {str(one.address)[5:]: one.bridge for one in seen.bridges}
    first = ways["00:01.0"]
    assert first is not None
    assert (first.primary, first.secondary, first.subordinate) == (0, 1, 1)
    assert [str(one)[5:] for one in seen.host_bridges] == ["00:00.0"]
    (area,) = seen.ecam
    assert (area.first_bus, area.last_bus) == (0, 2)


def test_bars_stay_where_the_machine_has_them(machine: Machine) -> None:
    seen = view(machine, presented(ETHERNET, DISK, bus_80="00"))
    for function in seen.functions:
        own = machine.function(seen.machine(function.address))
        assert own is not None and function.bars == own.bars
        assert (function.iommu_group, function.vendor) == (own.iommu_group, own.vendor)


def test_a_bus_behind_a_switch_as_the_first(machine: Machine) -> None:
    """The table's own example: no bridge is on its way, and the host bridge makes room for it."""
    seen = view(machine, presented(BELOW, bus_03="00"))
    assert places(seen) == {"03:00.0": "00:00.0"}
    assert [str(one)[5:] for one in seen.host_bridges] == ["00:01.0"]
    assert seen.functions[0].parent is None
    (root,) = seen.root_buses
    bridge = machine.function(PciAddress(0, 2, 0, 0))
    assert bridge is not None and bridge.bridge is not None
    assert set(root.memory) == {bridge.bridge.memory, bridge.bridge.prefetchable}
    assert (root.first, root.last, root.io) == (0, 0, (bridge.bridge.io,))


def test_a_switch_as_the_first_bus(machine: Machine) -> None:
    seen = view(machine, presented(BELOW, NVME, bus_01="00"))
    assert places(seen) == {
        "01:00.0": "00:00.0", "02:00.0": "01:00.0", "02:01.0": "01:01.0",
        "03:00.0": "02:00.0", "04:00.0": "03:00.0",
    }  # fmt: skip
    ways = {str(one.address)[5:]: one.bridge for one in seen.bridges}
    assert [(way.secondary, way.subordinate) for way in ways.values() if way] == [
        (1, 3), (2, 2), (3, 3),
    ]  # fmt: skip
    parents = {str(one.address)[5:]: one.parent for one in (*seen.functions, *seen.bridges)}
    assert str(parents["03:00.0"]) == "0000:01:01.0" and parents["00:00.0"] is None


def test_a_bus_under_another_number_keeps_its_bridge(machine: Machine) -> None:
    seen = view(machine, presented(ETHERNET, bus_81="90"))
    assert places(seen) == {"81:00.0": "90:00.0", "80:01.0": "80:01.0"}
    (bridge,) = seen.bridges
    assert bridge.bridge is not None
    assert (bridge.bridge.secondary, bridge.bridge.subordinate) == (0x90, 0x90)


def test_what_is_not_presented_stays(machine: Machine) -> None:
    plain = view(machine, a_partition(ETHERNET, BELOW))
    assert places(plain) == {own: own for own in places(plain)}
    assert plain == view(machine, presented(ETHERNET, BELOW))


@pytest.mark.parametrize(
    "partition",
    [
        presented(ETHERNET, DISK, bus_80="00"),
        presented(BELOW, bus_03="00"),
        presented(BELOW, NVME, bus_01="00"),
        presented(ETHERNET, DISK, bus_81="90"),
    ],
    ids=lambda partition: str(partition.present[0][0]),
)
def test_a_scan_finds_it_there_and_nowhere_else(machine: Machine, partition: Partition) -> None:
    found = view(machine, partition)
    read = by_ports(ConfigurationMechanism(responder(found), found.ecam))
    seen: dict[str, int] = {}
    for root in found.root_buses:
        seen |= scan(read, root.domain, root.first)
    expected = {str(one)[5:] for one in (*found.host_bridges, *found.placeholders)}
    assert set(seen) == {*at(found.functions), *at(found.bridges), *expected}


def test_its_pins_arrive_at_the_root_it_sees(machine: Machine) -> None:
    """Swizzled along the bridges it sees; named by _PRT at the devices it sees."""
    moved = view(machine, presented(ETHERNET, DISK, bus_80="00"))
    routing = route(moved)
    assert {(entry.bus, entry.device) for entry in routing.prt} == {(0, 1), (0, 2)}
    assert set(routing.gsi_of) == {one.address for one in moved.functions}
    below = route(view(machine, presented(LINE, bus_01="00")))
    assert [(entry.bus, entry.device, entry.pin) for entry in below.prt] == [(0, 0, 2)], (
        "its pin A is C behind port 2 of the switch, which is device 0 of the root bus it sees"
    )
    alone = route(view(machine, presented(BELOW, bus_03="00")))
    assert [(entry.bus, entry.device, entry.pin) for entry in alone.prt] == [(0, 0, 0)]


def test_below_a_bus_is_what_stands_behind_its_bridges(machine: Machine) -> None:
    assert at(behind(machine, PciBus(0, 1))) == [
        *("01:00.0", "02:00.0", "02:01.0", "02:02.0", BELOW, NVME, LINE),
    ]
