"""Does the clock an instance reads tell the time, as a PC's does?"""

from __future__ import annotations

import calendar
import time

from hypothesis import given
from hypothesis import strategies as some

from septum.shared.clock import PowerTimer, RealTimeClock

ADDRESS, DATA = 0, 1


def register(clock: RealTimeClock, index: int) -> int:
    clock.write(ADDRESS, index)
    return clock.read(DATA)


def decimal(bcd: int) -> int:
    return (bcd >> 4) * 10 + (bcd & 0xF)


@given(some.integers(0, 7_000_000_000))
def test_it_says_the_moment_in_bcd(moment: int) -> None:
    clock = RealTimeClock(lambda: float(moment))
    second, minute, hour, day, month, year, century = (
        decimal(register(clock, index)) for index in (0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32)
    )
    said = calendar.timegm((century * 100 + year, month, day, hour, minute, second))
    assert said == moment


def test_the_week_begins_on_sunday() -> None:
    sunday = calendar.timegm((2026, 11, 22, 12, 0, 0))
    assert register(RealTimeClock(lambda: float(sunday)), 0x06) == 1
    assert register(RealTimeClock(lambda: sunday + 6 * 86400.0), 0x06) == 7


def test_it_is_never_being_updated_and_its_battery_is_good() -> None:
    clock = RealTimeClock()
    assert register(clock, 0x0A) & 0x80 == 0
    assert register(clock, 0x0B) == 0x02, "24 hours, BCD, no interrupts"
    assert register(clock, 0x0D) == 0x80


def test_it_cannot_be_set() -> None:
    clock = RealTimeClock(lambda: 0.0)
    for index in range(128):
        before = register(clock, index)
        clock.write(DATA, 0x59)
        assert clock.read(DATA) == before


@given(some.integers(0, 255), some.integers(0, 255))
def test_any_index_answers(index: int, value: int) -> None:
    clock = RealTimeClock()
    clock.write(ADDRESS, index)
    clock.write(DATA, value)
    assert clock.read(ADDRESS) == index & 0x7F and 0 <= clock.read(DATA) <= 0xFF


def test_the_power_timer_ticks_as_the_specification_says() -> None:
    now = [100.0]
    timer = PowerTimer(lambda: now[0])
    assert timer.read() == 0
    now[0] = 101.0
    assert timer.read() == 3579545
    now[0] = 100.0 + (1 << 32) / 3579545 + 1
    assert 3579544 <= timer.read() <= 3579546, "it wraps at 32 bits"


def test_the_default_clock_is_this_computers() -> None:
    assert decimal(register(RealTimeClock(), 0x32)) == time.gmtime().tm_year // 100
