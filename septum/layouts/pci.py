"""How is a PCI function's configuration space laid out?

Offsets of header registers count from the start of configuration space, those of capability
registers from the start of their capability. Documents: PCI Local Bus 3.0 ("PCI"),
PCI-to-PCI Bridge Architecture 1.2 ("Bridge"), PCI Express Base 5.0 ("PCIe").
"""

from __future__ import annotations

from septum.layouts.register import Field, Register

# Sizes of configuration space, bytes. PCI 6.1; PCIe 7.2.
HEADER_SIZE = 0x40  # what Linux shows to a reader that is not root
CONFIGURATION_SIZE = 0x100
EXTENDED_CONFIGURATION_SIZE = 0x1000
EXTENDED_CAPABILITIES = 0x100  # where the extended list begins. PCIe 7.6.1
FIRST_CAPABILITY = 0x40  # no capability below it. PCI 6.7
ALIGNMENT_MASK = 0xFC  # the two low bits of a capability pointer are reserved. PCI 6.7

DEVICES_PER_BUS = 32
FUNCTIONS_PER_DEVICE = 8

# Configuration mechanism #1. PCI 3.2.2.3.2.
ADDRESS_PORT = 0xCF8
DATA_PORT = 0xCFC

# ECAM: 1 MiB a bus, 32 KiB a device, 4 KiB a function. PCIe 7.2.2.
ECAM_BUS_SHIFT = 20
ECAM_DEVICE_SHIFT = 15
ECAM_FUNCTION_SHIFT = 12
ECAM_BUS_SIZE = 1 << ECAM_BUS_SHIFT

BYTE = 0xFF  # what a byte holds, and what it reads as where nobody answers. PCI 3.2.2.3.4
NO_DEVICE = 0xFFFF  # vendor number of a function that is not there. PCI 6.1


class ConfigAddress(Register, offset=0x00, width=32):
    """CONFIG_ADDRESS, the register behind port 0xCF8. PCI 3.2.2.3.2."""

    enable = Field(31)
    bus = Field(23, 16)
    device = Field(15, 11)
    function = Field(10, 8)
    register = Field(7, 2)


# ---- The part of the header common to all types. PCI 6.1


class Identity(Register, offset=0x00, width=32):
    """Vendor ID and Device ID. PCI 6.2.1."""

    vendor = Field(15, 0)
    device = Field(31, 16)


class VendorId(Register, offset=0x00, width=16):
    """PCI 6.2.1."""


class DeviceId(Register, offset=0x02, width=16):
    """PCI 6.2.1."""


class Command(Register, offset=0x04, width=16):
    """What a function may do on the bus. PCI 6.2.2."""

    io_space = Field(0)
    memory_space = Field(1)
    bus_master = Field(2)
    special_cycles = Field(3)
    memory_write_and_invalidate = Field(4)
    vga_palette_snoop = Field(5)
    parity_error_response = Field(6)
    serr_enable = Field(8)
    fast_back_to_back = Field(9)
    intx_disable = Field(10)


class Status(Register, offset=0x06, width=16):
    """What happened on the bus; the error bits are cleared by writing 1. PCI 6.2.3."""

    intx_pending = Field(3)
    capabilities_list = Field(4)
    capable_66_mhz = Field(5)
    fast_back_to_back = Field(7)
    master_data_parity_error = Field(8)
    devsel_timing = Field(10, 9)
    signaled_target_abort = Field(11)
    received_target_abort = Field(12)
    received_master_abort = Field(13)
    signaled_system_error = Field(14)
    detected_parity_error = Field(15)


class RevisionId(Register, offset=0x08, width=8):
    """PCI 6.2.1."""


class ClassCode(Register, offset=0x08, width=32):
    """Revision and the 24 bits that say what kind of function it is. PCI 6.2.1."""

    revision = Field(7, 0)
    interface = Field(15, 8)
    subclass = Field(23, 16)
    base_class = Field(31, 24)
    class_code = Field(31, 8)


class CacheLineSize(Register, offset=0x0C, width=8):
    """In units of four bytes. PCI 6.2.4."""


class LatencyTimer(Register, offset=0x0D, width=8):
    """PCI 6.2.4."""


class HeaderType(Register, offset=0x0E, width=8):
    """The shape of the rest of the header. PCI 6.2.1."""

    layout = Field(6, 0)
    multifunction = Field(7)


class Bist(Register, offset=0x0F, width=8):
    """Built-in self test. PCI 6.2.4."""

    completion_code = Field(3, 0)
    start = Field(6)
    capable = Field(7)


HEADER_ENDPOINT = 0x00
HEADER_BRIDGE = 0x01
HEADER_CARDBUS = 0x02


class CapabilitiesPointer(Register, offset=0x34, width=8):
    """Offset of the first capability, when Status says there is a list. PCI 6.7."""


class InterruptLine(Register, offset=0x3C, width=8):
    """Firmware's note to the system which line the pin reaches. PCI 6.2.4."""


class InterruptPin(Register, offset=0x3D, width=8):
    """0 none, 1 to 4 INTA to INTD. PCI 6.2.4."""


# ---- Base address registers. PCI 6.2.5.1

BAR_OFFSET = 0x10
BAR_SIZE = 4
ENDPOINT_BARS = 6
BRIDGE_BARS = 2


class BaseAddress(Register, offset=BAR_OFFSET, width=32):
    """The low bits of a base address register; the first of six. PCI 6.2.5.1."""

    io = Field(0)
    memory_type = Field(2, 1)
    prefetchable = Field(3)
    memory_base = Field(31, 4)
    io_base = Field(31, 2)


MEMORY_TYPE_32 = 0b00
MEMORY_TYPE_64 = 0b10
MEMORY_BAR_FLAGS = 0xF  # bits that are not address
IO_BAR_FLAGS = 0x3


def bar_offset(index: int) -> int:
    """Offset in configuration space of base address register `index`."""
    return BAR_OFFSET + BAR_SIZE * index


class CardbusCis(Register, offset=0x28, width=32):
    """PCI 6.2.4."""


class Subsystem(Register, offset=0x2C, width=32):
    """Subsystem Vendor ID and Subsystem ID. PCI 6.2.4."""

    vendor = Field(15, 0)
    device = Field(31, 16)


class ExpansionRom(Register, offset=0x30, width=32):
    """PCI 6.2.5.2."""

    enable = Field(0)
    base = Field(31, 11)


class MinGrant(Register, offset=0x3E, width=8):
    """PCI 6.2.4."""


class MaxLatency(Register, offset=0x3F, width=8):
    """PCI 6.2.4."""


# ---- The type 1 header. Bridge 3.2


class PrimaryBus(Register, offset=0x18, width=8):
    """Bridge 3.2.5.2."""


class SecondaryBus(Register, offset=0x19, width=8):
    """Bridge 3.2.5.3."""


class SubordinateBus(Register, offset=0x1A, width=8):
    """Bridge 3.2.5.4."""


class BusNumbers(Register, offset=0x18, width=32):
    """The three bus numbers and the secondary latency timer at once. Bridge 3.2.5.2 to 3.2.5.5."""

    primary = Field(7, 0)
    secondary = Field(15, 8)
    subordinate = Field(23, 16)
    latency_timer = Field(31, 24)


class IoBase(Register, offset=0x1C, width=8):
    """Bits 15:12 of the first port passed on. Bridge 3.2.5.6."""

    addressing = Field(3, 0)
    address = Field(7, 4)


class IoLimit(Register, offset=0x1D, width=8):
    """Bits 15:12 of the last 4 KiB of ports passed on. Bridge 3.2.5.6."""

    addressing = Field(3, 0)
    address = Field(7, 4)


class SecondaryStatus(Register, offset=0x1E, width=16):
    """Bridge 3.2.5.7."""


class MemoryBase(Register, offset=0x20, width=16):
    """Bits 31:20 of the first address passed on. Bridge 3.2.5.8."""

    address = Field(15, 4)


class MemoryLimit(Register, offset=0x22, width=16):
    """Bits 31:20 of the last mebibyte passed on. Bridge 3.2.5.8."""

    address = Field(15, 4)


class PrefetchableBase(Register, offset=0x24, width=16):
    """Bridge 3.2.5.9."""

    addressing = Field(3, 0)
    address = Field(15, 4)


class PrefetchableLimit(Register, offset=0x26, width=16):
    """Bridge 3.2.5.9."""

    addressing = Field(3, 0)
    address = Field(15, 4)


class PrefetchableBaseUpper(Register, offset=0x28, width=32):
    """Bridge 3.2.5.10."""


class PrefetchableLimitUpper(Register, offset=0x2C, width=32):
    """Bridge 3.2.5.10."""


class IoBaseUpper(Register, offset=0x30, width=16):
    """Bridge 3.2.5.11."""


class IoLimitUpper(Register, offset=0x32, width=16):
    """Bridge 3.2.5.11."""


class BridgeExpansionRom(Register, offset=0x38, width=32):
    """Bridge 3.2.5.14."""

    enable = Field(0)
    base = Field(31, 11)


class BridgeControl(Register, offset=0x3E, width=16):
    """Bridge 3.2.5.18."""

    parity_error_response = Field(0)
    serr_enable = Field(1)
    isa_enable = Field(2)
    vga_enable = Field(3)
    vga_16_bit_decode = Field(4)
    master_abort_mode = Field(5)
    secondary_bus_reset = Field(6)
    fast_back_to_back = Field(7)


ADDRESSING_WIDE = 0x1  # io: 32-bit, prefetchable: 64-bit. Bridge 3.2.5.6, 3.2.5.9
MEMORY_WINDOW_SHIFT = 20
IO_WINDOW_SHIFT = 12
PREFETCHABLE_UPPER_SHIFT = 32
IO_UPPER_SHIFT = 16

# ---- Capabilities. PCI 6.7 and appendix H; PCI Code and ID Assignment 1.11, 2


CAPABILITY_HEADER_SIZE = 2
EXTENDED_CAPABILITY_HEADER_SIZE = 4


class CapabilityHeader(Register, offset=0x00, width=16):
    """Which capability, and where the next is (0: the last). PCI 6.7."""

    identity = Field(7, 0)
    next = Field(15, 8)


class ExtendedCapabilityHeader(Register, offset=0x00, width=32):
    """PCIe 7.6.3."""

    identity = Field(15, 0)
    version = Field(19, 16)
    next = Field(31, 20)


class CapabilityId:
    """Identities in the list of configuration space. PCI Code and ID Assignment 1.11, 2."""

    POWER_MANAGEMENT = 0x01
    AGP = 0x02
    VITAL_PRODUCT_DATA = 0x03
    SLOT_IDENTIFICATION = 0x04
    MSI = 0x05
    COMPACT_PCI_HOT_SWAP = 0x06
    PCI_X = 0x07
    HYPERTRANSPORT = 0x08
    VENDOR_SPECIFIC = 0x09
    DEBUG_PORT = 0x0A
    COMPACT_PCI_CONTROL = 0x0B
    HOT_PLUG = 0x0C
    BRIDGE_SUBSYSTEM = 0x0D
    AGP_8X = 0x0E
    SECURE_DEVICE = 0x0F
    PCI_EXPRESS = 0x10
    MSI_X = 0x11
    SATA = 0x12
    ADVANCED_FEATURES = 0x13
    ENHANCED_ALLOCATION = 0x14


class ExtendedCapabilityId:
    """Identities in the extended list. PCI Code and ID Assignment 1.11, 3."""

    ADVANCED_ERROR_REPORTING = 0x0001
    VIRTUAL_CHANNEL = 0x0002
    DEVICE_SERIAL_NUMBER = 0x0003
    POWER_BUDGETING = 0x0004
    VENDOR_SPECIFIC = 0x000B
    ACCESS_CONTROL_SERVICES = 0x000D
    ALTERNATIVE_ROUTING_ID = 0x000E
    ADDRESS_TRANSLATION_SERVICES = 0x000F
    SINGLE_ROOT_IO_VIRTUALIZATION = 0x0010
    MULTICAST = 0x0012
    PAGE_REQUEST = 0x0013
    RESIZABLE_BAR = 0x0015
    TPH_REQUESTER = 0x0017
    LATENCY_TOLERANCE_REPORTING = 0x0018
    SECONDARY_PCI_EXPRESS = 0x0019
    PROCESS_ADDRESS_SPACE_ID = 0x001B
    DOWNSTREAM_PORT_CONTAINMENT = 0x001D
    L1_SUBSTATES = 0x001E
    PRECISION_TIME_MEASUREMENT = 0x001F


# ---- Power management. PCI Bus Power Management 1.2


class PowerCapabilities(Register, offset=0x02, width=16):
    """PMC. PCI Bus Power Management 1.2, 3.2.3."""

    version = Field(2, 0)
    d1_support = Field(9)
    d2_support = Field(10)
    pme_support = Field(15, 11)


class PowerControl(Register, offset=0x04, width=16):
    """PMCSR. PCI Bus Power Management 1.2, 3.2.4."""

    power_state = Field(1, 0)
    no_soft_reset = Field(3)
    pme_enable = Field(8)
    pme_status = Field(15)


POWER_MANAGEMENT_SIZE = 8

# ---- MSI. PCI 6.8.1


class MsiControl(Register, offset=0x02, width=16):
    """Message Control for MSI. PCI 6.8.1.3. Counts are powers of two."""

    enable = Field(0)
    multiple_message_capable = Field(3, 1)
    multiple_message_enable = Field(6, 4)
    address_64 = Field(7)
    per_vector_masking = Field(8)


class MsiAddress(Register, offset=0x04, width=32):
    """PCI 6.8.1.4."""


MSI_ADDRESS_RESERVED = 0x3  # bits that always read zero. PCI 6.8.1.4


class MsiAddressUpper(Register, offset=0x08, width=32):
    """PCI 6.8.1.5; only with address_64."""


class MsiData32(Register, offset=0x08, width=16):
    """Message Data without address_64. PCI 6.8.1.6."""


class MsiData64(Register, offset=0x0C, width=16):
    """Message Data with address_64. PCI 6.8.1.6."""


class MsiMask32(Register, offset=0x0C, width=32):
    """PCI 6.8.1.7."""


class MsiMask64(Register, offset=0x10, width=32):
    """PCI 6.8.1.7."""


def msi_size(control: MsiControl) -> int:
    """Bytes an MSI capability takes: 10 to 24. PCI 6.8.1."""
    if control.per_vector_masking:
        return 0x18 if control.address_64 else 0x14
    return 0x0E if control.address_64 else 0x0A


# ---- MSI-X. PCI 6.8.2


class MsixControl(Register, offset=0x02, width=16):
    """Message Control for MSI-X. PCI 6.8.2.3. table_size is one less than the vectors."""

    table_size = Field(10, 0)
    function_mask = Field(14)
    enable = Field(15)


class MsixTable(Register, offset=0x04, width=32):
    """Where the table is: a BAR's index and the offset in it (8-byte units). PCI 6.8.2.4."""

    bar = Field(2, 0)
    offset_units = Field(31, 3)


class MsixPending(Register, offset=0x08, width=32):
    """Where the pending bits are. PCI 6.8.2.5."""

    bar = Field(2, 0)
    offset_units = Field(31, 3)


MSIX_SIZE = 12
MSIX_OFFSET_UNIT = 8
MSIX_ENTRY_SIZE = 16  # PCI 6.8.2.2


class MsixAddress(Register, offset=0x00, width=32):
    """Of a table entry. PCI 6.8.2.7."""


class MsixAddressUpper(Register, offset=0x04, width=32):
    """PCI 6.8.2.8."""


class MsixData(Register, offset=0x08, width=32):
    """PCI 6.8.2.6."""


class MsixVectorControl(Register, offset=0x0C, width=32):
    """PCI 6.8.2.9. A masked vector sends nothing and sets its pending bit."""

    masked = Field(0)


# ---- PCI Express. PCIe 7.5.3


class ExpressCapabilities(Register, offset=0x02, width=16):
    """PCIe 7.5.3.2."""

    version = Field(3, 0)
    port_type = Field(7, 4)
    slot_implemented = Field(8)
    interrupt_message = Field(13, 9)


class ExpressPort:
    """Device/Port Type. PCIe 7.5.3.2, table 7-17."""

    ENDPOINT = 0x0
    LEGACY_ENDPOINT = 0x1
    ROOT_PORT = 0x4
    UPSTREAM = 0x5
    DOWNSTREAM = 0x6
    TO_PCI_BRIDGE = 0x7
    FROM_PCI_BRIDGE = 0x8
    INTEGRATED_ENDPOINT = 0x9
    EVENT_COLLECTOR = 0xA


class DeviceCapabilities(Register, offset=0x04, width=32):
    """PCIe 7.5.3.3."""

    max_payload = Field(2, 0)
    phantom_functions = Field(4, 3)
    extended_tag = Field(5)
    function_level_reset = Field(28)


class DeviceControl(Register, offset=0x08, width=16):
    """PCIe 7.5.3.4."""

    correctable_error_reporting = Field(0)
    non_fatal_error_reporting = Field(1)
    fatal_error_reporting = Field(2)
    unsupported_request_reporting = Field(3)
    relaxed_ordering = Field(4)
    max_payload = Field(7, 5)
    extended_tag = Field(8)
    phantom_functions = Field(9)
    aux_power = Field(10)
    no_snoop = Field(11)
    max_read_request = Field(14, 12)
    initiate_function_level_reset = Field(15)


class DeviceStatus(Register, offset=0x0A, width=16):
    """PCIe 7.5.3.5; the low four bits are cleared by writing 1."""

    correctable_error = Field(0)
    non_fatal_error = Field(1)
    fatal_error = Field(2)
    unsupported_request = Field(3)
    aux_power = Field(4)
    transactions_pending = Field(5)


class LinkCapabilities(Register, offset=0x0C, width=32):
    """PCIe 7.5.3.6."""

    max_speed = Field(3, 0)
    max_width = Field(9, 4)
    active_state_power_management = Field(11, 10)
    clock_power_management = Field(18)
    surprise_down_reporting = Field(19)
    link_active_reporting = Field(20)
    bandwidth_notification = Field(21)
    port_number = Field(31, 24)


class LinkControl(Register, offset=0x10, width=16):
    """PCIe 7.5.3.7."""

    active_state_power_management = Field(1, 0)
    link_disable = Field(4)
    retrain = Field(5)
    common_clock = Field(6)


class LinkStatus(Register, offset=0x12, width=16):
    """PCIe 7.5.3.8."""

    current_speed = Field(3, 0)
    negotiated_width = Field(9, 4)


class SlotCapabilities(Register, offset=0x14, width=32):
    """PCIe 7.5.3.9."""


class SlotControl(Register, offset=0x18, width=16):
    """PCIe 7.5.3.10."""


class SlotStatus(Register, offset=0x1A, width=16):
    """PCIe 7.5.3.11."""


class RootControl(Register, offset=0x1C, width=16):
    """PCIe 7.5.3.12."""


class DeviceCapabilities2(Register, offset=0x24, width=32):
    """PCIe 7.5.3.15."""

    latency_tolerance_reporting = Field(11)
    buffer_flush_fill = Field(19, 18)


class DeviceControl2(Register, offset=0x28, width=16):
    """PCIe 7.5.3.16."""


class DeviceStatus2(Register, offset=0x2A, width=16):
    """PCIe 7.5.3.17."""


class LinkCapabilities2(Register, offset=0x2C, width=32):
    """PCIe 7.5.3.18."""


class LinkControl2(Register, offset=0x30, width=16):
    """PCIe 7.5.3.19."""


class LinkStatus2(Register, offset=0x32, width=16):
    """PCIe 7.5.3.20."""


EXPRESS_SIZE_1 = 0x14  # an endpoint's, version 1. PCIe 1.1, 7.8
EXPRESS_SIZE_2 = 0x3C  # PCIe 7.5.3


class AdvancedFeaturesLength(Register, offset=0x02, width=8):
    """Bytes in the capability: 6. Advanced Features for conventional PCI, 3 (ECN of 2006)."""


class AdvancedFeaturesCapabilities(Register, offset=0x03, width=8):
    """Advanced Features for conventional PCI, 3 (ECN of 2006)."""

    transactions_pending = Field(0)
    function_level_reset = Field(1)


class AdvancedFeaturesControl(Register, offset=0x04, width=8):
    """Advanced Features for conventional PCI, 3 (ECN of 2006)."""

    initiate_function_level_reset = Field(0)


class AdvancedFeaturesStatus(Register, offset=0x05, width=8):
    """Advanced Features for conventional PCI, 3 (ECN of 2006)."""

    transactions_pending = Field(0)


ADVANCED_FEATURES_SIZE = 6

# ---- Smaller capabilities


class VpdAddress(Register, offset=0x02, width=16):
    """Where to read vital product data; `done` turns over when the data is there. PCI I."""

    address = Field(14, 0)
    done = Field(15)


class VpdData(Register, offset=0x04, width=32):
    """PCI appendix I."""


VPD_SIZE = 8


class VendorSpecificLength(Register, offset=0x02, width=8):
    """Bytes in the capability, header included. PCI Code and ID Assignment 1.11, 2."""


class BridgeSubsystem(Register, offset=0x04, width=32):
    """Subsystem IDs of a function without room in its header. Bridge 3.2.5.13 (ECN)."""


BRIDGE_SUBSYSTEM_SIZE = 8


SATA_SIZE = 8  # Serial ATA AHCI 1.3.1, 2.4


class AccessControlCapabilities(Register, offset=0x04, width=16):
    """What of AccessControl a port can do: the same bits. PCIe 7.7.8.2."""


class AccessControl(Register, offset=0x06, width=16):
    """What a port does with what comes from below it. PCIe 7.7.8.3."""

    source_validation = Field(0)
    translation_blocking = Field(1)
    request_redirect = Field(2)
    completion_redirect = Field(3)
    upstream_forwarding = Field(4)


class SerialNumber(Register, offset=0x04, width=64):
    """Device serial number. PCIe 7.9.3."""


SERIAL_NUMBER_SIZE = 12

# ---- Functions the VMM itself plays. QEMU docs/specs/pci-ids: 1b36:0008 is a PCIe host bridge

HOST_BRIDGE_VENDOR, HOST_BRIDGE_DEVICE = 0x1B36, 0x0008
HOST_BRIDGE_CLASS = 0x060000
# A device number no driver claims; class FF "does not fit in any defined class". PCI appendix D.
PLACEHOLDER_VENDOR, PLACEHOLDER_DEVICE = 0x1B36, 0xFFFE
PLACEHOLDER_CLASS = 0xFF0000

# ---- Class codes. PCI Code and ID Assignment 1.11, 1


class BaseClass:
    """The high byte of a class code."""

    STORAGE = 0x01
    NETWORK = 0x02
    DISPLAY = 0x03
    MULTIMEDIA = 0x04
    MEMORY = 0x05
    BRIDGE = 0x06
    COMMUNICATION = 0x07
    SYSTEM = 0x08
    SERIAL_BUS = 0x0C


class SubClass:
    """The high two bytes of a class code."""

    SCSI = 0x0100
    SATA = 0x0106
    NVM = 0x0108
    ETHERNET = 0x0200
    VGA = 0x0300
    HOST_BRIDGE = 0x0600
    ISA_BRIDGE = 0x0601
    PCI_BRIDGE = 0x0604
    SEMI_TRANSPARENT_BRIDGE = 0x0609
    IOMMU = 0x0806
    EVENT_COLLECTOR = 0x0807
    SMBUS = 0x0C05
    MEMORY_OTHER = 0x0580
    COMMUNICATION_OTHER = 0x0780
    SERIAL_BUS_OTHER = 0x0C80
    ENCRYPTION_OTHER = 0x1080
    IPMI = 0x0C07


INTEL, AMD = 0x8086, 0x1022  # vendors. PCI-SIG's list of members

SUBCLASS_SHIFT = 8  # of a 24-bit class code
BASE_CLASS_SHIFT = 16
