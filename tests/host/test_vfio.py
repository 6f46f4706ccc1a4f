"""Are a device's registers read where they are, and is VFIO told what it wants to hear?

A plain file stands for the device's descriptor; the ioctls are taken down.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.errors import HostProblem
from septum.host import vfio as module
from septum.host.vfio import Container, Device, Region
from septum.layouts import vfio
from septum.layouts.ioctl import Ioctl
from septum.units import PAGE

RW = vfio.REGION_FLAG_READ | vfio.REGION_FLAG_WRITE


class Kernel:
    """Linux's side: regions of a file, and every request it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self.can_reset = True
        self.viable = True
        self.vectors = 1 << 16  # it has left to give
        self.regions = {0: (RW | vfio.REGION_FLAG_MMAP, 1024, 0), 7: (RW, 256, 2 * PAGE)}

    def DEVICE_GET_INFO(self, fd: int, info: vfio.DeviceInfo) -> None:
        info.flags = vfio.DEVICE_FLAGS_PCI | (vfio.DEVICE_FLAGS_RESET if self.can_reset else 0)

    def DEVICE_GET_REGION_INFO(self, fd: int, info: vfio.RegionInfo) -> None:
        if info.index not in self.regions:
            raise HostProblem("no such region")
        info.flags, info.size, info.offset = self.regions[info.index]

    def DEVICE_GET_IRQ_INFO(self, fd: int, info: vfio.IrqInfo) -> None:
        if info.index in (vfio.PCI_MSI_IRQ, vfio.PCI_ERR_IRQ):
            raise HostProblem("no MSI, no PCI Express")
        info.count = 5 if info.index == vfio.PCI_MSIX_IRQ else 1
        info.flags = 1 | (0 if info.index == vfio.PCI_MSIX_IRQ else vfio.IRQ_INFO_NORESIZE)

    def DEVICE_SET_IRQS(self, fd: int, request: Any) -> int:
        self.asked.append(("DEVICE_SET_IRQS", bytes(request)))
        count = header(bytes(request))[4]
        return self.vectors if count > self.vectors else 0

    def GROUP_GET_STATUS(self, fd: int, status: vfio.GroupStatus) -> None:
        status.flags = vfio.GROUP_FLAGS_VIABLE if self.viable else 0

    def GROUP_GET_DEVICE_FD(self, fd: int, name: Any) -> int:
        self.asked.append(("GROUP_GET_DEVICE_FD", bytes(name)))
        return os.dup(fd)

    def perform(self, fd: int, request: Ioctl, argument: Any = 0) -> int:
        name = request.name.removeprefix("VFIO_")
        answer = getattr(self, name, None)
        if answer is not None:
            return answer(fd, argument) or 0
        self.asked.append((name, b"" if isinstance(argument, int) else bytes(argument)))
        return 0


class Kvm:
    """KVM's side: which files it is told of, while they are open."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.files: list[int] = []
        self.refuses = False

    def know(self, file: int) -> None:
        if self.refuses:
            raise HostProblem("KVM_CREATE_DEVICE failed", because="No such device")
        os.fstat(file)
        self.kernel.asked.append(("know", b""))
        self.files.append(file)

    def forget(self, file: int) -> None:
        os.fstat(file)
        self.files.remove(file)


@pytest.fixture
def kvm(kernel: Kernel) -> Kvm:
    return Kvm(kernel)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(module, "ioctl", kernel.perform)
    return kernel


@pytest.fixture
def device(kernel: Kernel, tmp_path: Path) -> Iterator[Device]:
    path = tmp_path / "device"
    path.write_bytes(bytes(range(256)) * 48)
    device = Device("0000:01:00.0", os.open(path, os.O_RDWR))
    yield device
    device.close()


def test_what_linux_says_of_it(device: Device) -> None:
    assert device.can_reset
    assert device.regions[0].can_map and not device.regions[7].can_map
    assert device.regions[1] == Region(0, 0, 0), "a BAR it has not got"
    assert device.interrupts == (
        (1, False), (0, False), (5, True), (0, False), (1, False)
    )  # fmt: skip


def test_registers(device: Device) -> None:
    assert device.read(0, 4, 4) == 0x07060504
    assert device.read(vfio.PCI_CONFIG_REGION, 0, 2) == 0x0100
    device.write(0, 4, 2, 0x1234_ABCD)
    assert device.read(0, 4, 4) == 0x0706ABCD, "two bytes, whatever else the value has"
    assert device.configuration() == bytes(range(256))


def test_a_device_that_is_gone_reads_all_ones(device: Device) -> None:
    assert device.read(0, 48 * 256 - 1, 4) == 0xFFFFFFFF, "only part of it answered"
    there, device.fd = device.fd, -1
    try:
        assert device.read(0, 0, 1) == 0xFF and device.read(0, 0, 8) == (1 << 64) - 1
        device.write(0, 0, 4, 1)
    finally:
        device.fd = there


def test_a_small_bar_is_mapped_as_its_page_once(device: Device) -> None:
    address = device.mapped(0)
    assert address % PAGE == 0 and device.mapped(0) == address
    assert ctypes.string_at(address + 4, 4) == bytes((4, 5, 6, 7))
    assert ctypes.string_at(address + PAGE - 1, 1) == b"\xff"


def test_one_that_cannot_be_mapped_is_a_problem(device: Device) -> None:
    device.regions = (device.regions[0], Region(RW | vfio.REGION_FLAG_MMAP, PAGE, 1))
    with pytest.raises(HostProblem, match="cannot map BAR 1"):
        device.mapped(1)


def header(text: bytes) -> tuple[int, ...]:
    return struct.unpack_from("<5I", text)


def test_interrupts_are_told_all_at_once(kernel: Kernel, device: Device) -> None:
    device.connect(vfio.PCI_MSIX_IRQ, [10, 11, -1])
    device.connect_unmask(vfio.PCI_INTX_IRQ, 12)
    device.disconnect(vfio.PCI_MSIX_IRQ)
    (_, trigger), (_, unmask), (_, off) = kernel.asked
    assert header(trigger) == (32, 4 | 32, 2, 0, 3) and len(trigger) == 32
    assert struct.unpack_from("<3i", trigger, 20) == (10, 11, -1)
    assert header(unmask) == (24, 4 | 16, 0, 0, 1) and unmask[20:] == struct.pack("<i", 12)
    assert header(off) == (20, 1 | 32, 2, 0, 0) and len(off) == 20


def test_fewer_vectors_than_were_asked_for_are_not_a_success(
    kernel: Kernel, device: Device
) -> None:
    """VFIO says how many there are, and has connected none of them."""
    kernel.vectors = 2
    assert device.connect(vfio.PCI_MSIX_IRQ, [10, 11, 12]) == -2
    assert device.connect(vfio.PCI_MSIX_IRQ, [10, 11]) == 2


def open_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Every file of /dev/vfio opens as a plain one."""
    opened: list[str] = []
    plain, there = os.open, tmp_path / "vfio"
    there.write_bytes(bytes(64))

    def open_(path: str, flags: int) -> int:
        opened.append(path)
        return plain(there, os.O_RDWR)

    monkeypatch.setattr(os, "open", open_)
    return opened


def test_a_container_has_a_type_before_its_first_device(
    kernel: Kernel, kvm: Kvm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = open_files(monkeypatch, tmp_path)
    with Container(kvm, unheard) as container:
        container.device("0000:01:00.0", 9)
        container.device("0000:01:00.1", 9)
        container.device("0000:02:00.0", 10)
        container.map(0x7000000, 0x100000, 4096)
        fd = container.fd
    assert opened == ["/dev/vfio/vfio", "/dev/vfio/9", "/dev/vfio/10"]
    names = [name for name, _ in kernel.asked]
    assert names.count("SET_IOMMU") == 1 and names.count("GROUP_SET_CONTAINER") == 2
    assert names.index("GROUP_SET_CONTAINER") < names.index("SET_IOMMU")
    assert names.index("SET_IOMMU") < names.index("GROUP_GET_DEVICE_FD")
    assert ("GROUP_GET_DEVICE_FD", b"0000:01:00.1\0") in kernel.asked
    sent = dict(kernel.asked)["IOMMU_MAP_DMA"]
    assert struct.unpack("<2I3Q", sent) == (32, 3, 0x7000000, 0x100000, 4096)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_group_linux_still_drives_part_of(
    kernel: Kernel, kvm: Kvm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_files(monkeypatch, tmp_path)
    kernel.viable = False
    with Container(kvm, unheard) as container, pytest.raises(HostProblem) as told:
        container.device("0000:01:00.0", 9)
    assert "whole group" in told.value.remedy and not kvm.files


def test_kvm_knows_each_group_while_its_devices_are_open(
    kernel: Kernel, kvm: Kvm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What KVM does for a machine with devices, it must do before the first access to one."""
    open_files(monkeypatch, tmp_path)
    with Container(kvm, unheard) as container:
        container.device("0000:01:00.0", 9)
        container.device("0000:01:00.1", 9)
        container.device("0000:02:00.0", 10)
        assert len(kvm.files) == 2
        names = [name for name, _ in kernel.asked]
        assert names.index("know") < names.index("GROUP_GET_DEVICE_FD")
    assert kvm.files == [], "forgotten while the group is still open: KVM would hold it"


def test_a_kvm_without_vfio_is_gone_without(
    kernel: Kernel, kvm: Kvm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_files(monkeypatch, tmp_path)
    said: list[str] = []
    kvm.refuses = True
    with Container(kvm, said.append) as container:
        assert container.device("0000:01:00.0", 9).regions[0].size == 1024
    (told,) = said
    assert told.startswith("KVM does not know of its devices: KVM_CREATE_DEVICE failed")


def test_a_group_kvm_will_not_forget_is_closed_all_the_same(
    kernel: Kernel, kvm: Kvm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    open_files(monkeypatch, tmp_path)
    said: list[str] = []
    files = len(os.listdir("/proc/self/fd"))
    with Container(kvm, said.append) as container:
        container.device("0000:01:00.0", 9)

        def refused(file: int) -> None:
            raise HostProblem("KVM_SET_DEVICE_ATTR failed")

        kvm.forget = refused  # type: ignore[method-assign]
    assert len(said) == 1 and len(os.listdir("/proc/self/fd")) == files


def unheard(text: str) -> None:
    raise AssertionError(text)


def test_no_vfio_here(kvm: Kvm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vfio, "CONTAINER", "/nonexistent/vfio")
    with pytest.raises(HostProblem) as told:
        Container(kvm, unheard)
    assert "modprobe vfio-pci" in told.value.remedy
