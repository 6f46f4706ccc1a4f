"""How is a log kept from filling a disk? It begins anew when it is full; some older ones are kept.

NAME.log is what is written now, NAME.log.1 what was before it, and so on. What is full is copied
and cut off, not renamed: whoever reads or writes NAME.log has the same file after it as before,
and a process that may open nothing any more can do it with the files it holds.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

CHUNK = 1 << 18  # bytes copied at a time
OWN_SIZE = 4 << 20  # bytes of the supervisor's own log
OWN_COUNT = 4


def say(text: str) -> None:
    """A line to standard error, which may be a log; nothing when it cannot be written."""
    with suppress(OSError):
        os.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
    if _output is not None:
        _output.turn_when_full()


def tidy(path: str) -> None:
    """Remove older ones that nothing was written to: who held them open may not have been let."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        for older in os.listdir(folder):
            place = os.path.join(folder, older)
            is_older = older.startswith(name + ".") and older[len(name) + 1 :].isdecimal()
            if is_older and not os.path.getsize(place):
                os.unlink(place)


class Log:
    """A file that is appended to; `count` files of `size` bytes are kept, this one with them.

    Nothing here raises once it is open: a full disk must stop nobody.
    """

    def __init__(self, path: str, size: int, count: int) -> None:
        self.path = path
        self.size = size
        self.count = count
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self.file = os.open(path, flags, 0o600)
        self._held: dict[int, int] = {}  # older ones that are open
        self.turn_when_full()

    def take_output(self) -> None:
        """From now on this process reads nothing, and what it says goes here."""
        global _output
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for number in (1, 2):
            os.dup2(self.file, number)
        os.close(self.file)
        self.file = 1
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        _output = self

    def hold(self) -> None:
        """Open the older ones now: for a process that will be let open nothing later."""
        for number in range(1, self.count):
            if number not in self._held:
                with suppress(OSError):
                    self._held[number] = self._open(number)

    def write(self, data: bytes | bytearray) -> None:
        """Append all of it; what a full disk does not take is lost."""
        view = memoryview(data)
        with suppress(OSError):
            while view:
                room = max(1, self.size - os.fstat(self.file).st_size)
                view = view[os.write(self.file, view[:room]) :]
                self.turn_when_full()

    def turn_when_full(self) -> None:
        """Begin anew if there is too much; also for who writes to the same file by another way."""
        with suppress(OSError):
            if os.fstat(self.file).st_size >= self.size:
                self._turn()

    def close(self) -> None:
        """Close all; of the older ones none stays that has nothing in it."""
        os.close(self.file)
        for number, file in self._held.items():
            with suppress(OSError):
                if not os.fstat(file).st_size:
                    os.unlink(self._name(number))
            os.close(file)
        self._held.clear()

    def _turn(self) -> None:
        try:
            for number in range(self.count - 1, 0, -1):
                source = self.file if number == 1 else self._older(number - 1)
                if source is not None:
                    self._copy(source, number)
        finally:
            os.ftruncate(self.file, 0)

    def _older(self, number: int) -> int | None:
        """An older one that is there already."""
        if number not in self._held and os.path.exists(self._name(number)):
            self._held[number] = self._open(number)
        return self._held.get(number)

    def _copy(self, source: int, number: int) -> None:
        target = self._older(number)
        if target is None:
            target = self._held[number] = self._open(number)
        os.ftruncate(target, 0)
        at = 0
        while data := os.pread(source, CHUNK, at):
            at += os.pwrite(target, data, at)

    def _open(self, number: int) -> int:
        return os.open(self._name(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _name(self, number: int) -> str:
        return f"{self.path}.{number}"


_output: Log | None = None  # what this process writes to as its output
