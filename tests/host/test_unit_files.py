"""Do systemd's units say what is meant, and does systemd take them?"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from septum.host import unit_files
from septum.host.runtime import RunDirectory
from septum.host.unit_files import NAMES, SERVICE, SLEEP, TABLE, quoted, settings, text, transient

PROGRAM = ["/usr/bin/env"]  # systemd-analyze wants one that is there


def seconds(value: str) -> float:
    assert value.endswith("s"), value
    return float(value.removesuffix("s"))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_to_fill_in(name: str) -> None:
    written = text(name, PROGRAM, 60)
    assert not re.search("@[A-Z]+@", written)
    assert written.startswith(unit_files.OURS)


@pytest.mark.parametrize("within", [0.5, 30, 60, 86400])
@pytest.mark.parametrize("name", [SERVICE, TABLE])
def test_systemd_waits_longer_than_a_shutdown_may_take(name: str, within: float) -> None:
    said = dict(settings(text(name, PROGRAM, within)))
    line = shlex.split(said["ExecStop" if name == TABLE else "ExecStart"])
    assert float(line[line.index("--within") + 1]) == within
    assert seconds(said["TimeoutStopSec"]) == within + unit_files.BEYOND


def test_only_the_supervisor_is_told_to_end() -> None:
    said = dict(settings(text(SERVICE, PROGRAM, 60)))
    assert (said["KillMode"], said["Delegate"], said["Type"]) == ("mixed", "yes", "notify")


def test_a_table_s_instances_end_before_the_supervisor() -> None:
    said = dict(settings(text(TABLE, PROGRAM, 60)))
    assert said["Requires"] == said["After"] == SERVICE


def test_sleep_does_not_wait_for_a_septum_that_is_gone() -> None:
    said = dict(settings(text(SLEEP, ["/opt/100%/septum"], 60)))
    assert said["ConditionFileIsExecutable"] == "/opt/100%%/septum"
    assert said["ConditionDirectoryNotEmpty"] == RunDirectory().claims


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_takes_them(tmp_path: Path) -> None:
    for name in NAMES:
        path = tmp_path / name.replace("@", "@house")
        path.write_text(text(name, PROGRAM, 60))
    words = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "septum" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_would_notice(tmp_path: Path) -> None:
    path = tmp_path / SLEEP
    path.write_text(text(SLEEP, PROGRAM, 60).replace("oneshot", "one shot"))
    words = ["systemd-analyze", "verify", str(path)]
    assert "one shot" in subprocess.run(words, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/usr/local/bin/septum"], "/usr/local/bin/septum"),
        (["/opt/my programs/septum", "-m"], '"/opt/my programs/septum" -m'),
        (["100%", "$HOME"], "100%% $$HOME"),
        (['a"b\\'], '"a\\"b\\\\"'),
    ],
)
def test_a_program_s_words_are_quoted(words: list[str], line: str) -> None:
    assert quoted(words) == line


def test_without_its_file_the_service_is_the_same() -> None:
    said = transient(["/usr/local/bin/septum"], 90)
    properties = [one.removeprefix("--property=") for one in said if one.startswith("--property=")]
    written = settings(text(SERVICE, ["/usr/local/bin/septum"], 90))
    assert properties == [f"{name}={value}" for name, value in written if name != "ExecStart"]
    command = said[len(properties) :]
    assert command == ["/usr/local/bin/septum", "supervise", "--within", "90"]
    assert " ".join(command) == dict(written)["ExecStart"]
