"""What is on the computer's PCI buses? Asked by configuration cycles, as firmware would.

The answers become the same records that the pc platform reads from Linux: discovery, translation
and the partition table's rules do not know the difference. The domain is the hose.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.layouts import pci, tsunami
from septum.machine import configuration
from septum.machine.model import Bar, Function
from septum.units import PciAddress, Span

Read = Callable[[int, int], int]
Write = Callable[[int, int, int], None]

_BAR_ONES = (1 << 8 * pci.BAR_SIZE) - 1


def configuration_address(address: PciAddress) -> int:
    """Physical address of a function's configuration space."""
    start = tsunami.hose_address(address.domain, tsunami.PCI_CONFIGURATION)
    return (
        start
        + (address.bus << tsunami.CONFIGURATION_BUS_SHIFT)
        + (address.device << tsunami.CONFIGURATION_DEVICE_SHIFT)
        + (address.function << tsunami.CONFIGURATION_FUNCTION_SHIFT)
    )


def functions(read: Read, write: Write, hoses: int) -> tuple[Function, ...]:
    """Every function on bus 0 of each hose; sizes its BARs and leaves them as they were."""
    found = []
    for hose in range(hoses):
        for device in range(pci.DEVICES_PER_BUS):
            for number in range(pci.FUNCTIONS_PER_DEVICE):
                address = PciAddress(hose, 0, device, number)
                at = configuration_address(address)
                if read(at + pci.VendorId.offset, 2) == pci.NO_DEVICE:
                    if not number:
                        break  # without function 0 there is no device. PCI 3.0, 3.2.2.3.4
                    continue
                found.append(_function(read, write, address, at))
                if not number and not found[-1].multifunction:
                    break
    return tuple(found)


def _function(read: Read, write: Write, address: PciAddress, at: int) -> Function:
    step = pci.BAR_SIZE
    parts = (read(at + o, step) for o in range(0, pci.CONFIGURATION_SIZE, step))
    space = b"".join(part.to_bytes(step, "little") for part in parts)
    said = configuration.function(address, space)
    return said._replace(bars=bars(read, write, at) if said.bridge is None else ())


def bars(read: Read, write: Write, at: int) -> tuple[Bar, ...]:
    """What a function decodes, and where; decoding is off meanwhile. PCI 3.0, 6.2.5.1."""
    command = read(at + pci.Command.offset, 2)
    write(at + pci.Command.offset, 2, 0)
    found = []
    index = 0
    while index < pci.ENDPOINT_BARS:
        bar, used = _bar(read, write, at, index)
        if bar is not None:
            found.append(bar)
        index += used
    write(at + pci.Command.offset, 2, command)
    return tuple(found)


def _bar(read: Read, write: Write, at: int, index: int) -> tuple[Bar | None, int]:
    place = at + pci.bar_offset(index)
    low = pci.BaseAddress(read(place, pci.BAR_SIZE))
    wide = not low.io and low.memory_type == pci.MEMORY_TYPE_64
    used = 2 if wide else 1
    size_bits = before = 0
    for number in range(used):
        where, shift = place + number * pci.BAR_SIZE, 8 * pci.BAR_SIZE * number
        value = read(where, pci.BAR_SIZE)
        before |= value << shift
        write(where, pci.BAR_SIZE, _BAR_ONES)
        size_bits |= read(where, pci.BAR_SIZE) << shift
        write(where, pci.BAR_SIZE, value)
    flags = pci.BaseAddress.mask("io") if low.io else pci.MEMORY_BAR_FLAGS
    if low.io:
        flags |= _BAR_ONES & ~pci.BaseAddress.mask("io_base")
    size_bits &= ~flags
    if not size_bits:
        return None, used
    kind = "io" if low.io else ("memory64" if wide else "memory32")
    span = Span(before & ~flags, size_bits & -size_bits)
    return Bar(index, kind, span, bool(not low.io and low.prefetchable)), used
