"""How is a function's configuration space reached on the machine? One object a function."""

from __future__ import annotations

from collections.abc import Callable

from septum.engine.alpha.computer.enumeration import Read, Write, configuration_address
from septum.layouts import pci
from septum.machine.model import Function
from septum.translation.carried import CarriedOut
from septum.translation.pci_config import BarState, ConfigurationSpace
from septum.translation.pci_table import Effect
from septum.units import PciAddress

_PLACING = (Effect.COMMAND, Effect.BAR)


class FunctionOnHose:
    """One function of an instance: as it sees it, and where it is on the machine.

    `withdraw` and `place` are called when its BARs change: before it is written, and after.
    """

    def __init__(
        self, function: Function, at: PciAddress, line: int, read: Read, write: Write
    ) -> None:
        self.function = function
        self.at = at
        self.space = ConfigurationSpace(function, function.configuration, line)
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


def _nothing() -> None:
    return
