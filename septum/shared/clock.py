"""What time does an instance find? The CMOS clock and the ACPI PM timer, read-only, as pure state.

Setting the clock from inside is not done: the machine's clock is shared.
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


class PowerTimer:
    """The ACPI PM timer: 32 bits at 3.579545 MHz. ACPI 6.4, 4.8.3.3."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._start = now()

    def read(self) -> int:
        """Ticks since the instance started, modulo 2**32."""
        return int((self._now() - self._start) * acpi.PM_TIMER_HZ) % (1 << 8 * acpi.PM_TIMER_SIZE)
