"""What time does an instance find? The CMOS clock and the ACPI PM timer, as pure state.

Setting the clock from inside is not done: the machine's clock is shared. What an instance may
choose is the rate of its clock's periodic interrupt.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from septum.layouts import acpi, cmos

_DECIMAL = 10
_NIBBLE = 4


def _bcd(value: int) -> int:
    return value // _DECIMAL << _NIBBLE | value % _DECIMAL


class RealTimeClock:
    """Ports 0x70 and 0x71: an index, then the register of that index. Time is UTC, in BCD."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._index = 0

    def read(self, offset: int) -> int:
        """Port `offset` of the pair."""
        return self._register(self._index) if offset else self._index

    def write(self, offset: int, value: int) -> None:
        """The index is kept; data is dropped."""
        if not offset:
            self._index = value & cmos.INDEX_BITS

    def _register(self, index: int) -> int:
        constant = {
            cmos.STATUS_A: cmos.DIVIDER_32_KHZ,
            cmos.STATUS_B: cmos.HOURS_24,
            cmos.STATUS_D: cmos.VALID,
        }
        if index in constant:
            return constant[index]
        moment = time.gmtime(self._now())
        sunday_first = (moment.tm_wday + 1) % 7 + 1
        century, year = divmod(moment.tm_year, 100)
        return _bcd(
            {
                cmos.SECONDS: moment.tm_sec,
                cmos.MINUTES: moment.tm_min,
                cmos.HOURS: moment.tm_hour,
                cmos.DAY_OF_WEEK: sunday_first,
                cmos.DAY: moment.tm_mday,
                cmos.MONTH: moment.tm_mon,
                cmos.YEAR: year,
                cmos.CENTURY: century,
            }.get(index, 0)
        )


class PeriodicClock(RealTimeClock):
    """The same two ports, with the periodic interrupt: the timer of a machine without another.

    `cycles` says the machine's time, `frequency` of them a second; at cycle 0 it was `start`
    (UTC, seconds since 1970). The year register counts from `base_year`. Whoever holds it asks
    `next_tick` when the next interrupt is due and takes what was with `take_ticks`.
    """

    def __init__(
        self,
        cycles: Callable[[], int],
        frequency: int,
        start: float = 0.0,
        base_year: int = 0,
    ) -> None:
        super().__init__(lambda: start + cycles() / frequency)
        self._cycles = cycles
        self._frequency = frequency
        self._base_year = base_year
        self._status_a = cmos.DIVIDER_32_KHZ
        self._status_b = cmos.HOURS_24
        self._flags = 0
        self._period = 0  # cycles
        self.next_tick: int | None = None  # cycle of the next periodic interrupt, if enabled
        self._set_rate()

    @property
    def period(self) -> int:
        """Cycles from one periodic interrupt to the next; 0 when the rate says never."""
        return self._period

    def take_ticks(self) -> int:
        """How many periodic interrupts fell due since this was last asked."""
        now = self._cycles()
        if self.next_tick is None or now < self.next_tick:
            return 0
        ticks = (now - self.next_tick) // self._period + 1
        self.next_tick += ticks * self._period
        self._flags |= cmos.PERIODIC | cmos.REQUEST
        return ticks

    def write(self, offset: int, value: int) -> None:
        """The index; or status A (the rate) or B (the enables). The time cannot be set."""
        if not offset:
            super().write(offset, value)
        elif self._index == cmos.STATUS_A:
            self._status_a = value & ~cmos.UPDATE_IN_PROGRESS
            self._set_rate()
        elif self._index == cmos.STATUS_B:
            self._status_b = value
            self._arm()

    def _set_rate(self) -> None:
        rate = self._status_a & cmos.RATE_BITS
        period = 0
        if rate and self._status_a & cmos.DIVIDER_BITS == cmos.DIVIDER_RUNNING:
            rate += cmos.SLOW_RATES if rate < cmos.FASTEST_RATE else 0
            period = self._frequency * (1 << rate - 1) // cmos.CRYSTAL_HZ
        if period != self._period:
            self._period = period
            self.next_tick = None
        self._arm()

    def _arm(self) -> None:
        if not (self._status_b & cmos.PERIODIC_ENABLE and self._period):
            self.next_tick = None
        elif self.next_tick is None:
            self.next_tick = self._cycles() + self._period

    def _register(self, index: int) -> int:
        if index == cmos.STATUS_A:
            return self._status_a | self._update_bit()
        if index == cmos.STATUS_B:
            return self._status_b
        if index == cmos.STATUS_C:
            value, self._flags = self._flags, 0
            return value
        if index == cmos.YEAR and self._base_year:
            return _bcd((time.gmtime(self._now()).tm_year - self._base_year) % 100)
        value = super()._register(index)
        if self._status_b & cmos.BINARY and index not in (cmos.STATUS_D,):
            return value // (1 << _NIBBLE) * _DECIMAL + value % (1 << _NIBBLE)
        return value

    def _update_bit(self) -> int:
        warning = self._frequency * cmos.UPDATE_CRYSTAL_TICKS // cmos.CRYSTAL_HZ
        left = self._frequency - self._cycles() % self._frequency
        return cmos.UPDATE_IN_PROGRESS if left <= warning else 0


class PowerTimer:
    """The ACPI PM timer: 32 bits at 3.579545 MHz. ACPI 6.4, 4.8.3.3."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._start = now()

    def read(self) -> int:
        """Ticks since the instance started, modulo 2**32."""
        return int((self._now() - self._start) * acpi.PM_TIMER_HZ) % (1 << 8 * acpi.PM_TIMER_SIZE)
