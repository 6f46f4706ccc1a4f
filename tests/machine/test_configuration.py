"""Are the bytes of a configuration space read as the specification means them?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from septum.layouts import pci
from septum.machine import configuration
from septum.machine.configuration import bridge, capabilities, uses_msi, value, vectors
from septum.machine.model import Capability
from septum.units import PciAddress, Span
from tests.captured.description import Card
from tests.captured.description import configuration as written


def test_capabilities_of_a_written_card() -> None:
    space = written(Card("0000:01:00.0", "8086:1533", 0x020000, 1, msi=4, msix=5))
    found = capabilities(space)
    assert found == (
        Capability(0x01, 0x40, False),
        Capability(0x05, 0x50, False),
        Capability(0x11, 0x70, False),
        Capability(0x10, 0xA0, False),
        Capability(0x01, 0x100, True),
        Capability(0x0D, 0x140, True),
    )
    assert vectors(space, found) == (4, 5)
    assert not uses_msi(space, found)
    on = bytearray(space)
    on[0x52] |= 1
    assert uses_msi(bytes(on), found)


def test_no_list_without_the_status_bit() -> None:
    space = bytearray(written(Card("0000:01:00.0", "8086:1533", 0x020000, 1, msi=1, express="")))
    space[0x06] = 0
    assert capabilities(bytes(space)) == ()


def test_a_list_that_goes_round_ends() -> None:
    space = bytearray(written(Card("0000:01:00.0", "8086:1533", 0x020000, 1, msi=1, express="")))
    space[0x51] = 0x40
    assert [item.offset for item in capabilities(bytes(space))] == [0x40, 0x50]


def windows(**registers: int) -> bytes:
    space = bytearray(64)
    for name, number in registers.items():
        register = getattr(pci, name)
        width = register.width // 8
        space[register.offset : register.offset + width] = number.to_bytes(width, "little")
    return bytes(space)


def test_bridge_windows() -> None:
    # Bridge 1.2, 3.2.5.6 to 3.2.5.11, by hand.
    found = bridge(
        windows(
            BusNumbers=0x00_05_03_00, IoBase=0xD0, IoLimit=0xE0, MemoryBase=0xFE80,
            MemoryLimit=0xFE90, PrefetchableBase=0x0001, PrefetchableLimit=0x1FF1,
            PrefetchableBaseUpper=0xC0, PrefetchableLimitUpper=0xC0,
        )
    )  # fmt: skip
    assert (found.primary, found.secondary, found.subordinate) == (0, 3, 5)
    assert found.io == Span(0xD000, 0x2000)
    assert found.memory == Span(0xFE800000, 0x200000)
    assert found.prefetchable == Span(0xC0_0000_0000, 0x2000_0000)


def test_windows_that_are_off() -> None:
    found = bridge(
        windows(
            IoBase=0xF0, IoLimit=0x00, MemoryBase=0xFFF0, MemoryLimit=0x0000,
            PrefetchableBase=0xFFF1, PrefetchableLimit=0x0001,
        )
    )  # fmt: skip
    assert (found.io, found.memory, found.prefetchable) == (None, None, None)


def test_wide_ports() -> None:
    found = bridge(windows(IoBase=0x11, IoLimit=0x11, IoBaseUpper=2, IoLimitUpper=2))
    assert found.io == Span(0x21000, 0x1000)


@given(st.binary(max_size=4096))
def test_any_bytes_are_read_without_harm(space: bytes) -> None:
    found = capabilities(space)
    offsets = [(item.extended, item.offset) for item in found]
    assert len(offsets) == len(set(offsets))
    assert all(item.offset < len(space) for item in found)
    msi, msix = vectors(space, found)
    assert 0 <= msi <= 128 and 0 <= msix <= 2048
    configuration.bridge(space)


@given(st.binary(max_size=64))
def test_what_is_not_there_reads_as_zero(space: bytes) -> None:
    assert value(space, pci.MsixTable, 4096) == 0
    assert value(b"", pci.Identity) == 0


def test_a_function_is_what_its_bytes_say() -> None:
    space = written(Card("0000:01:00.0", "8086:1533", 0x020000, 1, msi=4, msix=5))
    address = PciAddress(0, 1, 0, 0)
    said = configuration.function(address, space)
    assert (said.address, said.vendor, said.device, said.class_code) == (
        address,
        0x8086,
        0x1533,
        0x020000,
    )
    assert (said.msi_vectors, said.msix_vectors) == (4, 5)
    assert said.capabilities == capabilities(space)
    # What no configuration space tells
    assert (said.bars, said.driver, said.iommu_group, said.parent) == ((), None, None, None)
