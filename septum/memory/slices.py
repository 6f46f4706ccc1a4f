"""Where does the memory of each instance lie: at which of its addresses, and where in the machine?

A slice is the same thing on every machine: parts of an instance's own addresses, and what of the
machine stands behind each. Where a host keeps memory, that is the host's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from septum.errors import TableProblem
from septum.machine.model import Machine
from septum.memory.layout import holes, layout
from septum.partitions.model import Partition
from septum.units import HUGE_PAGE, Span, align_up, size_text


class Part(NamedTuple):
    """A run of memory: the instance's addresses, its offset in the slice, the machine's address."""

    span: Span
    offset: int
    machine: int | None  # None: where the host likes


class Slice(NamedTuple):
    """The memory of one instance."""

    parts: tuple[Part, ...]  # in order of their addresses, whole huge pages

    @property
    def ram(self) -> tuple[Span, ...]:
        """Its addresses."""
        return tuple(part.span for part in self.parts)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.span.size for part in self.parts)

    @property
    def place(self) -> Span:
        """Where in the machine it lies, which places memory itself; ValueError when a host does."""
        first = self.parts[0].machine if self.parts else None
        if first is None:
            raise ValueError("where this memory lies is the host's to know")
        return Span(first, self.size)


def slices(machine: Machine, partitions: Iterable[Partition]) -> dict[str, Slice]:
    """The slice of each partition by name, base and float together; none overlap.

    TableProblem: no room.
    """
    given = list(partitions)
    places = {} if machine.hosted else _places(machine, given)
    return {one.name: _slice(machine, one, places.get(one.name)) for one in given}


def _slice(machine: Machine, partition: Partition, place: Span | None) -> Slice:
    parts = []
    offset = 0
    for span in layout(partition.memory.total, holes(machine, partition.functions)):
        parts.append(Part(span, offset, None if place is None else place.start + offset))
        offset += span.size
    return Slice(tuple(parts))


def _places(machine: Machine, given: Sequence[Partition]) -> dict[str, Span]:
    """Where in the machine's memory each lies, when no host has a say in it.

    First those that the table places; then the others, each at the first multiple of its size
    (rounded up to a power of two) that is free: what one DMA window can cover exactly, and no
    more. Where that wastes too much, at the first free page.
    """
    taken: list[Span] = []
    found: dict[str, Span] = {}
    for partition in given:
        if partition.memory.at is not None:
            found[partition.name] = Span(partition.memory.at, partition.memory.total)
            taken.append(found[partition.name])
    for partition in given:
        if partition.name in found:
            continue
        size = partition.memory.total
        steps = (max(HUGE_PAGE, 1 << (size - 1).bit_length()), HUGE_PAGE)
        places = [_first(machine, taken, size, step) for step in steps]
        place = next((one for one in places if one is not None), None)
        if place is None:
            raise TableProblem(
                f"memory of {partition.name} finds no place",
                because=f"{size_text(size)} in one piece are not left beside the others",
                remedy="give the instances less, or move those that the table places",
            )
        found[partition.name] = place
        taken.append(place)
    return found


def _first(machine: Machine, taken: Sequence[Span], size: int, step: int) -> Span | None:
    for area in machine.memory:
        place = Span(align_up(area.span.start, step), size)
        while place.end <= area.span.end:
            over = [span for span in taken if span.overlaps(place)]
            if not over:
                return place
            place = Span(align_up(max(span.end for span in over), step), size)
    return None
