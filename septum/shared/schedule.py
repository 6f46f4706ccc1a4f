"""Whose turn is it on a processor? Time slices by weight, pure.

Each instance has a virtual time that passes more slowly the more weight it has; who is furthest
behind runs next. Who waits (wtint) is passed over; when it wakes it starts no further back than
the others stand, so that it cannot save up time.
"""

from __future__ import annotations

_SCALE = 1 << 20
_LEAD = 2  # slices


class _Entry:
    __slots__ = ("used", "virtual", "waiting", "weight")

    def __init__(self, weight: int, virtual: int) -> None:
        self.weight = weight
        self.virtual = virtual
        self.used = 0
        self.waiting = False


class RunQueue:
    """The instances that share one processor, by name; `slice` is the longest turn in cycles."""

    def __init__(self, slice_cycles: int) -> None:
        self.slice = slice_cycles
        self._entries: dict[str, _Entry] = {}
        self._asked: list[str] = []  # are to run next, for an interrupt

    def add(self, name: str, weight: int) -> None:
        """An instance that has something to do."""
        self._entries[name] = _Entry(max(weight, 1), self._least() or 0)

    def remove(self, name: str) -> None:
        """One that has ended."""
        self._entries.pop(name, None)
        if name in self._asked:
            self._asked.remove(name)

    def pick(self) -> str | None:
        """Who runs next; None when all wait."""
        while self._asked:
            name = self._asked.pop(0)
            if not self._entries[name].waiting:
                return name
        ready = [(one.virtual, name) for name, one in self._entries.items() if not one.waiting]
        return min(ready)[1] if ready else None

    def charge(self, name: str, cycles: int) -> None:
        """It ran so long."""
        entry = self._entries.get(name)
        if entry is not None:
            entry.used += cycles
            entry.virtual += cycles * _SCALE // entry.weight

    def wait(self, name: str) -> None:
        """It gives the rest of its slice away, until wake()."""
        self._entries[name].waiting = True

    def wake(self, name: str, at_once: bool = False) -> bool:
        """It has something to do. `at_once`: run it next; whether it will be.

        Who is two slices ahead of the others is not: it could take all the time by letting its
        devices ask. Its turn comes, as without an interrupt.
        """
        entry = self._entries.get(name)
        if entry is None:
            return False
        least = self._least(but=name)
        if entry.waiting:
            entry.waiting = False
            if least is not None:
                entry.virtual = max(entry.virtual, least)
        lead = _LEAD * self.slice * _SCALE // entry.weight
        if not at_once or (least is not None and entry.virtual - least > lead):
            return False
        if name not in self._asked:
            self._asked.append(name)
        return True

    def used(self, name: str) -> int:
        """Cycles it ran."""
        entry = self._entries.get(name)
        return entry.used if entry else 0

    def _least(self, but: str = "") -> int | None:
        """Where the one furthest behind stands, of those that are ready; None: nobody is."""
        return min(
            (
                one.virtual
                for name, one in self._entries.items()
                if name != but and not one.waiting
            ),
            default=None,
        )
