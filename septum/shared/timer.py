"""What does an interval timer count? An 8254 and port B, as pure state over a clock.

Nothing runs: what a counter holds is computed from the moment it was loaded. Its interrupt is
not connected (an Alpha takes its time from the clock's periodic interrupt), so a system uses
the counters to measure, and counter 2 through port B.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import pit

_BYTE = 8
_DECIMAL_MODULUS = 10_000


class Counter:
    """One of the three. Ticks are the timer's own, 1.193182 MHz."""

    def __init__(self) -> None:
        self.mode = pit.SQUARE_WAVE
        self.access = pit.LOW_THEN_HIGH
        self.decimal = False
        self.gate = True
        self._initial = 0
        self._loaded: int | None = None  # tick; None: no count yet
        self._stopped_at: int | None = None  # ticks counted when the gate went low
        self._written: int | None = None  # the low byte, while the high byte is awaited
        self._latched: list[int] = []
        self._status: int | None = None
        self._high_next = False

    def control(self, access: int, mode: int, decimal: bool) -> None:
        """A control word other than a latch: the counter waits for a count."""
        self.access, self.decimal = access, decimal
        self.mode = mode if mode <= pit.TRIGGERED_STROBE else mode - (pit.STROBE)
        self._loaded = self._written = self._status = None
        self._latched = []
        self._high_next = False

    def write(self, value: int, tick: int) -> None:
        """One byte of the count, as the access mode says."""
        if self.access == pit.LOW_THEN_HIGH:
            if self._written is None:
                self._written = value
                return
            value, self._written = self._written | value << _BYTE, None
        elif self.access == pit.HIGH:
            value <<= _BYTE
        self._initial = value
        self._loaded = tick
        self._stopped_at = None if self.gate else 0

    def set_gate(self, level: bool, tick: int) -> None:
        """Low stops the count (modes 0, 2, 3, 4); a rising edge begins anew (1, 2, 3, 5)."""
        if level == self.gate:
            return
        if not level:
            self._stopped_at = self._counted(tick)
        elif self._loaded is not None:
            anew = self.mode not in (pit.TERMINAL_COUNT, pit.STROBE)
            self._loaded = tick if anew else tick - (self._stopped_at or 0)
            self._stopped_at = None
        self.gate = level

    def _counted(self, tick: int) -> int:
        if self._loaded is None:
            return 0
        return tick - self._loaded if self._stopped_at is None else self._stopped_at

    @property
    def _period(self) -> int:
        if not self.decimal:
            return self._initial or pit.COUNT_BITS + 1
        digits = f"{self._initial:04x}"
        return (int(digits) if digits.isdecimal() else 0) or _DECIMAL_MODULUS

    def output(self, tick: int) -> bool:
        """The level of the counter's OUT pin."""
        if self._loaded is None:
            return self.mode != pit.TERMINAL_COUNT
        counted, period = self._counted(tick), self._period
        if self.mode in (pit.TERMINAL_COUNT, pit.ONE_SHOT):
            return counted >= period
        if self.mode == pit.RATE:
            return not self.gate or counted % period != period - 1
        if self.mode == pit.SQUARE_WAVE:
            return not self.gate or counted % period < (period + 1) // 2
        return counted != period

    def left(self, tick: int) -> int | None:
        """Ticks until the output of mode 0 or 1 rises; None when it is up, or nothing counts."""
        one_shot = self.mode in (pit.TERMINAL_COUNT, pit.ONE_SHOT)
        if not one_shot or self._loaded is None or self._stopped_at is not None:
            return None
        left = self._period - self._counted(tick)
        return left if left > 0 else None

    def count(self, tick: int) -> int:
        """What reading would give, 16 bits."""
        counted, period = self._counted(tick), self._period
        if self.mode == pit.SQUARE_WAVE:
            left = period - 2 * counted % period
        elif self.mode == pit.RATE:
            left = period - counted % period
        else:
            left = period - counted
        if not self.decimal:
            return left & pit.COUNT_BITS
        return int(str(left % _DECIMAL_MODULUS), 16)

    def latch(self, tick: int) -> None:
        """Keep the count until it is read."""
        if not self._latched:
            self._latched = self._bytes(self.count(tick))

    def latch_status(self, tick: int) -> None:
        """Keep the status byte until it is read; it is read before the count."""
        null = 0 if self._loaded is not None else pit.STATUS_NULL_COUNT
        out = pit.STATUS_OUTPUT if self.output(tick) else 0
        shape = self.access << pit.ACCESS_SHIFT | self.mode << pit.MODE_SHIFT
        self._status = out | null | shape | self.decimal

    def _bytes(self, count: int) -> list[int]:
        low, high = count & pit.BYTE, count >> _BYTE
        return {pit.LOW: [low], pit.HIGH: [high]}.get(self.access, [low, high])

    def read(self, tick: int) -> int:
        """One byte: a latched status, a latched count, or the count as it runs."""
        if self._status is not None:
            value, self._status = self._status, None
            return value
        if self._latched:
            return self._latched.pop(0)
        running = self._bytes(self.count(tick))
        value = running[-1] if self._high_next else running[0]
        self._high_next = not self._high_next and len(running) > 1
        return value


class IntervalTimer:
    """Ports 0x40 to 0x43, and port B at 0x61.

    `cycles` says the time; `frequency` is how many of its cycles make a second.
    """

    def __init__(self, cycles: Callable[[], int], frequency: int) -> None:
        self._cycles = cycles
        self._frequency = frequency
        self.counters = tuple(Counter() for _ in range(pit.COUNTERS))
        self.counters[pit.TONE].gate = False
        self._port_b = 0

    def _tick(self) -> int:
        return self._cycles() * pit.HZ // self._frequency

    def read(self, offset: int) -> int:
        """Port 0x40 + `offset`; the control port reads as ones."""
        if offset >= pit.COUNTERS:
            return pit.BYTE
        return self.counters[offset].read(self._tick())

    def write(self, offset: int, value: int) -> None:
        """Port 0x40 + `offset`."""
        if offset < pit.COUNTERS:
            self.counters[offset].write(value, self._tick())
        elif offset == pit.CONTROL:
            self._control(value)

    def _control(self, value: int) -> None:
        selected = value >> pit.SELECT_SHIFT & pit.TWO_BITS
        access = value >> pit.ACCESS_SHIFT & pit.TWO_BITS
        if selected == pit.READ_BACK:
            for number, counter in enumerate(self.counters):
                if value >> pit.READ_BACK_SHIFT + number & 1:
                    if not value & pit.KEEP_COUNT:
                        counter.latch(self._tick())
                    if not value & pit.KEEP_STATUS:
                        counter.latch_status(self._tick())
        elif access == pit.LATCH:
            self.counters[selected].latch(self._tick())
        else:
            mode = value >> pit.MODE_SHIFT & pit.MODE_BITS
            self.counters[selected].control(access, mode, bool(value & 1))

    def read_port_b(self) -> int:
        """Port 0x61: gate and speaker as written, the refresh bit, and counter 2's output."""
        tick = self._tick()
        refresh = pit.REFRESH if tick // pit.REFRESH_TICKS & 1 else 0
        output = pit.OUTPUT if self.counters[pit.TONE].output(tick) else 0
        return self._port_b | refresh | output

    def write_port_b(self, value: int) -> None:
        """Port 0x61: bit 0 is counter 2's gate."""
        self._port_b = value & pit.PORT_B_KEPT
        self.counters[pit.TONE].set_gate(bool(value & pit.GATE), self._tick())

    def cycles_to_output(self) -> int | None:
        """Cycles until counter 2's one-shot output rises; None when it does not count to one."""
        counter = self.counters[pit.TONE]
        left = counter.left(self._tick())
        return None if left is None else left * self._frequency // pit.HZ
