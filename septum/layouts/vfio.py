"""What does <linux/vfio.h> define? The part we use, under the names it has there.

Source: Documentation/driver-api/vfio.rst and include/uapi/linux/vfio.h of Linux 6.12.
"""

from __future__ import annotations

import errno

from septum.layouts.cstruct import CStruct, layout, s32, u32, u64
from septum.layouts.ioctl import Ioctl

CONTAINER = "/dev/vfio/vfio"
API_VERSION = 0
TYPE1V2_IOMMU = 3

GROUP_FLAGS_VIABLE = 1 << 0

DEVICE_FLAGS_RESET = 1 << 0
DEVICE_FLAGS_PCI = 1 << 1

REGION_FLAG_READ = 1 << 0
REGION_FLAG_WRITE = 1 << 1
REGION_FLAG_MMAP = 1 << 2
REGION_FLAG_CAPS = 1 << 3

PCI_BAR_REGIONS = 6  # VFIO_PCI_BAR0..5_REGION_INDEX are 0 to 5
PCI_ROM_REGION = 6
PCI_CONFIG_REGION = 7
REGION_INFO_CAP_SPARSE_MMAP = 1

PCI_INTX_IRQ = 0
PCI_MSI_IRQ = 1
PCI_MSIX_IRQ = 2
PCI_ERR_IRQ = 3
PCI_REQ_IRQ = 4

IRQ_INFO_NORESIZE = 1 << 3  # all vectors are set up at once, or none

IRQ_SET_DATA_NONE = 1 << 0
IRQ_SET_DATA_EVENTFD = 1 << 2
IRQ_SET_ACTION_MASK = 1 << 3
IRQ_SET_ACTION_UNMASK = 1 << 4
IRQ_SET_ACTION_TRIGGER = 1 << 5

DMA_MAP_READ = 1 << 0
DMA_MAP_WRITE = 1 << 1


@layout(size=8)
class GroupStatus(CStruct):
    """struct vfio_group_status."""

    argsz: u32 = 8
    flags: u32 = 0


@layout(size=24)
class DeviceInfo(CStruct):
    """struct vfio_device_info."""

    argsz: u32 = 24
    flags: u32 = 0
    num_regions: u32 = 0
    num_irqs: u32 = 0
    cap_offset: u32 = 0
    pad: u32 = 0


@layout(size=32)
class RegionInfo(CStruct):
    """struct vfio_region_info."""

    argsz: u32 = 32
    flags: u32 = 0
    index: u32 = 0
    cap_offset: u32 = 0
    size: u64 = 0
    offset: u64 = 0


@layout(size=16)
class IrqInfo(CStruct):
    """struct vfio_irq_info."""

    argsz: u32 = 16
    flags: u32 = 0
    index: u32 = 0
    count: u32 = 0


@layout(size=20)
class IrqSetHeader(CStruct):
    """struct vfio_irq_set, without its data."""

    argsz: u32
    flags: u32
    index: u32
    start: u32
    count: u32


@layout(size=32)
class DmaMap(CStruct):
    """struct vfio_iommu_type1_dma_map."""

    argsz: u32 = 32
    flags: u32
    vaddr: u64
    iova: u64
    size: u64


@layout(size=24)
class DmaUnmap(CStruct):
    """struct vfio_iommu_type1_dma_unmap, without its data."""

    argsz: u32 = 24
    flags: u32 = 0
    iova: u64
    size: u64


@layout(size=4)
class FileDescriptor(CStruct):
    """An int some requests want by pointer."""

    fd: s32


_VFIO = ord(";")
_BASE = 100


class VFIO:
    """The requests of a container, a group and a device."""

    GET_API_VERSION = Ioctl(_VFIO, _BASE + 0)
    SET_IOMMU = Ioctl(
        _VFIO,
        _BASE + 2,
        remedies={
            errno.ENODEV: "boot with intel_iommu=on or amd_iommu=on; modprobe vfio_iommu_type1",
            errno.EPERM: "interrupt remapping is off: switch it on in the firmware setup",
        },
    )
    GROUP_GET_STATUS = Ioctl(_VFIO, _BASE + 3, sends=GroupStatus, plain=True)
    GROUP_SET_CONTAINER = Ioctl(_VFIO, _BASE + 4, sends=FileDescriptor, plain=True)
    GROUP_GET_DEVICE_FD = Ioctl(_VFIO, _BASE + 6)
    DEVICE_GET_INFO = Ioctl(_VFIO, _BASE + 7, sends=DeviceInfo, plain=True)
    DEVICE_GET_REGION_INFO = Ioctl(_VFIO, _BASE + 8, sends=RegionInfo, plain=True)
    DEVICE_GET_IRQ_INFO = Ioctl(_VFIO, _BASE + 9, sends=IrqInfo, plain=True)
    DEVICE_SET_IRQS = Ioctl(
        _VFIO,
        _BASE + 10,
        sends=IrqSetHeader,
        plain=True,
        remedies={
            errno.EBUSY: "its interrupt line is another device's too: see /proc/interrupts, and "
            "unbind the other's driver, or use a driver that takes messages (MSI)",
            errno.ENOSPC: "Linux has no interrupt vectors left: give fewer devices away",
        },
    )
    DEVICE_RESET = Ioctl(_VFIO, _BASE + 11)
    IOMMU_MAP_DMA = Ioctl(
        _VFIO,
        _BASE + 13,
        sends=DmaMap,
        plain=True,
        remedies={
            errno.ENOMEM: "raise the locked-memory limit (ulimit -l unlimited), or run as root",
            errno.EEXIST: "this is a bug: the address is mapped already",
        },
    )
    IOMMU_UNMAP_DMA = Ioctl(_VFIO, _BASE + 14, sends=DmaUnmap, plain=True)
