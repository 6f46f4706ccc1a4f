"""What is an empty virtual computer? Memory slots, an interrupt controller, processors."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress

from septum.engine.kvm.statistics import Statistics
from septum.errors import HostProblem, explained
from septum.layouts import kvm
from septum.layouts.kvm import KVM, Cpuid
from septum.syscall import ioctl, ioctl_or_errno

REMEDIES = {
    2: "load it: modprobe kvm_intel (or kvm_amd), after switching VT-x or SVM on in the firmware",
    13: "run as root, or join the group kvm",
}


class VirtualMachine:
    """One KVM virtual machine with its interrupt controllers in the kernel; no memory yet.

    A context manager: leaving it closes every descriptor, which ends the machine.
    """

    def __init__(self, device: str = kvm.DEVICE) -> None:
        with explained(f"cannot open {device}", REMEDIES):
            self._kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.fd = ioctl(self._kvm, KVM.CREATE_VM, 0)
        except HostProblem:
            os.close(self._kvm)
            raise
        self._processors: list[VirtualProcessor] = []
        slots = ioctl(self._kvm, KVM.CHECK_EXTENSION, kvm.Capability.NR_MEMSLOTS)
        self.free_slots = list(range(slots))
        self.free_slots.reverse()
        ioctl(self.fd, KVM.SET_TSS_ADDR, kvm.TSS_ADDRESS)
        ioctl(self.fd, KVM.SET_IDENTITY_MAP_ADDR, ctypes.c_uint64(kvm.IDENTITY_MAP_ADDRESS))
        ioctl(self.fd, KVM.CREATE_IRQCHIP)
        ioctl(self.fd, KVM.CREATE_PIT2, kvm.PitConfig(flags=kvm.PIT_SPEAKER_DUMMY))

    def __enter__(self) -> VirtualMachine:
        return self

    def __exit__(self, *_: object) -> None:
        for processor in self._processors:
            processor.close()
        os.close(self.fd)
        os.close(self._kvm)

    def map(self, guest: int, size: int, host: int) -> int:
        """Let the guest reach `size` bytes of ours at `host` as its `guest`; the slot's number.

        Safe while processors run, as is unmap(). HostProblem when it overlaps another slot.
        """
        slot = self.free_slots.pop()
        try:
            self._region(slot, guest, size, host)
        except HostProblem:
            self.free_slots.append(slot)
            raise
        return slot

    def unmap(self, slot: int) -> None:
        """Take a slot back; the next access to it leaves the guest as an MMIO exit."""
        self._region(slot, 0, 0, 0)
        self.free_slots.append(slot)

    def _region(self, slot: int, guest: int, size: int, host: int) -> None:
        region = kvm.UserspaceMemoryRegion(
            slot=slot, guest_phys_addr=guest, memory_size=size, userspace_addr=host
        )
        ioctl(self.fd, KVM.SET_USER_MEMORY_REGION, region)

    def give_away_idle_time(self) -> None:
        """Do not spin when a processor halts: whoever shares it may run at once (api.rst, 7.21).

        KVM spins for up to 0.2 ms by default, which is right for processors nobody else uses.
        """
        if ioctl(self._kvm, KVM.CHECK_EXTENSION, kvm.Capability.HALT_POLL):
            ioctl(self.fd, KVM.ENABLE_CAP, kvm.EnableCap(cap=kvm.Capability.HALT_POLL))

    def processor(self, number: int, count: int) -> VirtualProcessor:
        """Create processor `number` (its APIC id) of `count`."""
        created = VirtualProcessor(self._kvm, self.fd, number, count)
        self._processors.append(created)
        return created

    def irq_line(self, gsi: int, level: int) -> None:
        ioctl(self.fd, KVM.IRQ_LINE, kvm.IrqLevel(irq=gsi, level=level))

    def irqfd(self, event: int, gsi: int, *, resample: int | None = None) -> None:
        """Raise `gsi` whenever eventfd `event` is signalled, without leaving the kernel.

        With `resample` the line is level-triggered: that eventfd is signalled at end of interrupt.
        """
        request = kvm.Irqfd(fd=event, gsi=gsi)
        if resample is not None:
            request.flags = kvm.IRQFD_RESAMPLE
            request.resamplefd = resample
        ioctl(self.fd, KVM.IRQFD, request)

    def irqfd_off(self, event: int, gsi: int) -> None:
        """Undo irqfd(): signals stay counted in the eventfd until it is connected again."""
        ioctl(self.fd, KVM.IRQFD, kvm.Irqfd(fd=event, gsi=gsi, flags=kvm.IRQFD_DEASSIGN))

    def route(self, entries: Sequence[kvm.IrqRoutingEntry]) -> None:
        """Replace the whole routing table (api.rst, 4.52)."""
        header = kvm.IrqRoutingHeader(nr=len(entries))
        text = bytes(header) + b"".join(bytes(entry) for entry in entries)
        ioctl(self.fd, KVM.SET_GSI_ROUTING, ctypes.create_string_buffer(text, len(text)))


class VirtualProcessor:
    """One virtual processor: its descriptor and the page KVM shares with us."""

    def __init__(self, kvm_fd: int, vm_fd: int, number: int, count: int) -> None:
        self.number = number
        self.fd = ioctl(vm_fd, KVM.CREATE_VCPU, number)
        self.statistics = Statistics(self.fd)
        self.page = mmap.mmap(self.fd, ioctl(kvm_fd, KVM.GET_VCPU_MMAP_SIZE))
        self.run_area = memoryview(self.page)
        self.header = kvm.RunHeader.from_buffer(self.page)
        self.io = kvm.RunIo.from_buffer(self.page, kvm.RUN_UNION)
        self.mmio = kvm.RunMmio.from_buffer(self.page, kvm.RUN_UNION)
        self.internal = kvm.RunInternal.from_buffer(self.page, kvm.RUN_UNION)
        self._identify(kvm_fd, number, count)
        self._connect_legacy_interrupts()

    def close(self) -> None:
        """The page holds a descriptor of its own, and each of these views holds the page."""
        self.statistics.close()
        os.close(self.fd)
        self.run_area.release()
        del self.header, self.io, self.mmio, self.internal
        with suppress(BufferError):  # somebody's traceback still looks at it
            self.page.close()

    def run(self) -> int:
        """KVM_RUN: 0, or minus errno (EINTR when it was asked to stop)."""
        return ioctl_or_errno(self.fd, KVM.RUN.request)

    def registers(self) -> kvm.Registers:
        registers = kvm.Registers()
        ioctl(self.fd, KVM.GET_REGS, registers)
        return registers

    def set_registers(self, registers: kvm.Registers) -> None:
        ioctl(self.fd, KVM.SET_REGS, registers)

    def special_registers(self) -> kvm.SpecialRegisters:
        special = kvm.SpecialRegisters()
        ioctl(self.fd, KVM.GET_SREGS, special)
        return special

    def set_special_registers(self, special: kvm.SpecialRegisters) -> None:
        ioctl(self.fd, KVM.SET_SREGS, special)

    def _identify(self, kvm_fd: int, number: int, count: int) -> None:
        entry_size = ctypes.sizeof(kvm.CpuidEntry)
        table = bytearray(kvm.CPUID_HEADER + kvm.CPUID_ENTRIES * entry_size)
        table[0:4] = kvm.CPUID_ENTRIES.to_bytes(4, "little")
        buffer = (ctypes.c_char * len(table)).from_buffer(table)
        ioctl(kvm_fd, KVM.GET_SUPPORTED_CPUID, buffer)
        entries = int.from_bytes(table[0:4], "little")
        for index in range(entries):
            at = kvm.CPUID_HEADER + index * entry_size
            edit_cpuid(kvm.CpuidEntry.from_buffer(table, at), number, count)
        ioctl(self.fd, KVM.SET_CPUID2, buffer)

    def _connect_legacy_interrupts(self) -> None:
        # After reset KVM leaves LINT0 and LINT1 masked; firmware would set them so that the
        # PIC and the NMI button reach the processor.
        state = kvm.LapicState()
        ioctl(self.fd, KVM.GET_LAPIC, state)
        registers: ctypes.Array[ctypes.c_uint32] = state.regs  # type: ignore[assignment]
        registers[kvm.LAPIC_LVT0] = ctypes.c_uint32(kvm.LVT_EXTINT)
        registers[kvm.LAPIC_LVT1] = ctypes.c_uint32(kvm.LVT_NMI)
        ioctl(self.fd, KVM.SET_LAPIC, state)


def edit_cpuid(entry: kvm.CpuidEntry, number: int, count: int) -> None:
    """Make one CPUID leaf tell of processor `number` of `count`, one core each, one package."""
    if entry.function == Cpuid.FEATURES:
        entry.ecx |= Cpuid.TSC_DEADLINE | Cpuid.HYPERVISOR
        keep = (1 << Cpuid.LOGICAL_SHIFT) - 1
        entry.ebx = entry.ebx & keep | count << Cpuid.LOGICAL_SHIFT | number << Cpuid.APIC_ID_SHIFT
        entry.edx = entry.edx | Cpuid.HTT if count > 1 else entry.edx & ~Cpuid.HTT
    elif entry.function in (Cpuid.TOPOLOGY, Cpuid.TOPOLOGY_V2):
        # Level 0 threads (one a core), level 1 cores; EAX is the shift to the next level.
        entry.edx = number
        if entry.index == 0:
            entry.eax, entry.ebx = 0, 1
        elif entry.index == 1:
            entry.eax, entry.ebx = (count - 1).bit_length(), count
    elif entry.function in (Cpuid.CACHES, Cpuid.AMD_CACHES) and entry.eax & Cpuid.CACHE_TYPE:
        # The last level is the package's, the others each core's.
        level = entry.eax >> Cpuid.CACHE_LEVEL_SHIFT & Cpuid.CACHE_LEVEL_MASK
        sharing = count - 1 if level >= Cpuid.LAST_LEVEL else 0
        cores = count - 1 if entry.function == Cpuid.CACHES else 0
        entry.eax = (
            entry.eax & Cpuid.CACHE_KEPT
            | sharing << Cpuid.CACHE_SHARING_SHIFT
            | cores << Cpuid.CACHE_CORES_SHIFT
        )
    elif entry.function == Cpuid.KVM_FEATURES:
        # Linux's paravirtual spinlocks halt and wait for a kick. Under nested SVM a kick was
        # seen to get lost, and both systems hung in it; without the bit its locks only spin.
        entry.eax &= ~Cpuid.PV_UNHALT
    elif entry.function == Cpuid.AMD_SIZES:
        bits = (count - 1).bit_length()
        entry.ecx = entry.ecx & ~Cpuid.CORES_MASK | bits << Cpuid.CORE_BITS_SHIFT | count - 1
    elif entry.function == Cpuid.AMD_TOPOLOGY:
        entry.eax = number
