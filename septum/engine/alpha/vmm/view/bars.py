"""Where do the registers of an instance's functions stand? Its BARs, as its physical addresses.

The owner moves its view of a BAR; the machine's own BAR stays where firmware put it, and the
physical map leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from septum.discovery.view import View
from septum.engine.alpha.computer.enumeration import Read, Write
from septum.engine.alpha.vmm.palcode.registers import Palcode
from septum.layouts import tsunami
from septum.machine.model import Function
from septum.translation.leases import PROCESSOR, Lease
from septum.translation.pci_config import BarState
from septum.translation.physical import Region, Registers, registers
from septum.translation.placing import Placement
from septum.units import PciAddress, Span


class Bars:
    """The memory BARs of one instance; `read` and `write` reach the machine's registers."""

    def __init__(self, pal: Palcode, seen: View, read: Read, write: Write) -> None:
        self._pal = pal
        self._seen = seen
        self._read = read
        self._write = write
        self._placement = Placement(pal.physical)

    def withdraw(self, function: Function, bars: Sequence[BarState]) -> None:
        """Those that are not so any longer answer no more."""
        pal = self._pal
        gone = self._placement.withdraw(self._seen.machine(function.address), _answering(bars))
        for region in gone:
            pal.forget(pal.leases.drop(region.span))
        if gone:
            pal.played.clear()

    def place(self, function: Function, bars: Sequence[BarState]) -> None:
        """Let them answer where their owner has put them now."""
        self.withdraw(function, bars)
        at = self._seen.machine(function.address)
        placed = self._placement.place(
            at, _answering(bars), lambda bar: [self._region(function, at, bar)]
        )
        for _ in placed.refused:
            # Two of its own over each other have no use on a real bus either.
            self._pal.reject("BAR", "something else answers there")
        if placed.regions:
            self._pal.played.clear()

    def _region(self, function: Function, at: PciAddress, bar: BarState) -> Region:
        machine = next(one for one in function.bars if one.index == bar.index)
        seen = tsunami.hose_address(function.address.domain, tsunami.PCI_MEMORY)
        own = tsunami.hose_address(at.domain, tsunami.PCI_MEMORY)
        start = seen + bar.span.start
        there = own + machine.span.start

        def access(physical: int, size: int, value: int | None) -> int:
            place = there + physical - start
            if value is None:
                return self._read(place, size)
            self._write(place, size, value)
            return 0

        return registers(Span(start, bar.span.size), Registers(at, bar.index), there, access)

    def revoke(self, function: PciAddress, bar: int | None) -> list[Lease]:
        """Take back what leads to a function's registers: the next access is judged anew."""
        cuts = [
            cut
            for region in self._placement.of(function, bar)
            for cut in self._pal.take_back(region.span)
        ]
        return [cut.taken for cut in cuts if cut.taken.side == PROCESSOR]


def _answering(bars: Sequence[BarState]) -> tuple[BarState, ...]:
    """Memory alone, as far as it is decoded and within the hose."""
    limit = tsunami.PCI_MEMORY.size
    return tuple(
        bar for bar in bars if bar.kind != "io" and bar.enabled and bar.span.end <= limit
    )
