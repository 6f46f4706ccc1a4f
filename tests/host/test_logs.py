"""Are logs bounded, and is the newest always kept?"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.host import logs
from septum.host.logs import Log

SIZE, COUNT = 1000, 3


def files(path: Path) -> dict[str, int]:
    return {one.name: one.stat().st_size for one in sorted(path.parent.iterdir())}


def test_a_full_log_begins_anew_and_some_older_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "blue.log"
    log = Log(str(path), SIZE, COUNT)
    for number in range(1000):
        log.write(f"{number:09}\n".encode())
    assert files(path) == {"blue.log": 0, "blue.log.1": SIZE, "blue.log.2": SIZE}
    log.write(b"end\n")
    kept = "".join((tmp_path / name).read_text() for name in ("blue.log.2", "blue.log.1"))
    assert kept.split() == [f"{number:09}" for number in range(800, 1000)], "in order, none lost"
    assert path.read_text() == "end\n"
    log.close()


@given(st.lists(st.integers(0, 3000), max_size=20), st.integers(1, 4))
def test_it_is_bounded_whatever_is_written(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], count: int
) -> None:
    path = tmp_path_factory.mktemp("logs") / "x.log"
    log = Log(str(path), SIZE, count)
    for size in sizes:
        log.write(b"x" * size)
    log.close()
    assert len(files(path)) <= count
    assert all(size <= SIZE for size in files(path).values())
    assert files(path)["x.log"] == sum(sizes) % SIZE


def test_who_reads_on_reads_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "blue.log"
    log = Log(str(path), SIZE, COUNT)
    with path.open() as reader:
        log.write(b"x" * (SIZE - 1))
        assert len(reader.read()) == SIZE - 1
        log.write(b"y")
        log.write(b"after\n")
        assert os.fstat(reader.fileno()).st_ino == path.stat().st_ino
        reader.seek(0)  # as tail does when a file has become shorter
        assert reader.read() == "after\n"
    log.close()


def test_one_that_was_too_long_already_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "blue.log"
    path.write_bytes(b"o" * 5 * SIZE)
    log = Log(str(path), SIZE, COUNT)
    assert files(path) == {"blue.log": 0, "blue.log.1": 5 * SIZE}
    log.close()


def test_with_what_it_holds_it_needs_to_open_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "blue.log"
    log = Log(str(path), SIZE, COUNT)
    log.hold()
    assert set(files(path)) == {"blue.log", "blue.log.1", "blue.log.2"}

    def refuse(*words: object, **more: object) -> int:
        raise PermissionError(errno.EACCES, "confined")

    monkeypatch.setattr(os, "open", refuse)
    for _ in range(3):
        log.write(b"z" * SIZE)
    assert files(path) == {"blue.log": 0, "blue.log.1": SIZE, "blue.log.2": SIZE}
    log.close()


def test_none_stays_that_nothing_was_written_to(tmp_path: Path) -> None:
    path = tmp_path / "blue.log"
    log = Log(str(path), SIZE, COUNT)
    log.hold()
    log.write(b"hello")
    log.close()
    assert files(path) == {"blue.log": 5}


def test_what_a_confined_process_left_empty_is_removed_by_others(tmp_path: Path) -> None:
    for name in ("blue.log", "blue.log.1", "blue.log.2", "blue.logs", "bluexlog.1"):
        (tmp_path / name).write_text("")
    (tmp_path / "blue.log.2").write_text("x")
    logs.tidy(str(tmp_path / "blue.log"))
    left = sorted(one.name for one in tmp_path.iterdir())
    assert left == ["blue.log", "blue.log.2", "blue.logs", "bluexlog.1"]


def test_a_full_disk_stops_nobody() -> None:
    log = Log("/dev/full", SIZE, 1)
    log.write(b"lost")
    log.close()


def test_what_a_process_says_is_bounded_too(tmp_path: Path) -> None:
    """By say(), which never raises, whatever is said and wherever to."""
    path = tmp_path / "out.log"
    program = f"""
from septum.host import logs
logs.Log({str(path)!r}, {SIZE}, {COUNT}).take_output()
for number in range(1000):
    logs.say(f"{{number:09}} \\ud800 \\xe4")
print("last words \\ud800", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    assert path.read_text().endswith("last words \\ud800\n")
    assert set(files(path)) == {"out.log", "out.log.1", "out.log.2"}
    assert sum(files(path).values()) <= COUNT * (SIZE + 100)
