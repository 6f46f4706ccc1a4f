"""Can an owner reach through configuration space to anything that is not its own?"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from septum.errors import MachineProblem
from septum.layouts import pci
from septum.machine.configuration import plain_capabilities
from septum.machine.model import Bar, Function
from septum.translation.pci_config import ConfigurationSpace, Effect, MsiState, MsixState
from septum.translation.verdict import Accept, Emulate, Modify, Reject
from septum.units import KiB, PciAddress, Span
from tests.machines import E1000E, a_function, memory_bar, port_bar

MEMORY = 0xFEA00000
PORTS = 0x1000


def put(space: bytearray, offset: int, width: int, value: int) -> None:
    space[offset : offset + width] = value.to_bytes(width, "little")


def ethernet_bytes() -> bytes:
    """An e1000e's 4 KiB: MSI-X, VPD, vendor's own, PM, MSI, Express; AER, SR-IOV, serial."""
    space = bytearray(4096)
    put(space, 0x00, 4, 0x10D38086)
    put(space, 0x04, 4, 0x0010_0003)
    put(space, 0x08, 4, 0x020000_00)
    put(space, 0x2C, 4, 0xA01F8086)
    put(space, 0x30, 4, 0xFE900001)
    put(space, 0x34, 1, 0xC8)
    put(space, 0x3C, 2, 0x010B)
    space[0x40:0x48] = b"its own!"
    put(space, 0x60, 4, 0x0008_0007)  # PCI-X: no table
    put(space, 0x64, 4, 0xDEADBEEF)
    put(space, 0x70, 8, 0x12345678_0000_D003)  # VPD
    put(space, 0x80, 4, 0xAA_10_A0_09)  # the vendor's own, 16 bytes
    put(space, 0x84, 4, 0x0BADF00D)
    put(space, 0xA0, 4, 0x0004_0011)
    put(space, 0xA4, 4, 0x00000003)
    put(space, 0xA8, 4, 0x00002003)
    put(space, 0xC8, 4, 0xC822_7001)
    put(space, 0xCC, 4, 0x0000_0108)
    put(space, 0xD0, 4, 0x0080_E005)
    put(space, 0xE0, 4, 0x0002_6010)
    space[0xA1] = 0x00
    put(space, 0xE1, 1, 0x60)  # PM > VPD > MSI > Express > PCI-X > the vendor's own > MSI-X
    put(space, 0x61, 1, 0x80)
    put(space, 0xE4, 4, 0x10008CC1)
    put(space, 0xE8, 4, 0x000F_2810)
    put(space, 0xEC, 4, 0x00075C11)
    put(space, 0xF0, 4, 0x1011_0003)
    put(space, 0x104, 4, 0x00400000)
    put(space, 0x100, 4, 0x1400_0000 | 0x2_0001)
    put(space, 0x140, 4, 0x1600_0000 | 0x1_0010)
    put(space, 0x144, 4, 0xFFFFFFFF)
    put(space, 0x160, 4, 0x0000_0000 | 0x1_0003)
    put(space, 0x164, 8, 0x525400FFFF123456)
    return bytes(space)


BARS = (
    memory_bar(0, MEMORY, 128 * KiB),
    port_bar(2, PORTS, 32),
    Bar(4, "memory64", Span(0x380000000, 16 * KiB), True),
)
ETHERNET = a_function("01:00.0", **E1000E | {"bars": BARS, "configuration": ethernet_bytes()})


def a_space(function: Function = ETHERNET, line: int = 17) -> ConfigurationSpace:
    return ConfigurationSpace(function, function.configuration, line)


class Owner:
    """An owner's accesses, carried out as the caller of ConfigurationSpace must.

    The device takes every write it is sent, so anything that reaches it shows.
    """

    def __init__(self, space: ConfigurationSpace | None = None) -> None:
        self.space = space or a_space()
        self.device = bytearray(ethernet_bytes())

    def _device(self, offset: int, width: int) -> int:
        return int.from_bytes(self.device[offset : offset + width], "little")

    def read(self, offset: int, width: int) -> int:
        match self.space.read(offset, width):
            case Accept():
                return self._device(offset, width)
            case Modify():
                return self.space.merge(offset, width, self._device(offset, width))
            case Emulate(value):
                return value
            case Reject():
                return (1 << 8 * width) - 1

    def write(self, offset: int, width: int, value: int) -> Effect | None:
        verdict, effect = self.space.write(offset, width, value)
        match verdict:
            case Accept():
                put(self.device, offset, width, value)
            case Modify(value=sent):
                put(self.device, offset, width, sent)
        return effect


# What an owner may change on the device, written down a second time: decoding, bus master,
# INTx; error bits cleared by ones; the address of vital product data.
REACHABLE = {0x04: 0x07, 0x05: 0x04, 0x07: 0xF9, 0xEA: 0x0F, 0x72: 0xFF, 0x73: 0x7F}

accesses = some.tuples(
    some.one_of(some.integers(0, 0xFF), some.integers(-8, 4100)),
    some.sampled_from((1, 2, 4)),
    some.one_of(some.integers(0, 0xFFFFFFFF), some.sampled_from((0, 0xFFFFFFFF, 1 << 15))),
)


@given(some.lists(accesses, max_size=40))
def test_writes_reach_only_what_the_owner_may_change(writes: list[tuple[int, int, int]]) -> None:
    owner = Owner()
    before = bytes(owner.device)
    for offset, width, value in writes:
        owner.write(offset, width, value & (1 << 8 * width) - 1)
    # Bits cleared by writing ones are sent as zeros unless the owner wrote ones.
    cleared = {0x06, 0x07, 0xEA, 0xEB, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77}
    for offset, (old, new) in enumerate(zip(before, owner.device, strict=True)):
        allowed = REACHABLE.get(offset, 0)
        base = 0 if offset in cleared else old
        assert (new ^ base) & ~allowed == 0 or new == old, f"{offset:#x}: {old:#x} -> {new:#x}"


@given(some.lists(accesses, max_size=20), some.integers(0, 1023))
def test_a_dword_reads_as_its_bytes_and_words(
    writes: list[tuple[int, int, int]], number: int
) -> None:
    owner = Owner()
    for offset, width, value in writes:
        owner.write(offset, width, value)
    start = 4 * number
    whole = owner.read(start, 4)
    assert whole == sum(owner.read(start + lane, 1) << 8 * lane for lane in range(4))
    assert whole == owner.read(start, 2) | owner.read(start + 2, 2) << 16


@given(some.lists(accesses, max_size=40))
def test_whatever_is_written_the_state_is_sound(writes: list[tuple[int, int, int]]) -> None:
    owner = Owner()
    for offset, width, value in writes:
        owner.write(offset, width, value)
        for state, bar in zip(owner.space.bars, BARS, strict=True):
            assert (state.index, state.kind, state.span.size) == (
                bar.index,
                bar.kind,
                bar.span.size,
            )
            assert state.span.start % state.span.size == 0
        msi, msix = owner.space.msi, owner.space.msix
        assert msi is not None and msi.vectors == 1 and msi.address % 4 == 0
        assert msix is not None and (msix.table_bar, msix.vectors) == (3, 5)


@given(some.lists(accesses, max_size=40))
def test_read_only_registers_never_change(writes: list[tuple[int, int, int]]) -> None:
    owner = Owner()
    fixed: tuple[tuple[int, int], ...] = (
        (0, 4),
        (8, 4),
        (0x0E, 2),
        (0x28, 4),
        (0x2C, 4),
        (0x30, 4),
        (0x34, 4),
        (0x3D, 3),
    )
    fixed += ((0xA0, 2), (0xA4, 4), (0xA8, 4), (0xC8, 4), (0xE0, 4), (0xE4, 4), (0x100, 4))
    before = [owner.read(*place) for place in fixed]
    for offset, width, value in writes:
        owner.write(offset, width, value)
    assert [owner.read(*place) for place in fixed] == before


@settings(max_examples=30)
@given(some.integers(0, 1 << 32), some.sampled_from((64, 256, 4096)), some.booleans())
def test_any_bytes_of_a_device_make_a_space(seed: int, size: int, has_list: bool) -> None:
    noise = bytearray(Random(seed).randbytes(size))
    put(noise, 0x06, 2, 0x10 if has_list else 0)
    owner = Owner(ConfigurationSpace(ETHERNET, bytes(noise), 16))
    owner.device[: len(noise)] = noise
    for offset in range(0, owner.space.size, 4):
        owner.write(offset, 4, 0xFFFFFFFF)
        owner.read(offset, 4)
    assert [bar.enabled for bar in owner.space.bars] == [False, False, False]
    msi, msix = owner.space.msi, owner.space.msix
    assert (msi is None or msi.enabled) and (msix is None or msix.enabled)


def test_the_header_says_what_the_machine_has() -> None:
    owner = Owner()
    assert owner.read(0x00, 4) == 0x10D38086
    assert owner.read(0x08, 4) == 0x02000000
    assert owner.read(0x2C, 4) == 0xA01F8086
    assert owner.read(0x3C, 2) == 0x0111, "line 17, pin A"
    assert owner.read(0x30, 4) == 0, "the expansion ROM is hidden"
    assert owner.read(0x10, 4) == MEMORY
    assert owner.read(0x18, 4) == PORTS | 1
    assert owner.read(0x20, 4) == 0x8000000C
    assert owner.read(0x24, 4) == 0x3
    assert owner.read(0x14, 4) == 0, "no such base address register"


def test_identity_reads_need_no_device() -> None:
    space = a_space()
    for offset in (0x00, 0x08, 0x0C, 0x10, 0x2C, 0x34, 0x3C, 0xA0, 0xD0, 0x100):
        assert isinstance(space.read(offset, 4), Emulate)


def test_base_addresses_are_measured_and_put_back() -> None:
    owner = Owner()
    owner.write(0x04, 2, 0x0000)
    assert owner.write(0x10, 4, 0xFFFFFFFF) is Effect.BAR
    assert owner.read(0x10, 4) == 0xFFFE0000
    owner.write(0x18, 4, 0xFFFFFFFF)
    assert owner.read(0x18, 4) == 0xFFFFFFE1
    owner.write(0x20, 4, 0xFFFFFFFF)
    owner.write(0x24, 4, 0xFFFFFFFF)
    assert owner.read(0x20, 4) == 0xFFFFC00C
    assert owner.read(0x24, 4) == 0xFFFFFFFF
    owner.write(0x04, 2, 0x0003)
    assert [bar.enabled for bar in owner.space.bars] == [False, False, False]
    owner.write(0x10, 4, 0xFEB00000)
    owner.write(0x18, 4, 0x2000)
    owner.write(0x20, 4, 0x40000000)
    owner.write(0x24, 4, 0x4)
    assert [(bar.span.start, bar.enabled) for bar in owner.space.bars] == [
        (0xFEB00000, True),
        (0x2000, True),
        (0x440000000, True),
    ]
    assert owner.device[0x10:0x28] == ethernet_bytes()[0x10:0x28], "the device was not moved"


def test_the_command_register_is_the_devices_only_where_it_is_the_owners() -> None:
    owner = Owner()
    assert owner.write(0x04, 2, 0x0547) is Effect.COMMAND
    assert owner.read(0x04, 2) == 0x0547
    assert owner.device[0x04:0x06] == (0x0407).to_bytes(2, "little")
    assert owner.space.command.bus_master and owner.space.command.intx_disable
    verdict, effect = owner.space.write(0x04, 2, 0x0007)
    assert verdict == Accept() and effect is Effect.COMMAND
    assert owner.space.write(0x05, 1, 0x04)[1] is Effect.COMMAND
    assert owner.space.write(0x06, 2, 0xFFFF)[1] is None, "status alone decodes nothing"


def visible(owner: Owner) -> list[int]:
    space = bytes(owner.read(offset, 1) for offset in range(256))
    return [one.identity for one in plain_capabilities(space)]


def test_a_capability_without_a_table_is_taken_out_of_the_list() -> None:
    space = bytearray(ethernet_bytes())
    put(space, 0xC9, 1, 0x70)
    put(space, 0x71, 1, 0xD0)
    function = ETHERNET._replace(configuration=bytes(space))
    owner = Owner(a_space(function))
    owner.device[:] = space
    assert visible(owner) == [0x01, 0x03, 0x05, 0x10, 0x09, 0x11], "no PCI-X (0x07)"
    assert owner.read(0x60, 4) == owner.read(0x64, 4) == 0
    assert owner.read(0x84, 4) == 0x0BADF00D, "the vendor's own is read from the device"
    assert isinstance(owner.space.write(0x84, 4, 1)[0], Reject)
    assert owner.read(0x40, 4) == int.from_bytes(b"its ", "little")
    assert isinstance(owner.space.write(0x40, 4, 1)[0], Reject)


def test_a_list_that_loops_ends() -> None:
    space = bytearray(ethernet_bytes())
    put(space, 0xE1, 1, 0xC8)
    assert len(visible(Owner(a_space(ETHERNET._replace(configuration=bytes(space)))))) < 48


def test_only_the_serial_number_is_left_of_the_extended_list() -> None:
    owner = Owner()
    head = pci.ExtendedCapabilityHeader(owner.read(0x100, 4))
    assert (head.identity, head.next) == (0, 0x160), "a null capability leads to it"
    assert owner.read(0x160, 4) == 0x1_0003
    assert owner.read(0x164, 4) == 0xFF123456
    assert all(owner.read(offset, 4) == 0 for offset in range(0x104, 0x160, 4))


EXTENDED = [
    identity for name, identity in vars(pci.ExtendedCapabilityId).items() if name.isupper()
]
ATS, SRIOV, PRI, PASID = 0x0F, 0x10, 0x13, 0x1B  # PCI Code and ID Assignment 1.11, 3


def test_what_reaches_beyond_a_function_is_neither_seen_nor_switched_on() -> None:
    """Translated DMA passes the IOMMU, and virtual functions may be another's: both stay off."""
    assert {ATS, SRIOV, PRI, PASID} < set(EXTENDED)
    space = bytearray(ethernet_bytes()[:0x100]).ljust(4096, b"\0")
    for number, identity in enumerate(EXTENDED):
        at, last = 0x100 + 0x80 * number, number + 1 == len(EXTENDED)
        put(space, at, 4, identity | 1 << 16 | (0 if last else at + 0x80) << 20)
        space[at + 4 : at + 0x80] = bytes([number + 1]) * 0x7C
    owner = Owner(a_space(ETHERNET._replace(configuration=bytes(space))))
    owner.device[:] = space
    at, seen = 0x100, []
    while at:
        head = pci.ExtendedCapabilityHeader(owner.read(at, 4))
        seen.append(head.identity)
        at = head.next
    assert seen == [0, pci.ExtendedCapabilityId.DEVICE_SERIAL_NUMBER]
    for offset in range(0x100, 4096):
        owner.write(offset, 1, 0xFF)
    for offset in range(0x100, 4096, 4):
        owner.write(offset, 4, 0xFFFFFFFF)
    assert owner.device == space


def test_the_expansion_rom_is_absent_whatever_is_written() -> None:
    """Its registers are played as those of a function without one; none reaches the device."""
    owner = Owner()
    for value in (0xFFFFFFFF, 0xFFFFF800, 0xFE900001, 1, 0):
        for offset, width in ((0x30, 4), (0x30, 2), (0x32, 2), (0x30, 1)):
            assert owner.write(offset, width, value) is None
            assert owner.read(0x30, 4) == 0
    assert owner.device == bytearray(ethernet_bytes())


def test_msi_is_kept_in_the_image() -> None:
    owner = Owner()
    assert owner.space.msi == MsiState(False, 0, 0, 1, 0)
    owner.write(0xD4, 4, 0xFEE0100F)
    owner.write(0xD8, 4, 0x1)
    assert owner.write(0xDC, 2, 0x4041) is Effect.MSI
    assert owner.write(0xD2, 2, 0xFFFF) is Effect.MSI
    assert owner.read(0xD2, 2) == 0x00F1, "64-bit, enabled, one vector capable"
    assert owner.space.msi == MsiState(True, 0x1FEE0100C, 0x4041, 1, 0)
    assert owner.device == ethernet_bytes()


@pytest.mark.parametrize("control, data, mask", [(0x0180, 0xC, 0x10), (0x0100, 0x8, 0xC)])
def test_msi_with_masks(control: int, data: int, mask: int) -> None:
    space = bytearray(256)
    put(space, 0x06, 2, 0x10)
    put(space, 0x34, 1, 0x50)
    put(space, 0x50, 4, (control | 0x6) << 16 | 0x05)
    owner = Owner(a_space(ETHERNET._replace(configuration=bytes(space), bars=())))
    owner.write(0x52, 2, 0x0031)
    owner.write(0x50 + data, 2, 0x51)
    assert owner.write(0x50 + mask, 4, 0x5) is Effect.MSI
    state = owner.space.msi
    assert state is not None
    assert (state.enabled, state.data, state.vectors, state.mask) == (True, 0x51, 8, 5)
    assert owner.read(0x50 + mask + 4, 4) == 0, "pending bits"


def test_msix_control_and_places() -> None:
    owner = Owner()
    assert owner.space.msix == MsixState(False, False, 3, 0, 3, 0x2000, 5)
    assert owner.write(0xA2, 2, 0xC000) is Effect.MSIX
    state = owner.space.msix
    assert state is not None and state.enabled and state.masked
    assert owner.read(0xA2, 2) == 0xC004
    assert owner.write(0xA4, 4, 0xFFFFFFFF) is None
    assert owner.device == ethernet_bytes()


def test_an_owner_begins_awake_and_quiet() -> None:
    space = bytearray(ethernet_bytes())
    put(space, 0x04, 2, 0x0507)
    put(space, 0xA2, 2, 0xC004)
    put(space, 0xCC, 2, 0x0103)
    put(space, 0xD2, 2, 0x00F1)
    owner = Owner(a_space(ETHERNET._replace(configuration=bytes(space))))
    assert owner.read(0x04, 2) == 0x0103
    assert owner.read(0xA2, 2) == 0x0004
    assert owner.read(0xCC, 2) & 0x3 == 0
    assert owner.read(0xD2, 2) == 0x0080


def test_power_states_are_played() -> None:
    owner = Owner()
    assert owner.read(0xCA, 2) & 0xF800 == 0, "no wake-up events"
    owner.write(0xCC, 2, 0x8103)
    assert owner.read(0xCC, 2) == 0x000B
    assert owner.device == ethernet_bytes()


def test_a_function_level_reset_is_the_callers_to_do() -> None:
    owner = Owner()
    assert owner.write(0xE8, 2, 0x5000) is None
    assert owner.write(0xE8, 2, 0x8000) is Effect.RESET
    assert owner.read(0xE8, 2) == 0, "the bit reads zero"
    assert owner.device[0xE8:0xEA] == ethernet_bytes()[0xE8:0xEA]
    owner.write(0xA2, 2, 0x8000)
    owner.write(0x10, 4, 0xFEB00000)
    owner.space.reset()
    assert owner.read(0x10, 4) == MEMORY
    assert owner.space.msix is not None and not owner.space.msix.enabled
    assert owner.space.command == 0


def test_payload_and_link_stay_the_machines() -> None:
    owner = Owner()
    owner.write(0xE8, 4, 0x0000_5060)
    assert owner.read(0xE8, 2) == 0x5060
    assert owner.device[0xE8:0xEA] == ethernet_bytes()[0xE8:0xEA], "also beside a status write"
    owner.write(0xF0, 2, 0x0033)
    assert owner.device[0xF0] == 0x03
    assert owner.read(0xEC, 4) & 0xC00 == 0, "no link power states are offered"
    assert owner.read(0xF2, 2) == 0x1011


def test_vital_product_data_is_read_only() -> None:
    space = bytearray(ethernet_bytes())
    put(space, 0xC9, 1, 0x70)
    owner = Owner(a_space(ETHERNET._replace(configuration=bytes(space))))
    owner.device[:] = space
    owner.write(0x72, 2, 0x8010)
    assert owner.device[0x72:0x74] == b"\x10\x00", "the write flag never arrives"
    assert owner.read(0x74, 4) == 0x12345678
    assert isinstance(owner.space.write(0x74, 4, 1)[0], Reject)


@pytest.mark.parametrize("offset, width", [(-1, 1), (4096, 1), (4094, 4), (0, 8), (0, 3), (0, 0)])
def test_outside_is_refused(offset: int, width: int) -> None:
    assert isinstance(a_space().read(offset, width), Reject)
    verdict, effect = a_space().write(offset, width, 0)
    assert isinstance(verdict, Reject) and effect is None


def test_a_virtual_functions_identity_is_the_inventorys() -> None:
    space = bytearray(ethernet_bytes()[:256])
    put(space, 0, 4, 0xFFFFFFFF)
    put(space, 0x10, 4, 0)
    owner = Owner(a_space(ETHERNET._replace(configuration=bytes(space))))
    assert owner.read(0, 4) == 0x10D38086
    assert owner.read(0x10, 4) == MEMORY


def test_half_a_header_is_a_problem() -> None:
    with pytest.raises(MachineProblem, match="configuration"):
        ConfigurationSpace(ETHERNET, bytes(32), 0)


def test_64_bytes_have_no_capabilities() -> None:
    space = ConfigurationSpace(ETHERNET, ethernet_bytes()[:64], 0)
    assert space.size == 256
    assert space.read(0x34, 1) == Emulate(0)
    assert space.msi is None and space.msix is None
    assert ETHERNET.address == PciAddress(0, 1, 0, 0)
