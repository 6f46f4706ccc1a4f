"""Where in the machine's own memory do instances lie, when no host has a say in it?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from septum.errors import TableProblem
from septum.machine.model import Machine
from septum.partitions.model import Partition
from septum.units import HUGE_PAGE, Span, align_up, size_text


def slices(machine: Machine, partitions: Iterable[Partition]) -> dict[str, Span]:
    """The machine addresses of each instance's memory, by name; none overlap.

    First those that the table places; then the others, each at the first multiple of its size
    (rounded up to a power of two) that is free: what one DMA window can cover exactly, and no
    more. Where that wastes too much, at the first free page. TableProblem: no room.
    """
    given = list(partitions)
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
