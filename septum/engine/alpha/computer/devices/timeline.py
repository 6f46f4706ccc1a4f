"""When does a device finish what it began? Machine time, in processor cycles since power-on."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timeline:
    """The present moment, and what is due later. Nothing happens but in `advance`."""

    def __init__(self) -> None:
        self.now = 0
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._asked = 0

    def after(self, cycles: int, action: Callable[[], None]) -> None:
        """Call `action` once, `cycles` from now, when time is advanced past it."""
        self._asked += 1
        heapq.heappush(self._due, (self.now + cycles, self._asked, action))

    @property
    def next(self) -> int | None:
        """The cycle of the next thing due, or None."""
        return self._due[0][0] if self._due else None

    def advance(self, to: int) -> None:
        """Machine time is now `to`; what fell due happens in its order, each at its moment.

        Time does not go back: an earlier `to` changes nothing.
        """
        due = self._due
        while due and due[0][0] <= to:
            moment, _, action = heapq.heappop(due)
            self.now = max(self.now, moment)
            action()
        self.now = max(self.now, to)
