"""What does ACPI define? Tables, fixed hardware, AML opcodes, resource descriptors.

ACPI Specification 6.4 ("ACPI"); PCI Firmware Specification 3.2 for the MCFG table. The port
numbers and interrupts are our own choice within what ACPI leaves open; FADT and MADT say them.
"""

from __future__ import annotations

import ctypes

from septum.layouts import x86
from septum.layouts.cstruct import CStruct, layout, u8, u16, u32, u64
from septum.layouts.register import Field, Register

# ---- What our instances' fixed hardware is

TABLE_ALIGNMENT = 64  # the FACS needs it (ACPI 5.2.10), the RSDP 16 (5.2.5.1)

PM1A_EVENT, PM1A_EVENT_SIZE = 0x600, 4  # status word, enable word. ACPI 4.8.3.1
PM1A_CONTROL, PM1A_CONTROL_SIZE = 0x604, 2  # ACPI 4.8.3.2
PM_TIMER, PM_TIMER_SIZE = 0x608, 4  # ACPI 4.8.3.3
PM_TIMER_HZ = 3_579_545
RESET_PORT, RESET_VALUE = 0xCF9, 0x06  # ACPI 4.8.3.6; the value is ICH9's full reset
SCI = 9
NO_C2, NO_C3 = 101, 1001  # latencies that mean: no such state. ACPI 5.2.9
SLEEP_TYPE_OFF = 5  # ours; _S5 says it. ACPI 7.4.2

IO_APIC_ID = 0
PIT_IRQ, PIT_GSI = 0, 2
PCI_GSI_FIRST, PCI_GSI_COUNT = 16, 8


class Pm1Status(Register, offset=0x00, width=16):
    """Event status; a bit is cleared by writing 1. ACPI 4.8.3.1.1, table 4.11."""

    timer = Field(0)
    bus_master = Field(4)
    global_lock = Field(5)
    power_button = Field(8)
    sleep_button = Field(9)
    clock_alarm = Field(10)
    wake = Field(15)


class Pm1Enable(Register, offset=0x02, width=16):
    """Which events raise the SCI. ACPI 4.8.3.1.2, table 4.12."""

    timer = Field(0)
    global_lock = Field(5)
    power_button = Field(8)
    sleep_button = Field(9)
    clock_alarm = Field(10)


class Pm1Control(Register, offset=0x00, width=16):
    """Sleeping. ACPI 4.8.3.2.1, table 4.13."""

    sci_enable = Field(0)
    bus_master_reload = Field(1)
    global_lock_release = Field(2)
    sleep_type = Field(12, 10)
    sleep_enable = Field(13)


# ---- Tables. ACPI 5.2

OEM_ID, OEM_TABLE_ID = b"SEPTUM", b"SEPTUMPC"
CREATOR_ID, CREATOR_REVISION = b"SPTM", 1
OEM_REVISION = 1


class Signature:
    """Table signatures. ACPI 5.2.6, tables 5.5 and 5.6."""

    RSDP = b"RSD PTR "
    RSDT = b"RSDT"
    XSDT = b"XSDT"
    FADT = b"FACP"
    FACS = b"FACS"
    MADT = b"APIC"
    MCFG = b"MCFG"
    DSDT = b"DSDT"


class Revision:
    """Revision of each table in ACPI 6.4; the DSDT's 2 makes AML integers 64 bits wide."""

    RSDP = 2
    RSDT = 1
    XSDT = 1
    FADT = 6
    FADT_MINOR = 4
    FACS = 2
    MADT = 5
    MCFG = 1
    DSDT = 2


@layout(
    size=36,
    pack=1,
    signature=(ctypes.c_char, 4),
    oem=(ctypes.c_char, 6),
    oem_table=(ctypes.c_char, 8),
    creator=(ctypes.c_char, 4),
)
class Header(CStruct):
    """What every table but RSDP and FACS begins with. ACPI 5.2.6, table 5.4."""

    signature: object
    length: u32
    revision: u8
    checksum: u8 = 0
    oem: object = OEM_ID
    oem_table: object = OEM_TABLE_ID
    oem_revision: u32 = OEM_REVISION
    creator: object = CREATOR_ID
    creator_revision: u32 = CREATOR_REVISION


CHECKSUM_OFFSET = 9  # in Header

RSDP_V1_SIZE = 20  # what the first checksum covers
RSDP_CHECKSUM_OFFSET, RSDP_EXTENDED_CHECKSUM_OFFSET = 8, 32


@layout(
    size=36,
    pack=1,
    signature=(ctypes.c_char, 8),
    oem=(ctypes.c_char, 6),
    reserved=(ctypes.c_uint8, 3),
)
class Rsdp(CStruct):
    """ACPI 5.2.5.3, table 5.3."""

    signature: object = Signature.RSDP
    checksum: u8 = 0
    oem: object = OEM_ID
    revision: u8 = Revision.RSDP
    rsdt: u32
    length: u32 = 36
    xsdt: u64
    extended_checksum: u8 = 0
    reserved: object = None


@layout(size=12, pack=1)
class Address(CStruct):
    """Generic Address Structure. ACPI 5.2.3.2, table 5.1."""

    space: u8 = 0
    bit_width: u8 = 0
    bit_offset: u8 = 0
    access_size: u8 = 0
    address: u64 = 0


SPACE_IO = 1
ACCESS_BYTE, ACCESS_WORD, ACCESS_DWORD = 1, 2, 3


class FadtFlags(Register, offset=112, width=32):
    """Fixed feature flags. ACPI 5.2.9, table 5.10."""

    wbinvd = Field(0)
    wbinvd_flush = Field(1)
    proc_c1 = Field(2)
    power_button_is_not_fixed = Field(4)
    sleep_button_is_not_fixed = Field(5)
    rtc_wake_is_not_fixed = Field(6)
    timer_is_32_bits = Field(8)
    reset_register_supported = Field(10)
    headless = Field(12)
    hardware_reduced = Field(20)


class BootArchitecture(Register, offset=109, width=16):
    """IA-PC boot architecture flags. ACPI 5.2.9.3, table 5.11."""

    legacy_devices = Field(0)
    has_8042 = Field(1)
    no_vga = Field(2)
    no_msi = Field(3)
    no_aspm = Field(4)
    no_cmos_rtc = Field(5)


@layout(size=276, pack=1)
class Fadt(CStruct):
    """ACPI 5.2.9, table 5.9. Zero: not there."""

    header: Header
    facs: u32
    dsdt: u32
    reserved_model: u8 = 0
    profile: u8 = 0
    sci: u16 = SCI
    smi_command: u32 = 0  # no such port: always in ACPI mode
    acpi_enable: u8 = 0
    acpi_disable: u8 = 0
    s4_bios: u8 = 0
    p_state_control: u8 = 0
    pm1a_event: u32 = PM1A_EVENT
    pm1b_event: u32 = 0
    pm1a_control: u32 = PM1A_CONTROL
    pm1b_control: u32 = 0
    pm2_control: u32 = 0
    pm_timer: u32 = PM_TIMER
    gpe0: u32 = 0
    gpe1: u32 = 0
    pm1_event_size: u8 = PM1A_EVENT_SIZE
    pm1_control_size: u8 = PM1A_CONTROL_SIZE
    pm2_control_size: u8 = 0
    pm_timer_size: u8 = PM_TIMER_SIZE
    gpe0_size: u8 = 0
    gpe1_size: u8 = 0
    gpe1_base: u8 = 0
    c_state_control: u8 = 0
    c2_latency: u16 = NO_C2
    c3_latency: u16 = NO_C3
    flush_size: u16 = 0
    flush_stride: u16 = 0
    duty_offset: u8 = 0
    duty_width: u8 = 0
    day_alarm: u8 = 0
    month_alarm: u8 = 0
    century: u8 = 0
    boot_architecture: u16 = 0
    reserved: u8 = 0
    flags: u32 = 0
    reset: Address
    reset_value: u8 = RESET_VALUE
    arm_boot_architecture: u16 = 0
    minor_revision: u8 = Revision.FADT_MINOR
    x_facs: u64
    x_dsdt: u64
    x_pm1a_event: Address
    x_pm1b_event: Address
    x_pm1a_control: Address
    x_pm1b_control: Address
    x_pm2_control: Address
    x_pm_timer: Address
    x_gpe0: Address
    x_gpe1: Address
    sleep_control: Address
    sleep_status: Address
    hypervisor: u64 = 0


@layout(
    size=64,
    pack=1,
    signature=(ctypes.c_char, 4),
    reserved=(ctypes.c_uint8, 3),
    reserved_2=(ctypes.c_uint8, 24),
)
class Facs(CStruct):
    """ACPI 5.2.10, table 5.13."""

    signature: object = Signature.FACS
    length: u32 = 64
    hardware_signature: u32 = 0
    waking_vector: u32 = 0
    global_lock: u32 = 0
    flags: u32 = 0
    x_waking_vector: u64 = 0
    version: u8 = Revision.FACS
    reserved: object = None
    ospm_flags: u32 = 0
    reserved_2: object = None


# ---- MADT. ACPI 5.2.12


@layout(size=8, pack=1)
class MadtBody(CStruct):
    """After the header: table 5.19. PCAT_COMPAT: there are 8259s too, to be masked."""

    local_apic: u32 = x86.LOCAL_APIC
    flags: u32 = 1


@layout(size=8, pack=1)
class LocalApic(CStruct):
    """ACPI 5.2.12.2."""

    type: u8 = 0
    length: u8 = 8
    uid: u8
    apic_id: u8
    flags: u32 = 1  # enabled


@layout(size=16, pack=1)
class LocalX2Apic(CStruct):
    """ACPI 5.2.12.12; for APIC IDs of 255 and more."""

    type: u8 = 9
    length: u8 = 16
    reserved: u16 = 0
    apic_id: u32
    flags: u32 = 1
    uid: u32


@layout(size=12, pack=1)
class IoApic(CStruct):
    """ACPI 5.2.12.3."""

    type: u8 = 1
    length: u8 = 12
    id: u8 = IO_APIC_ID
    reserved: u8 = 0
    address: u32 = x86.IO_APIC
    gsi_base: u32 = 0


@layout(size=10, pack=1)
class SourceOverride(CStruct):
    """ACPI 5.2.12.5."""

    type: u8 = 2
    length: u8 = 10
    bus: u8 = 0  # ISA
    source: u8
    gsi: u32
    flags: u16


@layout(size=6, pack=1)
class LocalApicNmi(CStruct):
    """ACPI 5.2.12.7."""

    type: u8 = 4
    length: u8 = 6
    uid: u8 = 0xFF  # every processor
    flags: u16 = 0
    lint: u8 = 1


LARGEST_APIC_ID = 0xFE  # that a LocalApic entry can hold; 255 is the broadcast
INTI_CONFORMS = 0x0  # polarity and trigger of the bus. ACPI 5.2.12.5, table 5.26
INTI_ACTIVE_HIGH_LEVEL = 0xD

# ---- MCFG. PCI Firmware Specification 3.2, 4.1.2

MCFG_RESERVED_SIZE = 8


@layout(size=16, pack=1)
class McfgEntry(CStruct):
    """Table 4-3. `base` is where bus 0 of the segment would be, whichever bus is the first."""

    base: u64
    segment: u16
    first_bus: u8
    last_bus: u8
    reserved: u32 = 0


# ---- AML. ACPI 20.2


class Op:
    """Opcodes. ACPI 20.3, table 20.1."""

    ZERO = 0x00
    ONE = 0x01
    NAME = 0x08
    BYTE = 0x0A
    WORD = 0x0B
    DWORD = 0x0C
    STRING = 0x0D
    QWORD = 0x0E
    SCOPE = 0x10
    BUFFER = 0x11
    PACKAGE = 0x12
    DUAL_NAME = 0x2E
    MULTI_NAME = 0x2F
    EXTENDED = 0x5B
    DEVICE = 0x82  # after EXTENDED


# PkgLength: 6 bits alone, or 4 bits and one to three bytes more. ACPI 20.2.4.
LENGTH_SHORT = 1 << 6
LENGTH_NIBBLE, LENGTH_NIBBLE_MASK = 4, 0xF
LENGTH_COUNT_SHIFT = 6
LENGTH_BYTES = 4

# Compressed EISA identity: three letters of five bits, four hexadecimal digits. ACPI 19.6.36.
EISA_LETTER_BASE = 0x40
EISA_LETTER_BITS = 5

PROCESSOR_HID = "ACPI0007"  # ACPI 8.4
PCI_EXPRESS_ROOT_HID = "PNP0A08"  # PCI Firmware 3.2, 4.1.4
PCI_ROOT_HID = "PNP0A03"
SERIAL_HID = "PNP0501"
MOTHERBOARD_HID = "PNP0C02"

PRT_DEVICE_SHIFT = 16
PRT_ANY_FUNCTION = 0xFFFF  # ACPI 6.2.13

# ---- Resource descriptors. ACPI 6.4

END_TAG = bytes((0x79, 0x00))  # checksum 0: not to be checked. 6.4.2.9


@layout(size=3, pack=1)
class IrqDescriptor(CStruct):
    """Edge, active high, not shared. ACPI 6.4.2.1."""

    tag: u8 = 0x22
    mask: u16


@layout(size=8, pack=1)
class IoDescriptor(CStruct):
    """ACPI 6.4.2.5."""

    tag: u8 = 0x47
    decodes_16_bits: u8 = 1
    minimum: u16
    maximum: u16
    alignment: u8 = 1
    size: u8


@layout(size=12, pack=1)
class FixedMemory32(CStruct):
    """ACPI 6.4.3.4."""

    tag: u8 = 0x86
    length: u16 = 9
    writable: u8 = 1
    base: u32
    size: u32


@layout(size=16, pack=1)
class WordSpace(CStruct):
    """ACPI 6.4.3.5.3."""

    tag: u8 = 0x88
    length: u16 = 13
    kind: u8
    flags: u8
    specific: u8
    granularity: u16 = 0
    minimum: u16
    maximum: u16
    translation: u16 = 0
    size: u16


@layout(size=26, pack=1)
class DwordSpace(CStruct):
    """ACPI 6.4.3.5.2."""

    tag: u8 = 0x87
    length: u16 = 23
    kind: u8
    flags: u8
    specific: u8
    granularity: u32 = 0
    minimum: u32
    maximum: u32
    translation: u32 = 0
    size: u32


@layout(size=46, pack=1)
class QwordSpace(CStruct):
    """ACPI 6.4.3.5.1."""

    tag: u8 = 0x8A
    length: u16 = 43
    kind: u8
    flags: u8
    specific: u8
    granularity: u64 = 0
    minimum: u64
    maximum: u64
    translation: u64 = 0
    size: u64


KIND_MEMORY, KIND_IO, KIND_BUS = 0, 1, 2
# General flags: both ends fixed; produced (passed on to those below) or consumed. 6.4.3.5.
PRODUCED, CONSUMED = 0x0C, 0x0D
READ_WRITE = 0x01  # not cacheable. 6.4.3.5.5, table 6.49
ENTIRE_RANGE = 0x03  # ISA and non-ISA ports. Table 6.50

DWORD_END = 1 << 32
WORD_END = 1 << 16
SMALLEST_NAME = 4  # characters of a name segment. ACPI 20.2.2
