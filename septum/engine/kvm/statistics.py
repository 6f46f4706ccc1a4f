"""What has KVM counted of a virtual processor? Its binary statistics (kvm/api.rst, 4.134).

The descriptor has to be asked for before the processor runs: KVM_RUN holds the processor's lock.
Reading it afterwards needs no lock, and stops nobody.
"""

from __future__ import annotations

import ctypes
import os

from septum.errors import HostProblem
from septum.layouts import kvm
from septum.layouts.kvm import KVM
from septum.syscall import ioctl

IRQ_INJECTIONS, NMI_INJECTIONS = "irq_injections", "nmi_injections"  # arch/x86/kvm/x86.c


class Statistics:
    """The counts of one virtual processor, by KVM's names; none where this KVM has none."""

    def __init__(self, processor_fd: int) -> None:
        try:
            self._fd = ioctl(processor_fd, KVM.GET_STATS_FD)
        except HostProblem:
            self._fd = -1
        self._offsets: dict[str, int] | None = None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def count(self, name: str) -> int | None:
        """One of them now; None when nobody counts it."""
        if self._fd < 0:
            return None
        if self._offsets is None:
            self._offsets = self._described()
        offset = self._offsets.get(name)
        if offset is None:
            return None
        return int.from_bytes(os.pread(self._fd, kvm.STATS_DATA_SIZE, offset), "little")

    def _described(self) -> dict[str, int]:
        """Where each single count stands. What it tells of itself does not change."""
        head = kvm.StatsHeader.from_buffer_copy(os.pread(self._fd, kvm.StatsHeader.SIZE, 0))
        size = kvm.StatsDescriptor.SIZE + head.name_size
        text = os.pread(self._fd, size * head.num_desc, head.desc_offset)
        found = {}
        for start in range(0, len(text) - size + 1, size):
            one = kvm.StatsDescriptor.from_buffer_copy(text, start)
            name = ctypes.string_at(text[start + kvm.StatsDescriptor.SIZE : start + size])
            if one.size == 1:
                found[name.decode("ascii", "replace")] = head.data_offset + one.offset
        return found
