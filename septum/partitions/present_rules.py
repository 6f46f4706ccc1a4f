"""Can the owner of a bus find it where the table says? [0046]-[0048]"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from septum.machine.division import companions
from septum.machine.kinds import is_bridge
from septum.machine.model import Function
from septum.partitions.case import Case
from septum.partitions.draft import DraftInstance
from septum.partitions.findings import Finding
from septum.partitions.present import (
    LARGEST_BUS,
    Numbering,
    behind,
    buses_below,
    numbering,
    renumbered,
    ways,
)
from septum.settings import PciBus

_TRY = "present it as another, or leave it where it is"


class _Asked(NamedTuple):
    """One pair of a table: the machine's bus, and as which it is to be found."""

    instance: DraftInstance
    bus: PciBus
    number: PciBus
    word: str

    def against(self, case: Case, because: str, remedy: str) -> Finding:
        key = ("instances", self.instance.name, "present")
        what = f"bus {self.bus} cannot be presented to {self.instance.name} as {self.number}"
        return case.finding(key, what, because, remedy, self.word)


def _asked(case: Case) -> Iterator[_Asked]:
    for instance in case.draft.instances:
        for item in instance.present:
            yield _Asked(instance, *item.value, item.word)


def every_presented_bus_is_its_own(case: Case) -> Iterator[Finding]:
    """Of the machine, owned, whole as far as the IOMMU sees it, and going somewhere else."""
    for asked in _asked(case):
        fault = _not_its_own(case, asked) or _not_elsewhere(asked)
        if fault is not None:
            yield asked.against(case, *fault)


def _not_its_own(case: Case, asked: _Asked) -> tuple[str, str] | None:
    name, bus = asked.instance.name, asked.bus
    owned = [one for one in behind(case.machine, bus) if name in case.owners(one.address)]
    if not owned:
        return (
            f"{name} owns nothing on it or below",
            f'give it what is there first, as in buses = ["{bus}"]',
        )
    for function in owned:
        for other in companions(case.machine, function):
            if name not in case.owners(other):
                whose = ", ".join(sorted(case.owners(other))) or "Linux"
                return (
                    f"{name} has half of IOMMU group {function.iommu_group} only: "
                    f"{function.address}, but not {other} of {whose}",
                    f"give {name} the whole group",
                )
    return None


def _not_elsewhere(asked: _Asked) -> tuple[str, str] | None:
    if asked.bus == asked.number:
        return "that is its number on the machine, where it is found anyway", "leave it out"
    pairs = dict(item.value for item in asked.instance.present)
    cycle = [asked.bus, asked.number]
    while cycle[-1] in pairs and cycle[-1] != asked.bus:
        following = pairs[cycle[-1]]
        if following in cycle[1:]:
            return None  # a cycle that it only leads into: told where it is
        cycle.append(following)
    if cycle[-1] == asked.bus:
        chain = " as ".join(map(str, cycle))
        return f"the numbers go round in a cycle: {chain}", "move one of them to a free number"
    return None


def no_bus_is_found_twice(case: Case) -> Iterator[Finding]:
    """After all is renumbered, each number that an owner finds means one bus of the machine."""
    for instance in case.draft.instances:
        asked = [_Asked(instance, *item.value, item.word) for item in instance.present]
        if any(_not_its_own(case, one) or _not_elsewhere(one) for one in asked):
            continue  # told already
        owned = [
            function
            for wish, function in case.endpoints()
            if wish.instance == instance.name and not is_bridge(function)
        ]
        pairs = [(one.bus, one.number) for one in asked]
        numbers = numbering(case.machine, pairs, [one.address for one in owned])
        for one in asked:
            fault = _out_of_range(case, one) or _collision(case, one, owned, numbers)
            if fault is not None:
                yield one.against(case, *fault)
                break


def _out_of_range(case: Case, asked: _Asked) -> tuple[str, str] | None:
    last = max(one.bus for one in buses_below(case.machine, asked.bus))
    if asked.number.bus + last - asked.bus.bus > LARGEST_BUS:
        return (
            f"the buses below it, up to {last:02x} now, would go beyond {LARGEST_BUS:02x}",
            "present it as a lower number",
        )
    if case.machine.counts_roots:
        here = len(case.machine.root_buses)
        if asked.number.bus or asked.number.domain >= here:
            return (
                f"an operating system on {case.machine.name} counts root buses from 0000:00, "
                f"and there are {here}",
                "present it as one of these",
            )
    return None


def _collision(
    case: Case, asked: _Asked, owned: list[Function], numbers: Numbering
) -> tuple[str, str] | None:
    try:
        on_the_way = ways(case.machine, owned, numbers)
    except KeyError:
        return None  # a bridge that is not there: the machine's own fault, told elsewhere
    below = buses_below(case.machine, asked.bus)
    moved = {numbers.bus(one) for one in below}
    for own, number in numbers.seen.items():
        twice = [one for one in below if one != own and numbers.bus(one) == number]
        if twice:
            return f"bus {own} would be found as {number} too", _TRY
    for function in (*owned, *on_the_way):
        own = PciBus(function.address.domain, function.address.bus)
        if numbers.bus(own) in moved and own not in below:
            return (
                f"bus {numbers.bus(own)} is already there for {asked.instance.name}: "
                f"{function.address} stands on it",
                _TRY,
            )
    _, shown = renumbered(owned, on_the_way, numbers)
    return _broken_way(shown)


def _broken_way(bridges: tuple[Function, ...]) -> tuple[str, str] | None:
    """A bridge leads to higher numbers than its own bus, and no two lead to the same."""
    spans: list[tuple[Function, int, int]] = []
    for one in bridges:
        way = one.bridge
        assert way is not None
        if way.secondary <= one.address.bus:
            return (
                f"its bridge stands on bus {one.address.bus:02x} and can lead to higher "
                f"numbers only, not to {way.secondary:02x}",
                "present it as 00, a root bus of its own, or as a higher number",
            )
        spans.append((one, way.secondary, way.subordinate))
    for (one, first, last), (other, begin, end) in combinations(spans, 2):
        apart = last < begin or end < first or one.address.domain != other.address.domain
        behind_it = begin <= one.address.bus <= end or first <= other.address.bus <= last
        if not (apart or behind_it):
            return (
                f"bridges {one.address} and {other.address} would both lead to bus "
                f"{max(first, begin):02x}",
                _TRY,
            )
    return None
