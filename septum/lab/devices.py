"""Which kinds of devices can a lab computer have, and what has QEMU to be told for each?

A kind is a device of QEMU, by QEMU's name. In its words {id} stands for the function's name,
{unit} for the number of a disk of it, from 0, and {number} for that from 1.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.lab.packages import QEMU_PROGRAM

__all__ = ["KINDS", "Kind", "drive_name", "unknown"]


class Kind(NamedTuple):
    """One kind: whether it has a network, how many disks and as which device each is attached
    ("": it is one itself), what QEMU must know besides, and what stands behind it always."""

    network: bool = False
    disks: int = 0
    disk: str = ""
    options: str = ""
    backends: tuple[tuple[str, str], ...] = ()  # QEMU's option and its value
    attached: tuple[str, ...] = ()


_SCSI = "scsi-hd,bus={id}.0,scsi-id={unit},serial={id}-{unit}"
_USB = "usb-storage,bus={id}.0,serial={id}-{unit}"
_SOUND = (("-audiodev", "none,id={id}-sound"),)
# Virtio's own way past the IOMMU, and its ports, are of another time
_VIRTIO = "disable-legacy=on,iommu_platform=on"

KINDS = {
    # Ethernet
    "e1000": Kind(network=True),
    "e1000e": Kind(network=True),
    "i82559er": Kind(network=True),
    "igb": Kind(network=True),
    "ne2k_pci": Kind(network=True),
    "pcnet": Kind(network=True),
    "rtl8139": Kind(network=True),
    "tulip": Kind(network=True),
    "virtio-net-pci": Kind(network=True, options=_VIRTIO),
    "vmxnet3": Kind(network=True),
    # Disks
    "am53c974": Kind(disks=7, disk=_SCSI),
    "ich9-ahci": Kind(disks=6, disk="ide-hd,bus={id}.{unit},serial={id}-{unit}"),
    "lsi53c895a": Kind(disks=7, disk=_SCSI),
    "megasas": Kind(disks=7, disk=_SCSI),
    "mptsas1068": Kind(disks=7, disk=_SCSI),
    "nvme": Kind(disks=8, disk="nvme-ns,bus={id},nsid={number}", options="serial={id}"),
    "sdhci-pci": Kind(disks=1, disk="sd-card"),
    "virtio-blk-pci": Kind(disks=1, options=f"drive={{id}}-0,serial={{id}},{_VIRTIO}"),
    # USB
    "ich9-usb-ehci1": Kind(disks=2, disk=_USB),
    "ich9-usb-uhci1": Kind(),
    "ich9-usb-uhci2": Kind(),
    "qemu-xhci": Kind(disks=2, disk=_USB, attached=("usb-kbd,bus={id}.0", "usb-mouse,bus={id}.0")),
    # Sound and screens
    "AC97": Kind(backends=_SOUND, options="audiodev={id}-sound"),
    "intel-hda": Kind(backends=_SOUND, attached=("hda-duplex,bus={id}.0,audiodev={id}-sound",)),
    "VGA": Kind(),
    "bochs-display": Kind(),
    # The rest
    "edu": Kind(),
    "virtio-rng-pci": Kind(options=_VIRTIO),
}


def drive_name(function: str, unit: int) -> str:
    """What QEMU calls the content of a function's disk, and Linux its serial number."""
    return f"{function}-{unit}"


def unknown(device: str) -> str:
    """What is said of a kind that is none."""
    return f"{device} is none of {', '.join(sorted(KINDS))}; {QEMU_PROGRAM} may have it"
