"""How is a computer with the Tsunami chipset laid out: addresses, control registers, DMA windows?

Source: Tsunami/Typhoon 21272 Chipset Hardware Reference Manual (Compaq EC-RE37A), chapters 6
(addresses) and 10 (registers; "HRM" below). Slots and lines of the "clipper" board: Linux,
arch/alpha/kernel/sys_dp264.c, clipper_map_irq.
"""

from __future__ import annotations

from septum.layouts.register import Field, Register
from septum.units import Span

# ---- Physical addresses. HRM 6.1

MEMORY_SIZE_LIMIT = 1 << 35  # a physical memory address has 35 bits
IO_SPACE = 1 << 43  # PA<43>: not memory
UNDECODED = 0x7 << 40  # PA<42:40>: sign of a 41-bit KSEG address, not looked at in I/O space
HOSE_SHIFT = 33  # Pchip1's addresses are Pchip0's + 2**33
HOSES = 2
REGION_SHIFT = 24  # nothing below shares 16 MiB with anything else

PCI_MEMORY = Span(0x800_0000_0000, 0x1_0000_0000)
TIG_BUS = Span(0x801_0000_0000, 0x4000_0000)
PCHIP = Span(0x801_8000_0000, 0x1000_0000)
CCHIP = Span(0x801_A000_0000, 0x1000_0000)
DCHIP = Span(0x801_B000_0000, 0x1000_0000)
INTERRUPT_ACKNOWLEDGE = Span(0x801_F800_0000, 0x400_0000)
PCI_IO = Span(0x801_FC00_0000, 0x200_0000)
PCI_CONFIGURATION = Span(0x801_FE00_0000, 0x100_0000)

CONFIGURATION_BUS_SHIFT = 16  # bus, device, function and register in a configuration address
CONFIGURATION_DEVICE_SHIFT = 11
CONFIGURATION_FUNCTION_SHIFT = 8
CONFIGURATION_REGISTER_BITS = 0xFF
FUNCTION_BITS = 0xFF  # device and function in one byte
BUS_BITS = 0xFF

REGISTER_SIZE = 8
ALL_ONES = 0xFFFF_FFFF_FFFF_FFFF


def hose_address(hose: int, place: Span) -> int:
    """Where one hose's copy of an area begins."""
    return place.start + (hose << HOSE_SHIFT)


# ---- Cchip registers, by their offset in CCHIP. HRM 10.2.2


class SystemConfiguration(Register, offset=0x000, width=64):
    """CSC."""

    pchip_1_present = Field(14)


class MemoryTiming(Register, offset=0x040, width=64):
    """MTR."""


class Miscellaneous(Register, offset=0x080, width=64):
    """MISC: who reads, interval and interprocessor interrupts, arbitration, missing memory."""

    processor = Field(1, 0)  # CPUID: of the one that reads
    interval = Field(7, 4)  # ITINTR, write 1 to clear
    interprocessor = Field(11, 8)  # IPINTR, write 1 to clear
    interprocessor_request = Field(15, 12)  # IPREQ, write 1 to set IPINTR
    arbitration_won = Field(19, 16)  # ABW, write 1 to set while it is 0
    arbitration_try = Field(23, 20)  # ABT, write 1 to set
    arbitration_clear = Field(24)  # ACL, write 1 to clear ABW and ABT
    missing_memory = Field(28)  # NXM, write 1 to clear
    missing_memory_source = Field(31, 29)  # NXS, locked while NXM is set
    revision = Field(39, 32)
    device_suppress = Field(43, 40)


PCHIP_SOURCE = 4  # NXS of Pchip0; Pchip1 is the next
TSUNAMI_REVISION = 1  # REV: 1 to 7 are Tsunami, 8 and up Typhoon


class MemoryPresence(Register, offset=0x0C0, width=64):
    """MPD."""


class ArrayAddress(Register, offset=0x100, width=64):
    """AAR0; three more follow."""


ARRAYS = 4


class DeviceMask0(Register, offset=0x200, width=64):
    """DIM0: which device requests reach processor 0."""


class DeviceMask1(Register, offset=0x240, width=64):
    """DIM1."""


class DeviceRequest0(Register, offset=0x280, width=64):
    """DIR0: device requests that reach processor 0."""


class DeviceRequest1(Register, offset=0x2C0, width=64):
    """DIR1."""


class RawRequest(Register, offset=0x300, width=64):
    """DRIR: device requests before any mask."""


class ProbeEnable(Register, offset=0x340, width=64):
    """PRBEN."""


class IntervalIgnore0(Register, offset=0x380, width=64):
    """IIC0: how many interval interrupts processor 0 does not want to hear of."""

    count = Field(23, 0)
    overflow = Field(24)


class IntervalIgnore1(Register, offset=0x3C0, width=64):
    """IIC1."""


class MemoryProgramming(Register, offset=0x400, width=64):
    """MPR0; three more follow."""


class TigTiming(Register, offset=0x580, width=64):
    """TTR."""


class TigDeviceTiming(Register, offset=0x5C0, width=64):
    """TDR."""


class PowerManagement(Register, offset=0x780, width=64):
    """PWR."""


PROCESSORS = 2  # of Tsunami's Cchip
REQUESTS = 64  # bits of DRIR
ISA_REQUEST = 55  # DRIR bit of the ISA bridge's interrupt controllers
ERROR_REQUESTS = Span(58, 6)  # DRIR bits that are errors
CCHIP_ERROR_REQUEST = 63
PCHIP_ERROR_REQUEST = 62  # of Pchip0; Pchip1's is the one below
CCHIP_END = 0xD00

# The Cchip's wires to a processor, EV6 irq_h<5:0>. HRM 6.4; 21264 HRM 5.2.16 (ISUM<EI>)
PIN_ERROR = 1 << 0
PIN_DEVICE = 1 << 1
PIN_INTERVAL = 1 << 2
PIN_INTERPROCESSOR = 1 << 3
PINS_OF_PROCESSORS = 0x38  # that one, and the two (irq_h<5:4>) that the Cchip does not drive

# ---- Dchip registers. HRM 10.2.3: each byte of the eight chips says the same


class DchipConfiguration(Register, offset=0x800, width=64):
    """DSC."""

    pchip_1_present = Field(5)


class DchipTiming(Register, offset=0x840, width=64):
    """STR."""


class DchipRevision(Register, offset=0x880, width=64):
    """DREV."""


DCHIP_ALL = 0x0101_0101_0101_0101  # times a byte: what all eight say

# ---- Pchip registers, by their offset in PCHIP. HRM 10.2.5

WINDOWS = 4
REGISTER_STEP = 0x40


class WindowBase(Register, offset=0x000, width=64):
    """WSBA0; three more follow. WSBA3 has bit 39, `double_address`, too."""

    enable = Field(0)
    scatter_gather = Field(1)
    peer_to_peer = Field(2)
    address = Field(31, 20)
    double_address = Field(39)  # DAC


class WindowMask(Register, offset=0x100, width=64):
    """WSM0; three more follow. Ones: address bits that vary inside the window."""

    varying = Field(31, 20)


class TranslatedBase(Register, offset=0x200, width=64):
    """TBA0; three more follow: a direct window's memory, or a scatter-gather window's table."""

    address = Field(34, 10)


class PchipControl(Register, offset=0x300, width=64):
    """PCTL."""

    hole = Field(5)
    monster_window = Field(6)
    arbiter_enable = Field(7)
    revision = Field(31, 24)
    pchip = Field(47, 46)


PCHIP_CONTROL_WRITABLE = 0x0000_1CFF_0000_FFFF & ~(0x3 << 42)


class PchipLatency(Register, offset=0x340, width=64):
    """PLAT."""


class PchipError(Register, offset=0x3C0, width=64):
    """PERROR; the low 12 bits are cleared by writing 1."""

    lost = Field(0)
    scatter_gather = Field(4)  # SGE: the table's entry was not valid
    no_device = Field(8)  # NDS: nobody answered
    retry_timeout = Field(9)
    address = Field(50, 16)
    command = Field(55, 52)
    syndrome = Field(63, 56)  # of ECC errors; with requester windows: the refused requester's slot


PCHIP_ERRORS = 0xFFF
COMMAND_READ, COMMAND_WRITE = 0x6, 0x7  # PCI bus commands, memory. PCI 3.1.1
COMMAND_IO_READ, COMMAND_IO_WRITE = 0x2, 0x3
COMMAND_CONFIGURATION_READ, COMMAND_CONFIGURATION_WRITE = 0xA, 0xB


class PchipErrorMask(Register, offset=0x400, width=64):
    """PERRMASK: which errors interrupt."""


class PchipErrorSet(Register, offset=0x440, width=64):
    """PERRSET: sets errors, for tests."""


class InvalidateVirtual(Register, offset=0x480, width=64):
    """TLBIV."""


class InvalidateAll(Register, offset=0x4C0, width=64):
    """TLBIA."""


class MonitorControl(Register, offset=0x500, width=64):
    """PMONCTL."""


class MonitorCount(Register, offset=0x540, width=64):
    """PMONCNT."""


class SoftReset(Register, offset=0x800, width=64):
    """SPRST."""


# Windows of one requester alone: NOT Tsunami. A set of WSBA, WSM and TBA, laid out as the common
# ones, for each device number, as an IOMMU would give. Present only in a machine file that says
# so; it is what two instances on one hose need.
REQUESTER_WINDOWS = Span(0x1_0000, 0x8000)
REQUESTER_STEP = 0x400
REQUESTER_SWITCH = 0x3C0  # in each set: 1 = this requester uses this set and no other

# Scatter-gather table: one quadword a page of 8 KiB. HRM 10.1.4.4


class ScatterGatherEntry(Register, offset=0, width=64):
    """A page-table entry of a scatter-gather window."""

    valid = Field(0)
    page = Field(22, 1)  # PA<34:13>


ENTRY_SIZE = 8
PAGE_SHIFT = 13
PAGE_SIZE = 1 << PAGE_SHIFT

MONSTER_WINDOW = Span(1 << 40, 1 << 35)  # bus addresses; memory one to one. HRM 10.1.4.5
HOLE = Span(0x8_0000, 0x8_0000)  # 512 KiB to 1 MiB

# ---- The clipper board

SLOTS = range(1, 7)  # PCI device numbers that have interrupt wires
ISA_SLOT = 7
SLOT_REQUEST = 8  # DRIR bit of slot 1, INTA
PINS = 4
HOSE_REQUESTS = 16  # Pchip1's slots are so many bits further
ISA_BRIDGE_VENDOR, ISA_BRIDGE_DEVICE = 0x8086, 0x0484  # Intel 82378 (SIO)
ISA_BRIDGE_CLASS = 0x060100
FREE_PORT = 0xFF

# Where firmware places what it finds
FIRST_MEMORY_BAR = 0x0900_0000  # where Linux for this board begins too (DEFAULT_MEM_BASE)
LAST_MEMORY_BAR = 0x4000_0000  # below Linux's scatter-gather and direct windows


def request_bit(hose: int, slot: int, pin: int) -> int:
    """The DRIR bit of a slot's interrupt pin (1 to 4)."""
    return SLOT_REQUEST + PINS * (slot - SLOTS.start) + pin - 1 + HOSE_REQUESTS * hose
