"""How does a virtio device over PCI look? Source: VIRTIO 1.2, OASIS (sections in brackets)."""

from __future__ import annotations

import struct

from septum.layouts.register import Field, Register

VENDOR = 0x1AF4
FIRST_DEVICE = 0x1040  # + device type: a modern device. [4.1.2]
MODERN_REVISION = 1
NETWORK = 1  # device types. [5]
SCSI_HOST = 8

# ---- Status. [2.1]


class DeviceStatus(Register, offset=0x14, width=8):
    """device_status, with its place in the common configuration. [2.1, 4.1.4.3]"""

    acknowledge = Field(0)
    driver = Field(1)
    driver_ok = Field(2)
    features_ok = Field(3)
    needs_reset = Field(6)
    failed = Field(7)


# ---- Feature bits. [6]

INDIRECT_DESCRIPTORS = 28
EVENT_INDEX = 29
VERSION_1 = 32
ACCESS_PLATFORM = 33

NETWORK_ADDRESS = 5  # VIRTIO_NET_F_MAC. [5.1.3]
NETWORK_STATUS = 16  # VIRTIO_NET_F_STATUS

# ---- Capabilities of the PCI transport. [4.1.4]

CAPABILITY = struct.Struct("<BBBBBBxxII")  # id, next, length, type, BAR, cap id, offset, length
VENDOR_SPECIFIC = 0x09  # PCI capability
COMMON, NOTIFY, INTERRUPT_STATUS, DEVICE, PCI_ACCESS = 1, 2, 3, 4, 5
NOTIFY_MULTIPLIER = 4  # bytes between two queues' notification addresses. [4.1.4.4]
NOTIFY_CAPABILITY_SIZE = 20
PCI_ACCESS_SIZE = 20  # bar at 4, offset at 8, length at 12, data at 16. [4.1.4.9]
PCI_ACCESS_BAR, PCI_ACCESS_OFFSET, PCI_ACCESS_LENGTH, PCI_ACCESS_DATA = 4, 8, 12, 16
WORD = (1 << 32) - 1

# Where this project's devices put the areas in their BAR; the capabilities say it.
BAR_SIZE = 0x4000
COMMON_AT, INTERRUPT_AT, DEVICE_AT, NOTIFY_AT = 0x0000, 0x1000, 0x2000, 0x3000
AREA_SIZE = 0x1000


class Common:
    """Offsets in the common configuration. [4.1.4.3]"""

    DEVICE_FEATURE_SELECT = 0x00
    DEVICE_FEATURE = 0x04
    DRIVER_FEATURE_SELECT = 0x08
    DRIVER_FEATURE = 0x0C
    MSIX_CONFIGURATION = 0x10
    QUEUES = 0x12
    STATUS = 0x14
    GENERATION = 0x15
    QUEUE_SELECT = 0x16
    QUEUE_SIZE = 0x18
    QUEUE_MSIX = 0x1A
    QUEUE_ENABLE = 0x1C
    QUEUE_NOTIFY_OFFSET = 0x1E
    QUEUE_DESCRIPTORS = 0x20
    QUEUE_DRIVER = 0x28
    QUEUE_DEVICE = 0x30
    SIZE = 0x38


NO_VECTOR = 0xFFFF
HALF = 0xFFFF

# Interrupt status. [4.1.4.5]
QUEUE_INTERRUPT = 0x1
CONFIGURATION_INTERRUPT = 0x2

# ---- Split virtqueues. [2.7]

DESCRIPTOR = struct.Struct("<QIHH")  # address, length, flags, next
DESCRIPTOR_NEXT, DESCRIPTOR_WRITE, DESCRIPTOR_INDIRECT = 0x1, 0x2, 0x4
RING_FLAGS, RING_INDEX, RING_ENTRIES = 0, 2, 4  # offsets in either ring
AVAILABLE_ENTRY = 2
USED_ENTRY = struct.Struct("<II")  # head of the chain, bytes written
NO_INTERRUPT = 0x1  # flag of the available ring
LARGEST_QUEUE = 0x8000
INDEX_BITS = 0xFFFF

# ---- Network. [5.1]

RECEIVE, TRANSMIT = 0, 1  # queues
NETWORK_HEADER = struct.Struct("<BBHHHHH")  # flags, gso_type, hdr_len, gso_size, csum x2, buffers
NETWORK_CONFIGURATION = struct.Struct("<6sH")  # address, status
LINK_UP = 1

# ---- SCSI host. [5.6]

CONTROL, EVENTS, REQUESTS = 0, 1, 2  # queues
SCSI_CONFIGURATION = struct.Struct("<IIIIIIIHHI")
SENSE_SIZE_AT, CDB_SIZE_AT = 0x14, 0x18  # of the configuration: what a driver may change
SENSE_SIZE, CDB_SIZE = 96, 32
SCSI_REQUEST = struct.Struct("<8sQBBB")  # logical unit, identifier, attributes; the CDB follows
SCSI_RESPONSE = struct.Struct("<IIHBB")  # sense length, residual, qualifier, status, response
SCSI_OK, SCSI_BAD_TARGET, SCSI_INCORRECT_UNIT, SCSI_FAILURE = 0, 3, 12, 9
TASK_MANAGEMENT = 0  # control request types
TASK_MANAGEMENT_SIZE, NOTIFICATION_SIZE = 24, 16
NOTIFICATION_RESPONSE = struct.Struct("<IB")
UNIT_FORMAT = 1  # first byte of a logical unit's address; then target, then two of the unit
UNIT_BITS = 0x3FFF
