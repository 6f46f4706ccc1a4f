"""What does a PC's keyboard controller look like? Source: IBM PC AT Technical Reference, 1-41."""

from __future__ import annotations

DATA_PORT = 0x60
COMMAND_PORT = 0x64  # status when read

STATUS_EMPTY = 0x00  # no output byte, input buffer free: commands are taken, nothing is attached
PULSE_RESET = 0xFE  # command: pulse the processor's reset line

SYSTEM_CONTROL = 0x61  # port B: PIT channel 2 and speaker
DELAY = 0x80  # POST code port, written to as a delay
