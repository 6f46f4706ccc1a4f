"""What is in a PCI function's configuration space? A type 0 header, BARs, capabilities.

A function decodes memory and masters the bus only while its command register lets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from septum.engine.alpha.computer.devices.identity import Identity, header
from septum.layouts import pci

_INTX_DISABLE = pci.Command.mask("intx_disable")
_DECODING = pci.Command.mask("memory_space")
_MASTER = pci.Command.mask("bus_master")
_WRITABLE_COMMAND = pci.Command.mask(
    "memory_space", "bus_master", "parity_error_response", "serr_enable", "intx_disable"
)
_MASTER_ABORT = pci.Status.mask("received_master_abort")
_PENDING = pci.Status.mask("intx_pending")
_BAR_BITS = (1 << 8 * pci.BAR_SIZE) - 1


class MemoryPort(Protocol):
    """The way to memory: a Pchip."""

    refused_count: int

    def read_memory(self, slot: int, address: int, length: int) -> bytes: ...

    def write_memory(self, slot: int, address: int, data: bytes | memoryview) -> None: ...


class PciFunction:
    """One function. `bars` holds sizes in bytes (powers of two) of 32-bit memory BARs, 0 none.

    `wire` gets the level of its interrupt pin; `moved` is called when what it decodes changes.
    A device overrides `read_bar` and `write_bar`, and may override `commanded`.
    """

    def __init__(
        self,
        slot: int,
        port: MemoryPort,
        identity: Identity,
        bars: tuple[int, ...] = (),
        capabilities: tuple[bytes, ...] = (),
    ) -> None:
        self.slot = slot
        self.pin = identity.pin
        self.bar_sizes = bars
        self.wire: Callable[[int], None] = lambda level: None
        self.moved: Callable[[], None] = lambda: None
        self._port = port
        self.accesses = 0  # DMA cycles begun
        self._interrupt = 0
        self._level = 0
        self.space = bytearray(pci.CONFIGURATION_SIZE)
        self.space[: pci.HEADER_SIZE] = header(identity)
        self._writable = bytearray(pci.CONFIGURATION_SIZE)
        for register in (pci.CacheLineSize, pci.LatencyTimer, pci.InterruptLine):
            self._writable[register.offset] = (1 << register.width) - 1
        self._writable[pci.Command.offset : pci.Command.offset + 2] = _WRITABLE_COMMAND.to_bytes(
            2, "little"
        )
        for number, size in enumerate(bars):
            at = pci.bar_offset(number)
            mask = _BAR_BITS & ~(size - 1) if size else 0
            self._writable[at : at + pci.BAR_SIZE] = mask.to_bytes(pci.BAR_SIZE, "little")
        self._add_capabilities(capabilities)

    def _add_capabilities(self, capabilities: tuple[bytes, ...]) -> None:
        """Put them one after another; each comes with its link byte free."""
        link, at = pci.CapabilitiesPointer.offset, pci.FIRST_CAPABILITY
        for capability in capabilities:
            self.space[link] = at
            self.space[at : at + len(capability)] = capability
            link, at = at + 1, at + (len(capability) + 3 & pci.ALIGNMENT_MASK)
        if capabilities:
            self.space[pci.Status.offset] |= pci.Status.mask("capabilities_list")

    @property
    def command(self) -> int:
        """The command register."""
        return int.from_bytes(self.space[pci.Command.offset : pci.Command.offset + 2], "little")

    @property
    def is_master(self) -> bool:
        """May it master the bus?"""
        return bool(self.command & _MASTER)

    def base(self, number: int) -> int | None:
        """Where BAR `number` is decoded now; None when it is not."""
        at = pci.bar_offset(number)
        if not self.command & _DECODING or not self.bar_sizes[number]:
            return None
        return int.from_bytes(self.space[at : at + pci.BAR_SIZE], "little")

    # ---- Configuration cycles

    def read_configuration(self, offset: int, size: int) -> int:
        """`size` bytes of configuration space; zeroes beyond its end."""
        return int.from_bytes(self.space[offset : offset + size], "little")

    def write_configuration(self, offset: int, size: int, value: int) -> None:
        """What may be written is; status bits are cleared by ones."""
        for at in range(offset, min(offset + size, pci.CONFIGURATION_SIZE)):
            byte = value >> 8 * (at - offset) & pci.BYTE
            mask = self._writable[at]
            self.space[at] = self.space[at] & ~mask | byte & mask
            if at == pci.Status.offset + 1:
                self.space[at] &= ~(byte & _MASTER_ABORT >> 8)
        if offset < pci.bar_offset(pci.ENDPOINT_BARS) and offset + size > pci.Command.offset:
            self.moved()
            self._drive()
            self.commanded()

    def commanded(self) -> None:
        """The command register, or a BAR, was written."""

    # ---- Memory cycles

    def read_bar(self, number: int, offset: int, size: int) -> int:
        """A register behind a BAR; all ones where none is."""
        return (1 << 8 * size) - 1

    def write_bar(self, number: int, offset: int, size: int, value: int) -> None:
        """A register behind a BAR."""

    # ---- What the device does

    def interrupt(self, level: int) -> None:
        """The device asks for its interrupt pin to be at `level`."""
        self._interrupt = level
        self._drive()

    def _drive(self) -> None:
        status = pci.Status.offset
        if self._interrupt:
            self.space[status] |= _PENDING
        else:
            self.space[status] &= ~_PENDING
        level = 0 if self.command & _INTX_DISABLE else self._interrupt
        if level != self._level:
            self._level = level
            self.wire(level)

    def read_memory(self, address: int, length: int) -> bytes:
        """DMA from memory; all ones where nothing answers, or while it may not be master."""
        self.accesses += 1
        if not self.is_master:
            return _ONES * length
        before = self._port.refused_count
        data = self._port.read_memory(self.slot, address, length)
        self._note(before)
        return data

    def write_memory(self, address: int, data: bytes | memoryview) -> None:
        """DMA to memory; dropped where nothing answers, or while it may not be master."""
        self.accesses += 1
        if self.is_master:
            before = self._port.refused_count
            self._port.write_memory(self.slot, address, data)
            self._note(before)

    def _note(self, before: int) -> None:
        if self._port.refused_count != before:
            self.space[pci.Status.offset + 1] |= _MASTER_ABORT >> 8


_ONES = bytes([pci.BYTE])
