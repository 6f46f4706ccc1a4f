"""Does the clock an instance reads tell the time, as a PC's does?"""

from __future__ import annotations

import calendar
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from septum.shared.clock import PeriodicClock, PowerTimer, RealTimeClock

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


class Turned:
    """A periodic clock over cycles that are turned by hand: a million of them a second."""

    def __init__(self, start: float = 0.0, base_year: int = 0) -> None:
        self.now = 0
        self.clock = PeriodicClock(lambda: self.now, 1_000_000, start, base_year)

    def set(self, index: int, value: int) -> None:
        self.clock.write(ADDRESS, index)
        self.clock.write(DATA, value)


def test_no_periodic_interrupt_before_it_is_asked_for() -> None:
    turned = Turned()
    turned.now = 10_000_000
    assert turned.clock.next_tick is None and turned.clock.take_ticks() == 0


def test_the_rate_is_as_the_datasheet_says() -> None:
    """MC146818A, table 5: rate 6 is 976.562 us, rate 15 half a second, 1 and 2 as 8 and 9."""
    turned = Turned()
    turned.set(0x0B, 0x42)
    for rate, microseconds in ((6, 976), (15, 500_000), (3, 122), (1, 3906), (2, 7812)):
        turned.set(0x0A, 0x20 | rate)
        assert turned.clock.period == microseconds
    turned.set(0x0A, 0x20)
    assert turned.clock.next_tick is None, "rate 0 is none"
    turned.set(0x0A, 0x76)
    assert turned.clock.next_tick is None, "a divider that is held is none"


def test_ticks_are_counted_and_none_is_lost() -> None:
    turned = Turned()
    turned.set(0x0B, 0x42)
    turned.now = 975
    assert turned.clock.take_ticks() == 0
    turned.now = 976
    assert turned.clock.take_ticks() == 1 and turned.clock.take_ticks() == 0
    turned.now = 976 * 5
    assert turned.clock.take_ticks() == 4
    assert turned.clock.next_tick == 976 * 6
    turned.set(0x0B, 0x02)
    turned.now *= 2
    assert turned.clock.take_ticks() == 0


@given(some.lists(some.integers(0, 5000), max_size=50))
def test_however_often_it_is_asked_the_sum_is_the_same(steps: list[int]) -> None:
    turned = Turned()
    turned.set(0x0B, 0x42)
    total = 0
    for step in steps:
        turned.now += step
        total += turned.clock.take_ticks()
    assert total == turned.now // 976


def test_the_flag_says_that_it_was_and_reading_clears_it() -> None:
    turned = Turned()
    turned.set(0x0B, 0x42)
    turned.now = 976
    turned.clock.take_ticks()
    assert register(turned.clock, 0x0C) == 0xC0
    assert register(turned.clock, 0x0C) == 0


def test_writing_the_same_rate_does_not_shift_the_ticks() -> None:
    turned = Turned()
    turned.set(0x0B, 0x42)
    turned.now = 500
    turned.set(0x0A, 0x26)
    assert turned.clock.next_tick == 976


def test_the_update_bit_turns_once_a_second() -> None:
    """Linux waits for its edges where the timer does not serve; it must not wait for ever."""
    turned = Turned()
    seen = []
    for turned.now in range(0, 2_000_000, 500):
        seen.append(register(turned.clock, 0x0A) >> 7)
    edges = [one for one, two in pairwise(seen) if one < two]
    assert len(edges) == 2 and sum(seen) == 8, "2228 us each"


def test_years_from_1980_as_linux_on_alpha_reads_them() -> None:
    moment = calendar.timegm((2026, 11, 22, 12, 0, 0))
    assert decimal(register(Turned(moment, 1980).clock, 0x09)) == 46
    assert decimal(register(Turned(moment).clock, 0x09)) == 26


def test_binary_when_it_is_asked_for() -> None:
    turned = Turned(calendar.timegm((2026, 11, 22, 12, 34, 56)))
    turned.set(0x0B, 0x06)
    assert register(turned.clock, 0x00) == 56 and register(turned.clock, 0x02) == 34
    assert register(turned.clock, 0x0D) == 0x80
