"""Where do the registers of an instance's functions stand? Its BARs, as its physical addresses.

The owner moves its view of a BAR; the machine's own BAR stays where firmware put it, and the
physical map leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Mapping

from septum.engine.alpha.vmm.palcode.registers import Palcode
from septum.engine.alpha.vmm.view.configuration import OwnedFunction
from septum.layouts import alpha as a
from septum.layouts import tsunami
from septum.translation.pci_config import BarState
from septum.translation.physical import Lease, Region
from septum.units import PciAddress, Span


class Bars:
    """The memory BARs of one instance. `hoses`: for each hose it sees, the machine's."""

    def __init__(self, pal: Palcode, hoses: tuple[int, ...]) -> None:
        self._pal = pal
        self._hoses = hoses
        self._placed: dict[PciAddress, tuple[BarState, ...]] = {}
        self._regions: dict[tuple[PciAddress, int], Region] = {}

    def place(self, owned: Mapping[PciAddress, OwnedFunction]) -> None:
        """Let them answer where their owner has put them now."""
        for address, function in owned.items():
            bars = tuple(bar for bar in function.bars if bar.kind != "io")
            if bars != self._placed.get(address):
                self._placed[address] = bars
                for bar in bars:
                    self._place(address, function, bar)

    def _place(self, address: PciAddress, owned: OwnedFunction, bar: BarState) -> None:
        pal = self._pal
        old = self._regions.pop((address, bar.index), None)
        if old is not None:
            pal.physical.remove(old)
            for page in pal.leases.drop(old.span):
                pal.context.buffer.flush_physical(page, 1)
        pal.played.clear()
        if not bar.enabled or bar.span.end > tsunami.PCI_MEMORY.size:
            return
        machine = next(one for one in owned.function.bars if one.index == bar.index)
        seen = tsunami.hose_address(self._hoses.index(address.domain), tsunami.PCI_MEMORY)
        own = tsunami.hose_address(address.domain, tsunami.PCI_MEMORY)
        region = Region(
            Span(seen + bar.span.start, bar.span.size),
            own + machine.span.start,
            f"{address} BAR {bar.index}",
        )
        if pal.physical.place(region):
            self._regions[address, bar.index] = region
        else:
            # Two of its own over each other have no use on a real bus either.
            pal.reject("BAR", "something else answers there")
            del self._placed[address]

    def revoke(self, address: PciAddress, bar: int | None) -> list[Lease]:
        """Take back what leads to a function's registers: the next access is judged anew."""
        names = [
            region.what
            for (owner, index), region in self._regions.items()
            if owner == address and bar in (None, index)
        ]
        pal = self._pal
        taken = [lease for lease in pal.leases.runs(pal.physical) if lease.what in names]
        for lease in taken:
            first = lease.instance.start >> a.PAGE_SHIFT
            for page in range(first, lease.instance.end >> a.PAGE_SHIFT):
                pal.take_back(page)
        return taken
