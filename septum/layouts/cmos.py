"""What does a PC's real-time clock look like? Source: Motorola MC146818A, tables 1 to 3."""

from __future__ import annotations

from septum.units import Span

PORTS = Span(0x70, 2)  # index, data
INDEX_BITS = 0x7F  # bit 7 of the index port masks the NMI on a PC

SECONDS, MINUTES, HOURS = 0x00, 0x02, 0x04
DAY_OF_WEEK, DAY, MONTH, YEAR = 0x06, 0x07, 0x08, 0x09
STATUS_A, STATUS_B, STATUS_C, STATUS_D = 0x0A, 0x0B, 0x0C, 0x0D
CENTURY = 0x32  # where PCs keep it; the FADT names it

DIVIDER_32_KHZ = 0x26
HOURS_24 = 0x02
VALID = 0x80
