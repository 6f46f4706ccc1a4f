"""What does a PC's south bridge have to reset it? Source: Intel ICH9 datasheet (316972).

Only what is played: the reset control register, which Linux and firmware's FADT write to.
"""

from __future__ import annotations

from septum.layouts.register import Field, Register


class ResetControl(Register, offset=0xCF9, width=8):
    """RST_CNT: what is reset is decided when reset_processor goes from 0 to 1. 13.7.5.

    With system_reset all of the board is reset, with full_reset its power is cut for seconds;
    without either only the processor is, which then runs firmware all the same.
    """

    system_reset = Field(1)
    reset_processor = Field(2)
    full_reset = Field(3)
