"""Which bit of a configuration space is answered by whom, and which may be changed where?

The rows of `pci_table` spread over a function's bytes, once, before its owner runs; an access
is then a few masks. Built from the configuration bytes read at hand-over: capabilities without
a table are taken out of both lists here.
"""

from __future__ import annotations

from collections.abc import Iterable

from septum.errors import MachineProblem
from septum.layouts import pci
from septum.layouts.register import Register
from septum.machine.configuration import extended_capabilities, plain_capabilities, value
from septum.machine.model import Bar, Function
from septum.translation.pci_table import (
    ENDPOINT,
    EXTENDED,
    Effect,
    Moderation,
    Row,
    every,
    moderation,
)

_DWORD = 4


class Image:
    """The bytes of one configuration space, and four masks over them, bit for bit.

    `live`: reads ask the device. `kept`: the owner may change it here. `forwarded`: the owner
    may change it on the device. `base`: what is written to the device where it may not.
    `effects`: by dword, the effect, which of its bits have it, and which must be ones for it.
    """

    def __init__(self, configuration: bytes, size: int) -> None:
        self.size = size
        self.handed = bytes(configuration[:size]).ljust(size, b"\0")
        self.bytes = bytearray(size)
        self.live = bytearray(size)
        self.kept = bytearray(size)
        self.forwarded = bytearray(size)
        self.base = bytearray(self.handed)
        self.effects: dict[int, tuple[Effect, int, int]] = {}
        self.capabilities: dict[int, int] = {}  # visible ones: identity to offset

    def value(self, offset: int, width: int) -> int:
        return int.from_bytes(self.bytes[offset : offset + width], "little")

    def put(self, register: type[Register], value: int, base: int = 0) -> None:
        """Set what a register of the image answers."""
        start, width = base + register.offset, register.width // 8
        self.bytes[start : start + width] = value.to_bytes(width, "little")

    def apply(self, rows: Iterable[Row], base: int, end: int) -> None:
        """Spread rows over the registers from `base`; those past `end` are not there."""
        for row in rows:
            start, width = base + row.register.offset, row.register.width // 8
            if start + width > end:
                continue
            span = slice(start, start + width)
            shown = every(row.register) & ~row.hidden
            handed = int.from_bytes(self.handed[span], "little")
            self.bytes[span] = (0 if row.live else handed & shown).to_bytes(width, "little")
            self.live[span] = (shown if row.live else 0).to_bytes(width, "little")
            self.kept[span] = row.kept.to_bytes(width, "little")
            self.forwarded[span] = row.forwarded.to_bytes(width, "little")
            if row.live:
                # Such a register clears its bits where ones are written: offer none.
                self.base[span] = bytes(width)
            if row.effect is not None:
                self.on_write(start, width, row.effect, row.trigger)

    def on_write(self, start: int, width: int, effect: Effect, trigger: int = 0) -> None:
        """Name the effect of touching these bytes (all within one dword)."""
        shift = 8 * (start % _DWORD)
        touched = ((1 << 8 * width) - 1) << shift
        self.effects[start - start % _DWORD] = (effect, touched, trigger << shift)


def build(function: Function, configuration: bytes, interrupt_line: int) -> Image:
    """Lay out the space of one exposed function; MachineProblem when it has no whole header."""
    if len(configuration) < pci.HEADER_SIZE:
        raise MachineProblem(
            f"{function.address} shows only {len(configuration)} bytes of its configuration",
            because=f"the header alone has {pci.HEADER_SIZE}",
            remedy="read it as root, and while no other program resets it",
        )
    extended = len(configuration) >= pci.EXTENDED_CONFIGURATION_SIZE
    size = pci.EXTENDED_CONFIGURATION_SIZE if extended else pci.CONFIGURATION_SIZE
    image = Image(configuration, size)
    image.apply(ENDPOINT, 0, pci.HEADER_SIZE)
    # A virtual function's own register reads all ones. PCIe 5.0, 9.3.4.1.1.
    image.put(pci.VendorId, function.vendor)
    image.put(pci.DeviceId, function.device)
    image.put(pci.InterruptLine, interrupt_line)
    image.put(pci.InterruptPin, function.interrupt_pin)
    for bar in function.bars:
        place_bar(image, bar)
    if len(configuration) >= pci.CONFIGURATION_SIZE:
        _capabilities(image)
    else:
        image.put(pci.CapabilitiesPointer, 0)
    if extended:
        _extended_capabilities(image)
    _quieten(image)
    return image


def _quieten(image: Image) -> None:
    """Whatever Linux had set up, an owner begins awake, with no messages and no DMA."""
    command = pci.Command(image.value(pci.Command.offset, pci.Command.width // 8))
    image.put(pci.Command, command.but(bus_master=0, intx_disable=0))
    for identity, register, quiet in _QUIET:
        base = image.capabilities.get(identity)
        if base is not None:
            now = register(image.value(base + register.offset, register.width // 8))
            image.put(register, now.but(**quiet), base)


_QUIET: tuple[tuple[int, type[Register], dict[str, int]], ...] = (
    (pci.CapabilityId.MSI, pci.MsiControl, {"enable": 0, "multiple_message_enable": 0}),
    (pci.CapabilityId.MSI_X, pci.MsixControl, {"enable": 0, "function_mask": 0}),
    (pci.CapabilityId.POWER_MANAGEMENT, pci.PowerControl, {"power_state": 0}),
)


def place_bar(image: Image, bar: Bar) -> None:
    """A base address register at the machine's own address, its size ready to be measured."""
    if bar.span.size <= 0 or not 0 <= bar.index < pci.ENDPOINT_BARS:
        return
    size = 1 << (bar.span.size - 1).bit_length()
    wide = bar.kind == "memory64" and bar.index + 1 < pci.ENDPOINT_BARS
    if bar.kind == "io":
        flags, address_bits = pci.BaseAddress.mask("io"), pci.BaseAddress.mask("io_base")
    else:
        kind = pci.MEMORY_TYPE_64 if wide else pci.MEMORY_TYPE_32
        low = pci.BaseAddress(0).but(memory_type=kind, prefetchable=int(bar.prefetchable))
        flags, address_bits = int(low), pci.BaseAddress.mask("memory_base")
    width = 2 * pci.BAR_SIZE if wide else pci.BAR_SIZE
    if wide:
        address_bits |= every(pci.BaseAddress) << pci.BaseAddress.width
    kept = address_bits & ~(size - 1)
    start = pci.bar_offset(bar.index)
    span = slice(start, start + width)
    image.bytes[span] = (bar.span.start & kept | flags).to_bytes(width, "little")
    image.kept[span] = kept.to_bytes(width, "little")
    for offset in range(start, start + width, pci.BAR_SIZE):
        image.on_write(offset, pci.BAR_SIZE, Effect.BAR)


def _capabilities(image: Image) -> None:
    """Moderate or conceal each capability; what lies outside all of them is the device's own."""
    entries = plain_capabilities(image.handed)
    first, end = pci.FIRST_CAPABILITY, pci.CONFIGURATION_SIZE
    image.live[first:end] = bytes([every(pci.InterruptLine)]) * (end - first)
    ends = _ends([offset for _, offset, _ in entries], end)
    link = pci.CapabilitiesPointer.offset  # where the next visible one's offset goes
    image.bytes[link] = 0
    for identity, offset, _ in entries:
        stop = ends[offset]
        table = moderation(identity, image.handed[offset:end].ljust(pci.HEADER_SIZE, b"\0"))
        if table is None:
            image.live[offset:stop] = bytes(stop - offset)
            continue
        _show(image, table, offset, min(stop, offset + table.size))
        image.put(pci.CapabilityHeader, identity, offset)
        image.capabilities.setdefault(identity, offset)
        image.bytes[link] = offset
        link = offset + 1


def _show(image: Image, table: Moderation, offset: int, stop: int) -> None:
    header = pci.CAPABILITY_HEADER_SIZE
    if table.opaque:
        image.live[offset : offset + header] = bytes(header)
    else:
        image.live[offset:stop] = bytes(stop - offset)
        image.apply(table.rows, offset, stop)


def _ends(offsets: list[int], end: int) -> dict[int, int]:
    """Where each capability must stop at the latest: at the next one, or at the end."""
    ordered = sorted(offsets)
    return dict(zip(ordered, [*ordered[1:], end], strict=False))


def _extended_capabilities(image: Image) -> None:
    """The list from 256 up: only what has a table; the head of the list is always there."""
    register = pci.ExtendedCapabilityHeader
    found = extended_capabilities(image.handed)
    ends = _ends([offset for _, offset, _ in found], image.size)
    link = pci.EXTENDED_CAPABILITIES
    for identity, offset, _ in found:
        table = EXTENDED.get(identity)
        if table is None:
            continue
        image.apply(table.rows, offset, min(ends[offset], offset + table.size))
        header = register(value(image.handed, register, offset))
        image.put(register, header.but(next=0), offset)
        if offset != link:
            # Behind a concealed first one the head is a null capability. PCIe 5.0, 7.9.28.
            before = register(value(image.bytes, register, link))
            image.put(register, before.but(next=offset), link)
        link = offset
