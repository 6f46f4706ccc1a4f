"""Which functions could be given to an instance, which not, why not, and what would help?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.machine.cautions import Caution, cautions
from septum.machine.kinds import is_bridge, is_platform, manages
from septum.machine.model import Function, IommuGroup, Machine
from septum.machine.switches import reachable
from septum.units import PciAddress

NO_IOMMU = (
    "this machine's IOMMU is absent or off: nothing would confine the function's DMA",
    "switch on VT-d or AMD-Vi in the firmware setup; on Intel boot with intel_iommu=on",
)
NO_REMAPPING = (
    "interrupts are not remapped: the function could send any interrupt to anybody",
    "switch on x2APIC or interrupt remapping in the firmware setup; boot without intremap=off",
)
# How a host need's reason begins, and what frees the function.
FREED_BY = (
    ("holds swap", "move that to another disk first, or swapoff it"),
    ("holds a part of", "take that apart first (vgchange -an, mdadm --stop, cryptsetup close)"),
    ("holds", "move that to another disk first"),
    ("may hold", "zpool status says; take its disk out of the pool, or export that"),
    ("has a keyboard", "log in over the network, or plug the keyboard in elsewhere"),
    ("carries the login", "log in through another interface, or at the console"),
    ("carries", "lead that through another interface first"),
    ("is the console", "boot Linux with another console= on its kernel command line"),
)


class Divisibility(NamedTuple):
    """Whether one function can be given to an instance.

    `together` are the other functions that must go to the same instance; `without_reset` says
    that nothing can reset it, which the table must accept; `because` of a possible one is what
    to bear in mind.
    """

    address: PciAddress
    possible: bool
    because: str
    remedy: str
    without_reset: bool = False
    together: tuple[PciAddress, ...] = ()


class Refusal(NamedTuple):
    """Why not, and what to try."""

    because: str
    remedy: str


def division(machine: Machine) -> tuple[Divisibility, ...]:
    """The answer for each function of the machine, in the machine's order."""
    return tuple(divisibility(machine, function) for function in machine.functions)


def divisibility(machine: Machine, function: Function) -> Divisibility:
    """The answer for one function: the first rule that refuses decides."""
    for rule in _RULES:
        refusal = rule(machine, function)
        if refusal is not None:
            return Divisibility(function.address, False, refusal.because, refusal.remedy)
    group, beside = companions(machine, function), reachable(machine, function)
    found = [*_together(group), *_beside(beside), *cautions(machine, function)]
    return Divisibility(
        address=function.address,
        possible=True,
        because="; ".join(one.because for one in found),
        remedy="; ".join(one.remedy for one in found if one.remedy),
        without_reset=not function.reset_methods,
        together=tuple(sorted({*group, *beside})),
    )


def companions(machine: Machine, function: Function) -> tuple[PciAddress, ...]:
    """The other functions of its IOMMU group, bridges left out: Linux keeps driving those."""
    group = _group(machine, function)
    found = [machine.function(address) for address in group.functions] if group else []
    return tuple(
        other.address
        for other in found
        if other is not None and other.address != function.address and not is_bridge(other)
    )


def _group(machine: Machine, function: Function) -> IommuGroup | None:
    return None if function.iommu_group is None else machine.group(function.iommu_group)


def _bridges_go_along(machine: Machine, function: Function) -> Refusal | None:
    if not is_bridge(function):
        return None
    behind = [str(other.address) for other in machine.functions if other.parent == function.address]
    remedy = f"give what stands behind it: {', '.join(behind)}" if behind else ""
    return Refusal("a bridge goes along with what stands behind it", remedy)


def _platform_stays(machine: Machine, function: Function) -> Refusal | None:
    if is_platform(function):
        return Refusal("it is part of the platform, which every instance stands on", "")
    if what := manages(machine, function):
        return Refusal(f"it manages the machine itself: {what}", "")
    return None


def _host_needs_it(machine: Machine, function: Function) -> Refusal | None:
    reasons = [need.reason for need in machine.host_needs if need.address == function.address]
    for virtual in machine.virtual_functions(function.address):
        needed = [need.reason for need in machine.host_needs if need.address == virtual]
        reasons += [f"has the virtual function {virtual}, which {reason}" for reason in needed]
    if not reasons:
        return None
    more = f" and {len(reasons) - 2} more" if len(reasons) > 2 else ""
    remedies = [
        next((remedy for begins, remedy in FREED_BY if _begins(reason, begins)), "")
        for reason in reasons
    ]
    return Refusal(
        f"Linux itself needs it: it {', '.join(reasons[:2])}{more}",
        "; ".join(remedy for remedy in dict.fromkeys(remedies) if remedy),
    )


def _begins(reason: str, words: str) -> bool:
    return reason.startswith(words) or f", which {words}" in reason


def _iommu_is_there(machine: Machine, function: Function) -> Refusal | None:
    if not machine.iommu.present:
        return Refusal(*NO_IOMMU)
    if function.iommu_group is None:
        return Refusal(
            "no IOMMU covers it: Linux has put it into no IOMMU group",
            "move the card to another slot; on Intel switch VMD off in the firmware setup",
        )
    if not machine.iommu.interrupt_remapping:
        return Refusal(*NO_REMAPPING)
    return None


def _firmware_lets_go(machine: Machine, function: Function) -> Refusal | None:
    group = _group(machine, function)
    if group is None or not group.direct:
        return None
    return Refusal(
        f"firmware goes on using it by DMA at {', '.join(map(str, group.direct))}",
        "switch off the firmware's own use of it (remote management, USB legacy support)",
    )


def _group_is_free(machine: Machine, function: Function) -> Refusal | None:
    """A function shares the fate of its group: one that must stay keeps all of them."""
    for address in companions(machine, function):
        other = machine.function(address)
        if other is None:
            continue
        stays = _platform_stays(machine, other) or _host_needs_it(machine, other)
        if stays is not None:
            return Refusal(
                f"IOMMU group {function.iommu_group} holds {address} too, which stays: "
                f"{stays.because}",
                "move a card to another slot, where it has a group of its own; "
                "what is built into the board cannot leave its group",
            )
    return None


def _leaves_nothing_running(machine: Machine, function: Function) -> Refusal | None:
    """What cannot be reset may go on with its last owner's DMA when Linux takes it back.

    Linux's driver switches bus mastering on. Where Linux's own devices are not translated, the
    addresses its last owner gave it mean the machine's memory then.
    """
    group = _group(machine, function)
    if function.reset_methods or group is None or not is_passed_through(machine, group):
        return None
    return Refusal(
        "nothing can reset it, and Linux lets its own devices reach all memory: what its owner "
        "had it do would go on there when Linux takes it back",
        "boot Linux without iommu=pt (with iommu=nopt), or give a card that can be reset",
    )


def is_passed_through(machine: Machine, group: IommuGroup) -> bool:
    """Whether Linux uses a group's functions without translation (iommu=pt)."""
    if group.kind:
        return group.kind == "identity"
    words = machine.command_line.split()  # Linux before 5.11 tells of no group
    return "iommu=pt" in words or "iommu.passthrough=1" in words


def _switch_is_free(machine: Machine, function: Function) -> Refusal | None:
    """What Linux goes on using must not be within its reach."""
    for address in reachable(machine, function):
        other = machine.function(address)
        if other is not None and (stays := _host_needs_it(machine, other)) is not None:
            return Refusal(
                f"it can reach {address} past the IOMMU, below one switch without access "
                f"control (ACS), and that stays: {stays.because}",
                "move a card to a slot that is not below the switch",
            )
    return None


_RULES: tuple[Callable[[Machine, Function], Refusal | None], ...] = (
    _bridges_go_along,
    _platform_stays,
    _host_needs_it,
    _iommu_is_there,
    _firmware_lets_go,
    _group_is_free,
    _leaves_nothing_running,
    _switch_is_free,
)


def _together(together: tuple[PciAddress, ...]) -> list[Caution]:
    if not together:
        return []
    names = ", ".join(map(str, together))
    text = f"stands in one IOMMU group with {names}"
    return [Caution(text, "give the whole group to one instance")]


def _beside(beside: tuple[PciAddress, ...]) -> list[Caution]:
    if not beside:
        return []
    text = (
        f"can reach {', '.join(map(str, beside))} past the IOMMU: "
        "they stand below one switch without access control (ACS)"
    )
    return [Caution(text, "give all of them to one instance")]
