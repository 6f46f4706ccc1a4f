"""May an owner read or change this register of its function, and what does it see?

The state of one exposed function's configuration space: a verdict for each access, and what
the owner has set up so far (decoding, base addresses, messages) for the caller to act on.
No access raises: whatever an owner writes, the answer is a verdict.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.layouts import pci
from septum.machine.model import Bar, Function
from septum.translation.pci_image import build
from septum.translation.pci_table import Effect
from septum.translation.verdict import Accept, Emulate, Modify, Reject, Verdict, all_ones
from septum.units import Span

__all__ = ["BarState", "ConfigurationSpace", "Effect", "MsiState", "MsixState"]

_DWORD = 4
_WIDTHS = (1, 2, 4)
_OUTSIDE = Reject("outside of configuration space")
_READ_ONLY = Reject("no bit of this register may be changed by its owner")
_MASKED = "some of its bits are answered by the VMM"
_MERGED = "some of its bits are not the owner's to change"


class BarState(NamedTuple):
    """A base address register as the owner placed it: "memory32", "memory64" or "io".

    `enabled`: its space is decoded, and it is not being measured (all ones).
    """

    index: int  # type: ignore[assignment]
    kind: str
    span: Span
    enabled: bool


class MsiState(NamedTuple):
    """The owner's message: where it goes, and how many consecutive ones it enabled.

    `mask`: a bit for each masked vector.
    """

    enabled: bool
    address: int
    data: int
    vectors: int
    mask: int


class MsixState(NamedTuple):
    """MSI-X as the owner set it; offsets in bytes within their BARs."""

    enabled: bool
    masked: bool
    table_bar: int
    table_offset: int
    pba_bar: int
    pba_offset: int
    vectors: int


class ConfigurationSpace:
    """What one exposed function answers, from its bytes as they were at hand-over.

    `interrupt_line` is the number the OS is to use for the pin. MachineProblem when the
    configuration has less than a header.
    """

    def __init__(self, function: Function, configuration: bytes, interrupt_line: int) -> None:
        image = build(function, configuration, interrupt_line)
        self.size = image.size
        self._image = image
        self._bytes = image.bytes
        self._bars = tuple(bar for bar in function.bars if bar.span.size > 0)
        self._at_hand_over = bytes(image.bytes)

    # ---- accesses

    def read(self, offset: int, width: int) -> Verdict:
        """Emulate(value); or Accept or Modify(mask): read the device and finish with merge()."""
        end = offset + width
        if offset < 0 or end > self.size or width not in _WIDTHS:
            return _OUTSIDE
        live = int.from_bytes(self._image.live[offset:end], "little")
        if not live:
            return Emulate(int.from_bytes(self._bytes[offset:end], "little"))
        if live == all_ones(width):
            return Accept()
        return Modify(live, _MASKED)

    def merge(self, offset: int, width: int, from_device: int) -> int:
        """The value the owner sees, given what the device answered at the same place."""
        end = offset + width
        live = int.from_bytes(self._image.live[offset:end], "little")
        kept = int.from_bytes(self._bytes[offset:end], "little")
        return from_device & live | kept & ~live

    def write(self, offset: int, width: int, value: int) -> tuple[Verdict, Effect | None]:
        """Keep what the owner may change; say what goes to the device, and what it means.

        Accept: the value as it is; Modify: that value instead; both at this offset and width.
        """
        end = offset + width
        if offset < 0 or end > self.size or width not in _WIDTHS:
            return _OUTSIDE, None
        image = self._image
        asked = value & all_ones(width)
        forwarded = int.from_bytes(image.forwarded[offset:end], "little")
        live = int.from_bytes(image.live[offset:end], "little")
        changed = int.from_bytes(image.kept[offset:end], "little") | forwarded & ~live
        if changed:
            now = int.from_bytes(self._bytes[offset:end], "little")
            self._bytes[offset:end] = (now & ~changed | asked & changed).to_bytes(width, "little")
        effect = self._effect(offset, width, asked)
        if forwarded:
            base = int.from_bytes(image.base[offset:end], "little")
            sent = asked & forwarded | base & ~forwarded
            return (Accept() if sent == value else Modify(sent, _MERGED)), effect
        if changed or effect is not None:
            return Emulate(asked & changed), effect
        return _READ_ONLY, None

    def _effect(self, offset: int, width: int, asked: int) -> Effect | None:
        start = offset - offset % _DWORD
        written, bits = all_ones(width) << 8 * (offset - start), asked << 8 * (offset - start)
        while written:
            effect, touched, trigger = self._image.effects.get(start, (None, 0, 0))
            if written & touched and (not trigger or bits & trigger):
                return effect
            start += _DWORD
            written >>= 8 * _DWORD
            bits >>= 8 * _DWORD
        return None

    def reset(self) -> None:
        """As at hand-over, with nothing decoded: after a reset of the function.

        The caller writes the command register's new value to the device.
        """
        self._bytes[:] = self._at_hand_over
        self._image.put(pci.Command, 0)

    # ---- what the owner has set up

    @property
    def command(self) -> pci.Command:
        """The command register as the owner set it."""
        return pci.Command(self._image.value(pci.Command.offset, 2))

    @property
    def bars(self) -> tuple[BarState, ...]:
        """The base address registers as the owner placed them, 64-bit pairs joined."""
        command = self.command
        return tuple(self._bar(bar, command) for bar in self._bars)

    def _bar(self, bar: Bar, command: pci.Command) -> BarState:
        offset = pci.bar_offset(bar.index)
        width = 2 * pci.BAR_SIZE if bar.kind == "memory64" else pci.BAR_SIZE
        placed = int.from_bytes(self._image.kept[offset : offset + width], "little")
        start = self._image.value(offset, width) & placed
        decoded = command.io_space if bar.kind == "io" else command.memory_space
        enabled = bool(decoded) and start != placed
        return BarState(bar.index, bar.kind, Span(start, bar.span.size), enabled)

    @property
    def msi(self) -> MsiState | None:
        """None when the function has no MSI."""
        base = self._image.capabilities.get(pci.CapabilityId.MSI)
        if base is None:
            return None
        value = self._image.value
        control = pci.MsiControl(value(base + pci.MsiControl.offset, 2))
        address = value(base + pci.MsiAddress.offset, 4)
        data, mask = pci.MsiData32.offset, pci.MsiMask32.offset
        if control.address_64:
            address |= value(base + pci.MsiAddressUpper.offset, 4) << pci.MsiAddress.width
            data, mask = pci.MsiData64.offset, pci.MsiMask64.offset
        vectors = 1 << min(control.multiple_message_enable, control.multiple_message_capable)
        masked = value(base + mask, 4) if control.per_vector_masking else 0
        return MsiState(bool(control.enable), address, value(base + data, 2), vectors, masked)

    @property
    def msix(self) -> MsixState | None:
        """None when the function has no MSI-X."""
        base = self._image.capabilities.get(pci.CapabilityId.MSI_X)
        if base is None:
            return None
        value = self._image.value
        control = pci.MsixControl(value(base + pci.MsixControl.offset, 2))
        table = pci.MsixTable(value(base + pci.MsixTable.offset, 4))
        pending = pci.MsixPending(value(base + pci.MsixPending.offset, 4))
        return MsixState(
            enabled=bool(control.enable),
            masked=bool(control.function_mask),
            table_bar=table.bar,
            table_offset=table.offset_units * pci.MSIX_OFFSET_UNIT,
            pba_bar=pending.bar,
            pba_offset=pending.offset_units * pci.MSIX_OFFSET_UNIT,
            vectors=control.table_size + 1,
        )
