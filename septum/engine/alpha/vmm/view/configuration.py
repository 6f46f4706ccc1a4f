"""Who answers a probe of configuration space? Fig. 4b: exposed, played by the VMM, or absent.

One page holds four slots, so no page of it is ever given: each access comes here, and is
answered from the function's own space if the instance owns it (its moderated parts from the
image), from a played one (the ISA bridge, which is shared), or with all ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from septum.discovery.probes import ABSENT, EMULATED, EXPOSED, ProbeRecord
from septum.engine.alpha.computer.enumeration import Read, Write, configuration_address
from septum.layouts import pci, tsunami
from septum.machine.model import Function
from septum.translation.pci_config import BarState, ConfigurationSpace
from septum.translation.verdict import Accept, Emulate, Modify, all_ones
from septum.units import PciAddress

_LARGEST = 4


class OwnedFunction:
    """One function of an instance: its configuration space, carried out on the machine's."""

    def __init__(self, function: Function, line: int, read: Read, write: Write) -> None:
        self.function = function
        self.space = ConfigurationSpace(function, function.configuration, line)
        self._at = configuration_address(function.address)
        self._read = read
        self._write = write

    def read(self, offset: int, width: int) -> int:
        verdict = self.space.read(offset, width)
        match verdict:
            case Emulate(value=value):
                return value
            case Accept():
                return self._read(self._at + offset, width)
            case Modify():
                return self.space.merge(offset, width, self._read(self._at + offset, width))
        return all_ones(width)

    def write(self, offset: int, width: int, value: int) -> str:
        """Why it was refused, or nothing."""
        verdict, _effect = self.space.write(offset, width, value)
        match verdict:
            case Accept():
                self._write(self._at + offset, width, value)
            case Modify(value=instead):
                self._write(self._at + offset, width, instead)
            case Emulate():
                pass
            case _:
                return verdict.why
        return ""

    def quiet(self) -> None:
        """No bus mastering, no decoding but as firmware left it: before its owner starts, after."""
        command = self._at + pci.Command.offset
        self._write(command, 2, pci.Command.mask("memory_space"))

    @property
    def bars(self) -> tuple[BarState, ...]:
        """Where its owner has put its BARs."""
        return self.space.bars


class Configuration:
    """Configuration space as one instance finds it.

    `hoses`: for each hose it sees, the machine's. `bars_moved` is called after any write to an
    owned function's header.
    """

    def __init__(
        self,
        hoses: tuple[int, ...],
        owned: Mapping[PciAddress, OwnedFunction],
        played: Mapping[PciAddress, Function],
        bars_moved: Callable[[], None],
    ) -> None:
        self._hoses = hoses
        self.owned = owned
        self.played = played
        self._bars_moved = bars_moved
        self.probes = ProbeRecord()
        for address, one in owned.items():
            self.probes.offer(address, one.function.vendor, one.function.device, EXPOSED)
        for address, function in played.items():
            self.probes.offer(address, function.vendor, function.device, EMULATED)

    def access(self, physical: int, size: int, value: int | None) -> int:
        """One load (value None) or store in the configuration area of a hose it sees."""
        address, offset = self._decoded(physical)
        if size > _LARGEST:
            return all_ones(size)  # PCI has no such cycle
        if value is None:
            return self._read(address, offset, size)
        self._write(address, offset, size, value)
        return 0

    def _decoded(self, physical: int) -> tuple[PciAddress, int]:
        hose = self._hoses[physical >> tsunami.HOSE_SHIFT & 1]
        inside = physical & tsunami.PCI_CONFIGURATION.size - 1
        slot = inside >> tsunami.CONFIGURATION_DEVICE_SHIFT
        address = PciAddress(
            hose,
            inside >> tsunami.CONFIGURATION_BUS_SHIFT,
            slot % pci.DEVICES_PER_BUS,
            inside >> tsunami.CONFIGURATION_FUNCTION_SHIFT & pci.FUNCTIONS_PER_DEVICE - 1,
        )
        return address, inside & tsunami.CONFIGURATION_REGISTER_BITS

    def _read(self, address: PciAddress, offset: int, size: int) -> int:
        owned = self.owned.get(address)
        if owned is not None:
            self.probes.read(address, EXPOSED)
            return owned.read(offset, size)
        played = self.played.get(address)
        if played is not None:
            self.probes.read(address, EMULATED)
            return int.from_bytes(played.configuration[offset : offset + size], "little")
        self.probes.read(address, ABSENT)
        return all_ones(size)

    def _write(self, address: PciAddress, offset: int, size: int, value: int) -> None:
        owned = self.owned.get(address)
        if owned is not None:
            self.probes.write(address, EXPOSED, offset, owned.write(offset, size, value))
            if offset < pci.HEADER_SIZE:
                self._bars_moved()
        elif address in self.played:
            self.probes.write(address, EMULATED, offset, "the bridge is shared")
        else:
            self.probes.write(address, ABSENT, offset, "nothing is there")
