"""Does the main job find all in order? Every boot of it is here; test_report.py spoils one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from septum.engine.alpha.computer.description import load
from septum.engine.alpha.vmm.palcode.registers import Palcode
from septum.engine.alpha.vmm.view.host_bridge import HostBridge
from septum.interrupts.table import missing
from septum.lab.alpha import demo, files, report
from septum.lab.alpha.run import Run, run, sound
from septum.layouts import alpha as a
from septum.translation.leases import PROCESSOR, Lease
from septum.translation.physical import Memory
from septum.translation.verdict import Accept, Verdict
from septum.units import Span

ONE_HOSE = files.CHECKOUT / "examples" / "alpha-one-hose.toml"
TABLES = {"clipper": demo.TABLE, "one-hose": ONE_HOSE}


@pytest.fixture(scope="module", params=TABLES)
def finished(built: files.AlphaFiles, request: pytest.FixtureRequest) -> Run:
    """A run of each of the example tables."""
    table, machine = sound(TABLES[request.param])
    assert table.computer == request.param
    return run(table, machine)


@pytest.fixture(scope="module")
def reported(built: files.AlphaFiles, finished: Run) -> dict[str, Any]:
    return report.found(finished, demo.versions(built))


def test_everything_is_as_the_table_says(reported: dict[str, Any]) -> None:
    assert reported["failures"] == []
    assert reported["sound"]


def test_two_different_unmodified_kernels(
    reported: dict[str, Any], built: files.AlphaFiles
) -> None:
    assert built.blue.file.read_bytes() != built.green.file.read_bytes()
    said = [one["os"] for one in reported["instances"].values()]
    assert len(set(said)) == 2


def test_both_are_at_work_while_each_tries_the_other_s(finished: Run) -> None:
    """The lab sees to it: nobody leaves its I/O before the last attempt of anybody."""
    moments = [one.moments for one in finished.witnesses.values()]
    for mark in ("attempts begin", "attempts end"):
        assert all(
            other["io begins"].cycle < one[mark].cycle < other["io ends"].cycle
            for one in moments
            for other in moments
        )


def test_a_hose_is_found_as_hose_0(finished: Run) -> None:
    """[0048]: what it lists, and which of the computer's functions did its work."""
    for name, witness in finished.witnesses.items():
        listed = [line.split()[1] for line in witness.lines if line.startswith("pci ")]
        own = [f"0000:00:{one.machine.device:02x}.0" for one in finished.promised[name].functions]
        assert listed == [*own, "0000:00:07.0"]


def test_each_disk_holds_its_owner_s_label(finished: Run) -> None:
    for partition in finished.table.partitions:
        hose = finished.computer.hoses[partition.functions[0].domain]
        own = [hose.functions[8 * one.device] for one in partition.functions]
        (disk,) = [one.target.disk for one in own if hasattr(one, "target")]
        assert bytes(disk.content).startswith(f"septum disk of {partition.name}\0".encode())


def test_where_it_is_the_machine_s_address_it_is_accepted(reported: dict[str, Any]) -> None:
    """[0026], all four verdicts: blue's registers stand where the machine has them."""
    verdicts = {name: one["counts"]["verdict"] for name, one in reported["instances"].items()}
    assert verdicts["blue"].keys() == {"accept", "modify", "emulate", "reject"}
    assert verdicts["green"].keys() == {"modify", "emulate", "reject"}


def test_the_interrupt_table_is_the_patent_s(reported: dict[str, Any]) -> None:
    table = reported["interrupt_table"]
    assert missing(table) == []
    rows = [(row["request"], row["device"], row["handled_by"]) for row in table]
    assert [row[0] for row in rows[:5]] == [
        "NMI",
        "machine check",
        "timer",
        "interprocessor",
        "cycle counter",
    ]
    assert {row[2] for row in rows[:5]} == {"VMM"}
    assert [(row[1], row[2]) for row in rows if row[0] == "INTx A"] == [
        ("Ethernet 1", "blue"),
        ("Ethernet 2", "green"),
        ("SCSI 1", "blue"),
        ("SCSI 2", "green"),
    ]


def test_a_wall_with_a_hole_goes_red(
    built: files.AlphaFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counter-case: a VMM that accepts any address of memory is found out."""
    judge = Palcode.judge
    last = load("clipper").memory >> a.PAGE_SHIFT

    def leaky(pal: Palcode, page: int) -> tuple[Verdict, int | None]:
        verdict, machine = judge(pal, page)
        if machine is None and page < last:
            at = page << a.PAGE_SHIFT
            span = Span(at, a.PAGE_SIZE)
            pal.leases.grant(Lease(PROCESSOR, span, Memory(0), "memory", at))
            return Accept(), page
        return verdict, machine

    monkeypatch.setattr(Palcode, "judge", leaky)
    table, machine = sound(demo.TABLE)
    found = report.found(run(table, machine), demo.versions(built))
    wrong = {failure.partition(":")[0] for failure in found["failures"]}
    assert not found["sound"]
    for name in ("blue", "green"):
        assert {f"{name}.attempts", f"{name}.rejected.memory access"} <= wrong
    assert any("has something else there" in failure for failure in found["failures"])
    assert any("not its own" in failure for failure in found["failures"])


def test_windows_that_stay_open_go_red(
    built: files.AlphaFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another: a VMM that does not shut the windows of who has ended."""
    monkeypatch.setattr(HostBridge, "shut", lambda bridge: None)
    table, machine = sound(demo.TABLE)
    found = report.found(run(table, machine), demo.versions(built))
    wrong = {failure.partition(":")[0] for failure in found["failures"]}
    assert wrong == {"afterwards.windows_open", "afterwards.reached"}


def test_one_that_takes_too_long_goes_red(
    built: files.AlphaFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "LIMIT", 0.1)
    assert demo.main(tmp_path) == 1
    assert "seconds.total: it took more than" in capsys.readouterr().out


def test_the_whole_command(
    built: files.AlphaFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(tmp_path) == 0
    said = capsys.readouterr().out
    assert "Everything is as the table says" in said
    assert all(len(line) <= 100 for line in said.splitlines())
    assert (tmp_path / "report.json").stat().st_size > 1000
