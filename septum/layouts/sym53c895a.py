"""How is a 53C895A SCSI controller made to move memory? Its registers, and its own instructions.

LSI53C895A PCI to Ultra2 SCSI Controller, Technical Manual: chapter 4 (registers), chapter 5
(SCRIPTS instructions). The controller fetches instructions by itself, as a bus master, from
where DSP says.
"""

from __future__ import annotations

REGISTERS_BAR, RAM_BAR = 1, 2  # both memory; BAR 0 has the registers as ports

DSTAT = 0x0C  # why the script stopped; reading clears it
DSP = 0x2C  # writing its last byte starts the script

DMA_FIFO_EMPTY = 0x80
SCRIPT_INTERRUPT = 0x04  # it came to an interrupt instruction

MEMORY_MOVE = 0xC0000000  # bits 23:0 how many bytes; then from where, and to where
INTERRUPT = 0x98080000  # whatever was compared; then a number for the driver


def moving(source: int, destination: int, size: int) -> tuple[int, ...]:
    """A script that moves `size` bytes between bus addresses, and stops."""
    return MEMORY_MOVE | size, source, destination, INTERRUPT, 0
