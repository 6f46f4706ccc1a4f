"""Did the command outside of the lab succeed, and what did it say when not?"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from septum.errors import HostProblem

LAST_LINES = 12


def command(
    argv: Sequence[str | Path],
    *,
    what: str,
    remedy: str = "",
    log: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """Run a command to its end and return what it printed (both streams, as text).

    Raises HostProblem: `what`, because of the last lines printed, with `remedy`.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
            check=False,
        )
    except FileNotFoundError:
        raise HostProblem(what, because=f"there is no {words[0]}", remedy=remedy) from None
    if log is not None:
        with log.open("a") as file:
            file.write(f"$ {' '.join(words)}\n{done.stdout}")
    if done.returncode != 0:
        last = "\n           ".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        because = f"{words[0]} ended with {done.returncode}: {last}"
        raise HostProblem(what, because=because, remedy=remedy)
    return done.stdout
