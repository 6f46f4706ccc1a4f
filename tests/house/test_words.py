"""Could everything that is tracked be anybody's? No path of one machine, nothing left over."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.house.source import ROOT

# Folders of the machine it was written on. A home written with ~ is anybody's.
PATHS = re.compile(r"(?<![\w.$~/-])/(?:root|work|home/\w+|Users/\w+)/")
LEFT_OVER = re.compile(r"^(?:<{7}|>{7}) |\bpdb\.set_trace\(|\bbreakpoint\(\)", re.M)
# These run in the lab computer, where /root is where they mounted what they made.
ELSEWHERE = "septum/lab/files/"
# A file and what it says: why it may.
ALLOWED = {
    ("tests/house/test_words.py", "/root/"): "the rule's own test",
    ("tests/house/test_words.py", "/work/"): "the rule's own test",
    ("tests/house/test_words.py", "/home/somebody/"): "the rule's own test",
}


def tracked() -> list[str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git work tree")
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in done.stdout.split("\0") if name]


def texts() -> list[tuple[str, str]]:
    found = []
    for name in tracked():
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            found.append((name, content.decode("utf-8", "replace")))
    return found


def test_no_path_of_one_machine() -> None:
    wrong = [
        f"{name}: {match[0]}"
        for name, text in texts()
        for match in PATHS.finditer(text)
        if (name, match[0]) not in ALLOWED and not name.startswith(ELSEWHERE)
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_left_over() -> None:
    wrong = [
        name
        for name, text in texts()
        if LEFT_OVER.search(text) and name != "tests/house/test_words.py"
    ]
    assert not wrong, wrong


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("see /root/x", True),
        ("open('/work/x')", True),
        ("/home/somebody/x", True),
        ("tree/root/x", False),
        ("~/work/x", False),
        ("/var/lib/work/x", False),
    ],
)
def test_the_rule_would_notice(text: str, is_wrong: bool) -> None:
    assert bool(PATHS.search(text)) is is_wrong
