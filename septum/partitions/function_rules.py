"""Which functions of this machine can this table hand out, and to whom?"""

from __future__ import annotations

from collections.abc import Iterator

from septum.machine.model import Function
from septum.partitions.case import Case, Claim, below
from septum.partitions.findings import Finding
from septum.settings import nearest


def every_function_exists(case: Case) -> Iterator[Finding]:
    here = tuple(str(function.address) for function in case.machine.functions)
    for claim in case.claims:
        if case.found(claim) is None:
            meant = nearest(str(claim.address), here)
            remedy = "see what there is with: septum scan"
            yield case.against(
                claim,
                f"{claim.address} is not there",
                f"{case.machine.name} has no function at this address",
                f"did you mean {meant}? {remedy}" if meant else remedy,
            )


def every_bus_exists(case: Case) -> Iterator[Finding]:
    for instance in case.draft.instances:
        for bus in instance.buses:
            if not any(not function.is_bridge for function in below(case.machine, bus.value)):
                yield case.finding(
                    ("instances", instance.name, "buses"),
                    f"bus {bus.value} has nothing to own",
                    "no function other than bridges is on this bus or below",
                    "see the buses with: septum scan",
                    bus.word,
                )


def no_bridge_is_owned(case: Case) -> Iterator[Finding]:
    for claim in case.claims:
        function = case.found(claim)
        if function is not None and function.bridge is not None:
            buses = f"{claim.address.domain:04x}:{function.bridge.secondary:02x}"
            yield case.against(
                claim,
                f"{claim.address} is a bridge",
                "a bridge carries what is behind it and cannot be owned itself",
                f'for all that is behind it write buses = ["{buses}"]',
            )


def one_owner_each(case: Case) -> Iterator[Finding]:
    for before, claim in _pairs(case):
        words = f"{before.key} of {before.instance} ({before.word})"
        if before.instance == claim.instance:
            what = f"{claim.address} is given twice to {claim.instance}"
            remedy = "name it once: alone, or by its bus"
        else:
            what = f"{claim.address} is given to {before.instance} and to {claim.instance}"
            remedy = f"take it from {before.instance} or from {claim.instance}"
        yield case.against(claim, what, f"it is already in {words}", remedy)


def _pairs(case: Case) -> Iterator[tuple[Claim, Claim]]:
    """Each claim on what another claim before it in the file has: (the first, this one)."""
    first: dict[object, Claim] = {}
    order = {instance.name: at for at, instance in enumerate(case.draft.instances)}
    for claim in sorted(case.claims, key=lambda claim: (order[claim.instance], claim.address)):
        before = first.setdefault(claim.address, claim)
        if before is not claim:
            yield before, claim


def nothing_linux_needs(case: Case) -> Iterator[Finding]:
    for claim, _ in case.endpoints():
        reasons = [need.reason for need in case.machine.host_needs if need.address == claim.address]
        if reasons:
            yield case.against(
                claim,
                f"{claim.address} is needed by Linux on {case.machine.name}",
                f"it {' and '.join(reasons)}",
                "leave it to Linux and give another function",
            )


def isolation_is_there(case: Case) -> Iterator[Finding]:
    """No IOMMU, or no interrupt remapping: said once, at the first function handed out."""
    iommu = case.machine.iommu
    if not case.claims or (iommu.present and iommu.interrupt_remapping):
        return
    claim = min(
        case.claims,
        key=lambda claim: case.draft.where("instances", claim.instance, claim.key).line,
    )
    if not iommu.present:
        yield case.against(
            claim,
            "no function can be handed out: there is no IOMMU",
            "a device could read and write the memory of every other instance",
            "enable VT-d or AMD-Vi (IOMMU) in the firmware setup and boot Linux with "
            "intel_iommu=on (Intel) or amd_iommu=on (AMD)",
        )
    else:
        yield case.against(
            claim,
            "no function can be handed out: interrupts are not remapped",
            "a device could raise any interrupt, those of other instances too",
            "enable interrupt remapping (x2APIC, VT-d) in the firmware setup; "
            "remove intremap=off from the kernel command line",
        )


def every_function_is_in_a_group(case: Case) -> Iterator[Finding]:
    if not case.machine.iommu.present:
        return
    for claim, function in case.endpoints():
        if function.iommu_group is None:
            yield case.against(
                claim,
                f"{claim.address} is in no IOMMU group",
                "the IOMMU does not see what this function does to memory",
                "give a function of another controller; see septum scan",
            )


def groups_stay_whole(case: Case) -> Iterator[Finding]:
    told: set[tuple[str, int]] = set()
    for claim, function in case.endpoints():
        number = function.iommu_group
        if number is None or (claim.instance, number) in told:
            continue
        others = [
            other
            for other in case.machine.functions
            if other.iommu_group == number
            and not other.is_bridge
            and claim.instance not in case.owners(other.address)
        ]
        if not others:
            continue
        told.add((claim.instance, number))
        names = ", ".join(_whose(case, other) for other in others)
        yield case.against(
            claim,
            f"{claim.address} cannot be divided from its IOMMU group {number}",
            f"the IOMMU cannot tell it from {names}",
            f"give {claim.instance} the whole group, or nothing of it; a slot behind another "
            "root port may have a group of its own",
        )


def _whose(case: Case, function: Function) -> str:
    owners = case.owners(function.address)
    return f"{function.address} of {', '.join(sorted(owners)) or 'Linux'}"


def everything_can_be_reset(case: Case) -> Iterator[Finding]:
    accepted = {
        (instance.name, item.value)
        for instance in case.draft.instances
        for item in instance.without_reset
    }
    for claim, function in case.endpoints():
        if not function.reset_methods and (claim.instance, claim.address) not in accepted:
            yield case.against(
                claim,
                f"{claim.address} cannot be reset",
                "what one owner left in it would be there for the next",
                f'accept that with without_reset = ["{claim.address}"], or give another function',
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
