"""Is the right command found, quickly, and every problem said plainly?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from septum.admin.cli import main
from septum.errors import HostProblem


def outcome(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main.main(list(words))
    out, error = capsys.readouterr()
    return code, out, error


def replace_ps(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    module: Any = SimpleNamespace(HELP="", arguments=lambda parser: None, run=run)
    monkeypatch.setattr(main, "command_module", lambda name: module)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "--help")
    assert code == 0
    for name, text in main.COMMANDS:
        assert name in out and text in out
    assert outcome(capsys)[0] == 2


@pytest.mark.parametrize("name", [name for name, _ in main.COMMANDS])
def test_every_command_is_as_it_must_be(name: str) -> None:
    try:
        module: ModuleType = main.command_module(name)
    except ModuleNotFoundError as error:
        pytest.skip(f"not written yet: {error}")
    assert module.HELP
    with pytest.raises(SystemExit) as left:
        main.main([name, "--help"])
    assert left.value.code == 0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "--version")
    assert code == 0 and out.startswith("septum ")


def test_an_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, error = outcome(capsys, "dance")
    assert (code, out) == (1, "")
    assert error.startswith("septum: dance: there is no such command\n  because: ")
    assert "  try:     septum --help" in error


def test_a_problem_is_printed_without_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(options: object) -> int:
        raise HostProblem("no", because="why", remedy="this")

    replace_ps(monkeypatch, refuse)
    code, out, error = outcome(capsys, "ps")
    assert (code, out) == (1, "")
    assert error == "septum: no\n  because: why\n  try:     this\n"


def test_an_interruption(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    replace_ps(monkeypatch, interrupted)
    assert outcome(capsys, "ps") == (130, "", "")


def test_an_interruption_while_registers_are_declared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Field:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    def declare(options: object) -> int:
        type("Register", (), {"field": Field()})
        return 0

    replace_ps(monkeypatch, declare)
    assert outcome(capsys, "ps") == (130, "", "")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_ps(monkeypatch, lambda options: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main.main(["ps"])


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m septum.admin.cli.main --help | true"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


IMPORTS = """
import sys
sys.path.insert(0, {root!r})
before = set(sys.modules)
from septum.admin.cli import main
module = main.command_module({command!r})
assert module.without_argparse(["table.toml", "blue"]) is not None
assert module.without_argparse(["--help"]) is None
print("septum.admin.cli." + {command!r}, *sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("command", ["run", "up"])
def test_a_start_is_found_without_costly_modules(command: str) -> None:
    root = str(Path(__file__).parents[3])
    ran = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTS.format(root=root, command=command)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = set(ran.stdout.split())
    assert f"septum.admin.cli.{command}" in loaded, ran.stderr
    assert not loaded & {"argparse", "asyncio", "dataclasses", "json", "subprocess", "inspect"}


def test_the_end_of_run_is_told_before_the_process_leaves(tmp_path: Path) -> None:
    """`run` leaves without taking the interpreter apart: what it printed must be out by then."""
    code = "import sys; from septum.admin.cli.main import entry; sys.exit(entry())"
    words = [sys.executable, "-c", code, "run", str(tmp_path / "none.toml"), "blue"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "none.toml" in done.stderr and "try:" in done.stderr
