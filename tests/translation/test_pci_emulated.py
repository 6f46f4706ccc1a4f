"""Do the functions the VMM plays look right, and hold still where they must?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.machine.configuration import plain_capabilities
from septum.machine.model import Bridge, Function
from septum.translation.pci_emulated import EmulatedSpace, bridge, host_bridge, placeholder
from septum.translation.verdict import Emulate, Reject
from septum.units import MiB, Span
from tests.machines import ROOT_PORT, a_function


def value(space: EmulatedSpace, offset: int, width: int) -> int:
    verdict = space.read(offset, width)
    assert isinstance(verdict, Emulate)
    return verdict.value


WAY = Bridge(0, 3, 5, Span(0xFEA00000, 2 * MiB), Span(0x38_0000_0000, 64 * MiB), Span(0x1000, 4096))


def a_port(way: Bridge = WAY) -> Function:
    """A root port with Power Management before and MSI behind its Express capability."""
    port = a_function("00:1c.4", **ROOT_PORT | {"multifunction": True}, bridge=way)
    space = bytearray(port.configuration)
    space[0x06] = 0x10
    space[0x34] = 0x40
    space[0x40:0x44] = (0x0003_5401).to_bytes(4, "little")
    space[0x54:0x58] = (0x0142_A010).to_bytes(4, "little")
    space[0x60:0x64] = (0x0071_AC11).to_bytes(4, "little")
    space[0x66:0x68] = (0x3011).to_bytes(2, "little")
    space[0x68:0x6C] = (0x0004_007B).to_bytes(4, "little")
    space[0xA0:0xA4] = (0x0000_0005).to_bytes(4, "little")
    return port._replace(configuration=bytes(space))


def test_the_host_bridge_is_nobodys_hardware() -> None:
    space = host_bridge()
    assert value(space, 0, 4) == 0x0008_1B36
    assert value(space, 8, 4) == 0x0600_0000
    assert value(space, 0x0E, 1) == 0
    assert value(space, 0x34, 4) == 0


def test_the_stand_in_leads_to_its_siblings() -> None:
    space = placeholder()
    assert value(space, 0x0E, 1) == 0x80
    assert value(space, 0x0B, 1) == 0xFF, "no class any driver claims"


def test_a_bridge_shows_the_machines_windows() -> None:
    space = bridge(a_port())
    assert value(space, 0x00, 4) == 0x000C_1B36
    assert value(space, 0x0A, 2) == 0x0604
    assert value(space, 0x0E, 1) == 0x81
    assert value(space, 0x18, 4) == 0x00_05_03_00
    assert value(space, 0x1C, 2) == 0x1111
    assert value(space, 0x30, 4) == 0
    assert value(space, 0x20, 4) == 0xFEB0_FEA0
    assert value(space, 0x24, 4) == 0x03F1_0001
    assert value(space, 0x28, 4) == value(space, 0x2C, 4) == 0x38
    assert value(space, 0x10, 4) == value(space, 0x38, 4) == 0, "no registers of its own"
    assert value(space, 0x3C, 2) == 0, "no interrupt"


def test_a_window_that_is_off_has_its_base_above_its_limit() -> None:
    space = bridge(a_port(Bridge(0, 3, 5, None, None, None)))
    assert value(space, 0x20, 2) > value(space, 0x22, 2)
    assert value(space, 0x24, 2) >> 4 > value(space, 0x26, 2) >> 4
    assert value(space, 0x28, 4) == value(space, 0x2C, 4) == 0
    assert value(space, 0x1C, 1) >> 4 > value(space, 0x1D, 1) >> 4


def test_of_its_capabilities_only_the_kind_of_its_bus_is_left() -> None:
    space = bridge(a_port())
    shown = bytes(value(space, offset, 1) for offset in range(256))
    assert plain_capabilities(shown) == ((0x10, 0x54, False),)
    assert value(space, 0x56, 2) == 0x0042, "a root port, without a slot"
    assert value(space, 0x60, 4) & 0x003C_0C00 == 0, "no link power, no link events"
    assert value(space, 0x66, 2) == 0x0011
    assert value(space, 0x68, 4) == 0, "no slot"
    assert value(space, 0xA0, 4) == 0


def test_an_os_may_write_its_numbers_and_reads_them_back() -> None:
    space = bridge(a_port())
    verdict, effect = space.write(0x18, 4, 0x00_07_06_00)
    assert isinstance(verdict, Emulate) and effect is None
    assert value(space, 0x18, 4) == 0x00_07_06_00
    space.write(0x20, 4, 0xFFF0_0000)
    assert value(space, 0x20, 4) == 0xFFF0_0000
    space.write(0x3E, 2, 0xFFFF)
    assert value(space, 0x3E, 2) & 0x40 == 0, "no secondary bus reset"
    assert isinstance(space.write(0x00, 4, 0)[0], Reject)
    space.reset()
    assert value(space, 0x18, 4) == 0x00_05_03_00


@given(
    some.lists(
        some.tuples(
            some.integers(-4, 260), some.sampled_from((1, 2, 4)), some.integers(0, 0xFFFFFFFF)
        ),
        max_size=40,
    )
)
def test_identity_and_capabilities_hold_still(writes: list[tuple[int, int, int]]) -> None:
    space = bridge(a_port())
    fixed = ((0, 4), (8, 4), (0x0E, 1), (0x10, 4), (0x34, 4), (0x38, 4), (0x54, 4), (0x60, 4))
    before = [value(space, *place) for place in fixed]
    for offset, width, data in writes:
        space.write(offset, width, data)
        space.read(offset, width)
    assert [value(space, *place) for place in fixed] == before
