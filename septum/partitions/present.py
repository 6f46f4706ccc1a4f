"""Which number has each of the machine's buses for an owner? [0046]-[0048]

A partition may find a bus under another number: `present = { "0000:03" = "0000:00" }`. Buses below
keep their distance from it. A bus behind a bridge that is presented as number 0 is found as a root
bus of its own; under any other number its bridge leads to it. Where an operating system is told how
many root buses there are instead of which, an owner's are counted from 0 without being asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from septum.machine.model import Function, Machine, RootBus
from septum.settings import PciBus
from septum.units import PciAddress

__all__ = [
    "LARGEST_BUS", "Numbering", "behind", "buses_below", "numbering", "renumbered", "root_of",
    "ways",
]  # fmt: skip

LARGEST_BUS = 255


class Numbering(NamedTuple):
    """The machine's buses that an owner finds elsewhere, and those it finds as root buses."""

    seen: dict[PciBus, PciBus]  # the machine's bus: its number for the owner
    roots: tuple[PciBus, ...] = ()  # of the machine's, in addition to its own root buses

    def bus(self, bus: PciBus) -> PciBus:
        """The number of one of the machine's buses."""
        return self.seen.get(bus, bus)

    def address(self, address: PciAddress) -> PciAddress:
        """Where the owner sees a function of the machine."""
        bus = self.bus(PciBus(address.domain, address.bus))
        return address._replace(domain=bus.domain, bus=bus.bus)

    def machine(self, address: PciAddress) -> PciAddress:
        """The machine's address of what the owner sees at another."""
        for own, seen in self.seen.items():
            if (seen.domain, seen.bus) == (address.domain, address.bus):
                return address._replace(domain=own.domain, bus=own.bus)
        return address

    def root_above(self, machine: Machine, bus: PciBus) -> PciBus:
        """The machine's bus that the owner finds as the root of this one."""
        found = [root for root in self.roots if bus in buses_below(machine, root)]
        if found:
            return max(found, key=lambda root: root.bus)  # the one farthest from the machine's own
        root_bus = root_of(machine, bus)
        return PciBus(root_bus.domain, root_bus.first) if root_bus else bus


def numbering(
    machine: Machine,
    present: Iterable[tuple[PciBus, PciBus]],
    owned: Collection[PciAddress],
) -> Numbering:
    """The numbers for the owner of these functions; a sound table's `present` collides nowhere."""
    asked = dict(present)
    if machine.counts_roots:
        asked |= _counted(machine, asked, owned)
    seen: dict[PciBus, PciBus] = {}
    roots = []
    # Buses behind a bridge have higher numbers than its own: what is farther out comes later.
    for bus, number in sorted(asked.items()):
        below = buses_below(machine, bus)
        shift = number.bus - bus.bus
        for one in below:
            seen[one] = PciBus(number.domain, one.bus + shift)
        if root_of(machine, bus, is_first=True) is None and not number.bus:
            roots.append(bus)
    return Numbering(seen, tuple(roots))


def _counted(
    machine: Machine, asked: dict[PciBus, PciBus], owned: Collection[PciAddress]
) -> dict[PciBus, PciBus]:
    """Root buses with something owned take the lowest numbers that are left, in their order."""
    domains = sorted({address.domain for address in owned} - {bus.domain for bus in asked})
    taken = {number.domain for number in asked.values()}
    free = [number for number in range(len(machine.root_buses)) if number not in taken]
    return {
        PciBus(domain, 0): PciBus(number, 0) for domain, number in zip(domains, free, strict=False)
    }


def root_of(machine: Machine, bus: PciBus, is_first: bool = False) -> RootBus | None:
    """The root bus that a bus is below; with `is_first`, only if it is that one itself."""
    for root in machine.root_buses:
        if root.domain == bus.domain and root.first <= bus.bus <= root.last:
            return root if not is_first or root.first == bus.bus else None
    return None


def buses_below(machine: Machine, bus: PciBus) -> tuple[PciBus, ...]:
    """A bus, and every bus behind its bridges, in order."""
    numbers = {bus.bus}
    while True:
        more = set(numbers)
        for function in machine.functions:
            way = function.bridge
            if way and function.address.domain == bus.domain and function.address.bus in numbers:
                more.update(range(way.secondary, way.subordinate + 1))
        if more == numbers:
            return tuple(PciBus(bus.domain, number) for number in sorted(numbers))
        numbers = more


def behind(machine: Machine, bus: PciBus) -> tuple[Function, ...]:
    """The functions on a bus and on all buses behind its bridges, bridges included."""
    buses = set(buses_below(machine, bus))
    return tuple(
        function
        for function in machine.functions
        if PciBus(function.address.domain, function.address.bus) in buses
    )


def ways(
    machine: Machine, owned: Iterable[Function], numbers: Numbering
) -> tuple[Function, ...]:
    """Every bridge an owner must find to reach these functions, and those among them; sorted.

    KeyError with the address of a bridge that is not there.
    """
    bridges: dict[PciAddress, Function] = {}
    for function in owned:
        here: Function | None = function
        while here is not None and here.address not in bridges:
            if here.is_bridge:
                bridges[here.address] = here
            here = _above(machine, here, numbers)
    return tuple(bridges[address] for address in sorted(bridges))


def _above(machine: Machine, function: Function, numbers: Numbering) -> Function | None:
    parent = function.parent
    if parent is None or PciBus(function.address.domain, function.address.bus) in numbers.roots:
        return None
    above = machine.function(parent)
    if above is None:
        raise KeyError(parent)
    return above


def renumbered(
    functions: Iterable[Function], bridges: Iterable[Function], numbers: Numbering
) -> tuple[tuple[Function, ...], tuple[Function, ...]]:
    """Functions, and the bridges on their way, as the owner sees them.

    Where a bus was moved, bridges reach as far as what is shown below them; else as on the machine.
    """
    shown = [_moved(function, numbers) for function in functions]
    ways_shown = [_moved(bridge, numbers) for bridge in bridges]
    if numbers.seen:
        ways_shown = [_reaching(bridge, (*shown, *ways_shown)) for bridge in ways_shown]
    return tuple(sorted(shown)), tuple(sorted(ways_shown))


def _moved(function: Function, numbers: Numbering) -> Function:
    parent, way = function.parent, function.bridge
    own = PciBus(function.address.domain, function.address.bus)
    if parent is not None:
        parent = None if own in numbers.roots else numbers.address(parent)
    if way is not None:
        domain = function.address.domain
        secondary = numbers.bus(PciBus(domain, way.secondary)).bus
        way = way._replace(
            primary=numbers.bus(own).bus,
            secondary=secondary,
            subordinate=secondary + way.subordinate - way.secondary,
        )
    return function._replace(address=numbers.address(function.address), parent=parent, bridge=way)


def _reaching(bridge: Function, shown: Iterable[Function]) -> Function:
    """The bridge with the last bus that is shown behind it."""
    assert bridge.bridge is not None
    last = bridge.bridge.secondary
    behind_it = {bridge.address}
    for _ in range(LARGEST_BUS):  # as deep as buses can be nested
        more = {one.address for one in shown if one.parent in behind_it}
        if more <= behind_it:
            break
        behind_it |= more
    for one in shown:
        if one.address in behind_it and one.address != bridge.address:
            last = max(last, one.address.bus, one.bridge.secondary if one.bridge else 0)
    return bridge._replace(bridge=bridge.bridge._replace(subordinate=last))
