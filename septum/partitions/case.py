"""What do the rules decide about? A draft, a machine, and who claims which function of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.machine.division import is_bridge, is_platform
from septum.machine.model import Function, Machine
from septum.partitions.draft import Draft, DraftInstance
from septum.partitions.findings import Finding
from septum.partitions.present import behind
from septum.units import PciAddress


class Claim(NamedTuple):
    """One instance's claim on one function, and by which words of the table."""

    instance: str
    key: str  # "functions" or "buses"
    word: str
    address: PciAddress


class Case(NamedTuple):
    """All a rule may look at."""

    draft: Draft
    machine: Machine
    files_exist: Callable[[str], bool] | None  # None: not asked, the machine is a capture
    claims: tuple[Claim, ...]  # sorted by address

    def found(self, claim: Claim) -> Function | None:
        """The machine's function of a claim, or None."""
        return self.machine.function(claim.address)

    def endpoints(self) -> list[tuple[Claim, Function]]:
        """Each claim on something that exists and can be owned at all; each owner's once."""
        result: dict[tuple[str, PciAddress], tuple[Claim, Function]] = {}
        for claim in self.claims:
            function = self.found(claim)
            if function is not None and not is_bridge(function):
                result.setdefault((claim.instance, claim.address), (claim, function))
        return list(result.values())

    def owners(self, address: PciAddress) -> set[str]:
        """The instances that claim a function."""
        return {claim.instance for claim in self.claims if claim.address == address}

    def finding(
        self, key: tuple[str, ...], what: str, because: str, remedy: str, word: str = ""
    ) -> Finding:
        return Finding(self.draft.where(*key, word=word), what, because, remedy)

    def against(self, claim: Claim, what: str, because: str, remedy: str) -> Finding:
        """A finding at the words of a claim."""
        key = ("instances", claim.instance, claim.key)
        return self.finding(key, what, because, remedy, claim.word)


def case(draft: Draft, machine: Machine, files_exist: Callable[[str], bool] | None) -> Case:
    claims = [claim for instance in draft.instances for claim in _claims(instance, machine)]
    claims.sort(key=lambda claim: claim.address)
    return Case(draft, machine, files_exist, tuple(claims))


def _claims(instance: DraftInstance, machine: Machine) -> list[Claim]:
    claims = [
        Claim(instance.name, "functions", item.word, item.value) for item in instance.functions
    ]
    for bus in instance.buses:
        for function in behind(machine, bus.value):
            # Bridges stay the machine's, as all of the platform; owners are shown some on the way.
            if not is_bridge(function) and not is_platform(function):
                claims.append(Claim(instance.name, "buses", bus.word, function.address))
    return claims
