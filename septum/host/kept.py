"""How is a file of Linux's read again and again by who may not open it any more?"""

from __future__ import annotations

import os

from septum.errors import explained

CHUNK = 1 << 16  # bytes


class KeptFile:
    """A file below /proc that is opened once, and read from its beginning each time."""

    def __init__(self, path: str) -> None:
        with explained(f"cannot open {path}"):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> str:
        """What it says now; Linux makes it anew for who reads at its beginning."""
        parts = []
        at = 0
        while part := os.pread(self._fd, CHUNK, at):
            parts.append(part)
            at += len(part)
        return b"".join(parts).decode("ascii", "replace")

    def close(self) -> None:
        os.close(self._fd)
