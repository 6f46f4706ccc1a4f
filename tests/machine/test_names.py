"""Are names found where a database is, and is nothing lost where there is none?"""

from __future__ import annotations

from pathlib import Path

from septum.machine.inventory import inventory
from septum.machine.names import Names, named
from septum.units import PciAddress
from tests.captured import lab

DATABASE = """# comment
1af4  Red Hat, Inc.
\t1000  Virtio network device
8086  Intel Corporation
\t10d3  82574L Gigabit Network Connection
\t\t103c 1585  Acme NIC
\tzzzz  broken
C 02  Network controller
\t00  Ethernet controller
\t\t01  interface
"""


def test_names_of_vendors_devices_and_classes() -> None:
    names = Names(DATABASE)
    assert names.function(0x8086, 0x10D3) == "Intel Corporation 82574L Gigabit Network Connection"
    assert names.function(0x8086, 0x1) == "Intel Corporation"
    assert names.function(0x1, 0x1) == ""
    assert names.kind(0x020000) == "Ethernet controller"
    assert names.kind(0x010000) == ""


def test_the_first_database_found_is_used(tmp_path: Path) -> None:
    place = tmp_path / "pci.ids"
    place.write_text(DATABASE)
    names = Names.installed((str(tmp_path / "missing"), str(place)))
    machine = named(inventory(lab()), names)
    function = machine.function(PciAddress.parse("01:00.0"))
    assert function and "82574L" in function.name
    assert Names.installed(()).function(0x8086, 0x10D3) == ""


def test_a_device_of_another_vendor_is_not_taken() -> None:
    names = Names("8086  Intel\n\t0001  One\n1af4  Red Hat\n\t0002  Two")
    assert names.function(0x8086, 0x2) == "Intel"
    assert names.function(0x1AF4, 0x2) == "Red Hat Two"
