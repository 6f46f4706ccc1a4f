"""What is wrong with a partition table, where, and what can its writer do about it?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from septum.errors import TableProblem


class Where(NamedTuple):
    """A place in the table: its file, the nearest line (1 is the first), the dotted key."""

    file: str
    line: int
    key: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}" if self.key else f"{self.file}:{self.line}"


class Finding(NamedTuple):
    """One thing that is wrong."""

    where: Where
    what: str
    because: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}\n  because: {self.because}\n  try:     {self.remedy}"


class UnsoundTable(TableProblem):
    """A table that was refused; all that was found, in the order of its lines."""

    def __init__(self, path: str, findings: Iterable[Finding]) -> None:
        self.path = path
        self.findings = tuple(sorted(set(findings), key=lambda finding: finding.where[1:]))
        count = len(self.findings)
        super().__init__(f"{path} is not sound: {count} finding{'s' * (count != 1)}")

    def __str__(self) -> str:
        return "\n".join([self.what, *(str(finding) for finding in self.findings)])
