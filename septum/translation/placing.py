"""Where do a function's BARs answer now? Its owner moves them, and switches them on and off.

The owner moves its view alone: the machine's own BAR stays where it is, and the regions say what
is behind. Pure: the caller takes translations of what is gone back, and grants those of what came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from septum.errors import Problem
from septum.translation.pci_config import BarState
from septum.translation.physical import PhysicalMap, Region
from septum.units import PciAddress

Regions = Callable[[BarState], Sequence[Region]]


class Placed(NamedTuple):
    """The regions that answer now, and the BARs that have no use, with the reason."""

    regions: tuple[Region, ...]
    refused: tuple[tuple[BarState, str], ...]


class Placement:
    """The BARs of one instance's functions, in its maps of memory and of ports."""

    def __init__(self, memory: PhysicalMap, ports: PhysicalMap | None = None) -> None:
        self._memory = memory
        self._ports = ports
        self._bars: dict[PciAddress, tuple[BarState, ...]] = {}
        self._regions: dict[tuple[PciAddress, int], tuple[PhysicalMap, Sequence[Region]]] = {}

    def withdraw(self, function: PciAddress, bars: Sequence[BarState]) -> tuple[Region, ...]:
        """Let those answer no longer that are not among these, or not so; memory that is gone."""
        gone: list[Region] = []
        for old in self._bars.get(function, ()):
            if old not in bars:
                where, regions = self._regions.pop((function, old.index), (self._memory, ()))
                for region in regions:
                    where.remove(region)
                if where is self._memory:
                    gone += regions
        left = tuple(one for one in self._bars.get(function, ()) if one in bars)
        self._bars[function] = left
        return tuple(gone)

    def place(
        self, function: PciAddress, bars: Sequence[BarState], regions_of: Regions
    ) -> Placed:
        """Let those answer that do not yet; `withdraw` was called with the same before.

        A BAR over something else that answers has no use, as on a real bus.
        """
        came: list[Region] = []
        refused: list[tuple[BarState, str]] = []
        for bar in bars:
            if bar in self._bars.get(function, ()):
                continue
            if bar.enabled:
                try:
                    came += self._add(function, bar, regions_of(bar))
                except Problem as problem:
                    refused.append((bar, problem.what))
        self._bars[function] = tuple(bars)
        return Placed(tuple(came), tuple(refused))

    def of(self, function: PciAddress, bar: int | None = None) -> tuple[Region, ...]:
        """The regions of a function, or of one BAR of it, that answer now; ports left out."""
        return tuple(
            region
            for (owner, index), (where, regions) in self._regions.items()
            if owner == function and bar in (None, index) and where is self._memory
            for region in regions
        )

    def _add(
        self, function: PciAddress, bar: BarState, regions: Sequence[Region]
    ) -> Sequence[Region]:
        where = self._map(bar)
        done: list[Region] = []
        try:
            for region in regions:
                where.place(region)
                done.append(region)
        except Problem:
            for region in done:
                where.remove(region)
            raise
        self._regions[function, bar.index] = (where, tuple(regions))
        return [] if bar.kind == "io" else regions

    def _map(self, bar: BarState) -> PhysicalMap:
        if bar.kind != "io":
            return self._memory
        if self._ports is None:
            raise Problem("ports of functions are not reachable on this machine")
        return self._ports
