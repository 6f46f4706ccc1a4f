"""Is a lab that died told apart from a command that failed?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from septum.errors import LabLost
from septum.lab.run import Lab, free_port, new_run_folder, tell_monitor


@pytest.fixture
def dead_lab(tmp_path: Path) -> Lab:
    """A lab whose QEMU has ended, with a last line on its console."""
    lab = Lab(folder=tmp_path)
    lab.sockets = tmp_path / "sockets"
    lab.sockets.mkdir()
    lab.port = free_port()
    lab._process = subprocess.Popen(["true"])
    lab._process.wait()
    lab.process_id = lab._process.pid
    lab.console_log.write_text("Kernel panic - not syncing\n")
    return lab


def test_a_command_for_a_dead_lab_is_lost(dead_lab: Lab) -> None:
    with pytest.raises(LabLost) as caught:
        dead_lab.run("true")
    assert "Kernel panic" in caught.value.because
    assert str(dead_lab.folder) in caught.value.remedy


def test_putting_a_dead_lab_away_leaves_nothing(dead_lab: Lab) -> None:
    dead_lab.stop()
    assert not dead_lab.sockets.exists()


def test_no_lab_is_a_problem_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabLost) as caught:
        Lab.attach()
    assert "start" in caught.value.remedy


def test_each_run_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [new_run_folder().name for _ in range(3)] == ["1", "2", "3"]


def test_a_monitor_that_is_gone_needs_no_command(tmp_path: Path) -> None:
    tell_monitor(tmp_path / "nothing", "quit")
