"""What does the VMM say to one access or to one proposed translation? [0026], [0031]"""

from __future__ import annotations

from typing import NamedTuple


class Accept(NamedTuple):
    """Let it be done on the device as asked; for a translation, install it."""


class Modify(NamedTuple):
    """Do it on the device with this value instead (a write), or after masking (a read)."""

    value: int
    why: str


class Emulate(NamedTuple):
    """The device is not asked: this is the answer (reads); writes were kept or dropped."""

    value: int
    why: str = ""


class Reject(NamedTuple):
    """Refused: reads see all ones of the access's width, writes are dropped."""

    why: str


Verdict = Accept | Modify | Emulate | Reject


def all_ones(width: int) -> int:
    """What an absent thing answers to a read of this many bytes. PCI 3.0, 3.2.2.3.4."""
    return (1 << 8 * width) - 1
