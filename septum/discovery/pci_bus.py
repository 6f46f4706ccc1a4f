"""Which function's register does an access to configuration space name?

Two ways in: mechanism #1 (a latch at port 0xCF8, a data window behind it) and areas of memory
(ECAM; on an Alpha the Pchip's). Both hand the access to a responder, which knows who is there.
PCI 3.0, 3.2.2.3.2; PCIe 5.0, 7.2.2.
"""

from __future__ import annotations

from typing import Protocol

from septum.layouts import pci
from septum.machine.model import Ecam
from septum.units import PciAddress

_DWORD = 4


class Responder(Protocol):
    """Who answers for a function: widths 1, 2 or 4, never across a dword."""

    def read(self, address: PciAddress, offset: int, width: int) -> int: ...

    def write(self, address: PciAddress, offset: int, width: int, value: int) -> None: ...


class ConfigurationMechanism:
    """Decodes both ways into configuration space; holds mechanism #1's latch.

    One instance has one latch: its processors take turns, as on the machine (the OS locks).
    """

    def __init__(self, responder: Responder, ecam: tuple[Ecam, ...] = ()) -> None:
        self._responder = responder
        self._ecam = ecam
        self._latch = pci.ConfigAddress(0)
        self._addresses: dict[int, PciAddress] = {}  # made once for each function asked for

    # ---- mechanism #1

    def port_read(self, port: int, width: int) -> int:
        """Answer a read of 1, 2 or 4 bytes at ports 0xCF8 to 0xCFF; all ones when not ours."""
        if port == pci.ADDRESS_PORT and width == _DWORD:
            return int(self._latch)
        address, offset = self._target(port, width)
        if address is None:
            return _ones(width)
        return self._responder.read(address, offset, width)

    def port_write(self, port: int, width: int, value: int) -> None:
        """Take a write of 1, 2 or 4 bytes at ports 0xCF8 to 0xCFF; drop it when not ours."""
        if port == pci.ADDRESS_PORT and width == _DWORD:
            self._latch = pci.ConfigAddress(value & _WRITABLE)
            return
        address, offset = self._target(port, width)
        if address is not None:
            self._responder.write(address, offset, width, value & _ones(width))

    def _target(self, port: int, width: int) -> tuple[PciAddress | None, int]:
        latch = self._latch
        lane = port - pci.DATA_PORT
        # Narrow accesses to the latch's own ports are other devices' (0xCF9 resets).
        if lane < 0 or lane + width > _DWORD or not latch.enable:
            return None, 0
        key = int(latch) & _FUNCTION
        address = self._addresses.get(key)
        if address is None:
            address = PciAddress(0, latch.bus, latch.device, latch.function)
            self._addresses[key] = address
        return address, latch.register * _DWORD + lane

    # ---- ECAM

    def ecam_read(self, address: int, width: int) -> int:
        """Answer a read of 1 to 8 bytes at a guest-physical address; all ones when not ours."""
        value = 0
        for start, size in _aligned(address, width):
            target = self._decode(start)
            part = _ones(size)
            if target is not None:
                part = self._responder.read(*target, size)
            value |= part << 8 * (start - address)
        return value

    def ecam_write(self, address: int, width: int, value: int) -> None:
        """Take a write of 1 to 8 bytes at a guest-physical address; drop it when not ours."""
        for start, size in _aligned(address, width):
            target = self._decode(start)
            if target is not None:
                part = value >> 8 * (start - address) & _ones(size)
                self._responder.write(*target, size, part)

    def ecam_access(self, address: int, width: int, value: int | None) -> int:
        """A write of this value, or a read (None)."""
        if value is None:
            return self.ecam_read(address, width)
        self.ecam_write(address, width, value)
        return 0

    def _decode(self, address: int) -> tuple[PciAddress, int] | None:
        for area in self._ecam:
            inside = address - area.span.start
            if not 0 <= inside < area.span.size:
                continue
            number, offset = divmod(inside, 1 << area.function_shift)
            number, function = divmod(number, pci.FUNCTIONS_PER_DEVICE)
            number, device = divmod(number, pci.DEVICES_PER_BUS)
            bus = area.first_bus + number
            if bus > area.last_bus:
                return None
            return PciAddress(area.domain, bus, device, function), offset
        return None


_WRITABLE = pci.ConfigAddress.mask("enable", "bus", "device", "function", "register")
_FUNCTION = pci.ConfigAddress.mask("bus", "device", "function")


def _ones(width: int) -> int:
    return (1 << 8 * width) - 1


def _aligned(address: int, width: int) -> list[tuple[int, int]]:
    """Cut an access into naturally aligned ones of 1, 2 or 4 bytes."""
    parts: list[tuple[int, int]] = []
    end = address + width
    while address < end:
        size = _DWORD
        while address % size or address + size > end:
            size //= 2
        parts.append((address, size))
        address += size
    return parts
