"""Are apt's archives read, and extended, as this machine has them?"""

from __future__ import annotations

from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.lab import packages
from septum.lab.packages import BACKPORTS_FILE, Source, add_backports, sources

LINES = """\
# deb https://old.example/debian bookworm main
deb [arch=amd64 signed-by=/keys/a.gpg] https://one.example/debian bookworm main contrib # here
deb-src https://one.example/debian bookworm main
"""
PARAGRAPHS = """\
Types: deb
# an older place
URIs: https://two.example/debian https://three.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/b.gpg

Types: deb-src
URIs: https://four.example/debian
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: https://five.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('NAME="Debian"\nVERSION_CODENAME=bookworm\n')
    return tmp_path


def test_both_notations_are_read(root: Path) -> None:
    (root / "etc/apt/sources.list").write_text(LINES)
    (root / "etc/apt/sources.list.d/more.sources").write_text(PARAGRAPHS)
    suites = ("bookworm", "bookworm-updates")
    assert sources(root) == [
        Source("https://one.example/debian", ("bookworm",), ("main", "contrib"), "/keys/a.gpg"),
        Source("https://two.example/debian", suites, ("main",), "/keys/b.gpg"),
        Source("https://three.example/debian", suites, ("main",), "/keys/b.gpg"),
    ]


def test_backports_come_from_the_archive_already_in_use(root: Path) -> None:
    (root / "etc/apt/sources.list.d/more.sources").write_text(PARAGRAPHS)
    add_backports(root)
    added = sources(root)[-1]
    expected = ("https://two.example/debian", ("bookworm-backports",), ("main",), "/keys/b.gpg")
    assert expected in [tuple(source) for source in sources(root)], added
    assert (root / BACKPORTS_FILE).exists()


def test_without_an_archive_there_is_a_remedy(root: Path) -> None:
    with pytest.raises(HostProblem) as caught:
        add_backports(root)
    assert "bookworm-backports" in caught.value.remedy


def test_a_source_is_written_as_apt_reads_it() -> None:
    source = Source("https://a.example/debian", ("s", "s-updates"), ("main",), "/k.gpg")
    assert source.lines() == [
        "deb [signed-by=/k.gpg] https://a.example/debian s main",
        "deb [signed-by=/k.gpg] https://a.example/debian s-updates main",
    ]


def test_an_ordinary_user_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from septum.lab.progress import Progress

    monkeypatch.setattr(packages, "missing_packages", lambda: ("mmdebstrap",))
    monkeypatch.setattr(packages, "qemu_version", lambda: 10)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HostProblem, match="cannot be set up") as caught:
        packages.install(Progress(quiet=True))
    assert "mmdebstrap" in caught.value.because
    assert "root" in caught.value.remedy
