"""What went wrong, why, and what can the reader do about it?

Problem                 every error raised on purpose; anything else is a bug
├── TableProblem        the administrator's table is not sound: edit it
├── MachineProblem      this machine, or a capture of it, lacks or hides something
├── HostProblem         Linux refused something
├── GuestProblem        a kernel or initrd cannot be loaded, or the guest ended by itself
├── NotRunning          asked of an instance (or of the supervisor) that does not run
└── LabLost             the lab computer, or the line to it, died: not a failed test
"""

from __future__ import annotations

import os


class Problem(Exception):
    """Base of every error raised on purpose: what, because, and what to try."""

    def __init__(self, what: str, *, because: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.because = because
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.what]
        if self.because:
            lines.append(f"  because: {self.because}")
        if self.remedy:
            lines.append(f"  try:     {self.remedy}")
        return "\n".join(lines)


class TableProblem(Problem):
    """The administrator's table is not sound."""


class MachineProblem(Problem):
    """This machine, or a capture of it, lacks or hides something."""


class HostProblem(Problem):
    """Linux refused something."""


class GuestProblem(Problem):
    """A kernel or initrd cannot be loaded, or the guest ended by itself."""


class NotRunning(Problem):
    """Asked of an instance, or of the supervisor, that does not run."""


class LabLost(Problem):
    """The lab computer, or the line to it, died: nothing was learned about the test."""


class explained:
    """Turn an OSError raised inside the block into a HostProblem that says what to do.

    A plain class: contextlib is not otherwise needed on the boot path.
    """

    def __init__(self, what: str, remedies: dict[int, str] | None = None) -> None:
        self.what = what
        self.remedies = remedies or {}

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            number = error.errno or 0
            raise HostProblem(
                self.what,
                because=os.strerror(number) if number else str(error),
                remedy=self.remedies.get(number, ""),
            ) from error
