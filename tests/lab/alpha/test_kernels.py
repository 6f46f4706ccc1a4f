"""Is the newest version that builds taken, once, and said when it is another than expected?"""

from __future__ import annotations

from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.lab.alpha import kernels
from septum.lab.alpha.kernels import BLUE, GREEN
from septum.lab.progress import Progress

MADISON = """\
linux-source-6.12 | 6.12.117-1 | http://archive.example bookworm-security/main amd64 Packages
linux-source-6.12 | 6.12.115-2 | http://archive.example bookworm-security/main amd64 Packages
linux-source-6.12 | 6.12.115-2 | http://archive.example bookworm/main amd64 Packages
linux-source-6.12 | 6.12.95-1 | http://archive.example bookworm-backports/main amd64 Packages
"""


@pytest.fixture
def progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Progress:
    """Nothing is installed, nothing compiled, and the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("septum.lab.alpha.packages.for_kernels", lambda progress: None)
    return Progress()


def fake_apt(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    program = folder / "apt-cache"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{says}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def builds(monkeypatch: pytest.MonkeyPatch, *good: str) -> list[str]:
    """Make these versions build, and no other; what was tried."""
    tried: list[str] = []

    def build(
        series: str, version: str, configuration: str, folder: Path, progress: Progress
    ) -> None:
        tried.append(version)
        (folder / "log").write_text(f"{version}\n")
        if version not in good:
            raise HostProblem(f"Linux {version} does not build", because="fault.c:1: error")
        (folder / "vmlinux").write_text(configuration)

    monkeypatch.setattr(kernels, "_build", build)
    return tried


def test_versions_newest_first_and_once(
    progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_apt(tmp_path, monkeypatch, MADISON)
    assert kernels.versions("6.12", progress) == ["6.12.117-1", "6.12.115-2", "6.12.95-1"]


def test_one_that_does_not_build_is_passed_over(
    progress: Progress,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_apt(tmp_path, monkeypatch, MADISON)
    tried = builds(monkeypatch, "6.12.115-2", "6.12.95-1")
    assert kernels.kernel(GREEN, progress).version == "6.12.115-2"
    said = capsys.readouterr().err
    assert "6.12.117-1 does not build" in said and "fault.c:1: error" in said
    logs = list((tmp_path / "cache").rglob("*.log"))
    assert [log.read_text() for log in logs] == ["6.12.117-1\n"]
    assert kernels.kernel(GREEN, progress).version == "6.12.115-2"
    assert tried == ["6.12.117-1", "6.12.115-2"]  # the second time nothing was


def test_without_a_second_series_the_first_is_configured_otherwise(
    progress: Progress,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fake_apt(tmp_path, monkeypatch, MADISON)
    builds(monkeypatch, "6.1.1-1")
    monkeypatch.setattr(
        kernels,
        "versions",
        lambda series, progress: ["6.1.1-1"] if series == BLUE.series else ["6.12.117-1"],
    )
    blue, green = kernels.kernels(progress)
    assert (blue.version, green.version) == ("6.1.1-1", "6.1.1-1")
    assert blue.file.read_text() != green.file.read_text()
    assert "otherwise configured" in capsys.readouterr().err


def test_none_at_all(progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_apt(tmp_path, monkeypatch, "")
    builds(monkeypatch)
    monkeypatch.setattr(kernels, "versions", lambda series, progress: [])
    with pytest.raises(kernels.DoesNotBuild, match=r"no kernel 6\.1 builds"):
        kernels.kernels(progress)


def test_the_two_differ_in_version_and_clock() -> None:
    assert BLUE.series != GREEN.series
    assert BLUE.options != GREEN.options
