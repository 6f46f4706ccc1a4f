"""What does an x86 interrupt message say? Intel SDM volume 3, 11.11 (APIC message formats)."""

from __future__ import annotations

from septum.layouts.register import Field, Register


class MessageAddress(Register, offset=0, width=64):
    """Intel SDM 3, 11.11.1."""

    destination_mode = Field(2)
    redirection_hint = Field(3)
    destination = Field(19, 12)  # an APIC id
    area = Field(63, 20)


class MessageData(Register, offset=0, width=32):
    """Intel SDM 3, 11.11.2."""

    vector = Field(7, 0)
    delivery_mode = Field(10, 8)
    level = Field(14)
    trigger_mode = Field(15)


AREA = 0xFEE  # the area of every message to a processor
VECTORED = (0, 1)  # delivery modes fixed and lowest priority
FIRST_VECTOR = 16  # those below are exceptions'. Intel SDM 3, 11.5.2
