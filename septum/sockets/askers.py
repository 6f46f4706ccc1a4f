"""Who has come to ask, and when has one of them kept others waiting for long enough?

An asker may be slow, or hostile: it sends a message byte by byte, reads nothing of what it asked
for, or says nothing at all. Each is let go after a while, with a word; nobody waits for it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

from septum.errors import Problem
from septum.host.channel import Channel
from septum.messages import Message, error_message

MOST_WAITING = 256  # questions of one that are not answered yet
MOST_UNSENT = 32 << 20  # bytes that one may leave unread
PATIENCE = 60.0  # seconds in which one asks, or ends what it began, or reads on


class Asker:
    """One end of a conversation, and since when the other end has done nothing."""

    def __init__(
        self,
        stream: socket.socket,
        longest: int,
        patience: float = PATIENCE,
        most_unsent: int = MOST_UNSENT,
    ) -> None:
        self.channel = Channel(stream, longest)
        self.patience = patience
        self.most_unsent = most_unsent
        self.waiting: list[Message] = []  # arrived, not answered yet
        now = time.monotonic()
        self.asked_at = now  # when its last whole message came
        self._began_at = now  # when the message began that is not whole yet
        self._took_at = now  # when it last took something, or had taken all

    def fileno(self) -> int:
        return self.channel.fileno()

    @property
    def unsent(self) -> int:
        """Bytes it has not taken yet."""
        return len(self.channel.unsent)

    @property
    def unfinished(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self.channel.lines.rest)

    def receive(self) -> bool:
        """Add what came to what is waiting; False when it has left. Problem: it speaks nonsense."""
        was_unfinished = bool(self.unfinished)
        messages = self.channel.receive()
        if messages is None:
            return False
        now = time.monotonic()
        if messages:
            self.waiting += messages
            self.asked_at = now
        if messages or not was_unfinished:
            self._began_at = now
        if len(self.waiting) > MOST_WAITING:
            raise Problem(
                "too much is asked at once",
                because=f"{len(self.waiting)} questions came before the first was answered",
            )
        return True

    def take(self, count: int) -> list[Message]:
        """The first so many of those that wait to be answered."""
        first, self.waiting = self.waiting[:count], self.waiting[count:]
        return first

    def send(self, message: Mapping[str, object]) -> None:
        """Tell it something; what it does not take now it gets later."""
        if self.channel.is_closed:
            return
        if not self.unsent:
            self._took_at = time.monotonic()
        self.channel.send(message)

    def flush(self) -> None:
        """Send what waits, as far as it is taken."""
        if self.channel.flush():
            self._took_at = time.monotonic()

    def too_much(self) -> str:
        """Why it must be let go at once; "" while it need not."""
        if self.unsent > self.most_unsent:
            return f"{self.unsent} bytes of answers wait for it"
        return ""

    def overdue(self, waits_for_us: bool = False) -> str:
        """Why it may be let go; "" while it may stay. One that waits for us need not ask more."""
        if self.unsent:
            idle, since = "it does not read what it is told", self._took_at
        elif self.unfinished:
            idle, since = "its message has no end", self._began_at
        elif waits_for_us or self.waiting:
            return ""
        else:
            idle, since = "it asks nothing", self.asked_at
        is_late = time.monotonic() - since > self.patience
        return f"{idle} for {self.patience:g} seconds" if is_late else ""

    def let_go(self, why: str) -> None:
        """Close it; it is told why, if it reads."""
        problem = Problem("this conversation is over", because=why, remedy="ask again")
        if not self.channel.is_closed:
            self.channel.send(error_message(problem))
            self.channel.close()
