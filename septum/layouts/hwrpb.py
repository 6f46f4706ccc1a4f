"""How does Alpha's hardware restart parameter block (HWRPB) look in memory?

Sources: Alpha Architecture Reference Manual, third edition, section III, chapter 2 (console
interface); offsets as Linux reads them: arch/alpha/include/asm/hwrpb.h. What the
configuration data block holds is left to the platform; ours lists the devices of the ISA bus.
"""

from __future__ import annotations

import ctypes

from septum.layouts.cstruct import CStruct, layout, u64

_QUAD = ctypes.c_uint64

SIGNATURE = int.from_bytes(b"HWRPB\0\0\0", "big")
VIRTUAL = 0x10000000  # where the OS finds it
REVISION = 5  # from 5 on there is a dynamic system recognition block
PAGE_SIZE = 8192
PHYSICAL_BITS = 40  # Linux include/asm/io.h: 40 for virt_to_phys
LAST_ASN = 255
VPTB = 0xFFFFFFFE00000000
SYSTEM_TSUNAMI = 34
MEMBER_SHIFT = 10
MEMBER_CLIPPER = 5
FREQUENCY_SCALE = 4096  # of the interval timer's frequency
CHECKSUM_QUADS = 36  # quads 0 to 35 are summed, the sum stands in the next


@layout(size=320, serial=(ctypes.c_char, 16), terminal=(_QUAD, 4))
class Hwrpb(CStruct):
    """The fixed part. ARM III, table 2-1; Linux hwrpb.h, struct hwrpb_struct."""

    physical: u64
    signature: u64 = SIGNATURE
    revision: u64 = REVISION
    size: u64
    primary: u64 = 0
    page_size: u64 = PAGE_SIZE
    physical_bits: u64 = PHYSICAL_BITS
    last_asn: u64 = LAST_ASN
    serial: object
    system_type: u64 = SYSTEM_TSUNAMI
    system_variation: u64 = MEMBER_CLIPPER << MEMBER_SHIFT
    system_revision: u64 = 0
    interval_frequency: u64
    cycle_frequency: u64
    vptb: u64 = VPTB
    reserved: u64 = 0
    translation_hints: u64 = 0
    processors: u64
    processor_size: u64
    processor_offset: u64
    terminals: u64
    terminal_size: u64
    terminal_offset: u64
    callbacks_offset: u64
    memory_offset: u64
    configuration_offset: u64 = 0
    units_offset: u64 = 0
    terminal: object
    restart: u64 = 0
    restart_data: u64 = 0
    reserved_os: u64 = 0
    reserved_hardware: u64 = 0
    checksum: u64 = 0
    receive_ready: u64 = 0
    transmit_ready: u64 = 0
    recognition_offset: u64


CHECKSUM_OFFSET = 288


class SlotFlag:
    """State of a processor. ARM III, table 2-3; Linux counts those with all of USABLE."""

    BOOT_IN_PROGRESS = 0x001
    RESTART_CAPABLE = 0x002
    AVAILABLE = 0x004
    PRESENT = 0x008
    OPERATOR_HALTED = 0x010
    CONTEXT_VALID = 0x020
    PALCODE_VALID = 0x040
    PALCODE_MEMORY_VALID = 0x080
    PALCODE_LOADED = 0x100
    USABLE = AVAILABLE | PRESENT | PALCODE_VALID | PALCODE_MEMORY_VALID | PALCODE_LOADED


PROCESSOR_EV6 = 8
PROCESSOR_VARIATION = 7  # VAX and IEEE floating point, may be primary


@layout(
    size=624,
    process=(_QUAD, 16),
    serial=(ctypes.c_char, 16),
    halt=(_QUAD, 7),
    messages=(_QUAD, 21),
    palcode_available=(_QUAD, 16),
)
class Slot(CStruct):
    """One processor. ARM III, table 2-4; Linux hwrpb.h, struct percpu_struct."""

    process: object  # the HWPCB it starts with
    flags: u64
    palcode_memory: u64 = 0
    palcode_scratch: u64 = 0
    palcode_physical: u64 = 0
    palcode_scratch_physical: u64 = 0
    palcode_revision: u64
    type: u64 = PROCESSOR_EV6
    variation: u64 = PROCESSOR_VARIATION
    revision: u64 = 0
    serial: object
    logout_physical: u64 = 0
    logout_size: u64 = 0
    halt: object  # of the last halt: PCBB, PC, PS, argument list, return address, PV, reason
    reserved: u64 = 0
    messages: object
    palcode_available: object
    compatibility: u64 = 0
    console_log_physical: u64 = 0
    console_log_size: u64 = 0
    cache: u64 = 0


SLOT_FLAGS = 128


@layout(size=320, rest=(_QUAD, 32))
class Terminal(CStruct):
    """Console terminal block, first 40 quads. ARM III, table 2-9; Linux console.c, ctb_struct."""

    type: u64
    identity: u64 = 0
    reserved: u64 = 0
    length: u64 = 264
    level: u64 = 0
    receive_vector: u64 = 0
    transmit_vector: u64 = 0
    terminal_type: u64
    rest: object


TERMINAL_SERIAL = 2


@layout(size=24)
class MemoryTable(CStruct):
    """What stands before the memory clusters. ARM III, table 2-10; Linux memdesc_struct."""

    checksum: u64 = 0
    optional: u64 = 0
    clusters: u64


@layout(size=56)
class Cluster(CStruct):
    """A run of page frames. ARM III, table 2-11; Linux memclust_struct."""

    start: u64
    pages: u64
    tested: u64
    bitmap_virtual: u64 = 0
    bitmap_physical: u64 = 0
    bitmap_checksum: u64 = 0
    usage: u64


class Usage:
    """Who may use a cluster."""

    SYSTEM = 0
    CONSOLE = 1
    NONVOLATILE = 2


@layout(size=48)
class CallbackBlock(CStruct):
    """Console routine block. ARM III, table 2-7; Linux hwrpb.h, crb_struct."""

    dispatch_virtual: u64
    dispatch_physical: u64
    fixup_virtual: u64
    fixup_physical: u64
    entries: u64
    pages: u64


@layout(size=24)
class CallbackMap(CStruct):
    """Pages of the console's code, as mapped when the OS starts. Linux hwrpb.h, vf_map_struct."""

    virtual: u64
    physical: u64
    count: u64


@layout(size=32)
class Procedure(CStruct):
    """A procedure descriptor; the code's address stands second. Linux hwrpb.h, procdesc_struct."""

    flags: u64 = 0
    address: u64
    spare_2: u64 = 0
    spare_3: u64 = 0


@layout(size=24)
class Recognition(CStruct):
    """Dynamic system recognition block. ARM III, table 2-12; Linux hwrpb.h, dsr_struct."""

    member: u64
    licence_offset: u64 = 0
    name_offset: u64 = 24


@layout(size=32)
class Configuration(CStruct):
    """Configuration data block. ARM III, table 2-1 leaves what follows size and checksum open.

    Ours lists the ISA bus: `entries` records of `entry_size` bytes from `first`.
    """

    size: u64
    checksum: u64 = 0  # sum of all other quads of the block
    entries: u64
    entry_size: u64 = 64


@layout(size=64, name=(ctypes.c_char, 16))
class IsaDevice(CStruct):
    """One ISA device: what the SRM console's `isacfg` command shows of it."""

    name: object
    slot: u64
    enabled: u64 = 1
    port: u64
    ports: u64
    line: u64
    reserved: u64 = 0
