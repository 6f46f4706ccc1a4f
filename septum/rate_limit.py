"""How often is it said that the same has happened again? A few times; then it is counted.

What a guest, or whoever asks, can make happen at will must not fill a log. Of each kind of message
some are let through in a while, and the next one says how many were left out.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

MOST = 5  # of one kind, in a while
WHILE = 60.0  # seconds
MOST_KINDS = 64  # beyond, all others are one kind
_LONGEST_KIND = 160  # characters
_OTHERS = "(others)"
_NUMBER = r"\b(?:0x[0-9a-f]+|[0-9a-f]*[0-9][0-9a-f]*)\b"  # compiled when it is first needed


def kind_of(text: str) -> str:
    """Two messages are of one kind when they differ in numbers only."""
    return re.sub(_NUMBER, "#", text[:_LONGEST_KIND], flags=re.I)


class RateLimit:
    """What may be said of what somebody else causes. One of them for each who does."""

    def __init__(
        self,
        most: int = MOST,
        seconds: float = WHILE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}
        self.left_out = 0  # of all kinds, since the beginning

    def let(self, text: str) -> list[str]:
        """What to say now that this happened: nothing, or it, perhaps after how many were not."""
        kind, now = self._kind(text), self._clock()
        said = []
        if now - kind.since >= self._seconds:
            said = kind.told()
            kind.since, kind.said = now, 0
        if kind.said < self._most:
            kind.said += 1
            return [*said, text]
        kind.left_out += 1
        kind.last = text
        self.left_out += 1
        return said

    def rest(self) -> list[str]:
        """What was left out and has not been told yet."""
        return [line for kind in self._kinds.values() for line in kind.told()]

    def _kind(self, text: str) -> _Kind:
        name = kind_of(text)
        if name not in self._kinds and len(self._kinds) >= MOST_KINDS:
            name = _OTHERS
        return self._kinds.setdefault(name, _Kind(self._clock()))


class _Kind:
    __slots__ = ("last", "left_out", "said", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.said = 0
        self.left_out = 0
        self.last = ""

    def told(self) -> list[str]:
        if not self.left_out:
            return []
        line = f"... and {self.left_out:,} more like it, the last: {self.last}"
        self.left_out = 0
        return [line]
