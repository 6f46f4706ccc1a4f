"""What does a PC's real-time clock look like? Source: Motorola MC146818A, tables 1 to 3."""

from __future__ import annotations

from septum.units import Span

PORTS = Span(0x70, 2)  # index, data
IRQ = 8
INDEX_BITS = 0x7F  # bit 7 of the index port masks the NMI on a PC

SECONDS, MINUTES, HOURS = 0x00, 0x02, 0x04
DAY_OF_WEEK, DAY, MONTH, YEAR = 0x06, 0x07, 0x08, 0x09
STATUS_A, STATUS_B, STATUS_C, STATUS_D = 0x0A, 0x0B, 0x0C, 0x0D
CENTURY = 0x32  # where PCs keep it; the FADT names it

DIVIDER_32_KHZ = 0x26
HOURS_24 = 0x02
VALID = 0x80

UPDATE_IN_PROGRESS = 0x80  # of STATUS_A: the time is about to change
RATE_BITS = 0x0F  # of STATUS_A: a periodic interrupt every 2**(rate - 1) / 32768 s
DIVIDER_BITS = 0x70  # of STATUS_A
DIVIDER_RUNNING = 0x20  # the only divider a 32 kHz crystal runs with
CRYSTAL_HZ = 32768
FASTEST_RATE = 3  # rates 1 and 2 are as slow as 8 and 9. Table 5
SLOW_RATES = 7  # what is added to 1 and 2
UPDATE_CRYSTAL_TICKS = 73  # 244 us of warning and 1984 us of update. Figure 16

PERIODIC_ENABLE = 0x40  # of STATUS_B
ALARM_ENABLE = 0x20
UPDATE_ENABLE = 0x10
SETTING = 0x80  # of STATUS_B: the clock stands still while it is set
BINARY = 0x04

REQUEST = 0x80  # of STATUS_C; reading it clears all of it
PERIODIC = 0x40
UPDATED = 0x10
