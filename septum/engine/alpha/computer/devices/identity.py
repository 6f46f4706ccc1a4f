"""What does each device say it is? Said once: the devices answer it, the inventory tells it."""

from __future__ import annotations

from typing import NamedTuple

from septum.engine.alpha.computer.description import ETHERNET, ISA_BRIDGE, SCSI
from septum.layouts import pci, tsunami, virtio
from septum.layouts.register import Register


class Identity(NamedTuple):
    """What a function says it is. PCI 3.0, 6.2.1."""

    vendor: int
    device: int
    class_code: int  # 24 bits
    revision: int = 0
    subsystem_vendor: int = 0
    subsystem: int = 0
    pin: int = 1  # INTA; 0 none


def virtio_identity(kind: int, subclass: int) -> Identity:
    """A modern virtio device. Virtio 1.2, 4.1.2."""
    number = virtio.FIRST_DEVICE + kind
    code = subclass << pci.SUBCLASS_SHIFT
    return Identity(
        virtio.VENDOR, number, code, virtio.MODERN_REVISION, virtio.VENDOR, number
    )


IDENTITIES = {
    ETHERNET: virtio_identity(virtio.NETWORK, pci.SubClass.ETHERNET),
    SCSI: virtio_identity(virtio.SCSI_HOST, pci.SubClass.SCSI),
    ISA_BRIDGE: Identity(
        tsunami.ISA_BRIDGE_VENDOR, tsunami.ISA_BRIDGE_DEVICE, tsunami.ISA_BRIDGE_CLASS, pin=0
    ),
}


def header(identity: Identity) -> bytes:
    """The type 0 header of a function that says so, with no BARs yet."""
    space = bytearray(pci.HEADER_SIZE)
    registers: tuple[Register, ...] = (
        pci.Identity(0).but(vendor=identity.vendor, device=identity.device),
        pci.ClassCode(0).but(class_code=identity.class_code, revision=identity.revision),
        pci.Subsystem(0).but(vendor=identity.subsystem_vendor, device=identity.subsystem),
        pci.InterruptPin(identity.pin),
    )
    for register in registers:
        end = register.offset + register.width // 8
        space[register.offset : end] = register.to_bytes(register.width // 8, "little")
    return bytes(space)
