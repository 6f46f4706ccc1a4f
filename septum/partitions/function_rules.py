"""Which functions of this machine can this table hand out, and to whom?"""

from __future__ import annotations

from collections.abc import Iterator

from septum.machine.division import (
    NO_IOMMU,
    NO_REMAPPING,
    companions,
    divisibility,
)
from septum.machine.kinds import is_bridge, is_platform
from septum.machine.switches import reachable
from septum.partitions.case import Case, Wish
from septum.partitions.findings import Finding
from septum.partitions.present import behind
from septum.settings import nearest
from septum.units import PciAddress

_ONE_DIGIT_OFF = 0.9  # likeness of two addresses of twelve characters


def every_function_exists(case: Case) -> Iterator[Finding]:
    here = [str(function.address) for function in case.machine.functions if not is_bridge(function)]
    for wish in case.wishes:
        if case.found(wish) is None:
            meant = nearest(str(wish.address), tuple(here), _ONE_DIGIT_OFF)
            remedy = "see what there is with: septum scan"
            yield case.against(
                wish,
                f"{wish.address} is not there",
                f"{case.machine.name} has no function at this address",
                f"did you mean {meant}? {remedy}" if meant else remedy,
            )


def every_bus_exists(case: Case) -> Iterator[Finding]:
    for instance in case.draft.instances:
        for bus in instance.buses:
            if all(is_bridge(f) or is_platform(f) for f in behind(case.machine, bus.value)):
                yield case.finding(
                    ("instances", instance.name, "buses"),
                    f"bus {bus.value} has nothing to own",
                    "no function other than bridges is on this bus or below",
                    "see the buses with: septum scan",
                    bus.word,
                )


def only_what_can_be_divided(case: Case) -> Iterator[Finding]:
    """Bridges, the platform, what Linux or firmware goes on using; as `septum scan` says it."""
    for wish in case.wishes:
        function = case.found(wish)
        answer = None if function is None else divisibility(case.machine, function)
        # Lacking isolation is about the machine, not about a function, and said once.
        if answer is None or answer.possible or answer.because in (NO_IOMMU[0], NO_REMAPPING[0]):
            continue
        yield case.against(
            wish,
            f"{wish.address} cannot be given to {wish.instance}",
            answer.because,
            answer.remedy or "give another function; see what can be divided with: septum scan",
        )


def one_owner_each(case: Case) -> Iterator[Finding]:
    for before, wish in _pairs(case):
        words = f"{before.key} of {before.instance} ({before.word})"
        if before.instance == wish.instance:
            what = f"{wish.address} is given twice to {wish.instance}"
            remedy = "name it once: alone, or by its bus"
        else:
            what = f"{wish.address} is given to {before.instance} and to {wish.instance}"
            remedy = f"take it from {before.instance} or from {wish.instance}"
        yield case.against(wish, what, f"it is already in {words}", remedy)


def _pairs(case: Case) -> Iterator[tuple[Wish, Wish]]:
    """Each wish for what another wish before it in the file has: (the first, this one)."""
    first: dict[object, Wish] = {}
    order = {instance.name: at for at, instance in enumerate(case.draft.instances)}
    for wish in sorted(case.wishes, key=lambda wish: (order[wish.instance], wish.address)):
        before = first.setdefault(wish.address, wish)
        if before is not wish:
            yield before, wish


def isolation_is_there(case: Case) -> Iterator[Finding]:
    """No IOMMU, or no interrupt remapping: said once, at the first function handed out."""
    iommu = case.machine.iommu
    if not case.wishes or (iommu.present and iommu.interrupt_remapping):
        return
    wish = min(
        case.wishes,
        key=lambda wish: case.draft.where("instances", wish.instance, wish.key).line,
    )
    reason, remedy = NO_REMAPPING if iommu.present else NO_IOMMU
    yield case.against(wish, "no function can be handed out", reason, remedy)


def groups_stay_whole(case: Case) -> Iterator[Finding]:
    told: set[tuple[str, int]] = set()
    for wish, function in case.endpoints():
        number = function.iommu_group
        if number is None or (wish.instance, number) in told:
            continue
        if not divisibility(case.machine, function).possible:
            continue  # told already, with a better reason
        others = [
            other
            for other in companions(case.machine, function)
            if wish.instance not in case.owners(other)
        ]
        if not others:
            continue
        told.add((wish.instance, number))
        names = ", ".join(_whose(case, other) for other in others)
        yield case.against(
            wish,
            f"{wish.address} cannot be divided from its IOMMU group {number}",
            f"the IOMMU cannot tell it from {names}",
            f"give {wish.instance} the whole group, or nothing of it; a slot behind another "
            "root port may have a group of its own",
        )


def switches_stay_whole(case: Case) -> Iterator[Finding]:
    """Below a switch without access control, functions reach each other past the IOMMU."""
    for wish, function in case.endpoints():
        if not divisibility(case.machine, function).possible:
            continue  # told already, with a better reason
        others = [
            other
            for other in reachable(case.machine, function)
            if wish.instance not in case.owners(other)
        ]
        if others:
            names = ", ".join(_whose(case, other) for other in others)
            yield case.against(
                wish,
                f"{wish.address} cannot be kept apart from {names}",
                "below a switch without access control (ACS) they reach each other past the IOMMU",
                f"give {wish.instance} all of them; a slot that is not below the switch may be "
                "kept apart",
            )


def _whose(case: Case, address: PciAddress) -> str:
    owners = case.owners(address)
    return f"{address} of {', '.join(sorted(owners)) or 'Linux'}"


def everything_can_be_reset(case: Case) -> Iterator[Finding]:
    accepted = {
        (instance.name, item.value)
        for instance in case.draft.instances
        for item in instance.without_reset
    }
    for wish, function in case.endpoints():
        if not function.reset_methods and (wish.instance, wish.address) not in accepted:
            yield case.against(
                wish,
                f"{wish.address} cannot be reset",
                "what one owner left in it would be there for the next",
                f'accept that with without_reset = ["{wish.address}"], or give another function',
            )


def every_isa_device_exists(case: Case) -> Iterator[Finding]:
    here = [device.name for device in case.machine.isa]
    for instance in case.draft.instances:
        for item in instance.isa:
            if item.value not in here:
                meant = nearest(item.value, tuple(here))
                yield case.finding(
                    ("instances", instance.name, "isa"),
                    f"ISA device {item.value} is not there",
                    f"{case.machine.name} has {', '.join(here) or 'none that could be given'}",
                    f"did you mean {meant}?" if meant else "leave it out",
                    item.word,
                )


def one_owner_each_of_isa(case: Case) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for instance in case.draft.instances:
        for item in instance.isa:
            before = owners.setdefault(item.value, instance.name)
            if before != instance.name or instance.isa.count(item) > 1:
                yield case.finding(
                    ("instances", instance.name, "isa"),
                    f"{item.value} is given to {before} and to {instance.name}"
                    if before != instance.name
                    else f"{item.value} is given twice to {instance.name}",
                    f"it is already in isa of {before}",
                    "name it once",
                    item.word,
                )


def no_virtual_function_disappears(case: Case) -> Iterator[Finding]:
    """Taken from its driver, a physical function loses its virtual ones. SR-IOV 1.1, 2.1.1."""
    for wish, function in case.endpoints():
        owners = case.owners(function.physical) if function.physical is not None else set()
        for owner in sorted(owners):
            yield case.against(
                wish,
                f"{wish.address} disappears when {owner} takes {function.physical}",
                f"it is a virtual function of {function.physical}, whose Linux driver made it",
                f"leave {function.physical} to Linux, or take its virtual functions out",
            )


def without_reset_is_owned(case: Case) -> Iterator[Finding]:
    for instance in case.draft.instances:
        for item in instance.without_reset:
            if instance.name not in case.owners(item.value):
                yield case.finding(
                    ("instances", instance.name, "without_reset"),
                    f"{item.value} is accepted without reset but not given to {instance.name}",
                    "only an owned function is handed over",
                    "add it to functions, or take it out of without_reset",
                    item.word,
                )
