"""What does an operating system ask of OSF/1 PALcode, and what does PALcode give it?

Sources: Alpha Architecture Reference Manual, third edition ("ARM"), section II-B, OSF/1 software;
numbers and frames as Linux uses them: arch/alpha/include/uapi/asm/pal.h, include/asm/hwrpb.h,
kernel/entry.S, kernel/traps.c. The console callbacks: ARM section III, chapter 2.
"""

from __future__ import annotations

from septum.layouts.cstruct import CStruct, layout, u32, u64

QUAD = 8  # bytes

# ---- CALL_PAL functions. ARM II-B, chapter 2; Linux pal.h


class Call:
    """CALL_PAL function numbers; below UNPRIVILEGED only kernel mode may call them."""

    HALT = 0x00
    CFLUSH = 0x01
    DRAINA = 0x02
    CSERVE = 0x09
    SWPPAL = 0x0A
    WRIPIR = 0x0D
    RDMCES = 0x10
    WRMCES = 0x11
    WRFEN = 0x2B
    WRVPTPTR = 0x2D
    SWPCTX = 0x30
    WRVAL = 0x31
    RDVAL = 0x32
    TBI = 0x33
    WRENT = 0x34
    SWPIPL = 0x35
    RDPS = 0x36
    WRKGP = 0x37
    WRUSP = 0x38
    WRPERFMON = 0x39
    RDUSP = 0x3A
    WHAMI = 0x3C
    RETSYS = 0x3D
    WTINT = 0x3E
    RTI = 0x3F
    BPT = 0x80
    BUGCHK = 0x81
    CALLSYS = 0x83
    IMB = 0x86
    URTI = 0x92
    RDUNIQUE = 0x9E
    WRUNIQUE = 0x9F
    GENTRAP = 0xAA
    CLRFEN = 0xAE


NAMES = {
    number: name.lower() for name, number in vars(Call).items() if not name.startswith("_")
}
UNPRIVILEGED = 0x80  # ARM I, 4.11.1: 0x00 to 0x3F privileged, 0x80 to 0xBF not
LAST_PRIVILEGED = 0x3F

# Our console's own calls: unassigned privileged numbers, met only in the two stubs that the
# CRB's procedure descriptors point at.
CONSOLE_DISPATCH = 0x0E
CONSOLE_FIXUP = 0x0F
RETURN_TO_CALLER = 0x6BFA8001  # ret $31,($26),1. ARM I, 4.3.3


class Entry:
    """Entry points that the OS registers with wrent. ARM II-B, 5; Linux irq_alpha.c, traps.c."""

    INTERRUPT = 0
    ARITHMETIC = 1
    MEMORY_MANAGEMENT = 2
    INSTRUCTION_FAULT = 3
    UNALIGNED = 4
    SYSTEM_CALL = 5
    DEBUG = 6  # Linux registers it; nothing enters it


ENTRY_NAMES = ("entInt", "entArith", "entMM", "entIF", "entUna", "entSys", "entDbg")


class InterruptKind:
    """a0 of entInt. ARM II-B, table 5-2."""

    INTERPROCESSOR = 0
    CLOCK = 1
    MACHINE_CHECK = 2
    DEVICE = 3
    PERFORMANCE = 4


class MemoryFault:
    """a1 of entMM. ARM II-B, table 5-4."""

    NOT_VALID = 0
    ACCESS_VIOLATION = 1
    FAULT_ON_READ = 2
    FAULT_ON_EXECUTE = 3
    FAULT_ON_WRITE = 4


FETCH, LOAD, STORE = -1, 0, 1  # a2 of entMM


class InstructionFault:
    """a0 of entIF. ARM II-B, table 5-3."""

    BREAKPOINT = 0
    BUGCHECK = 1
    GENTRAP = 2
    FLOATING_DISABLED = 3
    ILLEGAL = 4


# ---- Interrupt priority levels. ARM II-B, 5.4.2; Linux include/asm/irqflags.h

IPL_NONE = 0
IPL_DEVICE = 4
IPL_CLOCK = 5
IPL_INTERPROCESSOR = 6
IPL_MACHINE_CHECK = 7
IPL_MASK = 7

PS_USER = 8  # PS<3>: current mode
MACHINE_CHECK_IN_PROGRESS = 1  # MCES<0>; writing it with 1 clears it. ARM II-B, 5.4.5
MCES_WRITE_ONE_CLEARS = 7
MCES_KEPT = 0x18  # disable reporting of corrected errors

# ---- System control block vectors: a1 of entInt. ARM II-B, table 5-2; Linux irq_alpha.c

VECTOR_CLOCK = 0x600
VECTOR_SYSTEM_CHECK = 0x660
VECTOR_DEVICE = 0x800  # first; one every VECTOR_STEP
VECTOR_STEP = 0x10
ISA_LINES = 16  # their vectors come first, then one for each bit of DRIR. Linux sys_dp264.c

CHECK_NONEXISTENT_MEMORY = 0x207  # "nonexistent memory", of a logout frame. Linux irq_alpha.c
LOGOUT_SIZE = 0x100


@layout(size=32)
class LogoutFrame(CStruct):
    """What every machine check frame begins with. Linux include/asm/mce.h, struct el_common."""

    size: u32
    flags: u32 = 0
    processor_offset: u32 = 32
    system_offset: u32 = 32
    code: u32
    frame_revision: u32 = 1
    address: u64 = 0  # ours: where the code points at


# ---- The stack frame. ARM II-B, 5.3; Linux entry.S (SP_OFF)


class Frame:
    """Byte offsets of the frame that an entry pushes on the kernel stack."""

    PS = 0
    PC = 8
    GP = 16
    A0 = 24
    A1 = 32
    A2 = 40
    SIZE = 48


@layout(size=64)
class ProcessBlock(CStruct):
    """The hardware's part of a process: HWPCB. ARM II-B, 4.1; Linux hwrpb.h, struct pcb_struct."""

    kernel_stack: u64 = 0
    user_stack: u64 = 0
    page_table: u64 = 0  # a page frame number
    cycle_counter: u32 = 0
    address_space: u32 = 0
    unique: u64 = 0
    flags: u64 = 0
    scratch_6: u64 = 0
    scratch_7: u64 = 0


PCB_KERNEL_STACK, PCB_USER_STACK, PCB_PAGE_TABLE = 0, 8, 16
PCB_CYCLES, PCB_UNIQUE, PCB_FLAGS = 24, 32, 40
PCB_SIZE = 64  # what swpctx reads
PCB_FLOATING = 1  # flags<0>: FEN

# KSEG as unsigned, for addresses that are put into tables
KSEG = 0xFFFFFC0000000000

# ---- TBI. ARM II-B, 2.2.15
TBI_PROCESS, TBI_ALL = -1, -2
TBI_INSTRUCTION, TBI_DATA, TBI_BOTH = 1, 2, 3

# ---- SWPPAL: a0 names the variant; r0 is 0, or this. Linux boot/head.S
SWPPAL_OSF = 2
SWPPAL_UNKNOWN = 1


class Callback:
    """Console routines, by r16. ARM III, 2.3; Linux include/uapi/asm/console.h."""

    GETC = 0x01
    PUTS = 0x02
    RESET_TERM = 0x03
    OPEN_CONSOLE = 0x07
    CLOSE_CONSOLE = 0x08
    OPEN = 0x10
    CLOSE = 0x11
    READ = 0x13
    WRITE = 0x14
    SET_ENV = 0x20
    RESET_ENV = 0x21
    GET_ENV = 0x22
    SAVE_ENV = 0x23


CALLBACK_NOTHING = 4 << 61  # status in r0<63:61> of GETC: no character
CALLBACK_FAILED = 1 << 63
CALLBACK_ENV_ABSENT = 6 << 61
LONGEST_PUTS = 4096

# Environment variables, by r17 of GET_ENV. Linux console.h
ENV_BOOTED_DEVICE, ENV_BOOTED_FILE, ENV_BOOTED_FLAGS, ENV_TTY_DEVICE = 4, 6, 8, 0x0F

# ---- Halting: what the OS wants next, in the flags of its per-processor slot. Linux process.c
FLAG_HALT_REQUESTED = 0x00FF0000
HALT_COLD_BOOT = 0x00020000
HALT_WARM_BOOT = 0x00030000
HALT_REMAIN = 0x00040000

# ---- Linux's boot parameters. arch/alpha/include/asm/setup.h
START_TO_PARAMETERS = 0x6000  # below the entry: KERNEL_START + 0xA000 is ZERO_PGE
COMMAND_LINE_LIMIT = 256
PARAMETER_INITRD = 0x100
PARAMETER_INITRD_SIZE = 0x108

# ---- Where our console lays things in an instance's memory: its first pages, which it keeps.
# Linux starts above them, and reads KSEG from 0 (external_cache_probe): all must be memory.
BOOT_PROCESS_BLOCK = 0x2000
HWRPB = 0x4000
LEVEL_1, LEVEL_2, LEVEL_3 = 0x8000, 0xA000, 0xC000
LOGOUT = 0xE000
BOOT_STACK = 0x30000  # grows down
CONSOLE_PAGES = 128
