"""Which computer do the commands act on? This one; tests put others in the place of these."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from septum.errors import GuestProblem, MachineProblem, NotRunning, TableProblem
from septum.host.runtime import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable

    from septum.host.journal import Journal
    from septum.machine.model import Machine
    from septum.partitions.draft import Draft
    from septum.partitions.model import Partition, PartitionTable
    from septum.supervisor.world import Computer, Report, World


def world() -> World:
    """What a supervisor needs to run real instances."""
    from septum.supervisor.world import World

    return World(RunDirectory.from_environment(), run_instance, restore, warm_up)


def world_of(draft: Draft) -> World:
    """The same for a table: where its computer is software, any user's own."""
    if draft.platform != "alpha":
        return world()
    from septum.supervisor.world import World

    directory = RunDirectory.personal(os.environ)
    return World(directory, run_instance, nothing_to_restore, warm_up_alpha, build=build_alpha)


def nothing_to_restore(journal: Journal) -> list[str]:
    """A software computer takes nothing from Linux."""
    return []


def warm_up_alpha() -> None:
    """Import what the computer needs; its processor is compiled later, when somebody listens."""
    require_alpha()
    import septum.instance.software  # noqa: F401


def require_alpha() -> None:
    """Problem when the packages are missing that make a processor of Python."""
    from importlib.util import find_spec

    missing = [name for name in ("numpy", "numba") if find_spec(name) is None]
    if missing:
        raise MachineProblem(
            "no Alpha computer can be started here",
            because=f"Python has no {' and no '.join(missing)}",
            remedy="pip install 'septum[alpha]'",
        )


def build_alpha(
    machine: Machine,
    partitions: tuple[Partition, ...],
    directory: RunDirectory,
    say: Callable[[str], None],
) -> Computer:
    """Switch a software Alpha computer on for these instances."""
    require_alpha()
    from septum.instance.software import SoftwareComputer

    return SoftwareComputer(machine, partitions, directory, say)


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


def machine_of(draft: Draft) -> Machine:
    """What a table divides: this computer, or the one it names. MachineProblem: there is none."""
    if draft.platform != "alpha":
        return live_machine()
    from septum.engine.alpha.computer.description import load
    from septum.engine.alpha.computer.inventory import machine_of

    if not draft.computer:
        raise MachineProblem(
            f"{draft.path} does not say which computer it divides",
            because="the alpha platform's computers are software; a machine file describes one",
            remedy='add computer = "clipper" to its section [machine]',
        )
    return machine_of(load(draft.computer), draft.computer)


def sound_table(path: str, machine: Machine) -> PartitionTable:
    """The checked table of a file; TableProblem with everything that is wrong with it."""
    from septum.partitions.table import checked

    table = checked(path, machine, files_exist=is_readable)
    require_kernels(table)
    return table


def require_kernels(table: PartitionTable) -> None:
    """UnsoundTable when kernels could not be started, where that can be told beforehand."""
    if table.platform != "alpha":
        return
    from septum.engine.alpha.vmm.kernel import read_kernel
    from septum.partitions.file import read
    from septum.partitions.findings import Finding, UnsoundTable

    found = []
    for partition in table.partitions:
        initrd = os.path.getsize(partition.initrd) if partition.initrd else 0
        try:
            read_kernel(partition.kernel).require_room(partition.memory.total, initrd)
        except GuestProblem as problem:
            where = read(table.path).where("instances", partition.name, "kernel")
            found.append(Finding(where, problem.what, problem.because, problem.remedy))
    if found:
        raise UnsoundTable(table.path, found)


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
