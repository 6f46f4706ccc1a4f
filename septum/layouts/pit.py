"""What does a PC's interval timer look like? Source: Intel 8254, "Programming the 8254"."""

from __future__ import annotations

from septum.units import Span

PORTS = Span(0x40, 4)  # counters 0, 1, 2; control
CONTROL = 3  # offset of the control port
HZ = 1_193_182  # 14.31818 MHz / 12
IRQ = 0  # of counter 0
COUNTERS = 3
TONE = 2  # the counter whose gate and output port B has

COUNT_BITS = 0xFFFF
BYTE = 0xFF

# Control word: SC1:0, RW1:0, M2:0, BCD
SELECT_SHIFT = 6
ACCESS_SHIFT = 4
MODE_SHIFT = 1
TWO_BITS = 0x3
MODE_BITS = 0x7
READ_BACK = 3  # of SC
LATCH, LOW, HIGH, LOW_THEN_HIGH = 0, 1, 2, 3  # RW

TERMINAL_COUNT, ONE_SHOT, RATE, SQUARE_WAVE, STROBE, TRIGGERED_STROBE = range(6)

# Read-back command and status byte
KEEP_COUNT = 0x20  # do not latch the count
KEEP_STATUS = 0x10
READ_BACK_SHIFT = 1  # bit of counter 0
STATUS_OUTPUT = 0x80
STATUS_NULL_COUNT = 0x40

# Port B (IBM PC AT Technical Reference, 1-41), at i8042.SYSTEM_CONTROL
PORT_B = Span(0x61, 1)
GATE = 0x01
SPEAKER = 0x02
PORT_B_KEPT = 0x0F
REFRESH = 0x10  # turns with every memory refresh, each 15 us
OUTPUT = 0x20
REFRESH_TICKS = 18
