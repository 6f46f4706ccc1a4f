"""What does a partition table say, before anybody has asked whether the machine can do it?"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from septum.partitions.findings import Finding, Where
from septum.partitions.model import MemorySlice, Processors
from septum.partitions.places import Places
from septum.settings import PciBus
from septum.units import PciAddress

T = TypeVar("T")


class Item(NamedTuple, Generic[T]):
    """One element of a list: what it means, and the word it was written as."""

    value: T
    word: str


class DraftInstance(NamedTuple):
    """One instance as read; None where the file says nothing that could be read.

    Its fields are the keys of settings.section("instance"): the reader fills them by name.
    """

    name: str
    kernel: str | None  # absolute path
    initrd: str | None  # absolute path
    command_line: str
    memory: MemorySlice | None
    processors: Processors | None
    functions: tuple[Item[PciAddress], ...]
    buses: tuple[Item[PciBus], ...]
    without_reset: tuple[Item[PciAddress], ...]
    on_reboot: str
    on_crash: str
    restart_delay: float
    restart_limit: int
    restart_within: float
    isa: tuple[Item[str], ...]
    present: tuple[Item[tuple[PciBus, PciBus]], ...]
    interrupts: str
    log_size: int
    log_count: int
    nested: bool


class Draft(NamedTuple):
    """A table as read, and what reading it found."""

    path: str
    places: Places
    platform: str
    instances: tuple[DraftInstance, ...]
    findings: tuple[Finding, ...]
    computer: str

    def where(self, *key: str, word: str = "") -> Where:
        """The place of a key, or of a word in its value."""
        return Where(self.path, self.places.line(key, word), ".".join(key))
