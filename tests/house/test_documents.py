"""Do the documents speak of what is there? Commands, paths, names, the picture, the version."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest

import septum
from septum.admin.cli import main
from septum.lab.__main__ import parser as lab_parser
from tests.house.source import PACKAGE, ROOT
from tests.house.test_layers import PICTURE

README, ARCHITECTURE = ROOT / "README.md", ROOT / "ARCHITECTURE.md"
SECURITY = ROOT / "SECURITY.md"
GLOSSARY, CHANGELOG = ROOT / "GLOSSARY.md", ROOT / "CHANGELOG.md"
COMMANDS = dict(main.COMMANDS)
CAPTURE = "tests/captured/lab.tar.gz"

_FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.M | re.S)
_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|toml|gz|md))")
# What a path may be relative to: the checkout, or the package.
_PLACES = (ROOT, PACKAGE)


def blocks(page: Path) -> list[str]:
    """What stands between lines of three backticks."""
    return _FENCE.findall(page.read_text())


def spans(page: Path) -> list[str]:
    """What stands between single backticks."""
    return _SPAN.findall(_FENCE.sub("", page.read_text()))


def typed(page: Path, program: str) -> list[list[str]]:
    """The words of every line a reader is to type that begins with a program's name."""
    lines = [
        line.removeprefix("sudo ").removeprefix(".venv/bin/")
        for block in blocks(page)
        for line in re.findall(r"^[$#] (.*)$", block, re.M)
    ]
    lines += spans(page)
    first = [line.partition(" | ")[0] for line in lines if line.startswith(program)]
    words = [shlex.split(line, comments=True) for line in first]
    return [line[len(program.split()) :] for line in words if len(line) > len(program.split())]


def known_options(command: str) -> set[str]:
    parser = argparse.ArgumentParser()
    main.command_module(command).arguments(parser)
    return {option for action in parser._actions for option in action.option_strings}


def place_of(path: str) -> Path | None:
    found = (place / path for place in _PLACES if (place / path).exists())
    return next(found, None)


def names_in(path: Path) -> set[str]:
    """Functions, classes, and methods as Class.method, of a module."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{m.name}" for m in node.body if isinstance(m, ast.FunctionDef)}
    return found


def test_readme_s_commands_are_there() -> None:
    said = typed(README, "septum ")
    assert len(said) > 10
    for words in said:
        assert words[0] in {*COMMANDS, "--help", "--version", "COMMAND"}, words
        options = {word.split("=")[0] for word in words[1:] if word.startswith("-")}
        if words[0] in COMMANDS:
            assert options <= known_options(words[0]) | {"--help"}, words


def test_readme_names_every_command() -> None:
    assert set(COMMANDS) <= {words[0] for words in typed(README, "septum ")}


@pytest.mark.parametrize("page", [README, ARCHITECTURE], ids=lambda page: page.name)
def test_make_s_and_the_lab_s_commands_are_there(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {words[0] for words in typed(page, "make ")} <= targets
    verbs = {verb for action in lab_parser()._actions for verb in action.choices or ()}
    assert {words[0] for words in typed(page, "python -m septum.lab ")} <= verbs


@pytest.mark.parametrize(
    "page", [README, ARCHITECTURE, GLOSSARY, SECURITY], ids=lambda page: page.name
)
def test_paths_are_there(page: Path) -> None:
    # A test is named as path::test, below tests/: those have a rule of their own.
    said = [span.partition(":")[0] for span in spans(page) if "::" not in span]
    paths = [path for path in said if _PATH.fullmatch(path)]
    missing = [path for path in paths if place_of(path) is None]
    assert not missing, missing


def promises(text: str) -> dict[str, list[str]]:
    """What SECURITY.md promises, and the tests it names for each."""
    table = text.partition("## What is promised")[2].partition("\n### ")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| ")]
    return {promise.strip(): _SPAN.findall(shown) for promise, shown in rows[1:]}


def test_every_promise_has_its_tests() -> None:
    found = promises(SECURITY.read_text())
    assert len(found) > 7 and all(found.values())
    missing = [
        test
        for tests in found.values()
        for test in tests
        if not is_a_test(*test.partition("::")[::2])
    ]
    assert not missing, missing


def is_a_test(path: str, name: str) -> bool:
    place = ROOT / "tests" / path
    return place.is_file() and name.startswith("test_") and name in names_in(place)


@pytest.mark.parametrize("page", [ARCHITECTURE, GLOSSARY], ids=lambda page: page.name)
def test_names_are_there(page: Path) -> None:
    wrong = []
    for span in spans(page):
        path, colon, name = span.partition(":")
        place = place_of(path) if path.endswith(".py") and colon else None
        if place is not None and name not in names_in(place):
            wrong.append(span)
    assert not wrong, wrong


def test_every_folder_is_on_the_map() -> None:
    text = ARCHITECTURE.read_text()
    folders = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    assert not [name for name in folders if f"| `{name}/" not in text]


def test_the_picture_is_the_enforced_one() -> None:
    assert PICTURE.lstrip("\n") in blocks(ARCHITECTURE), "the picture and tests/house differ"


def test_architecture_is_short() -> None:
    assert ARCHITECTURE.read_text().count("\n") < 280


def test_every_word_has_its_place() -> None:
    entries = re.split(r"\n\n(?=\*\*)", GLOSSARY.read_text())[1:]
    assert len(entries) > 20
    for entry in entries:
        lines = entry.split("\n\n")[0].splitlines()
        assert len(lines) <= 3, entry
        places = [span for span in _SPAN.findall(entry) if _PATH.fullmatch(span)]
        assert places and all(place_of(path) for path in places), entry


def test_the_newest_change_is_this_version() -> None:
    newest = re.findall(r"^## \[(.+?)\]", CHANGELOG.read_text(), re.M)[0]
    assert newest in ("Unreleased", septum.__version__)


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == septum.__version__


def test_the_license_is_the_one_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert project["license-files"] == ["LICENSE"]
    assert (ROOT / "LICENSE").read_text().split()[:4] == ["Apache", "License", "Version", "2.0,"]


def test_the_table_is_as_readme_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's output of a command that needs no machine is that command's output now."""
    monkeypatch.chdir(ROOT)
    line = f"check examples/two-systems.toml --machine {CAPTURE}"
    said = [block for block in blocks(README) if block.startswith(f"$ septum {line}\n")]
    assert len(said) == 1
    assert main.main(line.split()) == 0
    assert said[0].partition("\n")[2] == capsys.readouterr().out


def test_the_rule_would_notice(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`septum nothing`\n```\n$ septum fly --far\n```\n`no/such.py:thing`\n")
    assert typed(page, "septum ") == [["fly", "--far"], ["nothing"]]
    assert place_of("no/such.py") is None
    assert "Supervisor.serve" in names_in(PACKAGE / "supervisor/loop.py")
    told = "## What is promised\n| promise | by |\n|---|---|\n| safe | `a.py::test_b` |\n### c"
    assert promises(told) == {"safe": ["a.py::test_b"]}
    assert is_a_test("house/test_documents.py", "test_every_promise_has_its_tests")
    assert not is_a_test("house/test_documents.py", "test_no_such")


def test_no_page_was_merged_by_half() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("septum/**/*.toml"), *ROOT.glob("examples/*.toml")]
    marked = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.M)
    assert not [page.name for page in pages if marked.search(page.read_text())]
