"""On which line does a function's INTx pin arrive, as its owner is told?

Pins are exchanged on the way up through bridges; what arrives at a device of a root bus is
given a line. The same answer goes into the interrupt line registers and into the description
table (_PRT), so an OS may believe either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.discovery.view import View
from septum.layouts import acpi
from septum.machine.model import Function
from septum.units import PciAddress

_PINS = 4


class Place(NamedTuple):
    """A pin (0 to 3) of a device on a root bus."""

    domain: int
    bus: int
    device: int
    pin: int


class Route(NamedTuple):
    """The same, and the global system interrupt it raises."""

    domain: int
    bus: int
    device: int
    pin: int
    gsi: int


class Routing(NamedTuple):
    """The line (GSI) of each exposed function that has one, and the table that says so."""

    gsi_of: dict[PciAddress, int]
    prt: tuple[Route, ...]


# The how-manieth place in use, and the place: its line, or None where the board has none
Line = Callable[[int, Place], int | None]


def io_apic_input(number: int, place: Place) -> int:
    """An input of the I/O APIC for each; its own one while there are enough (eight)."""
    return acpi.PCI_GSI_FIRST + number % acpi.PCI_GSI_COUNT


def route(seen: View, line: Line = io_apic_input) -> Routing:
    """Give each pin in use the line that `line` says."""
    arrivals = {
        function.address: _arrival(seen, function)
        for function in seen.functions
        if function.interrupt_pin
    }
    places = sorted(set(arrivals.values()))
    lines = {place: line(number, place) for number, place in enumerate(places)}
    prt = tuple(Route(*place, gsi) for place, gsi in lines.items() if gsi is not None)
    gsi_at = {Place(*entry[:4]): entry.gsi for entry in prt}
    return Routing(
        {address: gsi_at[place] for address, place in arrivals.items() if place in gsi_at}, prt
    )


def _arrival(seen: View, function: Function) -> Place:
    """On the root bus. PCI-to-PCI Bridge 1.2, 9.1."""
    pin = (function.interrupt_pin - 1) % _PINS
    here = function
    above = seen.bridge_above(here)
    while above is not None:
        pin = (pin + here.address.device) % _PINS
        here = above
        above = seen.bridge_above(here)
    return Place(here.address.domain, here.address.bus, here.address.device, pin)
