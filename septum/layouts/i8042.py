"""What does a PC's keyboard controller look like? Source: IBM PC AT Technical Reference, 1-41."""

from __future__ import annotations

DATA_PORT = 0x60
COMMAND_PORT = 0x64  # status when read

STATUS_EMPTY = 0x00  # no output byte, input buffer free: commands are taken, nothing is attached
PULSE, PULSE_MASK = 0xF0, 0xF0  # commands: pulse those output lines whose bit is 0
PULSE_NOT_RESET = 0x01  # line 0 resets the processor

SYSTEM_CONTROL = 0x61  # port B: PIT channel 2 and speaker
DELAY = 0x80  # POST code port, written to as a delay
