"""How is an access to a function's configuration space carried out? By its verdict. [0031], Fig. 4b

One object for every function that an instance finds, whoever stands behind it: the verdict comes
from the function's moderated space, and an engine hands in how the real one is read and written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from septum.translation.pci_table import Effect
from septum.translation.verdict import Accept, Emulate, Modify, Verdict, all_ones

Read = Callable[[int, int], int]  # (offset, width) -> value, of the real function
Write = Callable[[int, int, int], None]


class Moderated(Protocol):
    """What gives verdicts: an owned function's space, or one the VMM plays."""

    def read(self, offset: int, width: int) -> Verdict: ...

    def merge(self, offset: int, width: int, from_device: int) -> int: ...

    def write(self, offset: int, width: int, value: int) -> tuple[Verdict, Effect | None]: ...


class CarriedOut:
    """One function's space as its instance finds it.

    `before` and `after` are called with the effect of a write: before the function itself is
    written, and after it. What a write takes away must be gone before the function obeys.
    """

    def __init__(
        self,
        space: Moderated,
        read: Read | None = None,
        write: Write | None = None,
        before: Callable[[Effect], None] | None = None,
        after: Callable[[Effect], None] | None = None,
    ) -> None:
        self.space = space
        self._read = read or _nothing_read
        self._write = write or _nothing_written
        self._before = before or _no_effect
        self._after = after or _no_effect

    def read(self, offset: int, width: int) -> int:
        """1, 2 or 4 bytes, as the instance sees them."""
        verdict = self.space.read(offset, width)
        match verdict:
            case Emulate(value=value):
                return value
            case Accept():
                return self._read(offset, width)
            case Modify():
                return self.space.merge(offset, width, self._read(offset, width))
        return all_ones(width)

    def write(self, offset: int, width: int, value: int) -> str:
        """1, 2 or 4 bytes; why they were refused, or nothing."""
        verdict, effect = self.space.write(offset, width, value)
        if effect is not None:
            self._before(effect)
        why = ""
        match verdict:
            case Accept():
                self._write(offset, width, value)
            case Modify(value=instead):
                self._write(offset, width, instead)
            case Emulate():
                pass
            case _:
                why = verdict.why
        if effect is not None:
            self._after(effect)
        return why


def _nothing_read(offset: int, width: int) -> int:
    return all_ones(width)


def _nothing_written(offset: int, width: int, value: int) -> None:
    return


def _no_effect(effect: Effect) -> None:
    return
