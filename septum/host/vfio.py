"""How does a process hold a PCI function? VFIO: containers, groups, devices.

Documentation/driver-api/vfio.rst of Linux 6.12. A container is one IOMMU map; an instance has
one, so its devices reach its memory and each other's registers, and nothing else.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from septum.errors import HostProblem, explained
from septum.layouts import vfio
from septum.layouts.vfio import VFIO
from septum.syscall import ioctl
from septum.units import PAGE, align_up

_GROUP_REMEDIES = {
    errno.EBUSY: "another process holds it: septum ps, or stop the other VMM",
    errno.ENOENT: "modprobe vfio-pci; boot with intel_iommu=on or amd_iommu=on",
    errno.EACCES: "run as root",
    errno.EPERM: "run as root",
}

# What a confined instance's threads may ask of VFIO once it runs
BY_PROCESSORS = (
    *(VFIO.DEVICE_SET_IRQS, VFIO.IOMMU_MAP_DMA, VFIO.IOMMU_UNMAP_DMA, VFIO.DEVICE_RESET),
)
BY_LINK = (VFIO.IOMMU_UNMAP_DMA, VFIO.IOMMU_MAP_DMA)
BY_MAIN = BY_PROCESSORS


class Region(NamedTuple):
    """One region of a device: flags of layouts/vfio.py, size in bytes, offset in the descriptor."""

    flags: int
    size: int
    offset: int

    @property
    def can_map(self) -> bool:
        return bool(self.flags & vfio.REGION_FLAG_MMAP)


class InterruptIndex(NamedTuple):
    """What VFIO has of one index (INTx, MSI, MSI-X, error, request): how many.

    `one_by_one`: each may be set up while others are in use, instead of all at once.
    """

    vectors: int
    one_by_one: bool


class Knows(Protocol):
    """Who is told of each group before its devices are opened, and when it goes: KVM.

    Documentation/virt/kvm/devices/vfio.rst of Linux 6.12.
    """

    def know(self, file: int) -> None: ...

    def forget(self, file: int) -> None: ...


class Container:
    """One IOMMU map and the groups in it. A context manager.

    `say` hears of it when `known` cannot be told; the devices work without.
    """

    def __init__(self, known: Knows, say: Callable[[str], None]) -> None:
        self._known = known
        self._say = say
        self._told: list[int] = []
        with explained(f"cannot open {vfio.CONTAINER}", _GROUP_REMEDIES):
            self.fd = os.open(vfio.CONTAINER, os.O_RDWR | os.O_CLOEXEC)
        self._groups: dict[int, int] = {}
        self._devices: list[Device] = []
        self._typed = False

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        for device in self._devices:
            device.close()
        for fd in self._told:
            try:
                self._known.forget(fd)
            except HostProblem as problem:
                self._say(f"KVM holds an IOMMU group until its machine ends: {problem}")
        for fd in self._groups.values():
            os.close(fd)
        os.close(self.fd)

    def device(self, address: str, group: int) -> Device:
        """Take hold of one function, whose group is `group`."""
        group_fd = self._group(group)
        name = ctypes.create_string_buffer(address.encode())
        device = Device(address, ioctl(group_fd, VFIO.GROUP_GET_DEVICE_FD, name))
        self._devices.append(device)
        return device

    def map(self, host: int, address: int, size: int) -> None:
        """Let the devices reach `size` bytes of ours at `host` under bus address `address`."""
        flags = vfio.DMA_MAP_READ | vfio.DMA_MAP_WRITE
        run = vfio.DmaMap(flags=flags, vaddr=host, iova=address, size=size)
        ioctl(self.fd, VFIO.IOMMU_MAP_DMA, run)

    def unmap(self, address: int, size: int) -> None:
        ioctl(self.fd, VFIO.IOMMU_UNMAP_DMA, vfio.DmaUnmap(iova=address, size=size))

    def _group(self, number: int) -> int:
        if number in self._groups:
            return self._groups[number]
        with explained(f"cannot open IOMMU group {number}", _GROUP_REMEDIES):
            fd = os.open(f"/dev/vfio/{number}", os.O_RDWR | os.O_CLOEXEC)
        status = vfio.GroupStatus()
        ioctl(fd, VFIO.GROUP_GET_STATUS, status)
        if not status.flags & vfio.GROUP_FLAGS_VIABLE:
            os.close(fd)
            raise HostProblem(
                f"IOMMU group {number} cannot be handed over",
                because="a function of it is still driven by Linux",
                remedy="give the whole group to one instance",
            )
        ioctl(fd, VFIO.GROUP_SET_CONTAINER, vfio.FileDescriptor(fd=self.fd))
        self._groups[number] = fd
        if not self._typed:
            ioctl(self.fd, VFIO.SET_IOMMU, vfio.TYPE1V2_IOMMU)
            self._typed = True
        self._tell(fd)
        return fd

    def _tell(self, group: int) -> None:
        try:
            self._known.know(group)
            self._told.append(group)
        except HostProblem as problem:
            self._say(f"KVM does not know of its devices: {problem}")


class Device:
    """One function in our hands."""

    def __init__(self, address: str, fd: int) -> None:
        self.address = address
        self.fd = fd
        info = vfio.DeviceInfo()
        ioctl(fd, VFIO.DEVICE_GET_INFO, info)
        self.can_reset = bool(info.flags & vfio.DEVICE_FLAGS_RESET)
        self.regions = tuple(self._region(n) for n in range(vfio.PCI_CONFIG_REGION + 1))
        self.interrupts = tuple(self._interrupts(n) for n in range(vfio.PCI_REQ_IRQ + 1))
        self._maps: dict[int, mmap.mmap] = {}

    def close(self) -> None:
        """Linux resets it, if it can, and takes its interrupts away."""
        self._maps.clear()  # the pages go with the process's last reference to them
        os.close(self.fd)

    def reset(self) -> None:
        ioctl(self.fd, VFIO.DEVICE_RESET, 0)

    def configuration(self) -> bytes:
        """All of configuration space, as VFIO shows it to an owner."""
        region = self.regions[vfio.PCI_CONFIG_REGION]
        return os.pread(self.fd, region.size, region.offset)

    def read(self, region: int, offset: int, width: int) -> int:
        """A register, little-endian; all ones when the device is gone."""
        try:
            data = os.pread(self.fd, width, self.regions[region].offset + offset)
        except OSError:
            data = b""
        return int.from_bytes(data, "little") if len(data) == width else (1 << 8 * width) - 1

    def write(self, region: int, offset: int, width: int, value: int) -> None:
        """A register; dropped when the device is gone."""
        data = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        try:
            os.pwrite(self.fd, data, self.regions[region].offset + offset)
        except OSError:
            return

    def mapped(self, region: int) -> int:
        """Our address of a BAR's pages; HostProblem when Linux does not let it be mapped."""
        if region not in self._maps:
            found = self.regions[region]
            with explained(f"cannot map BAR {region} of {self.address}"):
                self._maps[region] = mmap.mmap(
                    self.fd, align_up(found.size, PAGE), offset=found.offset
                )
        return ctypes.addressof(ctypes.c_char.from_buffer(self._maps[region]))

    def connect(self, index: int, events: Sequence[int], start: int = 0) -> int:
        """Signal these eventfds for the interrupts of an index (INTx, MSI, MSI-X).

        How many are connected: all; or none, when Linux has fewer to give: then how many it has,
        below zero. An eventfd of -1 stands for an interrupt that nobody hears.
        """
        action = vfio.IRQ_SET_DATA_EVENTFD | vfio.IRQ_SET_ACTION_TRIGGER
        fewer = self._set_interrupts(index, action, start, events)
        return -fewer if fewer > 0 else len(events)

    def connect_unmask(self, index: int, event: int) -> None:
        """Unmask the line whenever this eventfd is signalled. After connect(), never before."""
        action = vfio.IRQ_SET_DATA_EVENTFD | vfio.IRQ_SET_ACTION_UNMASK
        self._set_interrupts(index, action, 0, [event])

    def disconnect(self, index: int) -> None:
        """No interrupts of this index any more."""
        action = vfio.IRQ_SET_DATA_NONE | vfio.IRQ_SET_ACTION_TRIGGER
        self._set_interrupts(index, action, 0, [], count=0)

    def _set_interrupts(
        self, index: int, flags: int, start: int, events: Sequence[int], count: int | None = None
    ) -> int:
        header_size = ctypes.sizeof(vfio.IrqSetHeader)
        header = vfio.IrqSetHeader(
            argsz=header_size + 4 * len(events),
            flags=flags,
            index=index,
            start=start,
            count=len(events) if count is None else count,
        )
        data = b"".join(event.to_bytes(4, "little", signed=True) for event in events)
        text = bytes(header) + data
        return ioctl(self.fd, VFIO.DEVICE_SET_IRQS, ctypes.create_string_buffer(text, len(text)))

    def _region(self, index: int) -> Region:
        info = vfio.RegionInfo(index=index)
        try:
            ioctl(self.fd, VFIO.DEVICE_GET_REGION_INFO, info)
        except HostProblem:
            return Region(0, 0, 0)  # Linux answers EINVAL for a region the device lacks
        return Region(info.flags, info.size, info.offset)

    def _interrupts(self, index: int) -> InterruptIndex:
        info = vfio.IrqInfo(index=index)
        try:
            ioctl(self.fd, VFIO.DEVICE_GET_IRQ_INFO, info)
        except HostProblem:
            return InterruptIndex(0, False)
        return InterruptIndex(info.count, not info.flags & vfio.IRQ_INFO_NORESIZE)
