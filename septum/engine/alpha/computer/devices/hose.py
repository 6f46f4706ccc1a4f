"""What answers on one PCI bus? A hose: configuration, memory and I/O cycles to its functions.

Where nobody answers, reads give all ones and the Pchip notes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.engine.alpha.computer.devices.function import PciFunction
from septum.engine.alpha.computer.devices.pchip import Pchip
from septum.layouts import pci, tsunami

_PAGE_SHIFT = 12  # a BAR's smallest part that is looked up


class Port(NamedTuple):
    """What answers one I/O port: a byte read or written."""

    read: Callable[[], int]
    write: Callable[[int], None]


class Hose:
    """One PCI bus below a Pchip."""

    def __init__(self, number: int, pchip: Pchip) -> None:
        self.number = number
        self.pchip = pchip
        self.functions: dict[int, PciFunction] = {}  # by device << 3 | function
        self._ports: dict[int, Port] = {}
        self._pages: dict[int, tuple[PciFunction, int, int]] = {}  # function, BAR, base

    def add(self, function: PciFunction, wire: Callable[[int], None] | None) -> None:
        """A function in its slot, and where its interrupt pin leads."""
        self.functions[function.slot * pci.FUNCTIONS_PER_DEVICE] = function
        function.moved = self._place
        if wire is not None:
            function.wire = wire

    def function(self, device: int, function: int = 0) -> PciFunction | None:
        """What stands at a device and function number, or None."""
        return self.functions.get(device * pci.FUNCTIONS_PER_DEVICE + function)

    def add_ports(self, first: int, ports: list[Port]) -> None:
        """Ports of an ISA device, beginning at `first`."""
        self._ports.update(enumerate(ports, first))

    # ---- Configuration cycles

    def read_configuration(self, address: int, size: int) -> int:
        """Bus, device, function and register in `address`."""
        function = self._selected(address)
        if function is None:
            self._nobody(address, tsunami.COMMAND_CONFIGURATION_READ)
            return (1 << 8 * size) - 1
        return function.read_configuration(address & tsunami.CONFIGURATION_REGISTER_BITS, size)

    def write_configuration(self, address: int, size: int, value: int) -> None:
        """Bus, device, function and register in `address`."""
        function = self._selected(address)
        if function is None:
            self._nobody(address, tsunami.COMMAND_CONFIGURATION_WRITE)
        else:
            register = address & tsunami.CONFIGURATION_REGISTER_BITS
            function.write_configuration(register, size, value)

    def _selected(self, address: int) -> PciFunction | None:
        if address >> tsunami.CONFIGURATION_BUS_SHIFT:
            return None
        return self.functions.get(address >> tsunami.CONFIGURATION_FUNCTION_SHIFT)

    def _nobody(self, address: int, command: int) -> None:
        self.pchip.record("no_device", address, command)

    # ---- Memory cycles

    def _place(self) -> None:
        """Look up anew who decodes what; of two that decode one page the first slot answers."""
        self._pages = {}
        for _, function in sorted(self.functions.items(), reverse=True):
            for number, size in enumerate(function.bar_sizes):
                base = function.base(number)
                if base is not None and size:
                    for page in range(base >> _PAGE_SHIFT, base + size - 1 >> _PAGE_SHIFT):
                        self._pages[page] = (function, number, base)
                    self._pages[base + size - 1 >> _PAGE_SHIFT] = (function, number, base)

    def read_memory(self, address: int, size: int) -> int:
        """A load from PCI memory."""
        found = self._pages.get(address >> _PAGE_SHIFT)
        if found is None:
            self._nobody(address, tsunami.COMMAND_READ)
            return (1 << 8 * size) - 1
        function, number, base = found
        return function.read_bar(number, address - base, size)

    def write_memory(self, address: int, size: int, value: int) -> None:
        """A store to PCI memory."""
        found = self._pages.get(address >> _PAGE_SHIFT)
        if found is None:
            self._nobody(address, tsunami.COMMAND_WRITE)
            return
        function, number, base = found
        function.write_bar(number, address - base, size, value)

    # ---- I/O cycles

    def read_io(self, port: int, size: int) -> int:
        """A load from PCI I/O space: ports, one by one; a free one reads as ones."""
        value = 0
        for step in range(size):
            found = self._ports.get(port + step)
            value |= (found.read() if found else tsunami.FREE_PORT) << 8 * step
        return value

    def write_io(self, port: int, size: int, value: int) -> None:
        """A store to PCI I/O space."""
        for step in range(size):
            found = self._ports.get(port + step)
            if found:
                found.write(value >> 8 * step & tsunami.FREE_PORT)
