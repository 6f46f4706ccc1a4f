"""What stands behind the ISA bridge? Two serial ports, clock, timer and interrupt controllers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from septum.engine.alpha.computer.description import CLOCK, CONTROLLERS, SERIAL_0, SERIAL_1, TIMER
from septum.engine.alpha.computer.devices.hose import Hose, Port
from septum.layouts import cmos, pic, pit, uart
from septum.shared.clock import PeriodicClock
from septum.shared.pic import InterruptControllers
from septum.shared.serial import SerialPort
from septum.shared.timer import IntervalTimer
from septum.units import Span

BASE_YEAR = 1980  # what this board's firmware counts the clock's years from
SERIAL = ((uart.SERIAL_1, uart.SERIAL_1_IRQ), (uart.SERIAL_2, uart.SERIAL_2_IRQ))


class SerialLine:
    """A serial port of the machine and the far end of its cable: what came out so far."""

    def __init__(self, line: Callable[[int], None]) -> None:
        self.sent = bytearray()
        self.sink: Callable[[int], None] = self.sent.append
        self.port = SerialPort(self._sent, line)
        self._waiting = bytearray()

    def _sent(self, value: int) -> None:
        self.sink(value)

    def type(self, data: bytes) -> None:
        """Bytes arrive on the cable; what the FIFO cannot take waits."""
        self._waiting += data
        self._feed()

    def _feed(self) -> None:
        room = self.port.room
        if room and self._waiting:
            part, self._waiting = self._waiting[:room], self._waiting[room:]
            self.port.receive(bytes(part))

    def read(self, register: int) -> int:
        value = self.port.read(register)
        if register == uart.DATA and self._waiting:
            self._feed()
        return value


class IsaBus:
    """The devices behind the bridge of one hose.

    `output` gets the level of the interrupt controllers' pin, `interval` is called for each
    edge of the clock's periodic interrupt.
    """

    def __init__(
        self,
        cycles: Callable[[], int],
        frequency: int,
        start: float,
        output: Callable[[int], None],
        interval: Callable[[], None],
    ) -> None:
        self.controllers = InterruptControllers(output)
        self.timer = IntervalTimer(cycles, frequency)
        self.clock = PeriodicClock(cycles, frequency, start, BASE_YEAR)
        self.serial = tuple(
            SerialLine(partial(self.controllers.set_line, irq)) for _, irq in SERIAL
        )
        self._interval = interval

    @property
    def next_event(self) -> int | None:
        """The cycle of the clock's next interrupt."""
        return self.clock.next_tick

    def advance(self) -> None:
        """Interrupts of the clock that fell due: edges that come together are one."""
        if self.clock.take_ticks():
            self._interval()

    def connect(self, hose: Hose, names: tuple[str, ...]) -> None:
        """Put the devices of these names at their ports; the others are not there."""
        for name, line, (span, _) in zip(
            (SERIAL_0, SERIAL_1), self.serial, SERIAL, strict=True
        ):
            if name in names:
                _add(hose, span, line.read, line.port.write)
        if TIMER in names:
            _add(hose, pit.PORTS, self.timer.read, self.timer.write)
            port_b = Port(self.timer.read_port_b, self.timer.write_port_b)
            hose.add_ports(pit.PORT_B.start, [port_b])
        if CLOCK in names:
            _add(hose, cmos.PORTS, self.clock.read, self.clock.write)
        if CONTROLLERS in names:
            self._connect_controllers(hose)

    def _connect_controllers(self, hose: Hose) -> None:
        for span in (pic.FIRST, pic.SECOND, pic.TRIGGER):
            for port in range(span.start, span.end):
                read = partial(self.controllers.read, port)
                hose.add_ports(port, [Port(read, partial(self.controllers.write, port))])


def _add(
    hose: Hose, span: Span, read: Callable[[int], int], write: Callable[[int, int], None]
) -> None:
    ports = [Port(partial(read, step), partial(write, step)) for step in range(span.size)]
    hose.add_ports(span.start, ports)
