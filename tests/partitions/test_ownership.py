"""Can any accepted table, on any machine, give one thing to two owners?"""

from __future__ import annotations

import os
import tempfile
from itertools import combinations, count

from hypothesis import given, settings
from hypothesis import strategies as some

from septum.machine.model import Bridge, Function, HostNeed, HugePages, Iommu, Machine, Processor
from septum.memory.slices import slices
from septum.partitions.findings import UnsoundTable
from septum.partitions.model import PartitionTable
from septum.partitions.table import checked
from septum.units import MiB, PciAddress
from tests.machines import a_function, a_machine, groups_of

ACCEPTED = {"yes": 0, "no": 0}


@some.composite
def machines(draw: some.DrawFn) -> Machine:
    """Machines of a few functions, some behind bridges, in few groups, some needed by Linux."""
    functions: list[Function] = []
    fresh = count(10)

    def group() -> int | None:
        """Most often one of its own."""
        return draw(some.sampled_from([next(fresh)] * 6 + [None, 1, 2]))

    for device in range(draw(some.integers(1, 6))):
        where = f"00:{device:02x}.0"
        if draw(some.booleans()):
            bus = device + 1
            functions.append(
                a_function(
                    where,
                    bridge=Bridge(0, bus, bus, None, None, None),
                    header_type=1,
                    iommu_group=group(),
                )
            )
            where = f"{bus:02x}:00.0"
        for number in range(draw(some.integers(1, 2))):
            resets = draw(some.sampled_from([("flr",), ("flr",), ()]))
            functions.append(
                a_function(f"{where[:-1]}{number}", iommu_group=group(), reset_methods=resets)
            )
    functions.sort()
    endpoints = [function.address for function in functions if not function.is_bridge]
    needs = draw(some.lists(some.sampled_from(endpoints), max_size=1))
    protected = draw(some.sampled_from([(True, True)] * 5 + [(True, False), (False, False)]))
    return a_machine(
        functions=tuple(functions),
        iommu=Iommu(*protected, groups_of(tuple(functions))),
        host_needs=tuple(HostNeed(need, "holds the root file system") for need in needs),
        processors=tuple(
            Processor(n, 0, n, 0, n != 2, n) for n in range(draw(some.integers(2, 5)))
        ),
        memory_total=draw(some.sampled_from([256, 1024])) * MiB,
        memory_available=draw(some.sampled_from([128, 1024])) * MiB,
        huge_pages=(HugePages(2 * MiB, draw(some.sampled_from([0, 64])), 0),),
    )


@some.composite
def tables(draw: some.DrawFn, machine: Machine) -> str:
    """Tables that are mostly well written, and now and then greedy."""
    addresses = [str(function.address) for function in machine.functions]
    endpoints = [str(function.address) for function in machine.functions if not function.is_bridge]
    left = draw(some.permutations(endpoints))
    greedy = [*addresses, "0000:0f:00.0"]
    lines: list[str] = []
    for name in ["blue", "green", "red"][: draw(some.sampled_from([1, 2, 2, 3]))]:
        functions = [left.pop() for _ in range(draw(some.integers(0, min(2, len(left)))))]
        if not draw(some.integers(0, 3)):
            functions.append(draw(some.sampled_from(greedy)))
        buses = draw(some.lists(some.sampled_from(["02", "03", "04"]), max_size=1))
        if draw(some.booleans()):
            buses = []
        numbers = draw(some.lists(some.integers(0, 2), min_size=1, max_size=2, unique=True))
        how = draw(some.sampled_from(["share", "share", "own"]))
        size = draw(some.sampled_from([32, 32, 64, 128]))
        lines += [
            f"[instances.{name}]",
            'kernel = "vmlinuz"',
            f'memory = "{size}M"',
            f"processors = {{ {how} = {numbers} }}",
            f"functions = {functions}",
            f"buses = {[f'0000:{bus}' for bus in buses]}",
            f"without_reset = {functions if draw(some.integers(0, 4)) else []}",
        ]
    return "\n".join(lines)


def judged(text: str, machine: Machine) -> PartitionTable | None:
    handle, path = tempfile.mkstemp(suffix=".toml")
    try:
        os.write(handle, text.encode())
        return checked(path, machine, files_exist=None)
    except UnsoundTable as refused:
        assert refused.findings
        return None
    finally:
        os.close(handle)
        os.unlink(path)


@settings(max_examples=400)
@given(some.data())
def test_nothing_accepted_is_owned_twice(data: some.DataObject) -> None:
    machine = data.draw(machines())
    table = judged(data.draw(tables(machine)), machine)
    ACCEPTED["no" if table is None else "yes"] += 1
    if table is None:
        return
    needed = {need.address for need in machine.host_needs}
    owned: set[PciAddress] = set()
    for partition in table.partitions:
        for address in partition.functions:
            assert address not in owned
            assert address not in needed
            owned.add(address)
            function = machine.function(address)
            assert function is not None and not function.is_bridge
            assert machine.iommu.present and machine.iommu.interrupt_remapping
            assert function.reset_methods or address in partition.without_reset
            assert whole_group(machine, function, partition.functions)
    for one, other in combinations(table.partitions, 2):
        if one.processors.own or other.processors.own:
            assert not set(one.processors.numbers) & set(other.processors.numbers)
    online = {processor.number for processor in machine.processors if processor.online}
    for partition in table.partitions:
        assert partition.processors.numbers and online.issuperset(partition.processors.numbers)
    given = slices(machine, table.partitions)
    # Each byte of each slice is a byte of its own: together they fit what the machine has.
    assert sum(found.size for found in given.values()) <= machine.memory_total


def whole_group(machine: Machine, function: Function, mine: tuple[PciAddress, ...]) -> bool:
    """Does the owner of a function own all of its group that is no bridge?"""
    assert function.iommu_group is not None
    group = machine.group(function.iommu_group)
    assert group is not None
    members = [machine.function(address) for address in group.functions]
    return all(other is None or other.is_bridge or other.address in mine for other in members)


def test_the_property_saw_tables_of_both_kinds() -> None:
    """Runs after the property: a property over refused tables alone would prove nothing."""
    if sum(ACCEPTED.values()):
        assert ACCEPTED["yes"] >= 20 and ACCEPTED["no"] >= 20, ACCEPTED
