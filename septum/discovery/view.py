"""Is it there? What one instance finds when it looks around its buses. [0032]

Decided once, before the instance runs, from the machine and the partition; touches nothing.
Everything that is not in the view is concealed: reads answer all ones, writes are dropped.
Each function, bridge and root bus is in it as the instance sees it, which is where it is on the
machine unless the table presents its bus as another [0046]-[0048]; `machine` says where that is.
Not here: what the instance may do with what it finds (translation).
"""

from __future__ import annotations

from typing import NamedTuple

from septum.errors import MachineProblem
from septum.layouts import pci
from septum.machine.kinds import is_isa_bridge
from septum.machine.model import Ecam, Function, Machine, RootBus
from septum.partitions.model import Partition
from septum.partitions.present import Numbering, numbering, renumbered, ways
from septum.settings import PciBus
from septum.units import PciAddress, Span

__all__ = ["View", "view"]


class View(NamedTuple):
    """What one instance finds, at the addresses where it sees it; sorted by address.

    `functions` are its own. The rest the VMM plays: `bridges` on their way, `shared` ones that
    every instance of the machine finds, `placeholders` (a function 0 that is concealed or not
    there, where a sibling must be found) and `host_bridges` (one for each root bus in use: the
    machine's own is shared between owners, so it is emulated [0046]).
    """

    name: str
    functions: tuple[Function, ...]
    bridges: tuple[Function, ...]
    placeholders: tuple[PciAddress, ...]
    host_bridges: tuple[PciAddress, ...]
    root_buses: tuple[RootBus, ...]
    ecam: tuple[Ecam, ...]
    numbers: Numbering = Numbering({})
    shared: tuple[Function, ...] = ()

    def function(self, address: PciAddress) -> Function | None:
        """The exposed function at an address, or None."""
        for function in self.functions:
            if function.address == address:
                return function
        return None

    def machine(self, address: PciAddress) -> PciAddress:
        """Where on the machine that is which the instance sees at an address."""
        return self.numbers.machine(address)

    def machine_bus(self, bus: RootBus) -> PciBus:
        """The machine's bus that the instance sees as this root bus."""
        seen = PciBus(bus.domain, bus.first)
        return next((own for own, number in self.numbers.seen.items() if number == seen), seen)

    def bridge_above(self, function: Function) -> Function | None:
        """The presented bridge a function or bridge stands behind; None on a root bus."""
        for bridge in self.bridges:
            if bridge.address == function.parent:
                return bridge
        return None


def view(machine: Machine, partition: Partition) -> View:
    """Expose a partition's functions and what is needed to find them; conceal the rest.

    MachineProblem when a function of the partition, or a bridge on its way, is not there.
    """
    owned = tuple(_found(machine, address) for address in sorted(partition.functions))
    # The platform's are never one owner's, even when they were listed.
    own = tuple(one for one in owned if machine.hosted or not is_isa_bridge(one))
    numbers = numbering(machine, partition.present, [one.address for one in own])
    try:
        on_the_way = ways(machine, own, numbers)
    except KeyError as missing:
        _found(machine, missing.args[0])
        raise
    # A bridge has no registers an owner could drive: it is played even when it was listed.
    functions, bridges = renumbered(
        (function for function in own if not function.is_bridge), on_the_way, numbers
    )
    roots = _roots(machine, functions, bridges, numbers)
    shared = _shared(machine, roots)
    presented = {item.address for item in (*functions, *bridges, *shared)}
    hosts = _host_bridges(roots, presented)
    zeroes = {address._replace(function=0) for address in presented}
    return View(
        name=partition.name,
        functions=functions,
        bridges=bridges,
        placeholders=tuple(sorted(zeroes - presented - set(hosts))),
        host_bridges=hosts,
        root_buses=roots,
        ecam=_areas(machine, roots),
        numbers=numbers,
        shared=shared,
    )


def _found(machine: Machine, address: PciAddress) -> Function:
    function = machine.function(address)
    if function is None:
        raise MachineProblem(
            f"no function stands at {address}",
            because="it was there when the table was checked, or the table was not checked",
            remedy="septum scan lists what is there; septum check TABLE compares",
        )
    return function


def _shared(machine: Machine, roots: tuple[RootBus, ...]) -> tuple[Function, ...]:
    """The ISA bridge of a machine that nobody hosts: its bus is everybody's, so all find it."""
    if machine.hosted:
        return ()
    first = roots[0]
    bridges = [one for one in machine.functions if is_isa_bridge(one)][:1]
    return tuple(
        one._replace(address=one.address._replace(domain=first.domain, bus=first.first))
        for one in bridges
    )


def _host_bridges(
    roots: tuple[RootBus, ...], presented: set[PciAddress]
) -> tuple[PciAddress, ...]:
    """Where each root's host bridge answers: as device 0, or the first that is free.

    Linux believes in configuration mechanism #1 only where bus 0 has a host bridge. A function of
    an owner stands at device 0 when it was given the machine's own by name, or when the bus it is
    on is presented as a root bus.
    """
    found = []
    for root in roots:
        if not root.is_function:
            continue
        taken = {
            one.device for one in presented if (one.domain, one.bus) == (root.domain, root.first)
        }
        free = [device for device in range(pci.DEVICES_PER_BUS) if device not in taken]
        if free:
            found.append(PciAddress(root.domain, root.first, free[0], 0))
    return tuple(found)


def _roots(
    machine: Machine,
    functions: tuple[Function, ...],
    bridges: tuple[Function, ...],
    numbers: Numbering,
) -> tuple[RootBus, ...]:
    """The root buses in use, as they are seen, and always the first: an OS begins to look there."""
    used: dict[tuple[int, int], RootBus] = {}
    candidates = [(PciBus(root.domain, root.first), root) for root in machine.root_buses]
    candidates += [(bus, _root_behind(machine, bus)) for bus in numbers.roots]
    for bus, root in candidates:
        seen = numbers.bus(bus)
        below = [item for item in (*bridges, *functions) if _is_below(machine, item, bus, numbers)]
        if below or (seen.domain, seen.bus) == (0, 0):
            shown = root._replace(
                domain=seen.domain, first=seen.bus, last=seen.bus + root.last - root.first
            )
            # The machine's own bus of that number gives way to one that is presented as it.
            if below or (seen.domain, seen.bus) not in used:
                used[seen.domain, seen.bus] = _widened(shown, below)
    if (0, 0) not in used:
        is_function = any(root.is_function for root in machine.root_buses)
        used[0, 0] = RootBus(0, 0, 0, (), (), is_function or not machine.root_buses)
    return tuple(used[place] for place in sorted(used))


def _is_below(machine: Machine, item: Function, root: PciBus, numbers: Numbering) -> bool:
    at = numbers.machine(item.address)
    return numbers.root_above(machine, PciBus(at.domain, at.bus)) == root


def _root_behind(machine: Machine, bus: PciBus) -> RootBus:
    """A bus behind a bridge, as the root bus it is presented as: with the bridge's windows."""
    ways_to_it = (
        one.bridge
        for one in machine.functions
        if one.bridge and (one.address.domain, one.bridge.secondary) == (bus.domain, bus.bus)
    )
    way = next(ways_to_it, None)
    if way is None:
        return RootBus(bus.domain, bus.bus, bus.bus, (), ())
    memory = tuple(window for window in (way.memory, way.prefetchable) if window is not None)
    io = (way.io,) if way.io is not None else ()
    return RootBus(bus.domain, bus.bus, way.subordinate, memory, io)


def _widened(root: RootBus, below: list[Function]) -> RootBus:
    """The root with windows for all that stands on it.

    An inventory read without root's rights, or a host told not to use _CRS, has none; an OS
    would then move, or not use, what it finds outside of them.
    """
    memory, io = root.memory, root.io
    for item in below:
        for bar in item.bars:
            if bar.kind == "io":
                io = _covering(io, bar.span)
            else:
                memory = _covering(memory, bar.span)
        if item.bridge is not None:
            io = _covering(io, item.bridge.io)
            memory = _covering(memory, item.bridge.memory)
            memory = _covering(memory, item.bridge.prefetchable)
    return root._replace(memory=memory, io=io, last=_last_bus(root, below))


def _covering(windows: tuple[Span, ...], span: Span | None) -> tuple[Span, ...]:
    """The windows, one of them wide enough for the span; an address of 0 was never given."""
    if span is None or not span.start or not span.size:
        return windows
    if any(window.start <= span.start and span.end <= window.end for window in windows):
        return windows
    apart = tuple(window for window in windows if not window.overlaps(span))
    joined = [span, *(window for window in windows if window.overlaps(span))]
    start, end = min(one.start for one in joined), max(one.end for one in joined)
    return (*apart, Span(start, end - start))


def _last_bus(root: RootBus, below: list[Function]) -> int:
    """The highest bus an instance may find anything on.

    Linux looks at every device number of every bus that the MCFG promises: 8,192 probes for 256
    buses. No bus is promised that has nothing to be found on.
    """
    ends = [item.bridge.subordinate for item in below if item.bridge is not None]
    return min(max([root.first, *ends, *(item.address.bus for item in below)]), root.last)


def _areas(machine: Machine, roots: tuple[RootBus, ...]) -> tuple[Ecam, ...]:
    """The memory-mapped configuration areas of the root buses in use, up to their last bus."""
    areas = []
    for area in machine.ecam:
        ends = [
            root.last
            for root in roots
            if root.domain == area.domain
            and area.first_bus <= root.last
            and root.first <= area.last_bus
        ]
        if ends:
            last = min(max(ends), area.last_bus)
            size = (last - area.first_bus + 1) * area.bus_size
            areas.append(area._replace(last_bus=last, span=Span(area.span.start, size)))
    return tuple(areas)
