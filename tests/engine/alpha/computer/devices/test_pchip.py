"""Does a device's bus address lead where the windows say, and nowhere else?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from septum.engine.alpha.computer.devices.pchip import NO_MEMORY, NO_WINDOW, NOT_VALID, Pchip

SIZE = 4 << 20
MIB = 1 << 20
SLOT, OTHER = 1, 2
CONTENT = b"".join(bytes([page & 0xFF]) * 0x2000 for page in range(SIZE >> 13))
ENABLE, SCATTER_GATHER = 1, 2
CONTROL, ERROR, ERROR_MASK = 0x300, 0x3C0, 0x400
OWN = 0x1_0000


class Desk:
    """A Pchip over four mebibytes, each byte's value its page's number."""

    def __init__(self, requester_windows: bool = False) -> None:
        self.memory = bytearray(CONTENT)
        self.missing = 0
        self.levels: list[int] = []
        self.pchip = Pchip(
            memoryview(self.memory),
            lambda: 77,
            0,
            requester_windows,
            self._missed,
            self.levels.append,
        )

    def _missed(self) -> None:
        self.missing += 1

    def window(self, number: int, base: int, mask: int, target: int, at: int = 0) -> None:
        for offset, value in ((0x000, base), (0x100, mask), (0x200, target)):
            self.pchip.write(at + offset + 0x40 * number, value)

    def read(self, address: int, length: int = 1, slot: int = SLOT) -> bytes:
        return self.pchip.read_memory(slot, address, length)

    def reasons(self) -> list[str]:
        return [one.reason for one in self.pchip.refused]


def test_without_a_window_there_is_no_way_to_memory() -> None:
    desk = Desk()
    assert desk.read(0, 4) == b"\xff" * 4
    desk.pchip.write_memory(SLOT, 0x2000, b"\xee")
    assert desk.memory[0x2000] == 1
    assert [tuple(one) for one in desk.pchip.refused] == [
        (77, SLOT, 0, False, NO_WINDOW),
        (77, SLOT, 0x2000, True, NO_WINDOW),
    ]


def test_a_direct_window_leads_straight_to_memory() -> None:
    desk = Desk()
    desk.window(2, 0x8000_0000 | ENABLE, 0x0010_0000, 2 * MIB)
    assert desk.read(0x8000_0000 + 0x2000) == bytes([(2 * MIB >> 13) + 1 & 0xFF])
    desk.pchip.write_memory(SLOT, 0x8000_0000, b"abc")
    assert desk.memory[2 * MIB : 2 * MIB + 3] == b"abc"
    assert desk.read(0x7FFF_FFFF) == b"\xff" and desk.read(0x8020_0000) == b"\xff"
    assert desk.reasons() == [NO_WINDOW, NO_WINDOW]


def test_a_window_that_is_not_enabled_takes_nothing() -> None:
    desk = Desk()
    desk.window(0, 0x8000_0000, 0, 0)
    desk.read(0x8000_0000)
    assert desk.reasons() == [NO_WINDOW]


def test_a_window_has_sizes_of_two() -> None:
    """Bits of the target that vary inside the window are the address's, not the target's."""
    desk = Desk()
    desk.window(0, ENABLE, 0x0010_0000, MIB)  # 2 MiB at 0; a target of 1 MiB counts as 0
    assert desk.read(0x2000) == b"\x01"
    assert desk.read(MIB) == bytes([MIB >> 13])


def test_a_run_that_ends_outside_is_cut_there() -> None:
    desk = Desk()
    desk.window(0, ENABLE, 0, 0)
    data = desk.read(MIB - 2, 4)
    assert data == bytes([127, 127]) + b"\xff\xff"
    desk.pchip.write_memory(SLOT, MIB - 2, b"abcd")
    assert desk.memory[MIB - 2 : MIB + 2] == b"ab" + bytes([128, 128])


def test_the_first_window_that_takes_it_takes_it() -> None:
    desk = Desk()
    desk.window(0, ENABLE, 0, MIB)
    desk.window(1, ENABLE, 0, 2 * MIB)
    assert desk.read(0) == bytes([MIB >> 13])


def test_memory_that_is_not_there() -> None:
    desk = Desk()
    desk.window(0, ENABLE, 0xFFF0_0000, 0)
    assert desk.read(SIZE - 1, 2) == bytes([(SIZE - 1 >> 13) & 0xFF]) + b"\xff"
    assert desk.reasons() == [NO_MEMORY] and desk.missing == 1


def put(desk: Desk, at: int, page: int, valid: int = 1) -> None:
    desk.memory[at : at + 8] = (page << 1 | valid).to_bytes(8, "little")


def test_scatter_gather_goes_through_the_table() -> None:
    """As Linux writes its entries: arch/alpha/kernel/pci_iommu.c, mk_iommu_pte."""
    desk = Desk()
    table = MIB
    desk.window(1, 0x4000_0000 | ENABLE | SCATTER_GATHER, 0, table)
    put(desk, table, 5)
    put(desk, table + 8, 300)
    put(desk, table + 16, 6, valid=0)
    data = desk.read(0x4000_0000 + 0x1FFE, 0x2004)
    assert data == bytes([5, 5]) + bytes([300 & 0xFF]) * 0x2000 + b"\xff\xff"
    assert desk.reasons() == [NOT_VALID]
    assert desk.pchip.read(ERROR) & 0x10, "SGE"


def test_a_changed_entry_counts_at_once() -> None:
    desk = Desk()
    desk.window(1, ENABLE | SCATTER_GATHER, 0, MIB)
    put(desk, MIB, 5)
    assert desk.read(0) == b"\x05"
    put(desk, MIB, 6)
    desk.pchip.write(0x4C0, 0)  # TLBIA
    assert desk.read(0) == b"\x06"
    put(desk, MIB, 6, valid=0)
    assert desk.read(0) == b"\xff"


def test_a_table_or_a_page_beyond_memory() -> None:
    desk = Desk()
    desk.window(1, ENABLE | SCATTER_GATHER, 0, SIZE)
    assert desk.read(0) == b"\xff"
    desk.window(1, ENABLE | SCATTER_GATHER, 0, MIB)
    put(desk, MIB, SIZE >> 13)
    assert desk.read(0) == b"\xff"
    assert desk.reasons() == [NO_MEMORY, NO_MEMORY]


def test_the_monster_window_is_memory_one_to_one() -> None:
    desk = Desk()
    assert desk.read((1 << 40) + 0x2000) == b"\xff"
    desk.pchip.write(CONTROL, 1 << 6)
    assert desk.read((1 << 40) + 0x2000) == b"\x01"
    assert desk.read((1 << 40) + SIZE) == b"\xff" and desk.reasons()[-1] == NO_MEMORY
    assert desk.read((1 << 41) + 0x2000) == b"\xff" and desk.reasons()[-1] == NO_WINDOW


def test_the_hole_leaves_a_gap_for_old_devices() -> None:
    desk = Desk()
    desk.window(0, ENABLE, 0, 0)
    desk.pchip.write(CONTROL, 1 << 5)
    assert desk.read(0x8_0000) == b"\xff" and desk.read(0x7_FFFF) != b"\xff"


def test_the_first_error_is_kept_and_later_ones_are_lost() -> None:
    desk = Desk()
    desk.pchip.write_memory(SLOT, 0x1234_5678, b"x")
    error = desk.pchip.read(ERROR)
    assert error & 0xFFF == 0x100 and error >> 16 & (1 << 35) - 1 == 0x1234_5678
    assert error >> 52 & 0xF == 7, "a memory write"
    desk.read(0x9999)
    assert desk.pchip.read(ERROR) == error | 1, "LOST"
    desk.pchip.write(ERROR, 0xFFF)
    assert desk.pchip.read(ERROR) & 0xFFF == 0


def test_an_error_interrupts_when_its_mask_lets_it() -> None:
    desk = Desk()
    desk.read(0)
    assert 1 not in desk.levels
    desk.pchip.write(ERROR_MASK, 0x100)
    assert desk.levels[-1] == 1
    desk.pchip.write(ERROR, 0x100)
    assert desk.levels[-1] == 0


def test_a_requester_has_windows_of_its_own_if_the_machine_has_them() -> None:
    desk = Desk(requester_windows=True)
    desk.window(0, ENABLE, 0, 0)
    mine = OWN + 0x400 * SLOT
    desk.window(0, ENABLE, 0, MIB, at=mine)
    assert desk.read(0) == b"\x00", "not switched on yet"
    desk.pchip.write(mine + 0x3C0, 1)
    assert desk.read(0) == bytes([MIB >> 13])
    assert desk.read(0, slot=OTHER) == b"\x00"
    assert desk.pchip.read(mine + 0x3C0) == 1 and desk.pchip.read(mine + 0x200) == MIB
    desk.pchip.write(CONTROL, 1 << 6)
    assert desk.read(1 << 40) == b"\xff", "its own set and no other way"
    desk.pchip.write(mine + 0x3C0, 0)
    assert desk.read(0) == b"\x00"


def test_whose_access_was_refused_is_told_where_requesters_are_told_apart() -> None:
    for has_windows in (False, True):
        desk = Desk(requester_windows=has_windows)
        desk.read(0, slot=OTHER)
        assert desk.pchip.read(ERROR) >> 56 == (OTHER if has_windows else 0)


def test_a_machine_without_them_has_no_such_registers() -> None:
    desk = Desk()
    desk.window(0, ENABLE, 0, 0)
    desk.window(0, ENABLE, 0, MIB, at=OWN + 0x400 * SLOT)
    desk.pchip.write(OWN + 0x400 * SLOT + 0x3C0, 1)
    assert desk.read(0) == b"\x00"
    assert desk.pchip.read(OWN + 0x400 * SLOT + 0x200) == 0


def test_only_the_last_refusals_are_kept_and_all_are_counted() -> None:
    desk = Desk()
    for _ in range(300):
        desk.read(0)
    assert len(desk.pchip.refused) == 256 and desk.pchip.refused_count == 300


# ---- Against a model that goes byte by byte


def reference(desk: Desk, windows: list[tuple[int, int, int]], control: int, address: int) -> int:
    """Where one byte leads: its physical address, or -1. Written from the manual's pictures."""
    if address < 1 << 32:
        for base, mask, target in windows:
            inside = mask & 0xFFF0_0000 | 0xF_FFFF
            if not base & 1 or address & ~inside != base & 0xFFF0_0000 & ~inside:
                continue
            if control & 0x20 and 0x8_0000 <= address < 0x10_0000:
                continue
            target &= 0x7_FFFF_FC00
            if not base & 2:
                physical = target & ~inside | address & inside
            else:
                entry_at = target & ~(inside >> 10 & ~7) | (address & inside) >> 13 << 3
                if entry_at + 8 > SIZE:
                    return -1
                entry = int.from_bytes(desk.memory[entry_at : entry_at + 8], "little")
                if not entry & 1:
                    return -1
                physical = (entry >> 1 & 0x3F_FFFF) << 13 | address & 0x1FFF
            return physical if physical < SIZE else -1
    elif control & 0x40 and 1 << 40 <= address < (1 << 40) + (1 << 35):
        physical = address - (1 << 40)
        return physical if physical < SIZE else -1
    return -1


windows = some.tuples(
    some.integers(0, 8).map(lambda n: n << 20).flatmap(
        lambda base: some.integers(0, 3).map(lambda bits: base | bits)
    ),
    some.sampled_from([0, 1, 3, 7, 5, 2]).map(lambda n: n << 20),
    some.one_of(
        some.integers(0, 6).map(lambda n: n << 20),
        some.integers(0, SIZE >> 10).map(lambda n: n << 10),
    ),
)


@settings(max_examples=300)
@given(
    some.lists(windows, min_size=1, max_size=4),
    some.sampled_from([0, 0x20, 0x40, 0x60]),
    some.one_of(
        some.integers(0, 9 << 20), some.integers((1 << 40) - 100, (1 << 40) + SIZE + 100)
    ),
    some.integers(1, 40_000),
    some.binary(min_size=64, max_size=64),
)
def test_no_byte_comes_from_or_goes_to_another_place_than_the_manual_says(
    given_windows: list[tuple[int, int, int]],
    control: int,
    address: int,
    length: int,
    entries: bytes,
) -> None:
    desk = Desk()
    desk.memory[MIB : MIB + 64] = entries
    for number, (base, mask, target) in enumerate(given_windows):
        desk.window(number, base, mask, target)
    desk.pchip.write(CONTROL, control)
    before = bytes(desk.memory)
    steps = sorted({0, length - 1, *range(0, length, 997)})
    expected = {step: reference(desk, given_windows, control, address + step) for step in steps}
    data = desk.read(address, length)
    assert len(data) == length
    for step, physical in expected.items():
        assert data[step] == (0xFF if physical < 0 else before[physical])
    # Writing: nothing changes but what the reference names.
    short = min(length, 64)
    allowed = {reference(desk, given_windows, control, address + step) for step in range(short)}
    desk.pchip.write_memory(SLOT, address, bytes(short))
    now = np.frombuffer(desk.memory, np.uint8)
    changed = np.nonzero(now != np.frombuffer(before, np.uint8))[0]
    assert set(changed.tolist()) <= allowed


@pytest.mark.parametrize("number", range(4))
def test_registers_keep_the_bits_they_have(number: int) -> None:
    pchip = Desk().pchip
    ones = (1 << 64) - 1
    kept = (0xFFF0_0007 | (1 << 39 if number == 3 else 0), 0xFFF0_0000, 0x7_FFFF_FC00)
    for offset, bits in zip((0x000, 0x100, 0x200), kept, strict=True):
        pchip.write(offset + 0x40 * number, ones)
        assert pchip.read(offset + 0x40 * number) == bits
