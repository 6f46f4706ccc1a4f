"""What is being done, and how long did it take?"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Says each step: with a spinner on a terminal, else in plain lines."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._depth = 0

    def say(self, text: str) -> None:
        """One line for the reader."""
        if not self.quiet:
            print(f"lab: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Say what is being done until the block ends, then its seconds."""
        started = time.monotonic()
        if self.quiet or self._depth or not sys.stderr.isatty():
            self.say(f"{what} ...")
            yield
        else:
            from rich.console import Console
            from rich.progress import Progress as Bars
            from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("lab: {task.description}"), TimeElapsedColumn())
            console = Console(stderr=True)
            with Bars(*columns, console=console, transient=True) as bars:
                bars.add_task(what, total=None)
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
        self.say(f"{what}: done in {time.monotonic() - started:.1f} s")
