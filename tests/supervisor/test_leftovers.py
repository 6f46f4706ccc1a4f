"""Does doctor say what instances left behind, without touching it?"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.host import processes
from septum.host.journal import Entry, Journal
from septum.host.processes import Process, this_process, write_process
from septum.host.runtime import RunDirectory
from septum.machine.readiness import Check
from septum.supervisor.leftovers import leftovers
from tests.supervisor.desk import BLUE_FUNCTION as BLUE
from tests.supervisor.desk import Desk, a_desk

DEAD = Process(4_000_000, 1)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_desk() as desk:
        desk.directory.make()
        yield desk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    device = tmp_path / "sys/bus/pci/devices" / BLUE
    device.mkdir(parents=True)
    (device / "driver_override").write_text("(null)\n")
    return tmp_path


def found(directory: RunDirectory, root: Path) -> dict[str, Check]:
    before = sorted(str(path) for path in Path(directory.root).rglob("*"))
    checks = {check.question: check for check in leftovers(directory, str(root))}
    assert sorted(str(path) for path in Path(directory.root).rglob("*")) == before
    assert not any(check.stops for check in checks.values())
    return checks


def test_nothing_is_left(desk: Desk, root: Path) -> None:
    checks = found(desk.directory, root)
    assert list(checks) == ["claims", "drivers", "supervisor", "instances"]
    assert {check.answer for check in checks.values()} == {"yes"}


def test_before_anything_ran(tmp_path: Path, root: Path) -> None:
    nowhere = RunDirectory(str(tmp_path / "none"), str(tmp_path / "log"))
    assert {check.answer for check in found(nowhere, root).values()} == {"yes"}


def test_a_driver_that_did_not_come_back(desk: Desk, root: Path) -> None:
    journal = Journal(desk.directory.claims)
    journal.write(Entry(BLUE, "e1000e", "", DEAD, "blue"))
    check = found(desk.directory, root)["claims"]
    assert check.answer == "no"
    assert f"{BLUE} of blue: e1000e had it, no driver has it" in check.found
    assert "septum ps" in check.remedy and "modprobe e1000e" in check.remedy
    journal.remove(BLUE)
    journal.write(Entry("0000:09:00.0", None, "", DEAD, "blue"))
    assert "is gone from this machine" in found(desk.directory, root)["claims"].found


def test_what_somebody_holds_is_no_leftover(desk: Desk, root: Path) -> None:
    Journal(desk.directory.claims).write(Entry(BLUE, "e1000e", "", this_process(), "blue"))
    (root / "sys/bus/pci/devices" / BLUE / "driver_override").write_text("vfio-pci\n")
    checks = found(desk.directory, root)
    assert checks["claims"].answer == checks["drivers"].answer == "yes"


def test_an_entry_that_cannot_be_read(desk: Desk, root: Path) -> None:
    Path(Journal(desk.directory.claims).path(BLUE)).write_text("{")
    check = found(desk.directory, root)["claims"]
    assert check.answer == "no" and "is damaged" in check.found and "rm " in check.remedy


def test_a_function_that_is_kept_from_its_driver(desk: Desk, root: Path) -> None:
    (root / "sys/bus/pci/devices" / BLUE / "driver_override").write_text("vfio-pci\n")
    check = found(desk.directory, root)["drivers"]
    assert check.answer == "poor" and BLUE in check.found and "driver_override" in check.remedy


def test_what_runs_is_no_leftover(desk: Desk, root: Path) -> None:
    desk.type("up", desk.table("claim", ""))
    checks = found(desk.directory, root)
    assert checks["supervisor"].found == "it runs"
    assert {check.answer for check in checks.values()} == {"yes"}


def test_an_instance_whose_supervisor_and_heir_are_no_more(desk: Desk, root: Path) -> None:
    desk.directory.make_instance("blue")
    child = subprocess.Popen(["sleep", "1000"])
    try:
        write_process(desk.directory.process_of("blue"), processes.process(child.pid))
        check = found(desk.directory, root)["instances"]
        assert check.answer == "no" and "without a supervisor: blue" in check.found
    finally:
        child.kill()
        child.wait()
    Path(desk.directory.control).touch()
    Journal(desk.directory.claims).write(Entry(BLUE, "e1000e", "", DEAD, "blue"))
    checks = found(desk.directory, root)
    assert checks["instances"].answer == "poor" and "blue" in checks["instances"].found
    assert "the supervisor's socket" in checks["instances"].found
    assert BLUE in checks["claims"].found
    desk.type("ps")
    assert {check.answer for check in found(desk.directory, root).values()} == {"yes"}


def test_one_that_runs_alone_is_no_leftover(desk: Desk, root: Path) -> None:
    desk.directory.make_instance("blue")
    write_process(desk.directory.alone_of("blue"), this_process())
    assert found(desk.directory, root)["instances"].answer == "yes"


def test_a_supervisor_that_does_not_answer(desk: Desk, root: Path) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    try:
        write_process(desk.directory.supervisor, processes.process(child.pid))
        check = found(desk.directory, root)["supervisor"]
        assert check.answer == "no" and f"kill {child.pid}" in check.remedy
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(desk.directory.control)
            listener.listen()
            assert found(desk.directory, root)["supervisor"].answer == "yes"
    finally:
        child.kill()
        child.wait()
