"""What do commands need of a table's file, and which instances are meant by their words?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from septum.errors import NotRunning, TableProblem

if TYPE_CHECKING:
    from septum.host.runtime import RunDirectory
    from septum.machine.model import Machine
    from septum.partitions.draft import Draft
    from septum.partitions.model import Partition, PartitionTable
    from septum.platforms.platform import Platform
    from septum.supervisor.workplace import Workplace


def place(platform: Platform | None = None) -> Workplace:
    """Where the supervisor works: a platform's, or that of whatever runs."""
    from septum.host.runtime import RunDirectory
    from septum.supervisor.workplace import Workplace

    return Workplace(RunDirectory.from_environment() if platform is None else platform.directory())


def platform_of(draft: Draft) -> Platform:
    """The kind of computer a table divides."""
    from septum.platforms import registry

    return registry.platform(draft.platform)


def sound_table(draft: Draft, machine: Machine, *, is_capture: bool = False) -> PartitionTable:
    """A table, checked; UnsoundTable with everything that is wrong with it.

    The files it names are looked for, unless the machine is a capture of another one.
    """
    from septum.partitions.findings import UnsoundTable
    from septum.partitions.table import sound

    table = sound(draft, machine, files_exist=None if is_capture else is_readable)
    if not is_capture and (found := platform_of(draft).image_findings(draft, table)):
        raise UnsoundTable(table.path, found)
    return table


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


def draft_of(path: str) -> Draft:
    """A table's file as it stands, not checked. UnsoundTable when it cannot be read at all."""
    from septum.partitions.file import read

    return read(path)


def names_in_file(path: str) -> list[str]:
    """The instances a table's file names, without checking the rest of it."""
    return [instance.name for instance in draft_of(path).instances]
