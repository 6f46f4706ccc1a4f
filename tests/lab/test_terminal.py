"""Is an answer told from what was typed, and a silent console from a slow one?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from septum.errors import Problem
from septum.lab.run import Lab
from septum.lab.terminal import ATTACH, Terminal

SECONDS = 20.0


# A quiet shell: takes lines that end as a terminal's do, and repeats nothing
SHELL = """
import subprocess, sys
line = b""
while key := sys.stdin.buffer.raw.read(1):
    line += key
    if key == b"\\r":
        if line == b"exit\\r":
            break
        subprocess.run(["sh", "-c", line[:-1]], stdin=subprocess.DEVNULL)
        line = b""
"""


class Line:
    def words(self) -> list[str]:
        return [sys.executable, "-c"]


class ShellInPlaceOfALab:
    line = Line()


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setattr("septum.lab.terminal.ATTACH", SHELL)
    made = Terminal(cast(Lab, ShellInPlaceOfALab()), "blue", tmp_path / "blue.log")
    yield made
    made.close()


def test_the_way_in_names_the_instance() -> None:
    assert ATTACH.format(name="blue").endswith("exec septum console blue")


def test_an_answer_has_text_and_code(terminal: Terminal) -> None:
    answer = terminal.ask("echo one; echo two >&2; (exit 3)", SECONDS, check=False)
    assert (answer.code, answer.text) == (3, "one\ntwo\n")
    assert terminal.ask("echo again", SECONDS).text == "again\n"


def test_a_failed_command_is_a_problem(terminal: Terminal) -> None:
    with pytest.raises(Problem, match="failed in blue: false") as caught:
        terminal.ask("false", SECONDS)
    assert str(terminal.log) in caught.value.remedy


def test_what_is_typed_is_not_an_answer(terminal: Terminal) -> None:
    """A console that repeats what it hears must not satisfy the wait."""
    terminal.type("echo \"printf '<%s 1>\\n' begin; true; printf '<%s 1 0>\\n' end\"")
    assert terminal.ask("echo real", SECONDS).text == "real\n"


def test_cursor_movements_are_left_out(terminal: Terminal) -> None:
    assert terminal.ask(r"printf 'a\033[6nb\r\n'", SECONDS).text == "ab\n"


def test_silence_is_a_problem_that_quotes_and_names_the_log(terminal: Terminal) -> None:
    terminal.ask("echo last words", SECONDS)
    with pytest.raises(Problem) as caught:
        terminal.wait_for("never said", 0.01)
    assert "last words" in caught.value.because
    assert str(terminal.log) in caught.value.remedy


def test_an_end_is_noticed_at_once(terminal: Terminal) -> None:
    terminal.type("exit")
    with pytest.raises(Problem, match="never said") as caught:
        terminal.wait_for("never said", SECONDS)
    assert caught.value.because.startswith("it was closed")
    assert terminal.has_ended


def test_everything_is_kept_in_the_log(terminal: Terminal) -> None:
    terminal.ask("echo kept", SECONDS)
    assert b"kept" in terminal.log.read_bytes()
