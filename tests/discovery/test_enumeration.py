"""What does an OS that scans by the book find? The view, both mechanisms and the spaces at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.responder import Responder
from septum.discovery.view import View
from septum.machine.model import Function
from septum.translation.carried import CarriedOut
from septum.translation.pci_config import ConfigurationSpace
from septum.translation.pci_emulated import played
from septum.units import PciAddress
from tests.discovery.test_view import seen, two_roots
from tests.machines import a_machine

Read = Callable[[PciAddress, int, int], int]


def responder(found: View) -> Responder:
    """Answers for a view, with the configuration bytes of the inventory as devices."""
    spaces = {
        one.address: CarriedOut(ConfigurationSpace(one, one.configuration, 16), _device(one))
        for one in found.functions
    }
    return Responder(found, spaces, played(found))


def _device(function: Function) -> Callable[[int, int], int]:
    return lambda offset, width: int.from_bytes(
        function.configuration[offset : offset + width], "little"
    )


def scan(read: Read, domain: int, bus: int) -> dict[str, int]:
    """Depth first, as PCI 3.0 6.2 and Linux do: function 0 first, then its siblings."""
    found: dict[str, int] = {}
    for device in range(32):
        for function in range(8):
            where = PciAddress(domain, bus, device, function)
            identity = read(where, 0, 4)
            if identity & 0xFFFF == 0xFFFF:
                if function == 0:
                    break
                continue
            found[str(where)[5:]] = identity
            header = read(where, 0x0E, 1)
            if header & 0x7F == 1 and read(where, 0x18, 1) == bus:
                found |= scan(read, domain, read(where, 0x19, 1))
            if function == 0 and not header & 0x80:
                break
    return found


def by_ports(mechanism: ConfigurationMechanism) -> Read:
    def read(where: PciAddress, offset: int, width: int) -> int:
        latch = 0x80000000 | where.bus << 16 | where.device << 11 | where.function << 8
        mechanism.port_write(0xCF8, 4, latch | offset & 0xFC)
        return mechanism.port_read(0xCFC + offset % 4, width)

    return read


def by_memory(mechanism: ConfigurationMechanism) -> Read:
    def read(where: PciAddress, offset: int, width: int) -> int:
        place = where.bus << 20 | where.device << 15 | where.function << 12 | offset
        return mechanism.ecam_read(0xB0000000 + place, width)

    return read


@pytest.mark.parametrize("way", [by_ports, by_memory])
def test_blue_finds_its_own_and_the_way_there(
    way: Callable[[ConfigurationMechanism], Read],
) -> None:
    found = seen("00:04.0", "01:00.0")
    read = way(ConfigurationMechanism(responder(found), found.ecam))
    assert scan(read, 0, 0) == {
        "00:00.0": 0x0008_1B36,
        "00:01.0": 0x000C_1B36,
        "00:04.0": 0x0012_1000,
        "01:00.0": 0x10D3_8086,
    }


def test_a_second_function_is_found_behind_a_stand_in() -> None:
    found = seen("00:1f.2")
    read = by_ports(ConfigurationMechanism(responder(found), found.ecam))
    assert scan(read, 0, 0) == {
        "00:00.0": 0x0008_1B36,
        "00:1f.0": 0xFFFE_1B36,
        "00:1f.2": 0x2922_8086,
    }


def test_a_second_root_bus_with_a_bridge_at_function_2() -> None:
    found = seen("42:00.1", machine=two_roots())
    read = by_memory(ConfigurationMechanism(responder(found), found.ecam))
    assert list(scan(read, 0, 0)) == ["00:00.0"]
    assert list(scan(read, 0, 0x40)) == [
        "40:00.0",
        "40:03.0",
        "40:03.2",
        "41:00.0",
        "42:00.0",
        "42:00.1",
    ]


def test_two_owners_find_nothing_in_common_but_what_is_played() -> None:
    machine = a_machine()
    both = []
    for mine in (("00:04.0", "01:00.0"), ("00:05.0", "02:00.0")):
        found = seen(*mine, machine=machine)
        both.append(scan(by_ports(ConfigurationMechanism(responder(found), found.ecam)), 0, 0))
    assert both[0].keys() & both[1].keys() == {"00:00.0"}
