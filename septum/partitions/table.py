"""Is this partition table sound on this machine, and if so, who owns what?"""

from __future__ import annotations

from collections.abc import Callable

from septum.machine.model import Machine
from septum.partitions.case import Case, case
from septum.partitions.draft import DraftInstance
from septum.partitions.file import read
from septum.partitions.findings import UnsoundTable
from septum.partitions.model import Partition, PartitionTable
from septum.partitions.rules import findings


def checked(
    path: str, machine: Machine, *, files_exist: Callable[[str], bool] | None
) -> PartitionTable:
    """The table of a file, sound on this machine; UnsoundTable with all findings otherwise.

    `files_exist` says whether a kernel or initrd is there and readable; None leaves that
    unchecked, because the machine is a capture of another one.
    """
    draft = read(path)
    question = case(draft, machine, files_exist)
    found = (*draft.findings, *findings(question))
    if found:
        raise UnsoundTable(path, found)
    partitions = tuple(_partition(instance, question) for instance in draft.instances)
    return PartitionTable(path, draft.platform, partitions, draft.computer)


def _partition(instance: DraftInstance, question: Case) -> Partition:
    # A draft without findings has all of these; the reader says when one is missing.
    assert instance.kernel is not None
    assert instance.memory is not None
    assert instance.processors is not None
    owned = {claim.address for claim in question.claims if claim.instance == instance.name}
    return Partition(
        name=instance.name,
        kernel=instance.kernel,
        initrd=instance.initrd,
        command_line=instance.command_line,
        memory=instance.memory,
        processors=instance.processors,
        functions=tuple(sorted(owned)),
        without_reset=tuple(sorted({item.value for item in instance.without_reset})),
        on_reboot=instance.on_reboot,
        isa=tuple(item.value for item in instance.isa),
        present=tuple(item.value for item in instance.present),
        interrupts=instance.interrupts,
    )
