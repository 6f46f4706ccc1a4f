"""What may an owner do to each register of its function's configuration space?

One row a register. A register without a row, in the header or in a listed capability, reads
zero and refuses writes; a capability without a table is taken out of the list. Registers
outside every capability belong to the function's maker: they are read from the device, and
refuse writes. Whatever the bus, the host or another owner relies on is kept from the device.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from septum.layouts import pci
from septum.layouts.register import Register


class Effect(Enum):
    """What the caller must look at again after a write."""

    COMMAND = "command"
    BAR = "bar"
    MSI = "msi"
    MSIX = "msix"
    RESET = "reset"


class Row(NamedTuple):
    """One register: where reads come from, and which written bits go where.

    `live`       reads ask the device; otherwise the image taken at hand-over answers
    `kept`       bits the owner may change in the image only: it reads back what it wrote
    `forwarded`  bits the owner may change on the device (and in the image, unless live)
    `hidden`     bits that read zero
    `trigger`    bits that must be written as one for the effect; none: any write has it
    """

    register: type[Register]
    live: bool = False
    kept: int = 0
    forwarded: int = 0
    hidden: int = 0
    effect: Effect | None = None
    trigger: int = 0


class Moderation(NamedTuple):
    """A capability an owner may see: its size in bytes and its rows.

    An opaque one has a layout of its maker's own: read from the device, never written.
    """

    size: int
    rows: tuple[Row, ...] = ()
    opaque: bool = False


def every(register: type[Register]) -> int:
    """All bits of a register."""
    return (1 << register.width) - 1


_STATUS_ERRORS = pci.Status.mask(
    "master_data_parity_error",
    "signaled_target_abort",
    "received_target_abort",
    "received_master_abort",
    "signaled_system_error",
    "detected_parity_error",
)
_DECODING = pci.Command.mask("io_space", "memory_space", "bus_master", "intx_disable")
_COMMAND_MANNERS = pci.Command.mask(
    "special_cycles",
    "memory_write_and_invalidate",
    "parity_error_response",
    "serr_enable",
    "fast_back_to_back",
)

# The base address registers (PCI 6.2.5.1) are not here: their sizes differ from function to
# function. All of them are kept in the image; the owner moves its view, never the device.
ENDPOINT: tuple[Row, ...] = (
    Row(pci.Identity),
    # System errors and parity are the host's to handle: the owner believes it set them.
    Row(pci.Command, kept=_COMMAND_MANNERS, forwarded=_DECODING, effect=Effect.COMMAND),
    Row(pci.Status, live=True, forwarded=_STATUS_ERRORS),
    Row(pci.ClassCode),
    Row(pci.CacheLineSize, kept=every(pci.CacheLineSize)),
    Row(pci.LatencyTimer, kept=every(pci.LatencyTimer)),
    Row(pci.HeaderType),
    Row(pci.Bist, hidden=every(pci.Bist)),  # a self-test may take the device off the bus
    Row(pci.CardbusCis),
    Row(pci.Subsystem),
    Row(pci.ExpansionRom, hidden=every(pci.ExpansionRom)),  # its code ran before any partition
    Row(pci.CapabilitiesPointer),
    Row(pci.InterruptLine, kept=every(pci.InterruptLine)),
    Row(pci.InterruptPin),
    Row(pci.MinGrant),
    Row(pci.MaxLatency),
)

# The device stays in D0: the owner's sleep states are played in the image. Wake-up events
# would be the host's to route, so none is offered.
POWER_MANAGEMENT = Moderation(
    pci.POWER_MANAGEMENT_SIZE,
    (
        Row(pci.PowerCapabilities, hidden=pci.PowerCapabilities.mask("pme_support")),
        Row(
            pci.PowerControl,
            kept=pci.PowerControl.mask("power_state"),
            hidden=pci.PowerControl.mask("pme_enable", "pme_status"),
        ),
    ),
)

_MSI_CONTROL = Row(
    pci.MsiControl,
    kept=pci.MsiControl.mask("enable", "multiple_message_enable"),
    effect=Effect.MSI,
)


def _message(register: type[Register], kept: int | None = None) -> Row:
    bits = every(register) if kept is None else kept
    return Row(register, kept=bits, effect=Effect.MSI)


_MSI_ADDRESS = _message(pci.MsiAddress, every(pci.MsiAddress) & ~pci.MSI_ADDRESS_RESERVED)
_MSI_32 = (_MSI_CONTROL, _MSI_ADDRESS, _message(pci.MsiData32))
_MSI_64 = (
    _MSI_CONTROL,
    _MSI_ADDRESS,
    _message(pci.MsiAddressUpper),
    _message(pci.MsiData64),
)

# The real message is the host's (VFIO programs it); the owner's is kept here and turned into
# a route. Keyed by the two bits that give the capability its shape: 64-bit, per-vector masks.
MSI: dict[tuple[int, int], tuple[Row, ...]] = {
    (0, 0): _MSI_32,
    (1, 0): _MSI_64,
    (0, 1): (*_MSI_32, _message(pci.MsiMask32)),
    (1, 1): (*_MSI_64, _message(pci.MsiMask64)),
}

MSI_X = Moderation(
    pci.MSIX_SIZE,
    (
        Row(
            pci.MsixControl,
            kept=pci.MsixControl.mask("enable", "function_mask"),
            effect=Effect.MSIX,
        ),
        Row(pci.MsixTable),
        Row(pci.MsixPending),
    ),
)

_DEVICE_STATUS_ERRORS = pci.DeviceStatus.mask(
    "correctable_error", "non_fatal_error", "fatal_error", "unsupported_request"
)

# Payload and read request sizes must agree along the whole way to memory, link states belong
# to both ends of the link: the owner reads back its wish, the device keeps the machine's.
EXPRESS_1: tuple[Row, ...] = (
    Row(pci.ExpressCapabilities),
    Row(pci.DeviceCapabilities),
    Row(
        pci.DeviceControl,
        kept=every(pci.DeviceControl) & ~pci.DeviceControl.mask("initiate_function_level_reset"),
        hidden=pci.DeviceControl.mask("initiate_function_level_reset"),
        effect=Effect.RESET,
        trigger=pci.DeviceControl.mask("initiate_function_level_reset"),
    ),
    Row(pci.DeviceStatus, live=True, forwarded=_DEVICE_STATUS_ERRORS),
    Row(
        pci.LinkCapabilities,
        hidden=pci.LinkCapabilities.mask("active_state_power_management", "clock_power_management"),
    ),
    Row(
        pci.LinkControl,
        kept=pci.LinkControl.mask("active_state_power_management", "common_clock"),
    ),
    Row(pci.LinkStatus, live=True),
)
EXPRESS_2: tuple[Row, ...] = (
    *EXPRESS_1,
    Row(
        pci.DeviceCapabilities2,
        hidden=pci.DeviceCapabilities2.mask("latency_tolerance_reporting", "buffer_flush_fill"),
    ),
    Row(pci.DeviceControl2, kept=every(pci.DeviceControl2)),
    Row(pci.DeviceStatus2, live=True),
    Row(pci.LinkCapabilities2),
    Row(pci.LinkControl2),
    Row(pci.LinkStatus2, live=True),
)

# Reading needs an address written with `done` clear; with it set, the write would change the
# card's data for every later owner, so that bit never reaches the device.
VITAL_PRODUCT_DATA = Moderation(
    pci.VPD_SIZE,
    (
        Row(pci.VpdAddress, live=True, forwarded=pci.VpdAddress.mask("address")),
        Row(pci.VpdData, live=True),
    ),
)

ADVANCED_FEATURES = Moderation(
    pci.ADVANCED_FEATURES_SIZE,
    (
        Row(pci.AdvancedFeaturesLength),
        Row(pci.AdvancedFeaturesCapabilities),
        Row(
            pci.AdvancedFeaturesControl,
            hidden=every(pci.AdvancedFeaturesControl),
            effect=Effect.RESET,
            trigger=pci.AdvancedFeaturesControl.mask("initiate_function_level_reset"),
        ),
        Row(pci.AdvancedFeaturesStatus, live=True),
    ),
)

FIXED: dict[int, Moderation] = {
    pci.CapabilityId.POWER_MANAGEMENT: POWER_MANAGEMENT,
    pci.CapabilityId.VITAL_PRODUCT_DATA: VITAL_PRODUCT_DATA,
    pci.CapabilityId.MSI_X: MSI_X,
    pci.CapabilityId.ADVANCED_FEATURES: ADVANCED_FEATURES,
    pci.CapabilityId.BRIDGE_SUBSYSTEM: Moderation(
        pci.BRIDGE_SUBSYSTEM_SIZE, (Row(pci.BridgeSubsystem),)
    ),
    pci.CapabilityId.SATA: Moderation(pci.SATA_SIZE, opaque=True),
}

# Error reporting, SR-IOV, address translation, resizable BARs, access control, latency and
# link states all reach beyond the function: none of them has a row.
EXTENDED: dict[int, Moderation] = {
    pci.ExtendedCapabilityId.DEVICE_SERIAL_NUMBER: Moderation(
        pci.SERIAL_NUMBER_SIZE, (Row(pci.SerialNumber),)
    ),
}


def moderation(identity: int, block: bytes) -> Moderation | None:
    """The table for a capability whose bytes begin `block` (24 or more); None: conceal it."""
    if identity == pci.CapabilityId.MSI:
        control = pci.MsiControl(_word(block, pci.MsiControl))
        return Moderation(
            pci.msi_size(control), MSI[control.address_64, control.per_vector_masking]
        )
    if identity == pci.CapabilityId.PCI_EXPRESS:
        if pci.ExpressCapabilities(_word(block, pci.ExpressCapabilities)).version < 2:
            return Moderation(pci.EXPRESS_SIZE_1, EXPRESS_1)
        return Moderation(pci.EXPRESS_SIZE_2, EXPRESS_2)
    if identity == pci.CapabilityId.VENDOR_SPECIFIC:
        length = block[pci.VendorSpecificLength.offset]
        return Moderation(max(length, pci.CAPABILITY_HEADER_SIZE), opaque=True)
    return FIXED.get(identity)


def _word(block: bytes, register: type[Register]) -> int:
    return int.from_bytes(block[register.offset : register.offset + register.width // 8], "little")
