"""Which function's register does an access to the configuration area of a hose name?

One page holds four slots, so no page of it is ever given: each access comes here, is decoded, and
answered by the instance's responder. A function's own space is carried out on the machine's.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.discovery.responder import Responder
from septum.engine.alpha.computer.enumeration import Read, Write, configuration_address
from septum.layouts import pci, tsunami
from septum.machine.model import Function
from septum.translation.carried import CarriedOut
from septum.translation.pci_config import BarState, ConfigurationSpace
from septum.translation.pci_table import Effect
from septum.units import PciAddress

_LARGEST = 4
_PLACING = (Effect.COMMAND, Effect.BAR)


class OwnedFunction:
    """One function of an instance: as it sees it, and where it is on the machine.

    `withdraw` and `place` are called when its BARs change: before it is written, and after.
    """

    def __init__(self, function: Function, at: PciAddress, read: Read, write: Write) -> None:
        self.function = function
        self.at = at
        self.space = ConfigurationSpace(function, function.configuration, function.interrupt_line)
        self.withdraw: Callable[[], None] = _nothing
        self.place: Callable[[], None] = _nothing
        base = configuration_address(at)
        self._command: Callable[[int], None] = lambda value: write(
            base + pci.Command.offset, 2, value
        )
        carried = CarriedOut(
            self.space,
            lambda offset, width: read(base + offset, width),
            lambda offset, width, value: write(base + offset, width, value),
            lambda effect: self.withdraw() if effect in _PLACING else None,
            lambda effect: self.place() if effect in _PLACING else None,
        )
        # How a probe is answered (discovery.responder.Space).
        self.read, self.write = carried.read, carried.write

    def quiet(self) -> None:
        """No bus mastering, no decoding but as firmware left it: before its owner starts, after."""
        self._command(pci.Command.mask("memory_space"))

    @property
    def bars(self) -> tuple[BarState, ...]:
        """Where its owner has put its BARs."""
        return self.space.bars


class ConfigurationArea:
    """The configuration areas of the hoses an instance sees."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def access(self, physical: int, size: int, value: int | None) -> int:
        """One load (value None) or store."""
        address, offset = _decoded(physical)
        if size > _LARGEST:
            return (1 << 8 * size) - 1  # PCI has no such cycle
        if value is None:
            return self._responder.read(address, offset, size)
        self._responder.write(address, offset, size, value)
        return 0


def _decoded(physical: int) -> tuple[PciAddress, int]:
    inside = physical & tsunami.PCI_CONFIGURATION.size - 1
    slot = inside >> tsunami.CONFIGURATION_DEVICE_SHIFT
    address = PciAddress(
        physical >> tsunami.HOSE_SHIFT & 1,
        inside >> tsunami.CONFIGURATION_BUS_SHIFT,
        slot % pci.DEVICES_PER_BUS,
        inside >> tsunami.CONFIGURATION_FUNCTION_SHIFT & pci.FUNCTIONS_PER_DEVICE - 1,
    )
    return address, inside & tsunami.CONFIGURATION_REGISTER_BITS


def _nothing() -> None:
    return
