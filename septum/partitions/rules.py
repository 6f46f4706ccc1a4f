"""When is a partition table sound? A list of rules; each looks for one kind of fault.

All rules are asked, always: a table's writer sees all its faults at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from septum.partitions import function_rules as functions
from septum.partitions import present_rules as present
from septum.partitions import resource_rules as resources
from septum.partitions.case import Case
from septum.partitions.findings import Finding

Rule = Callable[[Case], Iterable[Finding]]

RULES: tuple[Rule, ...] = (
    resources.somebody_is_there,
    resources.names_are_plain,
    resources.kernels_are_there,
    resources.memory_is_whole_pages,
    resources.memory_is_there,
    resources.memory_can_be_placed,
    resources.slices_do_not_overlap,
    resources.processors_exist,
    resources.one_processor_where_no_host_moves_them,
    resources.own_processors_are_alone,
    resources.linux_keeps_a_processor,
    functions.every_function_exists,
    functions.every_bus_exists,
    functions.only_what_can_be_divided,
    functions.one_owner_each,
    functions.isolation_is_there,
    functions.groups_stay_whole,
    functions.no_virtual_function_disappears,
    functions.switches_stay_whole,
    functions.everything_can_be_reset,
    functions.without_reset_is_owned,
    present.every_presented_bus_is_its_own,
    present.no_bus_is_found_twice,
    functions.every_isa_device_exists,
    functions.one_owner_each_of_isa,
)


def findings(case: Case) -> tuple[Finding, ...]:
    """All that is wrong, in the order of the rules."""
    return tuple(finding for rule in RULES for finding in rule(case))
