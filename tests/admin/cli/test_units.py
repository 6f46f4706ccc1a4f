"""Do systemd's units get into a system, and out again, and is sleep refused when it must be?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from septum.admin.cli import main, tables, units
from septum.errors import HostProblem, NotRunning
from septum.host import processes, systemd
from septum.host.journal import Entry, Journal
from septum.host.runtime import RunDirectory
from septum.host.unit_files import NAMES
from septum.supervisor.beginning import program
from septum.supervisor.workplace import Workplace

PROGRAM = ["/usr/local/bin/septum"]
needs_systemctl = pytest.mark.skipif(shutil.which("systemctl") is None, reason="no systemctl here")


def below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@needs_systemctl
def test_they_come_and_go(tmp_path: Path) -> None:
    said = units.installed(PROGRAM, 90, str(tmp_path))
    folder = tmp_path / "etc/systemd/system"
    assert [f"wrote {folder / name}" for name in NAMES] == said[:3]
    assert (tmp_path / "etc/septum").is_dir()
    link = "etc/systemd/system/sleep.target.requires/septum-sleep.service"
    assert below(tmp_path) == {*(f"etc/systemd/system/{name}" for name in NAMES), link}
    assert "supervise --within 90" in (folder / "septum.service").read_text()

    units.systemctl(str(tmp_path), "enable", "septum@house.service")
    wanted = "etc/systemd/system/multi-user.target.wants/septum@house.service"
    assert wanted in below(tmp_path)
    assert units.installed(PROGRAM, 30, str(tmp_path))[0] == said[0]
    assert "supervise --within 30" in (folder / "septum.service").read_text()
    assert wanted in below(tmp_path)

    said = units.removed(str(tmp_path))
    assert said[:2] == ["disabled septum-sleep.service", "disabled septum@house.service"]
    assert below(tmp_path) == set()
    assert units.removed(str(tmp_path)) == ["no units of Septum were installed"]


@needs_systemctl
@pytest.mark.skipif(shutil.which("perl") is None, reason="no perl here")
def test_an_upgrade_of_libraries_restarts_no_operating_system(tmp_path: Path) -> None:
    folder = tmp_path / "etc/needrestart/conf.d"
    folder.mkdir(parents=True)
    path = folder / "septum.conf"
    assert f"wrote {path}" in units.installed(PROGRAM, 60, str(tmp_path))
    # As needrestart itself evaluates it, and looks a service up
    asked = """
        our %nrconf = (override_rc => { qr(^dbus) => 0 });
        eval do { local(@ARGV, $/) = $ARGV[0]; <> }; die $@ if $@;
        for my $name (qw(septum.service septum@house.service dbus.service ssh.service)) {
            print "$name\n" if grep { $name =~ /$_/ } keys %{$nrconf{override_rc}};
        }
    """
    said = subprocess.run(["perl", "-e", asked, str(path)], capture_output=True, text=True)
    assert said.stdout.split() == ["septum.service", "septum@house.service", "dbus.service"]
    assert f"removed {path}" in units.removed(str(tmp_path))


@needs_systemctl
@pytest.mark.parametrize("undo", [False, True])
def test_a_file_of_somebody_else_s_stays(tmp_path: Path, undo: bool) -> None:
    path = tmp_path / "etc/systemd/system/septum@.service"
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(HostProblem, match="stays as it is"):
        units.removed(str(tmp_path)) if undo else units.installed(PROGRAM, 60, str(tmp_path))
    assert below(tmp_path) == {"etc/systemd/system/septum@.service"}
    assert path.read_text() == "[Service]\nExecStart=/bin/true\n"


def test_without_systemd_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostProblem) as refusal:
        units.installed(PROGRAM, 60, str(tmp_path))
    assert refusal.value.because == "there is no systemd here"
    assert below(tmp_path) == set()


def test_units_in_use_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "is_active", lambda: True)
    with pytest.raises(NotRunning, match="cannot be removed"):
        units.removed()


def test_show_prints_what_would_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["units", "show", "--within", "2m"]) == 0
    said = capsys.readouterr().out
    assert all(f"# /etc/systemd/system/{name}\n" in said for name in NAMES)
    assert "supervise --within 120" in said


def test_a_time_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["units", "show", "--within", "inf"])
    assert "is not a time" in capsys.readouterr().err


def test_the_program_is_the_one_that_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "septum")])
    assert program() == [sys.executable, "-m", "septum.admin.cli.main"]
    (tmp_path / "septum").write_text("#!/bin/sh\n")
    (tmp_path / "septum").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["./septum"])
    assert program() == [str(tmp_path / "septum")]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    directory = RunDirectory(str(tmp_path / "run"), str(tmp_path / "log"))
    monkeypatch.setattr(tables, "place", lambda platform=None: Workplace(directory))
    return Journal(directory.claims)


def test_sleep_is_refused_while_a_device_is_owned(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(systemd, "asked", lambda words: told.append(words) or "")
    assert main.main(["units", "sleep"]) == 0
    assert told == []
    ours = processes.this_process()
    for address, owner in (("0000:01:00.0", "blue"), ("0000:02:00.0", "green")):
        journal.write(Entry(address, None, "", ours, owner))
    assert main.main(["units", "sleep"]) == 1
    said = capsys.readouterr().err
    assert "blue owns 0000:01:00.0; green owns 0000:02:00.0" in said
    assert "septum down blue green" in said
    assert [words[0] for words in told] == ["wall"]


def test_what_a_dead_process_left_keeps_nobody_awake(journal: Journal) -> None:
    gone = processes.Process(os.getpid(), 1)
    journal.write(Entry("0000:01:00.0", None, "", gone, "blue"))
    assert main.main(["units", "sleep"]) == 0
