"""Who answers an I/O port of an instance? Its played ISA devices; the dedicated ones; nobody.

Played for each instance: console, clock, timer, interrupt controllers. A port access takes as
long as on an ISA bus. Waiting for the timer's output takes time in longer steps: nothing else
would happen meanwhile, and each step is an exit.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import cmos, pic, pit, tsunami, uart
from septum.shared.clock import PeriodicClock
from septum.shared.pic import InterruptControllers
from septum.shared.serial import SerialPort
from septum.shared.timer import IntervalTimer
from septum.translation.physical import Access, PhysicalMap, Region, played, ports
from septum.units import Span

BASE_YEAR = 1980  # what this board's firmware counts the clock's years from
_NANOSECONDS = 1_000_000_000
_ISA_CYCLE = 1000  # nanoseconds: eight cycles of 8.33 MHz
_WAITING_PART = 8  # of what is left until the output rises

Reader = Callable[[int], int]
Writer = Callable[[int, int], None]


class IsaDevices:
    """The devices the VMM plays for one instance."""

    def __init__(
        self,
        cycles: Callable[[], int],
        frequency: int,
        start: float,
        request: Callable[[int], None],
        send: Callable[[int], None],
    ) -> None:
        self.controllers = InterruptControllers(request)
        self.timer = IntervalTimer(cycles, frequency)
        self.clock = PeriodicClock(cycles, frequency, start, BASE_YEAR)
        self.serial = SerialPort(
            send, lambda level: self.controllers.set_line(uart.SERIAL_1_IRQ, level)
        )
        self._waiting = bytearray()

    def type(self, data: bytes) -> None:
        """Bytes arrive at the console; what the FIFO cannot take waits."""
        self._waiting += data
        self.feed()

    def feed(self) -> None:
        room = self.serial.room
        if room and self._waiting:
            part, self._waiting = self._waiting[:room], self._waiting[room:]
            self.serial.receive(bytes(part))

    def regions(self) -> list[Region]:
        """All of their ports."""
        found = [
            _played(uart.SERIAL_1, "serial 1", self._serial_read, self.serial.write),
            _played(cmos.PORTS, "real-time clock", self.clock.read, self.clock.write),
            _played(pit.PORTS, "interval timer", self.timer.read, self.timer.write),
            _played(
                Span(pit.PORT_B.start, 1),
                "port B",
                lambda number: self.timer.read_port_b(),
                lambda number, value: self.timer.write_port_b(value),
            ),
        ]
        read, write = self.controllers.read, self.controllers.write
        for span in (pic.FIRST, pic.SECOND, pic.TRIGGER):
            found.append(_played(span, "interrupt controllers", read, write, span.start))
        return found

    def _serial_read(self, register: int) -> int:
        value = self.serial.read(register)
        if self._waiting and register == uart.DATA:
            self.feed()
        return value


def _played(span: Span, by: str, read: Reader, write: Writer, first: int = 0) -> Region:
    """Ports of a played device, which numbers them from `first`."""
    return played(span, by, _access(span.start - first, read, write))


def _access(base: int, read: Reader, write: Writer) -> Access:
    """Bytes alone: wider accesses are divided before."""

    def access(port: int, size: int, value: int | None) -> int:
        if value is None:
            return read(port - base)
        write(port - base, value)
        return 0

    return access


def forwarded(name: str, span: Span, read: Reader, write: Writer) -> Region:
    """Ports of a device of the machine that the instance owns: each access is passed on."""
    return ports(span, name, _access(0, read, write))


class Ports:
    """The I/O space of one hose of one instance.

    `skip` lets time pass; `left` says how long until the timer's output, if it is waited for;
    `refuse` records what nobody answers.
    """

    def __init__(
        self,
        regions: PhysicalMap,
        frequency: int,
        skip: Callable[[int], None],
        left: Callable[[], int | None],
        absent: Callable[[int], None],
    ) -> None:
        self._regions = regions
        self._answering: dict[int, Access] = {}  # by port, once it was asked for
        self._cost = frequency * _ISA_CYCLE // _NANOSECONDS
        self._skip = skip
        self._left = left
        self._absent = absent

    def access(self, physical: int, size: int, value: int | None) -> int:
        """A load (value None) or store of some ports, one by one."""
        number = physical & tsunami.PCI_IO.size - 1
        if size == 1:
            return self._one(number, value)
        result = 0
        for at in range(size):
            part = None if value is None else value >> 8 * at & tsunami.FREE_PORT
            result |= self._one(number + at, part) << 8 * at
        return result

    def _one(self, number: int, value: int | None) -> int:
        try:
            access = self._answering[number]
        except KeyError:
            region = self._regions.find(number)
            if region is None or region.access is None:
                # Not kept: there are 2**25 such numbers, and an instance may ask for them all.
                self._absent(number)
                return tsunami.FREE_PORT
            access = self._answering[number] = region.access
        cost = self._cost
        if value is not None:
            access(number, 1, value)
            self._skip(cost)
            return 0
        if number == pit.PORT_B.start:
            cost = max(cost, (self._left() or 0) // _WAITING_PART)
        self._skip(cost)
        return access(number, 1, None)
