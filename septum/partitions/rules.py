"""When is a partition table sound? A list of rules; each looks for one kind of fault.

All rules are asked, always: a table's writer sees all its faults at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from septum.partitions import function_rules as functions
from septum.partitions import resource_rules as resources
from septum.partitions.case import Case
from septum.partitions.findings import Finding


class Rule(NamedTuple):
    """One rule, and the platform it is about ("": every one)."""

    check: Callable[[Case], Iterable[Finding]]
    platform: str = ""


RULES: tuple[Rule, ...] = (
    Rule(resources.somebody_is_there),
    Rule(resources.names_are_plain),
    Rule(resources.kernels_are_there),
    Rule(resources.memory_is_whole_pages),
    Rule(resources.memory_is_there, "pc"),
    Rule(resources.processors_exist, "pc"),
    Rule(resources.own_processors_are_alone),
    Rule(resources.linux_keeps_a_processor, "pc"),
    Rule(functions.every_function_exists, "pc"),
    Rule(functions.every_bus_exists, "pc"),
    Rule(functions.only_what_can_be_divided, "pc"),
    Rule(functions.one_owner_each),
    Rule(functions.isolation_is_there, "pc"),
    Rule(functions.groups_stay_whole, "pc"),
    Rule(functions.everything_can_be_reset, "pc"),
    Rule(functions.without_reset_is_owned),
)


def findings(case: Case) -> tuple[Finding, ...]:
    """All that is wrong, in the order of the rules."""
    platform = case.draft.platform
    return tuple(
        finding for rule in RULES if rule.platform in ("", platform) for finding in rule.check(case)
    )
