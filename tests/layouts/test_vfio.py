"""Do the layouts of VFIO agree with <linux/vfio.h>?"""

from __future__ import annotations

import pytest

from septum.layouts import vfio
from septum.layouts.cstruct import CStruct
from septum.layouts.vfio import VFIO
from tests.layouts.headers import fields, size, values

HEADERS = ("linux/vfio.h", "sys/ioctl.h")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (vfio.GroupStatus, "struct vfio_group_status"),
        (vfio.RegionInfo, "struct vfio_region_info"),
        (vfio.IrqInfo, "struct vfio_irq_info"),
        (vfio.IrqSetHeader, "struct vfio_irq_set"),
        (vfio.DmaMap, "struct vfio_iommu_type1_dma_map"),
        (vfio.DmaUnmap, "struct vfio_iommu_type1_dma_unmap"),
    ],
)
def test_structs(ours: type[CStruct], theirs: str) -> None:
    expected = size(ours, theirs) | fields(ours, theirs)
    assert values(HEADERS, tuple(expected)) == expected


def test_the_device_info_may_be_longer_than_an_old_headers() -> None:
    """Linux 6.2 put `pad` at its end; argsz tells the kernel which one is meant."""
    expected = fields(vfio.DeviceInfo, "struct vfio_device_info", pad="")
    assert values(HEADERS, tuple(expected)) == expected
    theirs = values(HEADERS, ("sizeof(struct vfio_device_info)",))
    assert set(theirs.values()) <= {20, 24}


def test_request_numbers() -> None:
    names = {name: f"VFIO_{name}" for name in vars(VFIO) if not name.startswith("_")}
    expected = {theirs: getattr(VFIO, ours).request for ours, theirs in names.items()}
    assert len(expected) > 10
    assert values(HEADERS, tuple(expected)) == expected


def test_numbers() -> None:
    expected = {
        "VFIO_API_VERSION": vfio.API_VERSION,
        "VFIO_TYPE1v2_IOMMU": vfio.TYPE1V2_IOMMU,
        "VFIO_GROUP_FLAGS_VIABLE": vfio.GROUP_FLAGS_VIABLE,
        "VFIO_DEVICE_FLAGS_RESET": vfio.DEVICE_FLAGS_RESET,
        "VFIO_DEVICE_FLAGS_PCI": vfio.DEVICE_FLAGS_PCI,
        "VFIO_REGION_INFO_FLAG_READ": vfio.REGION_FLAG_READ,
        "VFIO_REGION_INFO_FLAG_WRITE": vfio.REGION_FLAG_WRITE,
        "VFIO_REGION_INFO_FLAG_MMAP": vfio.REGION_FLAG_MMAP,
        "VFIO_REGION_INFO_FLAG_CAPS": vfio.REGION_FLAG_CAPS,
        "VFIO_REGION_INFO_CAP_SPARSE_MMAP": vfio.REGION_INFO_CAP_SPARSE_MMAP,
        "VFIO_PCI_ROM_REGION_INDEX": vfio.PCI_ROM_REGION,
        "VFIO_PCI_CONFIG_REGION_INDEX": vfio.PCI_CONFIG_REGION,
        "VFIO_PCI_INTX_IRQ_INDEX": vfio.PCI_INTX_IRQ,
        "VFIO_PCI_MSI_IRQ_INDEX": vfio.PCI_MSI_IRQ,
        "VFIO_PCI_MSIX_IRQ_INDEX": vfio.PCI_MSIX_IRQ,
        "VFIO_PCI_ERR_IRQ_INDEX": vfio.PCI_ERR_IRQ,
        "VFIO_PCI_REQ_IRQ_INDEX": vfio.PCI_REQ_IRQ,
        "VFIO_IRQ_INFO_NORESIZE": vfio.IRQ_INFO_NORESIZE,
        "VFIO_IRQ_SET_DATA_NONE": vfio.IRQ_SET_DATA_NONE,
        "VFIO_IRQ_SET_DATA_EVENTFD": vfio.IRQ_SET_DATA_EVENTFD,
        "VFIO_IRQ_SET_ACTION_MASK": vfio.IRQ_SET_ACTION_MASK,
        "VFIO_IRQ_SET_ACTION_UNMASK": vfio.IRQ_SET_ACTION_UNMASK,
        "VFIO_IRQ_SET_ACTION_TRIGGER": vfio.IRQ_SET_ACTION_TRIGGER,
        "VFIO_DMA_MAP_FLAG_READ": vfio.DMA_MAP_READ,
        "VFIO_DMA_MAP_FLAG_WRITE": vfio.DMA_MAP_WRITE,
    }
    assert values(HEADERS, tuple(expected)) == expected
