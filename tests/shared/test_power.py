"""Does an instance end when it asks to, and only then, and hear its power button?"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.shared.power import POWER_OFF, RESET, PowerManagement

SLEEP_ENABLE = 1 << 13


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def levels() -> list[int]:
    """Of the system control interrupt, at each change."""
    return []


@pytest.fixture
def power(asked: list[str], levels: list[int]) -> PowerManagement:
    return PowerManagement(asked.append, levels.append)


def test_soft_off(power: PowerManagement, asked: list[str]) -> None:
    power.control_write(5 << 10)
    assert not asked, "the type alone is no order"
    power.control_write(5 << 10 | SLEEP_ENABLE)
    assert asked == [POWER_OFF]


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 6, 7])
def test_there_is_no_other_sleep(power: PowerManagement, asked: list[str], kind: int) -> None:
    power.control_write(kind << 10 | SLEEP_ENABLE)
    assert not asked


def test_acpi_mode_is_on_and_the_order_bit_reads_zero(power: PowerManagement) -> None:
    assert power.control_read() & 1
    power.control_write(5 << 10 | SLEEP_ENABLE)
    assert power.control_read() == 5 << 10 | 1


def starts(values: list[int], asked: list[str], power: PowerManagement) -> list[int]:
    """Of the values written to the reset control register, those that reset."""
    found = []
    for value in values:
        before = len(asked)
        power.reset_write(value)
        found += [value] * (len(asked) - before)
    return found


@pytest.mark.parametrize(
    ("values", "reset"),
    [
        ([0x06], [0x06]),  # the FADT's value, as ACPICA writes it
        ([0x02, 0x06], [0x06]),  # reboot=p: "request hard reset", then do it
        ([0x02, 0x0E], [0x0E]),  # the same where Linux wants the power cut
        ([0x00, 0x04], [0x04]),  # the processor alone: on a board firmware runs all the same
        ([0x0E], [0x0E]),
        ([0x02, 0x08, 0x0A, 0xF1, 0x00], []),  # what is asked for, and nobody asks yet
        ([0x06, 0x06, 0x02, 0x06], [0x06, 0x06]),  # it is the change from 0 to 1 that does it
    ],
)
def test_the_reset_control_register(
    power: PowerManagement, asked: list[str], values: list[int], reset: list[int]
) -> None:
    assert starts(values, asked, power) == reset
    assert set(asked) <= {RESET}
    assert power.reset_read() == values[-1] & 0x0E


def test_the_keyboard_controllers_reset(power: PowerManagement, asked: list[str]) -> None:
    """Commands F0 to FF pulse the output lines whose bit is 0; line 0 is the reset."""
    resets = []
    for value in range(256):
        asked.clear()
        power.keyboard_write(value)
        resets += [value] if asked else []
    assert resets == [0xF0, 0xF2, 0xF4, 0xF6, 0xF8, 0xFA, 0xFC, 0xFE]


# ---- the power button

STATUS, ENABLE = 0, 2  # offsets of the words; power button is bit 8 of each


def word(power: PowerManagement, offset: int) -> int:
    return power.event_read(offset) | power.event_read(offset + 1) << 8


def write(power: PowerManagement, offset: int, value: int) -> None:
    power.event_write(offset, value & 0xFF)
    power.event_write(offset + 1, value >> 8)


def test_who_listens_is_interrupted_until_it_has_seen_it(
    power: PowerManagement, levels: list[int]
) -> None:
    write(power, ENABLE, 0x0120)
    assert power.press() and levels == [1]
    assert word(power, STATUS) == 0x0100 and word(power, ENABLE) == 0x0120
    write(power, STATUS, 0xFEFF)
    assert levels == [1], "every other event was cleared"
    write(power, STATUS, 0x0100)
    assert levels == [1, 0] and word(power, STATUS) == 0
    assert power.press() and levels == [1, 0, 1], "and again"


def test_who_does_not_listen_yet_hears_it_when_it_does(
    power: PowerManagement, levels: list[int]
) -> None:
    """As Linux's driver begins: it clears what was, then enables."""
    assert not power.press() and levels == []
    assert word(power, STATUS) == 0x0100, "who polls sees it"
    write(power, STATUS, 0x0100)
    assert word(power, STATUS) == 0
    write(power, ENABLE, 0x0100)
    assert levels == [1] and word(power, STATUS) == 0x0100
    write(power, STATUS, 0x0100)
    write(power, ENABLE, 0)
    write(power, ENABLE, 0x0100)
    assert levels == [1, 0], "it was pressed once"


def test_pressed_twice_before_anybody_looks_is_once(
    power: PowerManagement, levels: list[int]
) -> None:
    write(power, ENABLE, 0x0100)
    assert power.press() and power.press() and levels == [1]
    write(power, ENABLE, 0)
    assert levels == [1, 0], "masked"
    write(power, ENABLE, 0x0100)
    assert levels == [1, 0, 1]


def test_other_events_are_never_set_and_enables_are_kept(power: PowerManagement) -> None:
    for offset in range(4):
        power.event_write(offset, 0xA5)
    assert [power.event_read(offset) for offset in range(4)] == [0, 0, 0xA5, 0xA5]


@given(some.lists(some.tuples(some.integers(0, 16), some.integers(0, 255)), max_size=8))
def test_no_access_is_out_of_place(accesses: list[tuple[int, int]]) -> None:
    """A four-byte access at the last port of the block reaches past it."""
    levels: list[int] = []
    power = PowerManagement(lambda what: None, levels.append)
    power.press()
    for offset, value in accesses:
        power.event_write(offset, value)
        assert 0 <= power.event_read(offset) <= 0xFF
        expected = bool(word(power, STATUS) & word(power, ENABLE))
        assert (levels[-1:] == [1]) is expected
    assert all(one != other for one, other in pairwise(levels))
