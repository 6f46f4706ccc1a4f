"""On which line does a function's INTx pin arrive, as its owner is told?

Pins are exchanged on the way up through bridges; what arrives at a device of a root bus is
given an input of the I/O APIC. The same answer goes into the interrupt line registers and
into the description table (_PRT), so an OS may believe either.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.discovery.view import View
from septum.layouts import acpi
from septum.machine.model import Function
from septum.units import PciAddress

_PINS = 4


class Route(NamedTuple):
    """A pin (0 to 3) of a device on a root bus, and the global system interrupt it raises."""

    domain: int
    bus: int
    device: int
    pin: int
    gsi: int


class Routing(NamedTuple):
    """The GSI of each exposed function that has a pin, and the table that says so."""

    gsi_of: dict[PciAddress, int]
    prt: tuple[Route, ...]


def route(seen: View) -> Routing:
    """Give each pin in use a GSI; its own one while there are enough (eight)."""
    arrivals = {
        function.address: _arrival(seen, function)
        for function in seen.functions
        if function.interrupt_pin
    }
    places = sorted(set(arrivals.values()))
    prt = tuple(
        Route(*place, acpi.PCI_GSI_FIRST + number % acpi.PCI_GSI_COUNT)
        for number, place in enumerate(places)
    )
    gsi_at = {entry[:4]: entry.gsi for entry in prt}
    return Routing({address: gsi_at[place] for address, place in arrivals.items()}, prt)


def _arrival(seen: View, function: Function) -> tuple[int, int, int, int]:
    """(domain, bus, device, pin) on the root bus. PCI-to-PCI Bridge 1.2, 9.1."""
    pin = (function.interrupt_pin - 1) % _PINS
    here = function
    above = seen.bridge_above(here)
    while above is not None:
        pin = (pin + here.address.device) % _PINS
        here = above
        above = seen.bridge_above(here)
    return here.address.domain, here.address.bus, here.address.device, pin
