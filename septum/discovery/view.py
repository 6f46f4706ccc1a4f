"""Is it there? What one instance finds when it looks around its buses. [0032]

Decided once, before the instance runs, from the machine and the partition; touches nothing.
Everything that is not in the view is concealed: reads answer all ones, writes are dropped.
Not here: what the instance may do with what it finds (translation).
"""

from __future__ import annotations

from typing import NamedTuple

from septum.errors import MachineProblem
from septum.layouts import pci
from septum.machine.model import Ecam, Function, Machine, RootBus
from septum.partitions.model import Partition
from septum.units import PciAddress, Span

__all__ = ["View", "view"]


class View(NamedTuple):
    """What one instance finds, all at the machine's own addresses; sorted by address.

    `functions` are its own. The rest the VMM plays: `bridges` on their way, `placeholders`
    (a function 0 that is concealed or not there, where a sibling must be found) and
    `host_bridges` (00.0 of each root bus in use: the machine's own is shared between owners,
    so it is emulated [0046]).
    """

    name: str
    functions: tuple[Function, ...]
    bridges: tuple[Function, ...]
    placeholders: tuple[PciAddress, ...]
    host_bridges: tuple[PciAddress, ...]
    root_buses: tuple[RootBus, ...]
    ecam: tuple[Ecam, ...]

    def function(self, address: PciAddress) -> Function | None:
        """The exposed function at an address, or None."""
        for function in self.functions:
            if function.address == address:
                return function
        return None

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
    # A bridge has no registers an owner could drive: it is played even when it was listed.
    functions = tuple(function for function in owned if not function.is_bridge)
    bridges = _ways(machine, owned)
    roots = _roots(machine, functions, bridges)
    hosts = tuple(PciAddress(root.domain, root.first, 0, 0) for root in roots)
    presented = {item.address for item in (*functions, *bridges)}
    # An owner that was given the machine's own 00:00.0 by name would hide its root bus.
    hosts = tuple(address for address in hosts if address not in presented)
    zeroes = {address._replace(function=0) for address in presented}
    return View(
        name=partition.name,
        functions=functions,
        bridges=bridges,
        placeholders=tuple(sorted(zeroes - presented - set(hosts))),
        host_bridges=hosts,
        root_buses=roots,
        ecam=_areas(machine, roots),
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


def _ways(machine: Machine, owned: tuple[Function, ...]) -> tuple[Function, ...]:
    """Every bridge between these functions and their root buses, and those among them."""
    bridges = {function.address: function for function in owned if function.is_bridge}
    for function in owned:
        parent = function.parent
        while parent is not None and parent not in bridges:
            above = _found(machine, parent)
            bridges[parent] = above
            parent = above.parent
    return tuple(bridges[address] for address in sorted(bridges))


def _roots(
    machine: Machine, functions: tuple[Function, ...], bridges: tuple[Function, ...]
) -> tuple[RootBus, ...]:
    """The root buses in use, and always the first: mechanism #1 begins to look there."""
    used: list[RootBus] = []
    for root in sorted(machine.root_buses, key=lambda root: (root.domain, root.first)):
        below = [
            item
            for item in (*bridges, *functions)
            if item.address.domain == root.domain and root.first <= item.address.bus <= root.last
        ]
        if below or (root.domain, root.first) == (0, 0):
            used.append(_widened(root, below))
    if not used or (used[0].domain, used[0].first) != (0, 0):
        used.insert(0, RootBus(0, 0, 0, (), ()))
    return tuple(used)


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
            size = (last - area.first_bus + 1) * pci.ECAM_BUS_SIZE
            areas.append(area._replace(last_bus=last, span=Span(area.span.start, size)))
    return tuple(areas)
