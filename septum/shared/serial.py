"""What does an instance's serial port answer? A 16550A, as pure state.

Transmission takes no time: what the OS writes is handed on at once and the transmitter is empty
again. Reception is limited to the FIFO's sixteen bytes; more waits with the caller.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import uart


class SerialPort:
    """One UART. `send` gets each byte the OS writes; `line` the level of its interrupt line."""

    def __init__(self, send: Callable[[int], None], line: Callable[[int], None]) -> None:
        self._send = send
        self._line = line
        self._level = 0
        self._received = bytearray()
        self._overrun = 0
        self._transmitter_pending = False
        self._interrupt_enable = 0
        self._fifo_control = 0
        self._line_control = 0
        self._modem_control = 0
        self._scratch = 0
        self._divisor = bytearray(2)

    @property
    def room(self) -> int:
        """Bytes it can take now."""
        return uart.FIFO_SIZE - len(self._received)

    def receive(self, data: bytes) -> None:
        """Bytes arrive on the line; at most `room` of them."""
        self._received += data
        self._update()

    def read(self, register: int) -> int:
        """A read of one byte-wide register, 0 to 7."""
        if register == uart.LINE_STATUS:
            # First, because a console write polls it before every byte.
            ready = uart.DATA_READY if self._received else 0
            overrun, self._overrun = self._overrun, 0
            return uart.TRANSMITTER_IDLE | ready | overrun
        if register <= uart.INTERRUPT_ENABLE and self._line_control & uart.DIVISOR_ACCESS:
            return self._divisor[register]
        if register == uart.DATA:
            value = self._received.pop(0) if self._received else 0
            self._update()
            return value
        if register == uart.INTERRUPT_IDENTIFICATION:
            return self._identify()
        if register == uart.MODEM_STATUS:
            return self._modem_status()
        return {
            uart.INTERRUPT_ENABLE: self._interrupt_enable,
            uart.LINE_CONTROL: self._line_control,
            uart.MODEM_CONTROL: self._modem_control,
            uart.SCRATCH: self._scratch,
        }[register]

    def write(self, register: int, value: int) -> None:
        """A write of one byte-wide register, 0 to 7."""
        if register <= uart.INTERRUPT_ENABLE and self._line_control & uart.DIVISOR_ACCESS:
            self._divisor[register] = value
            return
        if register == uart.DATA:
            self._transmit(value)
        elif register == uart.INTERRUPT_ENABLE:
            risen = value & ~self._interrupt_enable
            self._interrupt_enable = value & uart.ENABLE_BITS
            if risen & uart.ENABLE_TRANSMITTER_EMPTY:
                self._transmitter_pending = True
        elif register == uart.FIFO_CONTROL:
            self._fifo_control = value
            if value & uart.FIFO_CLEAR_RECEIVE:
                self._received.clear()
        elif register == uart.LINE_CONTROL:
            self._line_control = value
        elif register == uart.MODEM_CONTROL:
            self._modem_control = value & uart.MODEM_CONTROL_BITS
        elif register == uart.SCRATCH:
            self._scratch = value
        self._update()

    def _transmit(self, value: int) -> None:
        if self._modem_control & uart.LOOPBACK:
            if self.room:
                self._received.append(value)
            else:
                self._overrun = uart.OVERRUN
        else:
            self._send(value)
        if self._interrupt_enable & uart.ENABLE_TRANSMITTER_EMPTY:
            # Not empty for an instant: the edge-triggered line must fall before it rises again.
            self._transmitter_pending = False
            self._update()
            self._transmitter_pending = True

    def _identify(self) -> int:
        fifos = uart.FIFOS_ENABLED if self._fifo_control & uart.FIFO_ENABLE else 0
        if self._received and self._interrupt_enable & uart.ENABLE_RECEIVED:
            return uart.RECEIVED_DATA | fifos
        if self._transmitter_pending and self._interrupt_enable & uart.ENABLE_TRANSMITTER_EMPTY:
            self._transmitter_pending = False  # reading it acknowledges it (8.6.4)
            self._update()
            return uart.TRANSMITTER_EMPTY | fifos
        return uart.NO_INTERRUPT | fifos

    def _modem_status(self) -> int:
        if not self._modem_control & uart.LOOPBACK:
            return uart.CARRIER_CTS_DSR
        # In loopback DTR, RTS, OUT1 and OUT2 come back as DSR, CTS, RI and DCD (8.6.7).
        control = self._modem_control
        dtr, rts, out1, out2 = (control >> bit & 1 for bit in range(4))
        return rts << 4 | dtr << 5 | out1 << 6 | out2 << 7

    def _update(self) -> None:
        pending = (bool(self._received) and self._interrupt_enable & uart.ENABLE_RECEIVED) or (
            self._transmitter_pending and self._interrupt_enable & uart.ENABLE_TRANSMITTER_EMPTY
        )
        level = 1 if pending else 0
        if level != self._level:
            self._level = level
            self._line(level)
