"""What does a 16550A UART look like? Source: National Semiconductor PC16550D, section 8."""

from __future__ import annotations

from septum.units import Span

SERIAL_1 = Span(0x3F8, 8)  # COM1
SERIAL_1_GSI = 4
SERIAL_2 = Span(0x2F8, 8)  # COM2
SERIAL_1_IRQ, SERIAL_2_IRQ = 4, 3

# Register numbers (offset from the base port); some change with DLAB or with the direction
DATA = 0  # RBR when read, THR when written; divisor latch low when DLAB
INTERRUPT_ENABLE = 1  # divisor latch high when DLAB
INTERRUPT_IDENTIFICATION = 2  # when read
FIFO_CONTROL = 2  # when written
LINE_CONTROL = 3
MODEM_CONTROL = 4
LINE_STATUS = 5
MODEM_STATUS = 6
SCRATCH = 7

ENABLE_RECEIVED = 0x01
ENABLE_TRANSMITTER_EMPTY = 0x02
ENABLE_LINE_STATUS = 0x04
ENABLE_MODEM_STATUS = 0x08
ENABLE_BITS = 0x0F

NO_INTERRUPT = 0x01
TRANSMITTER_EMPTY = 0x02
RECEIVED_DATA = 0x04
FIFOS_ENABLED = 0xC0

FIFO_ENABLE = 0x01
FIFO_CLEAR_RECEIVE = 0x02

DIVISOR_ACCESS = 0x80  # DLAB, of LINE_CONTROL

OUT2 = 0x08  # of MODEM_CONTROL: on a PC it gates the interrupt line
LOOPBACK = 0x10
MODEM_CONTROL_BITS = 0x1F

DATA_READY = 0x01
OVERRUN = 0x02
TRANSMITTER_IDLE = 0x60  # THRE and TEMT

CARRIER_CTS_DSR = 0xB0  # DCD, DSR and CTS of MODEM_STATUS: somebody is there
FIFO_SIZE = 16
