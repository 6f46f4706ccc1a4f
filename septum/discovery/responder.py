"""Who answers a probe of configuration space? Story 2: its own function, the VMM, or nobody. [0031]

The one place where an instance learns what is there. It knows functions by the addresses at which
the instance sees them; what is not in its view answers as if it were absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from septum.discovery.probes import ABSENT, EMULATED, EXPOSED, ProbeRecord
from septum.discovery.view import View
from septum.units import PciAddress

__all__ = ["Responder", "Space"]


class Space(Protocol):
    """One function's configuration space: widths 1, 2 or 4, never across a dword."""

    def read(self, offset: int, width: int) -> int: ...

    def write(self, offset: int, width: int, value: int) -> str: ...


class Responder:
    """What answers on an instance's buses: `owned` itself, `played` by the VMM; else all ones."""

    def __init__(
        self, seen: View, owned: Mapping[PciAddress, Space], played: Mapping[PciAddress, Space]
    ) -> None:
        self.owned = owned
        self.played = played
        self.probes = ProbeRecord()
        for function in (*seen.bridges, *seen.shared):
            self.probes.offer(function.address, function.vendor, function.device, EMULATED)
        for function in seen.functions:
            self.probes.offer(function.address, function.vendor, function.device, EXPOSED)

    def read(self, address: PciAddress, offset: int, width: int) -> int:
        """A read of 1, 2 or 4 bytes."""
        owned = self.owned.get(address)
        if owned is not None:
            self.probes.read(address, EXPOSED)
            return owned.read(offset, width)
        played = self.played.get(address)
        if played is not None:
            self.probes.read(address, EMULATED)
            return played.read(offset, width)
        self.probes.read(address, ABSENT)
        return (1 << 8 * width) - 1

    def write(self, address: PciAddress, offset: int, width: int, value: int) -> None:
        """A write of 1, 2 or 4 bytes."""
        owned = self.owned.get(address)
        if owned is not None:
            self.probes.write(address, EXPOSED, offset, owned.write(offset, width, value))
            return
        played = self.played.get(address)
        if played is not None:
            self.probes.write(address, EMULATED, offset, played.write(offset, width, value))
            return
        self.probes.write(address, ABSENT, offset, "nothing is there")
