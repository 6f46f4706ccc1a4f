"""May these instances start beside those that run? Changes nothing.

The rules inside one table are partitions'; these hold between tables.
"""

from __future__ import annotations

from collections.abc import Iterable

from septum.errors import TableProblem
from septum.host import processes
from septum.host.runtime import RunDirectory
from septum.partitions.model import Partition


def refuse_conflicts(wanted: Iterable[Partition], active: Iterable[Partition]) -> None:
    """TableProblem when a wanted instance runs already or wants what a running one owns."""
    holders = list(active)
    for partition in wanted:
        for holder in holders:
            if partition.name == holder.name:
                raise runs_already(partition.name)
            refuse_shared_function(partition, holder)
            refuse_shared_processor(partition, holder)
        holders.append(partition)


def runs_alone(directory: RunDirectory, name: str) -> bool:
    """True when an instance lives in the foreground of some terminal (septum run)."""
    process = processes.read_process(directory.alone_of(name))
    return process is not None and process.is_alive


def runs_already(name: str) -> TableProblem:
    return TableProblem(
        f"{name} runs already",
        because="an instance is started once",
        remedy=f"septum down {name} ends it",
    )


def refuse_shared_function(partition: Partition, holder: Partition) -> None:
    for address in partition.functions:
        if address in holder.functions:
            raise TableProblem(
                f"{partition.name} cannot have {address}",
                because=f"{holder.name} owns it",
                remedy=f"septum down {holder.name}, or take it out of {partition.name}'s functions",
            )


def refuse_shared_processor(partition: Partition, holder: Partition) -> None:
    if not (partition.processors.own or holder.processors.own):
        return
    for number in partition.processors.numbers:
        if number in holder.processors.numbers:
            owner = holder.name if holder.processors.own else partition.name
            raise TableProblem(
                f"{partition.name} cannot run on processor {number}",
                because=f"{holder.name} runs on it, and it would be {owner}'s own",
                remedy="share it in both tables, or give each instance processors of its own",
            )
