"""Which computer do the commands act on? This one; tests put others in the place of these."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from septum.errors import NotRunning, TableProblem
from septum.host.runtime import RunDirectory

if TYPE_CHECKING:
    from septum.host.journal import Journal
    from septum.machine.model import Machine
    from septum.partitions.model import Partition, PartitionTable
    from septum.supervisor.world import Report, World


def world() -> World:
    """What a supervisor needs to run real instances."""
    from septum.supervisor.world import World

    return World(RunDirectory.from_environment(), run_instance, restore, warm_up)


def restore(journal: Journal) -> list[str]:
    """Give back to Linux what dead processes held; a line for each thing."""
    from septum.host import claim, memory

    try:
        restored = claim.restore_abandoned(journal)
    finally:
        pages = memory.restore_abandoned(journal.directory)
    said = [f"{address}: given back to Linux" for address in restored]
    return [*said, f"{pages} huge pages: given back to Linux"] if pages else said


def warm_up() -> None:
    """Import what an instance's process needs, once for all that are forked afterwards."""
    import septum.instance.boot  # noqa: F401


def run_instance(
    partition: Partition, machine: Machine, directory: RunDirectory, report: Report
) -> tuple[str, str]:
    """An instance's life in a process of its own; its ending."""
    from septum.instance import boot

    return boot.run(partition, machine, directory, report)


def run_here(
    partition: Partition, machine: Machine, directory: RunDirectory, report: Report
) -> tuple[str, str]:
    """An instance's life with its serial port on this process's input and output; its ending."""
    from septum.instance import boot

    return boot.run(partition, machine, directory, report, terminal=True)


def live_machine() -> Machine:
    """This computer, and the login it must not lose, also under sudo."""
    from septum.machine.files import HostFiles
    from septum.machine.inventory import inventory
    from septum.machine.session import login_environment

    files = HostFiles("/")
    return inventory(files, login_environment(files, os.environ))


def sound_table(path: str, machine: Machine) -> PartitionTable:
    """The checked table of a file; TableProblem with everything that is wrong with it."""
    from septum.partitions.table import checked

    return checked(path, machine, files_exist=is_readable)


def is_readable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)


def chosen(table: PartitionTable, names: list[str]) -> list[Partition]:
    """The named partitions of a table, all without a name; TableProblem for an unknown one."""
    for name in names:
        if table.partition(name) is None:
            known = ", ".join(partition.name for partition in table.partitions)
            raise TableProblem(
                f"{table.path} has no instance {name}",
                because=f"its instances are {known}",
                remedy=f"add a section [instances.{name}], or name one of them",
            )
    return [one for one in table.partitions if not names or one.name in names]


def names_of(words: list[str], directory: RunDirectory) -> list[str]:
    """Names of instances: each word is one, or a table's file that has some.

    Without words: all that run. NotRunning when that is none.
    """
    names: list[str] = []
    for word in words:
        names += names_in_file(word) if is_table(word) else [word]
    if not words:
        names = [n for n in directory.instances() if os.path.exists(directory.control_of(n))]
        if not names:
            raise NotRunning(
                "nothing runs", because="no instance was started", remedy="septum up TABLE"
            )
    return list(dict.fromkeys(names))


def is_table(word: str) -> bool:
    return word.endswith(".toml") or "/" in word


def names_in_file(path: str) -> list[str]:
    """The instances a table's file names, without checking the rest of it."""
    from septum.partitions.file import read

    return [instance.name for instance in read(path).instances]
