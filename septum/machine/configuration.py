"""What do the bytes of a configuration space say? Pure reading of what a function answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from septum.layouts import pci
from septum.layouts.register import Register
from septum.machine.model import Bridge, Capability, Function
from septum.units import PciAddress, Span

_DWORD = 4  # bytes; what a list links begins at one

def value(configuration: bytes | bytearray, register: type[Register], base: int = 0) -> int:
    """A register's value; 0 when the bytes end before it (a reader who is not root)."""
    start = base + register.offset
    return int.from_bytes(configuration[start : start + register.width // 8], "little")


def capabilities(configuration: bytes) -> tuple[Capability, ...]:
    """Both capability lists, in the order they are linked. PCI 6.7; PCIe 7.6.

    A list that leaves the bytes, goes round or meets an absent function ends there.
    """
    return plain_capabilities(configuration) + extended_capabilities(configuration)


def plain_capabilities(configuration: bytes) -> tuple[Capability, ...]:
    """The list below 256."""
    if not pci.Status(value(configuration, pci.Status)).capabilities_list:
        return ()
    pointer = value(configuration, pci.CapabilitiesPointer)
    space = configuration[: pci.CONFIGURATION_SIZE]
    found = []
    for offset, header in _linked(space, pointer, pci.FIRST_CAPABILITY, pci.CapabilityHeader):
        if header == pci.NO_DEVICE:
            break
        found.append(Capability(header.identity, offset, extended=False))
    return tuple(found)


def extended_capabilities(configuration: bytes) -> tuple[Capability, ...]:
    """The list from 256 up."""
    first = pci.EXTENDED_CAPABILITIES
    found = []
    for offset, header in _linked(configuration, first, first, pci.ExtendedCapabilityHeader):
        if header == 0 or header.identity == pci.NO_DEVICE:
            break
        if header.identity:  # 0 is a placeholder that only links on. PCIe 7.6.2
            found.append(Capability(header.identity, offset, extended=True))
    return tuple(found)


Header = TypeVar("Header", pci.CapabilityHeader, pci.ExtendedCapabilityHeader)


def _linked(
    configuration: bytes, pointer: int, lowest: int, kind: type[Header]
) -> Iterator[tuple[int, Header]]:
    """Where each header of a list stands, and the header; it may be that of an absent function."""
    last = len(configuration) - kind.width // 8
    seen: set[int] = set()
    offset = pointer & ~(_DWORD - 1)
    while lowest <= offset <= last and offset not in seen:
        seen.add(offset)
        header = kind(value(configuration, kind, offset))
        yield offset, header
        offset = header.next & ~(_DWORD - 1)


def function(address: PciAddress, configuration: bytes) -> Function:
    """What the bytes of its configuration space say of a function; no more is known of it yet."""
    code = pci.ClassCode(value(configuration, pci.ClassCode))
    header = pci.HeaderType(value(configuration, pci.HeaderType))
    identity = pci.Identity(value(configuration, pci.Identity))
    subsystem = pci.Subsystem(0)
    if header.layout == pci.HEADER_ENDPOINT:
        subsystem = pci.Subsystem(value(configuration, pci.Subsystem))
    found = capabilities(configuration)
    msi, msix = vectors(configuration, found)
    return Function(
        address=address,
        vendor=identity.vendor,
        device=identity.device,
        subsystem_vendor=subsystem.vendor,
        subsystem_device=subsystem.device,
        class_code=code.class_code,
        revision=code.revision,
        header_type=header.layout,
        multifunction=bool(header.multifunction),
        bars=(),
        rom=None,
        capabilities=found,
        interrupt_pin=value(configuration, pci.InterruptPin),
        interrupt_line=value(configuration, pci.InterruptLine),
        msi_vectors=msi,
        msix_vectors=msix,
        iommu_group=None,
        driver=None,
        reset_methods=(),
        numa_node=-1,
        bridge=bridge(configuration) if header.layout == pci.HEADER_BRIDGE else None,
        parent=None,
        configuration=configuration,
        consumers=(),
    )


def vectors(configuration: bytes, found: tuple[Capability, ...]) -> tuple[int, int]:
    """The most MSI and MSI-X vectors a function can ask for; 0 for none."""
    msi = msix = 0
    for capability in found:
        if capability.extended:
            continue
        if capability.identity == pci.CapabilityId.MSI:
            control = pci.MsiControl(value(configuration, pci.MsiControl, capability.offset))
            msi = 1 << control.multiple_message_capable
        elif capability.identity == pci.CapabilityId.MSI_X:
            table = pci.MsixControl(value(configuration, pci.MsixControl, capability.offset))
            msix = table.table_size + 1
    return msi, msix


def uses_msi(configuration: bytes, found: tuple[Capability, ...]) -> bool:
    """Whether MSI is switched on, so that Linux's `irq` file is not about the pin."""
    return any(
        pci.MsiControl(value(configuration, pci.MsiControl, capability.offset)).enable
        for capability in found
        if capability.identity == pci.CapabilityId.MSI and not capability.extended
    )


def bridge(configuration: bytes) -> Bridge:
    """Bus numbers and windows of a type 1 header. Bridge 3.2."""
    numbers = pci.BusNumbers(value(configuration, pci.BusNumbers))
    return Bridge(
        primary=numbers.primary,
        secondary=numbers.secondary,
        subordinate=numbers.subordinate,
        memory=_memory_window(configuration),
        prefetchable=_prefetchable_window(configuration),
        io=_io_window(configuration),
    )


def _window(first: int, last: int, shift: int) -> Span | None:
    """A window whose limit lies below its base is switched off. Bridge 3.2.5.8."""
    if last < first or last == 0:
        return None
    return Span(first << shift, (last - first + 1) << shift)


def _memory_window(configuration: bytes) -> Span | None:
    first = pci.MemoryBase(value(configuration, pci.MemoryBase)).address
    last = pci.MemoryLimit(value(configuration, pci.MemoryLimit)).address
    return _window(first, last, pci.MEMORY_WINDOW_SHIFT)


def _prefetchable_window(configuration: bytes) -> Span | None:
    base = pci.PrefetchableBase(value(configuration, pci.PrefetchableBase))
    first = base.address
    last = pci.PrefetchableLimit(value(configuration, pci.PrefetchableLimit)).address
    if base.addressing == pci.ADDRESSING_WIDE:
        above = pci.PREFETCHABLE_UPPER_SHIFT - pci.MEMORY_WINDOW_SHIFT
        first |= value(configuration, pci.PrefetchableBaseUpper) << above
        last |= value(configuration, pci.PrefetchableLimitUpper) << above
    return _window(first, last, pci.MEMORY_WINDOW_SHIFT)


def _io_window(configuration: bytes) -> Span | None:
    base = pci.IoBase(value(configuration, pci.IoBase))
    first = base.address
    last = pci.IoLimit(value(configuration, pci.IoLimit)).address
    if base.addressing == pci.ADDRESSING_WIDE:
        above = pci.IO_UPPER_SHIFT - pci.IO_WINDOW_SHIFT
        first |= value(configuration, pci.IoBaseUpper) << above
        last |= value(configuration, pci.IoLimitUpper) << above
    return _window(first, last, pci.IO_WINDOW_SHIFT)
