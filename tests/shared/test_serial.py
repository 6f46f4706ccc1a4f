"""Does the serial port answer as a 16550A does? National Semiconductor PC16550D, section 8."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.layouts import uart
from septum.shared.serial import SerialPort


class Line:
    """The far end: what was sent, and every change of the interrupt line."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.levels: list[int] = []
        self.port = SerialPort(self.sent.append, self.levels.append)

    @property
    def level(self) -> int:
        return self.levels[-1] if self.levels else 0


def test_what_is_written_is_sent_and_the_transmitter_is_always_empty() -> None:
    line = Line()
    for value in b"Hi":
        assert line.port.read(uart.LINE_STATUS) == uart.TRANSMITTER_IDLE
        line.port.write(uart.DATA, value)
    assert line.sent == b"Hi" and not line.levels


def test_it_is_a_16550a_to_linux() -> None:
    """drivers/tty/serial/8250: scratch keeps, IER keeps four bits, FIFOs come on at the asking."""
    port = Line().port
    port.write(uart.SCRATCH, 0xAA)
    assert port.read(uart.SCRATCH) == 0xAA
    port.write(uart.INTERRUPT_ENABLE, 0xFF)
    assert port.read(uart.INTERRUPT_ENABLE) == 0x0F
    port.write(uart.INTERRUPT_ENABLE, 0)
    assert port.read(uart.INTERRUPT_IDENTIFICATION) == 0x01
    port.write(uart.FIFO_CONTROL, 0x01)
    assert port.read(uart.INTERRUPT_IDENTIFICATION) == 0xC1
    port.write(uart.FIFO_CONTROL, 0x00)
    assert port.read(uart.INTERRUPT_IDENTIFICATION) == 0x01


def test_the_divisor_hides_data_and_interrupt_enable() -> None:
    line = Line()
    line.port.write(uart.INTERRUPT_ENABLE, 0x01)
    line.port.write(uart.LINE_CONTROL, 0x83)
    line.port.write(0, 0x0C)
    line.port.write(1, 0x00)
    assert (line.port.read(0), line.port.read(1)) == (0x0C, 0x00)
    line.port.write(uart.LINE_CONTROL, 0x03)
    assert line.port.read(uart.LINE_CONTROL) == 0x03
    assert line.port.read(uart.INTERRUPT_ENABLE) == 0x01 and not line.sent


def test_reception_raises_the_line_until_it_is_read() -> None:
    line = Line()
    line.port.receive(b"a")
    assert line.level == 0, "received data does not interrupt before it is asked for"
    line.port.write(uart.INTERRUPT_ENABLE, uart.ENABLE_RECEIVED)
    assert line.level == 1
    assert line.port.read(uart.INTERRUPT_IDENTIFICATION) == 0x04
    assert line.port.read(uart.LINE_STATUS) == 0x61
    assert line.port.read(uart.DATA) == ord("a")
    assert line.level == 0 and line.port.read(uart.LINE_STATUS) == 0x60
    assert line.port.read(uart.DATA) == 0


def test_the_fifo_has_sixteen_places_and_can_be_emptied() -> None:
    line = Line()
    line.port.write(uart.INTERRUPT_ENABLE, uart.ENABLE_RECEIVED)
    assert line.port.room == 16
    line.port.receive(bytes(range(16)))
    assert line.port.room == 0
    line.port.write(uart.FIFO_CONTROL, 0x03)
    assert line.port.room == 16 and line.level == 0


def test_asking_for_an_empty_transmitter_interrupts_at_once() -> None:
    """8.6.4: reading the identification acknowledges it; Linux waits for this edge."""
    line = Line()
    line.port.write(uart.INTERRUPT_ENABLE, uart.ENABLE_TRANSMITTER_EMPTY)
    assert line.level == 1
    assert line.port.read(uart.INTERRUPT_IDENTIFICATION) == 0x02
    assert line.level == 0
    assert line.port.read(uart.INTERRUPT_IDENTIFICATION) == 0x01


def test_each_byte_sent_is_an_edge_of_its_own() -> None:
    line = Line()
    line.port.write(uart.INTERRUPT_ENABLE, uart.ENABLE_TRANSMITTER_EMPTY)
    line.levels.clear()
    line.port.write(uart.DATA, 65)
    line.port.write(uart.DATA, 66)
    assert line.levels == [0, 1, 0, 1]


def test_reception_comes_before_transmission() -> None:
    line = Line()
    line.port.write(uart.INTERRUPT_ENABLE, 0x03)
    line.port.receive(b"x")
    assert line.port.read(uart.INTERRUPT_IDENTIFICATION) == 0x04
    line.port.read(uart.DATA)
    assert line.level == 1
    assert line.port.read(uart.INTERRUPT_IDENTIFICATION) == 0x02


def test_loopback_sends_nothing_and_reads_back() -> None:
    line = Line()
    line.port.write(uart.MODEM_CONTROL, 0x1F)
    assert line.port.read(uart.MODEM_STATUS) == 0xF0
    line.port.write(uart.MODEM_CONTROL, 0x10 | 0x02 | 0x08)  # RTS is CTS, OUT2 is DCD
    assert line.port.read(uart.MODEM_STATUS) == 0x90
    for value in range(17):
        line.port.write(uart.DATA, value)
    assert not line.sent
    assert line.port.read(uart.LINE_STATUS) & 0x02, "the seventeenth byte is an overrun"
    assert not line.port.read(uart.LINE_STATUS) & 0x02, "which is told once"
    assert [line.port.read(uart.DATA) for _ in range(16)] == list(range(16))
    line.port.write(uart.MODEM_CONTROL, 0x0B)
    assert line.port.read(uart.MODEM_STATUS) == 0xB0


accesses = some.lists(
    some.one_of(
        some.tuples(some.just("write"), some.integers(0, 7), some.integers(0, 255)),
        some.tuples(some.just("read"), some.integers(0, 7), some.just(0)),
        some.tuples(some.just("receive"), some.integers(1, 16), some.just(0)),
    ),
    max_size=60,
)


@given(accesses)
def test_whatever_is_written_line_and_identification_agree(
    steps: list[tuple[str, int, int]],
) -> None:
    line = Line()
    for what, number, value in steps:
        if what == "write":
            line.port.write(number, value)
        elif what == "read":
            assert 0 <= line.port.read(number) <= 0xFF
        else:
            line.port.receive(bytes(min(number, line.port.room)))
        assert 0 <= line.port.room <= 16
        before = line.level
        interrupts = not line.port.read(uart.INTERRUPT_IDENTIFICATION) & uart.NO_INTERRUPT
        assert interrupts == bool(before)
    assert all(one != other for one, other in zip(line.levels, line.levels[1:], strict=False))
