"""What does a computer consist of? The records that reading it fills; plain values."""

from __future__ import annotations

from typing import NamedTuple

from septum.layouts import pci
from septum.units import PciAddress, Span


class Processor(NamedTuple):
    """One logical processor as Linux numbers it."""

    number: int
    package: int
    core: int
    numa_node: int
    online: bool
    apic_id: int


class MemoryRange(NamedTuple):
    """One range of the firmware's memory map: "System RAM", "Reserved", "ACPI Tables", ..."""

    span: Span
    kind: str


class Bar(NamedTuple):
    """One base address register as firmware or Linux placed it. PCI 3.0, 6.2.5.1."""

    index: int  # type: ignore[assignment]  # 0 to 5; hides tuple.index
    kind: str  # "memory32", "memory64" or "io"
    span: Span  # the machine's own addresses
    prefetchable: bool


class Capability(NamedTuple):
    """One entry of a capability list. PCI 3.0, 6.7; PCIe 5.0, 7.6."""

    identity: int
    offset: int
    extended: bool


class Bridge(NamedTuple):
    """What a type 1 header says. PCI-to-PCI Bridge 1.2, 3.2."""

    primary: int
    secondary: int
    subordinate: int
    memory: Span | None
    prefetchable: Span | None
    io: Span | None


class Function(NamedTuple):
    """One PCI function and what Linux does with it."""

    address: PciAddress
    vendor: int
    device: int
    subsystem_vendor: int
    subsystem_device: int
    class_code: int  # 24 bits: base class, subclass, interface
    revision: int
    header_type: int  # 0 endpoint, 1 bridge, 2 CardBus
    multifunction: bool
    bars: tuple[Bar, ...]
    rom: Span | None
    capabilities: tuple[Capability, ...]
    interrupt_pin: int  # 0 none, 1 to 4 = INTA to INTD
    interrupt_line: int  # Linux's number of the line, 0 none
    msi_vectors: int  # the most it can ask for, 0 none
    msix_vectors: int
    iommu_group: int | None
    driver: str | None
    reset_methods: tuple[str, ...]  # "flr", "af_flr", "pm", "bus", ...
    numa_node: int  # -1 not known
    bridge: Bridge | None
    parent: PciAddress | None  # the bridge it stands behind; None on a root bus
    configuration: bytes  # as read: 64 (not root), 256 or 4096 bytes
    consumers: tuple[str, ...]  # "net:eth0", "block:nvme0n1", "tty:ttyS0": what Linux made of it
    name: str = ""  # vendor's and device's names where a pci.ids is at hand
    physical: PciAddress | None = None  # of a virtual function: whose it is. SR-IOV 1.1, 1.2

    @property
    def is_bridge(self) -> bool:
        return self.bridge is not None


class RootBus(NamedTuple):
    """One PCI root: the buses below it and the windows its host bridge decodes."""

    domain: int
    first: int
    last: int
    memory: tuple[Span, ...]
    io: tuple[Span, ...]
    is_function: bool = True  # its host bridge answers as a function of it


class Ecam(NamedTuple):
    """One memory-mapped configuration area. PCI Firmware 3.2, 4.1.2 (MCFG).

    `function_shift`: address bits of one function's registers; above them its number, its
    device's and its bus's.
    """

    domain: int
    first_bus: int
    last_bus: int
    span: Span
    function_shift: int = pci.ECAM_FUNCTION_SHIFT

    @property
    def bus_size(self) -> int:
        """Bytes of one bus in it."""
        return pci.DEVICES_PER_BUS * pci.FUNCTIONS_PER_DEVICE << self.function_shift


class IommuGroup(NamedTuple):
    """Functions the IOMMU cannot tell apart, and addresses they may not use as memory."""

    number: int
    functions: tuple[PciAddress, ...]
    reserved: tuple[Span, ...]
    direct: tuple[Span, ...] = ()  # of these, what firmware goes on using itself (RMRR, IVMD)
    kind: str = ""  # how Linux's own drivers use it: "DMA", "DMA-FQ", "identity"; "" not known


class Iommu(NamedTuple):
    """What stands between devices and memory."""

    present: bool
    interrupt_remapping: bool
    groups: tuple[IommuGroup, ...]


class HugePages(NamedTuple):
    """One pool of huge pages: its page size in bytes, pages in it, pages free."""

    size: int
    total: int
    free: int


class HostNeed(NamedTuple):
    """Why Linux on this machine cannot spare a function."""

    address: PciAddress
    reason: str  # "holds the root file system (/dev/nvme0n1p1)", "carries the login from 10.0.2.2"


class IsaDevice(NamedTuple):
    """One device of an ISA bus, by the name its firmware gives it."""

    name: str
    ports: Span
    line: int


class Machine(NamedTuple):
    """One computer: read live, or replayed from a capture. Nothing in it can be changed."""

    name: str
    processors: tuple[Processor, ...]
    memory: tuple[MemoryRange, ...]
    memory_total: int  # bytes Linux has
    memory_available: int  # bytes Linux could give now
    functions: tuple[Function, ...]  # sorted by address
    root_buses: tuple[RootBus, ...]
    ecam: tuple[Ecam, ...]
    iommu: Iommu
    huge_pages: tuple[HugePages, ...]
    host_needs: tuple[HostNeed, ...]
    command_line: str
    unknown: tuple[str, ...] = ()  # what could not be read, and why, in words
    hosted: bool = True  # a Linux runs on it and stays; False: nothing is there but the VMM
    isa: tuple[IsaDevice, ...] = ()
    decoded: tuple[Span, ...] = ()  # what the platform answers for itself: interrupt controllers
    counts_roots: bool = False  # an OS is told how many root buses there are, counted from 0
    host_uses: tuple[HostNeed, ...] = ()  # what Linux would miss without needing it
    source: str = ""  # the machine file it was described by: a name or a path

    def function(self, address: PciAddress) -> Function | None:
        """The function at an address, or None."""
        for function in self.functions:
            if function.address == address:
                return function
        return None

    def virtual_functions(self, address: PciAddress) -> tuple[PciAddress, ...]:
        """The virtual functions that a physical function has now."""
        return tuple(item.address for item in self.functions if item.physical == address)

    def group(self, number: int) -> IommuGroup | None:
        """The IOMMU group of a number, or None."""
        for group in self.iommu.groups:
            if group.number == number:
                return group
        return None
