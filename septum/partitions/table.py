"""Is this partition table sound on this machine, and if so, who owns what?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from septum.machine.model import Machine
from septum.partitions.case import Case, case
from septum.partitions.draft import Draft, DraftInstance, Item
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
    return sound(read(path), machine, files_exist=files_exist)


def sound(
    draft: Draft, machine: Machine, *, files_exist: Callable[[str], bool] | None
) -> PartitionTable:
    """The same, of a table that has been read."""
    question = case(draft, machine, files_exist)
    found = (*draft.findings, *findings(question))
    if found:
        raise UnsoundTable(draft.path, found)
    partitions = tuple(_partition(instance, question) for instance in draft.instances)
    return PartitionTable(draft.path, draft.platform, partitions, draft.computer)


def _partition(instance: DraftInstance, question: Case) -> Partition:
    # A draft without findings has all of these; the reader says when one is missing.
    said = {key: _plain(getattr(instance, key)) for key in Partition._fields}
    owned = {wish.address for wish in question.wishes if wish.instance == instance.name}
    said["functions"] = tuple(sorted(owned))
    said["without_reset"] = tuple(sorted(set(said["without_reset"])))
    return Partition(**said)


def _plain(value: Any) -> Any:
    """A value without the words it was written as."""
    return tuple(item.value for item in value) if _is_list(value) else value


def _is_list(value: object) -> bool:
    return type(value) is tuple and all(isinstance(item, Item) for item in value)
