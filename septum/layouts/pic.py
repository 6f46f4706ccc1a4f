"""What does a PC's pair of interrupt controllers look like? Source: Intel 8259A, "Programming".

Where the two stand, and the edge/level registers: Intel 82378 (SIO), 4.6.
"""

from __future__ import annotations

from septum.units import Span

FIRST = Span(0x20, 2)  # command, data
SECOND = Span(0xA0, 2)
TRIGGER = Span(0x4D0, 2)  # ELCR: a bit a line, 1 = level
CASCADE = 2  # the line of the first that the second is on
LINES = 8
SPURIOUS = 7  # the line answered when there is none
ALL = 0xFF
LINE_BITS = 0x7

# Command port
INITIALIZE = 0x10  # ICW1
NEEDS_ICW4 = 0x01
SINGLE = 0x02
LEVEL_TRIGGERED = 0x08
OCW3 = 0x08
VECTOR_BASE_BITS = 0xF8  # ICW2
AUTOMATIC_END = 0x02  # ICW4

# OCW2: R, SL, EOI in bits 7:5, the line in 2:0
END = 0x20
SPECIFIC = 0x40
ROTATE = 0x80

# OCW3
READ_REGISTER = 0x02
READ_SERVICE = 0x01  # with READ_REGISTER: ISR, else IRR
POLL = 0x04
MASK_MODE = 0x40  # the next bit says special mask mode
SPECIAL_MASK = 0x20
POLLED = 0x80  # the answer to a poll: there is one
