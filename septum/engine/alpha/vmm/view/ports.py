"""Who answers an I/O port of an instance? Its played ISA devices; the dedicated ones; nobody.

Played for each instance: console, clock, timer, interrupt controllers. A port access takes as
long as on an ISA bus. Waiting for the timer's output takes time in longer steps: nothing else
would happen meanwhile, and each step is an exit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.layouts import cmos, pic, pit, tsunami, uart
from septum.shared.clock import PeriodicClock
from septum.shared.pic import InterruptControllers
from septum.shared.serial import SerialPort
from septum.shared.timer import IntervalTimer
from septum.units import Span

BASE_YEAR = 1980  # what this board's firmware counts the clock's years from
_NANOSECONDS = 1_000_000_000
_ISA_CYCLE = 1000  # nanoseconds: eight cycles of 8.33 MHz
_WAITING_PART = 8  # of what is left until the output rises

Reader = Callable[[int], int]
Writer = Callable[[int, int], None]


class Port(NamedTuple):
    """Who answers one port, by a number of its own."""

    read: Reader
    write: Writer
    number: int


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

    def ports(self) -> dict[int, Port]:
        """All of their ports."""
        found: dict[int, Port] = {}
        _add(found, uart.SERIAL_1, self._serial_read, self.serial.write)
        _add(found, cmos.PORTS, self.clock.read, self.clock.write)
        _add(found, pit.PORTS, self.timer.read, self.timer.write)
        for span in (pic.FIRST, pic.SECOND, pic.TRIGGER):
            _add(found, span, self.controllers.read, self.controllers.write, span.start)
        port_b = pit.PORT_B.start
        found[port_b] = Port(
            lambda number: self.timer.read_port_b(),
            lambda number, value: self.timer.write_port_b(value),
            0,
        )
        return found

    def _serial_read(self, register: int) -> int:
        value = self.serial.read(register)
        if self._waiting and register == uart.DATA:
            self.feed()
        return value


def _add(
    found: dict[int, Port], span: Span, read: Reader, write: Writer, first: int = 0
) -> None:
    for number in range(span.size):
        found[span.start + number] = Port(read, write, first + number)


def forwarded(span: Span, read: Reader, write: Writer) -> dict[int, Port]:
    """Ports of a device of the machine that the instance owns: each access is passed on."""
    found: dict[int, Port] = {}
    _add(found, span, read, write, span.start)
    return found


class Ports:
    """The I/O space of one hose of one instance.

    `skip` lets time pass; `left` says how long until the timer's output, if it is waited for;
    `refuse` records what nobody answers.
    """

    def __init__(
        self,
        ports: dict[int, Port],
        frequency: int,
        skip: Callable[[int], None],
        left: Callable[[], int | None],
        absent: Callable[[int], None],
    ) -> None:
        self._ports = ports
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
        port = self._ports.get(number)
        if port is None:
            self._absent(number)
            return tsunami.FREE_PORT
        cost = self._cost
        if value is not None:
            port.write(port.number, value)
            self._skip(cost)
            return 0
        if number == pit.PORT_B.start:
            cost = max(cost, (self._left() or 0) // _WAITING_PART)
        self._skip(cost)
        return port.read(port.number)
