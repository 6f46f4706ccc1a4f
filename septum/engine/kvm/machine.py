"""What is an empty virtual computer? Memory slots, an interrupt controller, processors."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress

from septum.engine.kvm import cpuid
from septum.engine.kvm.routing import RoutingTable
from septum.engine.kvm.statistics import Statistics
from septum.errors import HostProblem, explained
from septum.layouts import kvm, msr
from septum.layouts.kvm import KVM
from septum.memory import mtrr
from septum.memory.mtrr import Register
from septum.syscall import ioctl, ioctl_or_errno
from septum.units import Span

REMEDIES = {
    2: "load it: modprobe kvm_intel (or kvm_amd), after switching VT-x or SVM on in the firmware",
    13: "run as root, or join the group kvm",
}


# What a confined instance's threads may ask of KVM once it runs; nobody else is asked then. The
# first is asked most.
BY_PROCESSORS = (
    *(KVM.RUN, KVM.IRQ_LINE, KVM.SET_USER_MEMORY_REGION, KVM.IRQFD, KVM.SET_GSI_ROUTING),
    *(KVM.GET_REGS, KVM.GET_SREGS),
)
BY_LINK = (KVM.IRQ_LINE, KVM.SET_USER_MEMORY_REGION)
BY_MAIN = (
    *(KVM.IRQFD, KVM.SET_USER_MEMORY_REGION, KVM.SET_GSI_ROUTING, KVM.IRQ_LINE),
    KVM.SET_DEVICE_ATTR,  # of the device that knows VFIO's groups
)


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
        self._vfio = -1  # KVM's device for it, once there is one
        self._nested = False
        self._ranges: Sequence[Register] = ()
        self._supported = self._ask_cpuid()
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
        if self._vfio >= 0:
            os.close(self._vfio)
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
        leaves = cpuid.presented(self._supported, number, count, self._nested)
        created = VirtualProcessor(self._kvm, self.fd, number, leaves, self._ranges)
        self._processors.append(created)
        return created

    def describe(self, *, nested: bool, uncached: Sequence[Span]) -> None:
        """What its processors shall be like: for those that processor() makes after this.

        With `nested` they have virtualization, where this KVM has it: can_nest. `uncached`: what
        is no memory, as blocks of memory/mtrr.py.
        """
        self._nested = nested
        self._ranges = mtrr.registers(uncached, cpuid.address_bits(self._supported))

    @property
    def can_nest(self) -> bool:
        """Whether this KVM has virtualization to give."""
        return cpuid.can_nest(self._supported)

    def _ask_cpuid(self) -> list[kvm.CpuidEntry]:
        size = kvm.CPUID_HEADER + kvm.CPUID_ENTRIES * kvm.CpuidEntry.SIZE
        header = kvm.CPUID_ENTRIES.to_bytes(kvm.CPUID_HEADER, "little")
        buffer = ctypes.create_string_buffer(header, size)
        ioctl(self._kvm, KVM.GET_SUPPORTED_CPUID, buffer)
        return cpuid.parsed(buffer.raw)

    # ---- VFIO

    def know(self, file: int) -> None:
        """Tell KVM of a VFIO group's descriptor, before its devices are opened.

        What it does for a machine with devices it does from then on: let caches be flushed where
        the IOMMU does not enforce coherence, and guard against what devices make possible.
        """
        if self._vfio < 0:
            device = kvm.CreateDevice(type=kvm.DEVICE_TYPE_VFIO)
            ioctl(self.fd, KVM.CREATE_DEVICE, device)
            self._vfio = device.fd
        self._tell_vfio(kvm.VFIO_FILE_ADD, file)

    def forget(self, file: int) -> None:
        """Undo know(): KVM would hold the group after its descriptor is closed."""
        self._tell_vfio(kvm.VFIO_FILE_DEL, file)

    def _tell_vfio(self, what: int, file: int) -> None:
        number = ctypes.c_int32(file)
        attribute = kvm.DeviceAttribute(
            group=kvm.VFIO_FILE, attr=what, addr=ctypes.addressof(number)
        )
        ioctl(self._vfio, KVM.SET_DEVICE_ATTR, attribute)

    # ---- interrupts

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

    def route(self, table: RoutingTable) -> None:
        """Replace the whole routing table (api.rst, 4.52)."""
        buffer = (ctypes.c_char * len(table.text)).from_buffer(table.text)
        ioctl(self.fd, KVM.SET_GSI_ROUTING, buffer)


class VirtualProcessor:
    """One virtual processor: its descriptor and the page KVM shares with us."""

    def __init__(
        self,
        kvm_fd: int,
        vm_fd: int,
        number: int,
        leaves: Sequence[kvm.CpuidEntry],
        ranges: Sequence[Register],
    ) -> None:
        self.number = number
        self.fd = ioctl(vm_fd, KVM.CREATE_VCPU, number)
        self.statistics = Statistics(self.fd)
        self.page = mmap.mmap(self.fd, ioctl(kvm_fd, KVM.GET_VCPU_MMAP_SIZE))
        self.run_area = memoryview(self.page)
        self.header = kvm.RunHeader.from_buffer(self.page)
        self.io = kvm.RunIo.from_buffer(self.page, kvm.RUN_UNION)
        self.mmio = kvm.RunMmio.from_buffer(self.page, kvm.RUN_UNION)
        self.internal = kvm.RunInternal.from_buffer(self.page, kvm.RUN_UNION)
        text = cpuid.packed(leaves)
        ioctl(self.fd, KVM.SET_CPUID2, ctypes.create_string_buffer(text, len(text)))
        self._begin_as_firmware_leaves_it(ranges)
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

    def write_registers(self, registers: Sequence[Register]) -> int:
        """Set model-specific registers in this order; how many KVM took before one it refused."""
        text = len(registers).to_bytes(kvm.MSRS_HEADER, "little")
        text += b"".join(bytes(kvm.MsrEntry(index=n, data=value)) for n, value in registers)
        return ioctl(self.fd, KVM.SET_MSRS, ctypes.create_string_buffer(text, len(text)))

    def read_register(self, index: int) -> int | None:
        """A model-specific register; None when this processor has none of that number."""
        text = (1).to_bytes(kvm.MSRS_HEADER, "little") + bytes(kvm.MsrEntry(index=index))
        buffer = ctypes.create_string_buffer(text, len(text))
        if ioctl(self.fd, KVM.GET_MSRS, buffer) != 1:
            return None
        return kvm.MsrEntry.from_buffer_copy(buffer, kvm.MSRS_HEADER).data

    def _begin_as_firmware_leaves_it(self, ranges: Sequence[Register]) -> None:
        """Fast strings, and what is cached. INIT, which starts the others, changes neither."""
        misc = self.read_register(msr.MISC_ENABLE)
        if misc is not None:
            self.write_registers([(msr.MISC_ENABLE, misc | msr.FAST_STRINGS)])
        self.write_registers(ranges)

    def _connect_legacy_interrupts(self) -> None:
        # After reset KVM leaves LINT0 and LINT1 masked; firmware would set them so that the
        # PIC and the NMI button reach the processor.
        state = kvm.LapicState()
        ioctl(self.fd, KVM.GET_LAPIC, state)
        registers: ctypes.Array[ctypes.c_uint32] = state.regs  # type: ignore[assignment]
        registers[kvm.LAPIC_LVT0] = ctypes.c_uint32(kvm.LVT_EXTINT)
        registers[kvm.LAPIC_LVT1] = ctypes.c_uint32(kvm.LVT_NMI)
        ioctl(self.fd, KVM.SET_LAPIC, state)
