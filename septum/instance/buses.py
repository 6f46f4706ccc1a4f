"""Who answers a probe of configuration space? Story 2: exposed, played by the VMM, or absent."""

from __future__ import annotations

from septum.discovery.probes import ABSENT, EMULATED, EXPOSED, ProbeRecord
from septum.discovery.view import View
from septum.instance.owned import OwnedFunction
from septum.translation import pci_emulated
from septum.translation.pci_emulated import EmulatedSpace
from septum.translation.verdict import Emulate, Reject, all_ones
from septum.units import PciAddress


class Buses:
    """The responder of one instance: what stands in its view answers, the rest is all ones."""

    def __init__(self, seen: View, owned: dict[PciAddress, OwnedFunction]) -> None:
        self.owned = owned
        self.probes = ProbeRecord()
        self._played: dict[PciAddress, EmulatedSpace] = {}
        for address in seen.host_bridges:
            self._played[address] = pci_emulated.host_bridge()
        for address in seen.placeholders:
            self._played[address] = pci_emulated.placeholder()
        for bridge in seen.bridges:
            self._played[bridge.address] = pci_emulated.bridge(bridge)
            self.probes.offer(bridge.address, bridge.vendor, bridge.device, EMULATED)
        for function in seen.functions:
            self.probes.offer(function.address, function.vendor, function.device, EXPOSED)

    def read(self, address: PciAddress, offset: int, width: int) -> int:
        """A read of 1, 2 or 4 bytes."""
        owned = self.owned.get(address)
        if owned is not None:
            self.probes.read(address, EXPOSED)
            return owned.read(offset, width)
        played = self._played.get(address)
        if played is not None:
            self.probes.read(address, EMULATED)
            verdict = played.read(offset, width)
            return verdict.value if isinstance(verdict, Emulate) else all_ones(width)
        self.probes.read(address, ABSENT)
        return all_ones(width)

    def write(self, address: PciAddress, offset: int, width: int, value: int) -> None:
        """A write of 1, 2 or 4 bytes."""
        owned = self.owned.get(address)
        if owned is not None:
            why = owned.write(offset, width, value)
            self.probes.write(address, EXPOSED, offset, why)
            return
        played = self._played.get(address)
        if played is not None:
            verdict, _ = played.write(offset, width, value)
            why = verdict.why if isinstance(verdict, Reject) else ""
            self.probes.write(address, EMULATED, offset, why)
            return
        self.probes.write(address, ABSENT, offset, "nothing is there")
