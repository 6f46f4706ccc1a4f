"""Is a lab that died told apart from a command that failed?"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from septum.engine.kvm.exits import TRIPLE_FAULT
from septum.errors import LabLost, Problem
from septum.lab import demo, images, installed, lost, monitor, packages, run, typed
from septum.lab.line import Completed
from septum.lab.progress import Progress
from septum.lab.run import BOOTS, READY, Lab, free_port, new_run_folder
from septum.lab.terminal import Terminal


class Built:
    """What is built for a lab, as far as its start looks at it."""

    files: ClassVar[dict[str, Path]] = {}
    host_tree, key, known_hosts, name = Path("tree"), Path("key"), Path("hosts"), "disk"


BUILT = Built()


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


def test_no_lab_is_a_problem_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabLost) as caught:
        Lab.attach()
    assert "start" in caught.value.remedy


def test_each_run_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [new_run_folder().name for _ in range(3)] == ["1", "2", "3"]


def test_a_monitor_that_is_gone_needs_no_command(tmp_path: Path) -> None:
    monitor.tell(tmp_path / "nothing", "quit")


@pytest.mark.parametrize("lost_boots", [0, 1, 2, 3])
def test_a_computer_that_is_lost_while_it_boots_is_started_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lost_boots: int
) -> None:
    """Its boot is no test of ours; what it said is kept."""
    for module, name in ((packages, "install"), (images, "build"), (installed, "septum_disk")):
        monkeypatch.setattr(module, name, lambda *given: cast(Any, BUILT))
    monkeypatch.setattr(run, "lab_qemu", lambda progress: Path("qemu"))
    lab = Lab(folder=tmp_path, progress=Progress(quiet=True))

    def start_qemu(files: Any) -> None:
        late = b"Possible timer handling issue on cpu=1" if lab.starts <= lost_boots else READY
        lab.console_log.write_bytes(late)

    monkeypatch.setattr(lab, "_start_qemu", start_qemu)
    monkeypatch.setattr(lab, "alive", lambda: True)
    monkeypatch.setattr(lab, "_ask", lambda command, timeout: Completed(0, "", ""))
    if lost_boots == BOOTS:
        with pytest.raises(LabLost, match="no timer any more"):
            lab.start()
    else:
        lab.start()
    kept = sorted(path.name for path in tmp_path.glob("console.lost-*.log"))
    assert kept == [f"console.lost-{n}.log" for n in range(1, min(lost_boots, BOOTS - 1) + 1)]
    shutil.rmtree(lab.sockets, ignore_errors=True)


# ---- lost, or failed?


class FakeLab(Lab):
    """A lab that lives and answers as it is told."""

    is_alive = True
    is_answering = True

    def alive(self) -> bool:
        return self.is_alive

    def answers(self) -> bool:
        return self.is_alive and self.is_answering


def test_a_sound_lab_is_no_evidence(tmp_path: Path) -> None:
    lab = FakeLab(folder=tmp_path)
    assert lost.evidence(lab) == ""
    lab.console_log.write_text("septum-lab: ssh is ready\n")
    assert lost.evidence(lab) == ""


def test_what_is_evidence(tmp_path: Path) -> None:
    lab = FakeLab(folder=tmp_path)
    lab.is_answering = False
    assert lost.evidence(lab) == "the lab does not answer"
    panic = "Kernel panic - not syncing: corrupted stack end detected inside scheduler"
    lab.console_log.write_text(f"all is well\n[  83.1] {panic}\n")
    assert panic in lost.evidence(lab)
    stopped = "rcu: \tPossible timer handling issue on cpu=1 timer-softirq=2192"
    lab.console_log.write_text(f"[  165.1] {stopped}\n")
    assert stopped in lost.evidence(lab)
    lab.is_alive = False
    assert lost.evidence(lab) == "QEMU has ended"


def test_a_failure_in_a_sound_lab_stays_a_failure(tmp_path: Path) -> None:
    with (
        pytest.raises(Problem, match="refused") as caught,
        lost.told_apart(lambda: FakeLab(folder=tmp_path)),
    ):
        raise Problem("refused")
    assert not isinstance(caught.value, LabLost)


def test_a_failure_in_a_lost_lab_is_its_loss(tmp_path: Path) -> None:
    lab = FakeLab(folder=tmp_path)
    lab.is_alive = False
    with pytest.raises(LabLost) as caught, lost.told_apart(lambda: lab, (AssertionError,)):
        raise AssertionError("8 of 10 pings")
    assert caught.value.because == "QEMU has ended"
    assert isinstance(caught.value.__cause__, AssertionError)


ROW = {"state": "running", "reason": "", "ending": ""}


@pytest.mark.parametrize(
    ("row", "owners", "complaints", "is_lost"),
    [
        ({}, {"no port": 67}, [], True),
        ({"state": "failed", "reason": TRIPLE_FAULT}, {}, [], True),
        ({"state": "failed", "reason": "failed"}, {}, [], False),
        ({}, {"no memory": 1}, [], False),  # it was refused something
        ({}, {}, ["DMAR: [DMA Read] Request device [00:03.0] fault addr 0xfea84000"], False),
    ],
)
def test_a_guest_is_lost_only_when_nothing_was_refused(
    row: dict[str, object], owners: dict[str, int], complaints: list[str], is_lost: bool
) -> None:
    assert lost.was_lost_on_its_way({**ROW, **row}, owners, complaints) is is_lost


class AskedLab(FakeLab):
    """A lab with one instance, and a kernel that complains of what it is told."""

    complaints = ""
    row: ClassVar[dict[str, str]] = {}

    def run(self, command: Any, **options: Any) -> Completed:
        if command.startswith("septum ps"):
            return Completed(0, json.dumps([{**ROW, "name": "green", **self.row}]), "")
        if command.startswith("septum show"):
            return Completed(1, "", "green does not run")
        assert command == typed.COMPLAINTS
        return Completed(0, self.complaints, "")


class Silent:
    """A console that does not say what is waited for."""

    name = "green"

    def wait_for(self, words: str, seconds: float) -> None:
        raise Problem("it did not say so")


@pytest.mark.parametrize(
    ("reason", "complaint", "raised"),
    [
        (TRIPLE_FAULT, "", LabLost),
        (TRIPLE_FAULT, "DMAR: [DMA Read] Request device [00:03.0]", Problem),
        ("failed", "", Problem),
    ],
)
def test_a_system_that_does_not_arrive(
    tmp_path: Path, reason: str, complaint: str, raised: type[Problem]
) -> None:
    lab = AskedLab(folder=tmp_path)
    lab.complaints = "DMAR: an old one"
    arrivals = lost.Arrivals(lab)
    lab.complaints += f"\n{complaint}"
    lab.row = {"state": "failed", "reason": reason}
    with pytest.raises(Problem) as caught:
        arrivals.wait_for(cast(Terminal, Silent()), "login:", 1.0)
    assert type(caught.value) is raised
    with pytest.raises(Problem) as caught, arrivals.at_work(["green"]):
        raise Problem("its disk does not answer")
    assert type(caught.value) is raised


def test_a_running_system_that_fails_at_its_work_has_failed(tmp_path: Path) -> None:
    lab = AskedLab(folder=tmp_path)
    lab.row = {"state": "running", "reason": ""}
    with pytest.raises(Problem) as caught, lost.Arrivals(lab).at_work(["green"]):
        raise Problem("its disk does not answer")
    assert type(caught.value) is Problem


@pytest.mark.parametrize(("raised", "times"), [(Problem, 1), (LabLost, 3)])
def test_the_demo_begins_again_only_when_the_lab_was_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: type[Problem], times: int
) -> None:
    begun = []

    def once(folder: Path) -> int:
        begun.append(folder)
        raise raised("it did not end")

    monkeypatch.setattr(demo, "once", once)
    with pytest.raises(raised):
        demo.main(tmp_path)
    assert len(begun) == times


# The real hooks, on a lab that is none
SUITE = """
from pathlib import Path

import pytest

import tests.lab.conftest as real
from tests.lab.conftest import *
from tests.lab.test_lost import FakeLab

real.HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def running_lab(tmp_path_factory):
    lab = FakeLab(folder=tmp_path_factory.mktemp("lab"))
    lab.restarts = 0

    def restart():
        lab.is_alive = True
        lab.restarts += 1

    lab.restart = restart
    return lab
"""
CHECKS = """
RUNS = []


def test_isolation(lab):
    RUNS.append("isolation")
    assert lab.restarts == 9, "it reads the neighbour's memory"


def test_once_lost(lab):
    RUNS.append("once")
    if lab.restarts == 0:
        lab.is_alive = False
        assert not "no answer"


def test_always_lost(lab):
    RUNS.append("always")
    lab.is_alive = False
    assert not "no answer"


def test_how_often():
    assert [RUNS.count(name) for name in ("isolation", "once", "always")] == [1, 2, 3]
"""


def test_only_what_was_lost_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SUITE)
    (tmp_path / "test_inner.py").write_text(CHECKS)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    words += ["--import-mode=importlib", "--rootdir", str(tmp_path), "-o", "markers=lab"]
    words.append(str(tmp_path))
    done = subprocess.run(words, capture_output=True, text=True, cwd=Path.cwd(), check=False)
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 1
    for words_ in ("1 failed", "1 lab lost", "2 passed", "3 rerun"):
        assert words_ in last, done.stdout
    assert "FAILED" in done.stdout and "it reads the neighbour's memory" in done.stdout
    assert "the lab was lost" in done.stdout and "because: QEMU has ended" in done.stdout
