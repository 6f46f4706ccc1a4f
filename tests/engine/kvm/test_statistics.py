"""Does KVM tell what it injected into a virtual processor? On /dev/kvm."""

from __future__ import annotations

import os

import pytest

from septum.engine.kvm import statistics
from septum.engine.kvm.machine import VirtualMachine
from septum.engine.kvm.statistics import IRQ_INJECTIONS, NMI_INJECTIONS, Statistics
from septum.errors import HostProblem
from septum.layouts import kvm
from septum.layouts.kvm import KVM
from septum.syscall import ioctl

needs_kvm = pytest.mark.skipif(
    not os.access(kvm.DEVICE, os.R_OK | os.W_OK), reason="no /dev/kvm here"
)


@needs_kvm
def test_a_new_processor_has_been_injected_nothing() -> None:
    with VirtualMachine() as machine:
        if not ioctl(machine._kvm, KVM.CHECK_EXTENSION, kvm.Capability.BINARY_STATS_FD):
            pytest.skip("this KVM has no binary statistics")
        found = machine.processor(0, 1).statistics
        assert found.count(IRQ_INJECTIONS) == 0 and found.count(NMI_INJECTIONS) == 0
        exits = found.count("exits")
        assert exits is not None and found.count("no such count") is None


def test_a_kvm_without_them_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(fd: int, request: object) -> int:
        raise HostProblem("KVM_GET_STATS_FD failed", because="Inappropriate ioctl for device")

    monkeypatch.setattr(statistics, "ioctl", refused)
    found = Statistics(0)
    assert found.count(IRQ_INJECTIONS) is None
    found.close()


def test_counts_are_found_by_their_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    """A file as the header says: two single counts, and a histogram that is none."""
    size, names = 24, (("exits", 1, 8), ("halt_hist", 4, 16), (IRQ_INJECTIONS, 1, 48))
    described = b"".join(
        bytes(kvm.StatsDescriptor(size=items, offset=offset)) + name.encode().ljust(size, b"\0")
        for name, items, offset in names
    )
    head = kvm.StatsHeader(name_size=size, num_desc=3, desc_offset=64, data_offset=256)
    data = bytes(8) + (77).to_bytes(8, "little") + bytes(32) + (5).to_bytes(8, "little")
    path = os.path.join(tmp_path, "statistics")
    with open(path, "wb") as file:
        file.write(bytes(head).ljust(64, b"\0") + described.ljust(192, b"\0") + data)
    monkeypatch.setattr(statistics, "ioctl", lambda fd, request: os.open(path, os.O_RDONLY))
    found = Statistics(0)
    assert (found.count("exits"), found.count(IRQ_INJECTIONS)) == (77, 5)
    assert found.count("halt_hist") is None and found.count(NMI_INJECTIONS) is None
    found.close()
    assert found.count("exits") is None
