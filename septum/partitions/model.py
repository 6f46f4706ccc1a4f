"""Who owns what? The records a partition table is made of; plain values, already checked."""

from __future__ import annotations

from typing import NamedTuple

from septum.settings import PciBus, default
from septum.units import PciAddress


class Processors(NamedTuple):
    """Processors of the machine an instance runs on, and how many it finds."""

    numbers: tuple[int, ...]
    own: bool  # nobody else's
    weight: int  # share of time against other instances, 1 to 10000 (cgroup v2 cpu.weight)
    count: int = default("processors", "count")  # type: ignore[assignment]  # 0: all named

    @property
    def found(self) -> int:
        """How many processors the instance finds."""
        return self.count or len(self.numbers)


class MemorySlice(NamedTuple):
    """Bytes: base is never lent, float may be."""

    base: int
    float: int
    at: int | None = default("memory", "at")  # the machine's address; None: anywhere

    @property
    def total(self) -> int:
        return self.base + self.float


class Partition(NamedTuple):
    """The hardware one instance is exposed to, and what it starts."""

    name: str
    kernel: str  # absolute path
    initrd: str | None  # absolute path
    command_line: str
    memory: MemorySlice
    processors: Processors
    functions: tuple[PciAddress, ...]  # sorted; buses of the file are already spelled out
    # handed over although they cannot be reset
    without_reset: tuple[PciAddress, ...] = default("instance", "without_reset")
    on_reboot: str = default("instance", "on_reboot")  # what a reset asked from inside does
    on_crash: str = default("instance", "on_crash")  # what a triple fault does
    restart_delay: float = default("instance", "restart_delay")  # seconds between two starts
    restart_limit: int = default("instance", "restart_limit")  # restarts by itself, at most so
    restart_within: float = default("instance", "restart_within")  # many within so many seconds
    isa: tuple[str, ...] = default("instance", "isa")  # names of ISA devices
    # the machine's bus, and as which it is found
    present: tuple[tuple[PciBus, PciBus], ...] = default("instance", "present")
    interrupts: str = default("instance", "interrupts")  # when others run and its device asks
    log_size: int = default("instance", "log_size")  # bytes of one file of its logs
    log_count: int = default("instance", "log_count")  # files of each log that are kept
    nested: bool = default("instance", "nested")  # its processors have virtualization


class PartitionTable(NamedTuple):
    """The administrator's file, read and checked."""

    path: str
    platform: str  # one of settings.PLATFORM_NAMES
    partitions: tuple[Partition, ...]
    computer: str = default("machine", "computer")  # a name, or the path of a machine file

    def partition(self, name: str) -> Partition | None:
        for partition in self.partitions:
            if partition.name == name:
                return partition
        return None
