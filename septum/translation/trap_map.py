"""Who answers for a trapped address? Spans that never overlap; a gap means nobody."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import NamedTuple

from septum.errors import Problem
from septum.units import Span

Read = Callable[[int, int], int]  # (offset in the span, width in bytes) -> value
Write = Callable[[int, int, int], None]  # (offset, width, value)


class Trap(NamedTuple):
    """One span and who answers for it."""

    span: Span
    owner: str
    read: Read
    write: Write


class TrapMap:
    """Ports, or guest-physical addresses, of one instance."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._traps: list[Trap] = []

    def add(self, span: Span, owner: str, read: Read, write: Write) -> None:
        """Let `owner` answer for `span`; Problem when another does already."""
        at = bisect.bisect_left(self._starts, span.start)
        for other in self._traps[max(at - 1, 0) : at + 1]:
            if span.overlaps(other.span):
                raise Problem(f"{owner} at {span} overlaps {other.owner} at {other.span}")
        self._starts.insert(at, span.start)
        self._traps.insert(at, Trap(span, owner, read, write))

    def remove(self, owner: str) -> None:
        """Forget all spans of one owner."""
        self._traps = [trap for trap in self._traps if trap.owner != owner]
        self._starts = [trap.span.start for trap in self._traps]

    def find(self, address: int) -> Trap | None:
        at = bisect.bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        trap = self._traps[at]
        return trap if address < trap.span.end else None

    @property
    def traps(self) -> tuple[Trap, ...]:
        return tuple(self._traps)
