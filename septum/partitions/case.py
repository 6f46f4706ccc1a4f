"""What do the rules decide about? A draft, a machine, and who wishes for which function of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.machine.kinds import is_bridge, is_platform
from septum.machine.model import Function, Machine
from septum.partitions.draft import Draft, DraftInstance
from septum.partitions.findings import Finding
from septum.partitions.present import behind
from septum.units import PciAddress


class Wish(NamedTuple):
    """One instance's wish for one function, and by which words of the table."""

    instance: str
    key: str  # "functions" or "buses"
    word: str
    address: PciAddress


class Case(NamedTuple):
    """All a rule may look at."""

    draft: Draft
    machine: Machine
    files_exist: Callable[[str], bool] | None  # None: not asked, the machine is a capture
    wishes: tuple[Wish, ...]  # sorted by address

    def found(self, wish: Wish) -> Function | None:
        """The machine's function of a wish, or None."""
        return self.machine.function(wish.address)

    def endpoints(self) -> list[tuple[Wish, Function]]:
        """Each wish for something that exists and can be owned at all; each owner's once."""
        result: dict[tuple[str, PciAddress], tuple[Wish, Function]] = {}
        for wish in self.wishes:
            function = self.found(wish)
            if function is not None and not is_bridge(function):
                result.setdefault((wish.instance, wish.address), (wish, function))
        return list(result.values())

    def owners(self, address: PciAddress) -> set[str]:
        """The instances that wish for a function."""
        return {wish.instance for wish in self.wishes if wish.address == address}

    def finding(
        self, key: tuple[str, ...], what: str, because: str, remedy: str, word: str = ""
    ) -> Finding:
        return Finding(self.draft.where(*key, word=word), what, because, remedy)

    def against(self, wish: Wish, what: str, because: str, remedy: str) -> Finding:
        """A finding at the words of a wish."""
        key = ("instances", wish.instance, wish.key)
        return self.finding(key, what, because, remedy, wish.word)


def case(draft: Draft, machine: Machine, files_exist: Callable[[str], bool] | None) -> Case:
    wishes = [wish for instance in draft.instances for wish in _wishes(instance, machine)]
    wishes.sort(key=lambda wish: wish.address)
    return Case(draft, machine, files_exist, tuple(wishes))


def _wishes(instance: DraftInstance, machine: Machine) -> list[Wish]:
    wishes = [
        Wish(instance.name, "functions", item.word, item.value) for item in instance.functions
    ]
    for bus in instance.buses:
        for function in behind(machine, bus.value):
            # Bridges stay the machine's, as all of the platform; owners are shown some on the way.
            if not is_bridge(function) and not is_platform(function):
                wishes.append(Wish(instance.name, "buses", bus.word, function.address))
    return wishes
