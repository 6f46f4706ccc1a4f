"""What does <linux/kvm.h> define? The part we use, under the names it has there.

Source: Documentation/virt/kvm/api.rst and include/uapi/linux/kvm.h of Linux 6.12; the x86
structs from arch/x86/include/uapi/asm/kvm.h.
"""

from __future__ import annotations

import ctypes
import enum
import errno

from septum.layouts.cstruct import CStruct, layout, u8, u16, u32, u64
from septum.layouts.ioctl import Ioctl

API_VERSION = 12
DEVICE = "/dev/kvm"

# Three pages Intel processors need for real mode, and one for its identity map; just below the
# top of the 32-bit space, where firmware would stand. api.rst, 4.64 and 4.40.
TSS_ADDRESS = 0xFFFBD000
IDENTITY_MAP_ADDRESS = 0xFFFBC000


class Exit(enum.IntEnum):
    """KVM_EXIT_*: why KVM_RUN returned."""

    UNKNOWN = 0
    EXCEPTION = 1
    IO = 2
    HYPERCALL = 3
    DEBUG = 4
    HLT = 5
    MMIO = 6
    IRQ_WINDOW_OPEN = 7
    SHUTDOWN = 8
    FAIL_ENTRY = 9
    INTR = 10
    SET_TPR = 11
    TPR_ACCESS = 12
    NMI = 16
    INTERNAL_ERROR = 17
    SYSTEM_EVENT = 24
    X86_RDMSR = 29
    X86_WRMSR = 30
    MEMORY_FAULT = 39


class Capability(enum.IntEnum):
    """KVM_CAP_*: what KVM_CHECK_EXTENSION may be asked."""

    IRQCHIP = 0
    USER_MEMORY = 3
    NR_VCPUS = 9
    NR_MEMSLOTS = 10
    IRQ_ROUTING = 25
    IRQFD = 32
    PIT2 = 33
    IRQFD_RESAMPLE = 82
    IMMEDIATE_EXIT = 136
    HALT_POLL = 182
    BINARY_STATS_FD = 203


@layout(size=32)
class RunHeader(CStruct):
    """The start of struct kvm_run; what follows depends on exit_reason."""

    request_interrupt_window: u8 = 0
    immediate_exit: u8 = 0
    padding1: u16 = 0
    padding2: u32 = 0
    exit_reason: u32 = 0
    ready_for_interrupt_injection: u8 = 0
    if_flag: u8 = 0
    flags: u16 = 0
    cr8: u64 = 0
    apic_base: u64 = 0


RUN_UNION = ctypes.sizeof(RunHeader)


@layout(size=16)
class RunIo(CStruct):
    """kvm_run.io: data stands at data_offset from the start of kvm_run."""

    direction: u8 = 0  # 0 in, 1 out
    size: u8 = 0
    port: u16 = 0
    count: u32 = 0
    data_offset: u64 = 0


@layout(size=24)
class RunMmio(CStruct):
    """kvm_run.mmio; data is the eight bytes at offset 8 of it."""

    phys_addr: u64 = 0
    data: u64 = 0
    len: u32 = 0
    is_write: u8 = 0
    padding1: u8 = 0
    padding2: u16 = 0


MMIO_DATA = RUN_UNION + 8


@layout(size=16)
class RunInternal(CStruct):
    """kvm_run.internal: KVM could not go on."""

    suberror: u32 = 0
    ndata: u32 = 0
    data0: u64 = 0


class InternalError(enum.IntEnum):
    """KVM_INTERNAL_ERROR_*."""

    EMULATION = 1
    SIMUL_EX = 2
    DELIVERY_EV = 3
    UNEXPECTED_EXIT_REASON = 4


@layout(size=104, pad=(ctypes.c_uint8, 64))
class EnableCap(CStruct):
    """struct kvm_enable_cap."""

    cap: u32
    flags: u32 = 0
    arg0: u64 = 0
    arg1: u64 = 0
    arg2: u64 = 0
    arg3: u64 = 0
    pad: object = None


@layout(size=32)
class UserspaceMemoryRegion(CStruct):
    """struct kvm_userspace_memory_region."""

    slot: u32
    flags: u32 = 0
    guest_phys_addr: u64
    memory_size: u64
    userspace_addr: u64


MEM_READONLY = 1 << 1


@layout(size=144)
class Registers(CStruct):
    """struct kvm_regs."""

    rax: u64 = 0
    rbx: u64 = 0
    rcx: u64 = 0
    rdx: u64 = 0
    rsi: u64 = 0
    rdi: u64 = 0
    rsp: u64 = 0
    rbp: u64 = 0
    r8: u64 = 0
    r9: u64 = 0
    r10: u64 = 0
    r11: u64 = 0
    r12: u64 = 0
    r13: u64 = 0
    r14: u64 = 0
    r15: u64 = 0
    rip: u64 = 0
    rflags: u64 = 0


@layout(size=24)
class Segment(CStruct):
    """struct kvm_segment."""

    base: u64 = 0
    limit: u32 = 0
    selector: u16 = 0
    type: u8 = 0
    present: u8 = 0
    dpl: u8 = 0
    db: u8 = 0
    s: u8 = 0
    l: u8 = 0  # noqa: E741 - the header's name
    g: u8 = 0
    avl: u8 = 0
    unusable: u8 = 0
    padding: u8 = 0


@layout(size=16, padding=(ctypes.c_uint16, 3))
class DescriptorTable(CStruct):
    """struct kvm_dtable."""

    base: u64 = 0
    limit: u16 = 0
    padding: object = None


@layout(size=312, interrupt_bitmap=(ctypes.c_uint64, 4))
class SpecialRegisters(CStruct):
    """struct kvm_sregs."""

    cs: Segment = None  # type: ignore[assignment]
    ds: Segment = None  # type: ignore[assignment]
    es: Segment = None  # type: ignore[assignment]
    fs: Segment = None  # type: ignore[assignment]
    gs: Segment = None  # type: ignore[assignment]
    ss: Segment = None  # type: ignore[assignment]
    tr: Segment = None  # type: ignore[assignment]
    ldt: Segment = None  # type: ignore[assignment]
    gdt: DescriptorTable = None  # type: ignore[assignment]
    idt: DescriptorTable = None  # type: ignore[assignment]
    cr0: u64 = 0
    cr2: u64 = 0
    cr3: u64 = 0
    cr4: u64 = 0
    cr8: u64 = 0
    efer: u64 = 0
    apic_base: u64 = 0
    interrupt_bitmap: object = None


@layout(size=40, padding=(ctypes.c_uint32, 3))
class CpuidEntry(CStruct):
    """struct kvm_cpuid_entry2."""

    function: u32 = 0
    index: u32 = 0
    flags: u32 = 0
    eax: u32 = 0
    ebx: u32 = 0
    ecx: u32 = 0
    edx: u32 = 0
    padding: object = None


@layout(size=1024, regs=(ctypes.c_uint32, 256))
class LapicState(CStruct):
    """struct kvm_lapic_state: the register page, one register every 16 bytes."""

    regs: object = None


@layout(size=64, pad=(ctypes.c_uint32, 15))
class PitConfig(CStruct):
    """struct kvm_pit_config."""

    flags: u32 = 0
    pad: object = None


PIT_SPEAKER_DUMMY = 1  # KVM_PIT_SPEAKER_DUMMY: port 0x61 is answered inside KVM too


@layout(size=8)
class IrqLevel(CStruct):
    """struct kvm_irq_level."""

    irq: u32
    level: u32


@layout(size=32, pad=(ctypes.c_uint8, 16))
class Irqfd(CStruct):
    """struct kvm_irqfd."""

    fd: u32
    gsi: u32
    flags: u32 = 0
    resamplefd: u32 = 0
    pad: object = None


IRQFD_DEASSIGN = 1 << 0
IRQFD_RESAMPLE = 1 << 1


@layout(size=48, pad=(ctypes.c_uint32, 4))
class IrqRoutingEntry(CStruct):
    """struct kvm_irq_routing_entry: the union's words are word0 to word3.

    For a pin: irqchip, pin. For a message: address low, address high, data, device id.
    """

    gsi: u32
    type: u32
    flags: u32 = 0
    padding: u32 = 0
    word0: u32 = 0
    word1: u32 = 0
    word2: u32 = 0
    word3: u32 = 0
    pad: object = None


@layout(size=8)
class IrqRoutingHeader(CStruct):
    """struct kvm_irq_routing, without its entries."""

    nr: u32
    flags: u32 = 0


@layout(size=24)
class StatsHeader(CStruct):
    """struct kvm_stats_header: where the file of KVM_GET_STATS_FD has what."""

    flags: u32 = 0
    name_size: u32 = 0
    num_desc: u32 = 0
    id_offset: u32 = 0
    desc_offset: u32 = 0
    data_offset: u32 = 0


@layout(size=16)
class StatsDescriptor(CStruct):
    """struct kvm_stats_desc, without its name; exponent is signed there."""

    flags: u32 = 0
    exponent: u16 = 0
    size: u16 = 0  # values of STATS_DATA_SIZE bytes
    offset: u32 = 0
    bucket_size: u32 = 0


STATS_DATA_SIZE = 8

IRQ_ROUTING_IRQCHIP = 1
IRQ_ROUTING_MSI = 2
IRQCHIP_PIC_MASTER = 0
IRQCHIP_PIC_SLAVE = 1
IRQCHIP_IOAPIC = 2
PIC_PINS = 8
IOAPIC_PINS = 24

CPUID_HEADER = 8  # struct kvm_cpuid2: nent, padding; entries follow
CPUID_ENTRIES = 256
CPUID_HAS_INDEX = 1 << 0  # KVM_CPUID_FLAG_SIGNIFCANT_INDEX

MSRS_HEADER = 8  # struct kvm_msrs: nmsrs, padding; entries follow


@layout(size=16)
class MsrEntry(CStruct):
    """struct kvm_msr_entry."""

    index: u32
    reserved: u32 = 0
    data: u64 = 0


@layout(size=12)
class CreateDevice(CStruct):
    """struct kvm_create_device; fd is what comes back."""

    type: u32
    fd: u32 = 0
    flags: u32 = 0


@layout(size=24)
class DeviceAttribute(CStruct):
    """struct kvm_device_attr; addr is a pointer to the value."""

    flags: u32 = 0
    group: u32
    attr: u64
    addr: u64


# Documentation/virt/kvm/devices/vfio.rst
DEVICE_TYPE_VFIO = 4
VFIO_FILE = 1
VFIO_FILE_ADD = 1
VFIO_FILE_DEL = 2

# Local APIC register page, as indices of LapicState.regs (offset / 16 * 4).
# Intel SDM volume 3, table 11-1: LVT LINT0 at 350H, LVT LINT1 at 360H.
LAPIC_LVT0 = 0x350 // 4
LAPIC_LVT1 = 0x360 // 4
LVT_EXTINT = 0x700  # delivery mode ExtINT, not masked
LVT_NMI = 0x400  # delivery mode NMI, not masked

_KVM = 0xAE
_REMEDIES = {
    errno.ENODEV: "enable VT-x or AMD-V (SVM) in the firmware setup",
    errno.EBUSY: "another hypervisor holds the processor: stop it",
    errno.ENOMEM: "free memory, or give the instances less",
}


class KVM:
    """The requests of /dev/kvm, of a virtual machine and of a virtual processor."""

    GET_API_VERSION = Ioctl(_KVM, 0x00)
    CREATE_VM = Ioctl(_KVM, 0x01, remedies=_REMEDIES)
    CHECK_EXTENSION = Ioctl(_KVM, 0x03)
    GET_VCPU_MMAP_SIZE = Ioctl(_KVM, 0x04)
    GET_SUPPORTED_CPUID = Ioctl(_KVM, 0x05, sends=CPUID_HEADER, returns=CPUID_HEADER)
    CREATE_VCPU = Ioctl(_KVM, 0x41)
    SET_USER_MEMORY_REGION = Ioctl(
        _KVM, 0x46, sends=UserspaceMemoryRegion, remedies=_REMEDIES
    )
    SET_TSS_ADDR = Ioctl(_KVM, 0x47)
    SET_IDENTITY_MAP_ADDR = Ioctl(_KVM, 0x48, sends=8)
    CREATE_IRQCHIP = Ioctl(_KVM, 0x60)
    IRQ_LINE = Ioctl(_KVM, 0x61, sends=IrqLevel)
    SET_GSI_ROUTING = Ioctl(_KVM, 0x6A, sends=IrqRoutingHeader)
    IRQFD = Ioctl(_KVM, 0x76, sends=Irqfd)
    CREATE_PIT2 = Ioctl(_KVM, 0x77, sends=PitConfig)
    RUN = Ioctl(_KVM, 0x80)
    ENABLE_CAP = Ioctl(_KVM, 0xA3, sends=EnableCap)
    GET_REGS = Ioctl(_KVM, 0x81, returns=Registers)
    SET_REGS = Ioctl(_KVM, 0x82, sends=Registers)
    GET_SREGS = Ioctl(_KVM, 0x83, returns=SpecialRegisters)
    SET_SREGS = Ioctl(_KVM, 0x84, sends=SpecialRegisters)
    GET_LAPIC = Ioctl(_KVM, 0x8E, returns=LapicState)
    SET_LAPIC = Ioctl(_KVM, 0x8F, sends=LapicState)
    SET_CPUID2 = Ioctl(_KVM, 0x90, sends=CPUID_HEADER)
    GET_MSRS = Ioctl(_KVM, 0x88, sends=MSRS_HEADER, returns=MSRS_HEADER)
    SET_MSRS = Ioctl(_KVM, 0x89, sends=MSRS_HEADER)
    CREATE_DEVICE = Ioctl(
        _KVM,
        0xE0,
        sends=CreateDevice,
        returns=CreateDevice,
        remedies={errno.ENODEV: "a kernel with CONFIG_KVM_VFIO"},
    )
    SET_DEVICE_ATTR = Ioctl(_KVM, 0xE1, sends=DeviceAttribute)
    GET_STATS_FD = Ioctl(_KVM, 0xCE)


class Cpuid:
    """Leaves and bits of CPUID the VMM sets or edits. Intel SDM volume 2A, CPUID; kvm/cpuid.rst."""

    FEATURES = 0x1
    CACHES = 0x4
    TOPOLOGY = 0xB
    TOPOLOGY_V2 = 0x1F
    KVM_FEATURES = 0x40000001  # kvm/cpuid.rst; EAX
    PV_UNHALT = 1 << 7
    # EAX: bits of a physical address in 7:0; ECX (AMD): cores in 7:0 less one, bits of the core
    # number in 15:12.
    SIZES = 0x80000008
    OLD_ADDRESS_BITS = 36  # where that leaf is missing. SDM 2A, CPUID, 80000008H
    BYTE = 0xFF
    AMD_FEATURES = 0x80000001
    AMD_SVM = 0x8000000A  # revision and features of SVM
    AMD_CACHES = 0x8000001D
    AMD_TOPOLOGY = 0x8000001E
    # Leaf 1, ECX. KVM leaves these two to the VMM (facts of KVM_GET_SUPPORTED_CPUID).
    TSC_DEADLINE = 1 << 24
    HYPERVISOR = 1 << 31
    VMX = 1 << 5  # leaf 1, ECX
    SVM = 1 << 2  # leaf 80000001H, ECX
    # Leaf 1, EBX: initial APIC id in 31:24, logical processors in 23:16.
    APIC_ID_SHIFT = 24
    LOGICAL_SHIFT = 16
    NUMBERS_KEPT = 0xFFFF
    # Leaves BH and 1FH, ECX: kind of level in 15:8, its index in 7:0.
    LEVEL_KIND_SHIFT = 8
    LEVEL_END, LEVEL_THREAD, LEVEL_CORE = range(3)
    HTT = 1 << 28  # leaf 1, EDX
    # Leaf 4 and AMD's 8000001D, EAX: type 4:0, level 7:5, sharing 25:14 and (Intel) cores 31:26,
    # both less one.
    CACHE_TYPE = 0x1F
    CACHE_LEVEL_SHIFT = 5
    CACHE_LEVEL_MASK = 0x7
    CACHE_SHARING_SHIFT = 14
    CACHE_KEPT = 0x3FFF
    CACHE_CORES_SHIFT = 26
    CACHE_SHARING_MOST = 0xFFF
    CACHE_CORES_MOST = 0x3F
    LAST_LEVEL = 3
    CORES_MASK = 0xF0FF  # of the ECX of SIZES
    CORE_BITS_SHIFT = 12
