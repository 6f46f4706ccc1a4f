"""Are the types right and the text clean? The same checks a developer runs."""

from __future__ import annotations

import subprocess
import sys

from tests.house.source import ROOT


def tool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_ruff_has_nothing_to_say() -> None:
    done = tool("ruff", "check", "septum", "tests")
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_are_right() -> None:
    done = tool("mypy", "--strict", "septum")
    assert done.returncode == 0, done.stdout + done.stderr
