"""Is a file of Linux's read anew each time, by a descriptor alone?"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.host.kept import CHUNK, KeptFile


def test_what_it_says_now(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    path.write_text("1\n")
    file = KeptFile(str(path))
    try:
        assert (file.read(), file.read()) == ("1\n", "1\n")
        path.write_text("2" * (CHUNK + 1))
        assert file.read() == "2" * (CHUNK + 1)
    finally:
        file.close()


def test_linux_s_own(tmp_path: Path) -> None:
    file = KeptFile("/proc/interrupts")
    try:
        first = file.read()
        assert first.split()[0] == "CPU0"
        deadline = time.monotonic() + 10
        while file.read() == first:  # its timers go on counting
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        file.close()


def test_what_cannot_be_opened() -> None:
    with pytest.raises(HostProblem, match="cannot open /no/such"):
        KeptFile("/no/such")

