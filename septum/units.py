"""Which numbers must not be mixed up?"""

from __future__ import annotations

import math
import re
from typing import NamedTuple, NewType

GuestAddress = NewType("GuestAddress", int)  # guest-physical, bytes
HostAddress = NewType("HostAddress", int)  # virtual, in this process, bytes

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30
PAGE = 4 * KiB
HUGE_PAGE = 2 * MiB

_PCI_ADDRESS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7])", re.I)
_SIZE = re.compile(r"(\d+)\s*(|[KMGT])(?:i?B)?", re.I)
_FACTORS = {"": 1, "K": KiB, "M": MiB, "G": GiB, "T": GiB << 10}
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?", re.I)
_SECONDS = (86400, 3600, 60, 1)  # of a day, an hour, a minute, a second
LONGEST_DURATION = 86400 * 7  # seconds; more is a slip of the finger


class PciAddress(NamedTuple):
    """Where a function stands: domain, bus, device, function. Sorts as lspci does."""

    domain: int
    bus: int
    device: int
    function: int

    @classmethod
    def parse(cls, text: str) -> PciAddress:
        """Read "0000:01:00.0" or "01:00.0"; ValueError when it is neither."""
        match = _PCI_ADDRESS.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a PCI address such as 0000:01:00.0")
        domain, bus, device, function = match.groups()
        return cls(int(domain or "0", 16), int(bus, 16), int(device, 16), int(function, 16))

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}:{self.device:02x}.{self.function:x}"


class Span(NamedTuple):
    """A run of addresses (memory or ports): start and size in bytes."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.start + self.size

    def contains(self, address: int) -> bool:
        return self.start <= address < self.start + self.size

    def overlaps(self, other: Span) -> bool:
        return self.start < other.start + other.size and other.start < self.start + self.size

    def __str__(self) -> str:
        return f"{self.start:#x}-{self.start + self.size - 1:#x}"


def parse_size(text: str | int) -> int:
    """Bytes of "512M", "2 GiB", "4096" or 4096; ValueError when it is none of these."""
    if isinstance(text, int):
        return text
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 512M or 2G")
    return int(match[1]) * _FACTORS[match[2].upper()]


def size_text(size: int) -> str:
    """The shortest exact text of a number of bytes: 512M, 2G, 100."""
    for letter in "TGMK":
        if size and size % _FACTORS[letter] == 0:
            return f"{size // _FACTORS[letter]}{letter}"
    return str(size)


def parse_duration(text: object) -> float:
    """Seconds of "60s", "2m", "1h30m", "90" or 90; ValueError: none of these, or over a week."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        if not 0 <= text <= LONGEST_DURATION:  # so is what is no number
            raise ValueError(f"{text} is not between 0 and {LONGEST_DURATION} seconds, a week")
        return float(text)
    match = _DURATION.fullmatch("".join(text.split())) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is not a time such as 60s or 2m")
    pairs = zip(match.groups(), _SECONDS, strict=True)
    seconds = sum(float(number) * factor for number, factor in pairs if number)
    if seconds > LONGEST_DURATION:
        raise ValueError(f"{text!r} is more than a week")
    return seconds


def duration_text(seconds: float) -> str:
    """A number of seconds as parse_duration() reads it: 60s is 1m, 0.5s."""
    text = ""
    whole = math.floor(seconds)
    for letter, factor in zip("dhm", _SECONDS, strict=False):
        if whole >= factor:
            text += f"{whole // factor}{letter}"
            seconds -= whole // factor * factor
            whole %= factor
    return text if text and not seconds else f"{text}{seconds:g}s"


def align_up(value: int, step: int) -> int:
    return (value + step - 1) // step * step


def align_down(value: int, step: int) -> int:
    return value // step * step
