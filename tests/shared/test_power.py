"""Does an instance end when it asks to, and only then?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.shared.power import POWER_OFF, RESET, PowerManagement

SLEEP_ENABLE = 1 << 13


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def power(asked: list[str]) -> PowerManagement:
    return PowerManagement(asked.append)


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


def test_resets(power: PowerManagement, asked: list[str]) -> None:
    for value in range(256):
        power.reset_write(value)
    assert asked == [RESET]
    for value in range(256):
        power.keyboard_write(value)
    assert asked == [RESET, RESET]


def test_events_are_never_set_and_enables_are_kept(power: PowerManagement) -> None:
    for offset in range(4):
        power.event_write(offset, 0xA5)
    assert [power.event_read(offset) for offset in range(4)] == [0, 0, 0xA5, 0xA5]


@given(some.integers(0, 16), some.integers(0, 255))
def test_no_access_is_out_of_place(offset: int, value: int) -> None:
    """A four-byte access at the last port of the block reaches past it."""
    power = PowerManagement(lambda what: None)
    power.event_write(offset, value)
    assert 0 <= power.event_read(offset) <= 0xFF
