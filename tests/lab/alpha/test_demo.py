"""Does the main job find all in order, and does its report name what is not?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from septum.interrupts.table import missing
from septum.lab.alpha import demo, files, report
from septum.lab.alpha.run import Run, run, sound

Reported = tuple[dict[str, Any], dict[str, Any], dict[str, str]]


@pytest.fixture(scope="module")
def finished(built: files.AlphaFiles) -> Run:
    table, machine = sound(demo.TABLE)
    return run(table, machine)


@pytest.fixture(scope="module")
def reported(built: files.AlphaFiles, finished: Run) -> Reported:
    versions = {"blue": built.blue.version, "green": built.green.version}
    versions = {name: version.partition("-")[0] for name, version in versions.items()}
    promised = report.promises(finished, versions)
    return report.found(finished, promised, versions), promised, versions


def test_everything_is_as_the_table_says(reported: Reported) -> None:
    result, _, _ = reported
    assert result["failures"] == []
    assert result["sound"]


def test_two_different_unmodified_kernels(reported: Reported, built: files.AlphaFiles) -> None:
    assert built.blue.file.read_bytes() != built.green.file.read_bytes()
    said = [one["os"] for one in reported[0]["instances"].values()]
    assert len(set(said)) == 2


def test_they_are_at_work_at_the_same_time(reported: Reported) -> None:
    assert reported[0]["at_the_same_time"] > 0


def test_the_owner_of_hose_1_finds_hose_0(finished: Run) -> None:
    """[0048]: what it lists, and which of the computer's functions did its work."""
    lines = finished.witnesses["green"].lines
    listed = [line.split()[1] for line in lines if line.startswith("pci ")]
    assert listed and all(address.startswith("0000:") for address in listed)
    green = finished.table.partition("green")
    assert green is not None and all(address.domain == 1 for address in green.functions)


def test_each_disk_holds_its_owner_s_label_and_data(finished: Run) -> None:
    disks = {}
    for partition in finished.table.partitions:
        hose = finished.computer.hoses[partition.functions[0].domain]
        (disk,) = [one.target.disk for one in hose.functions.values() if hasattr(one, "target")]
        disks[partition.name] = bytes(disk.content)
        assert disks[partition.name].startswith(f"septum disk of {partition.name}\0".encode())
    assert disks["blue"][8192:] != disks["green"][8192:]
    assert any(disks["blue"][8192:]) and any(disks["green"][8192:])


def test_counts_of_every_kind(reported: Reported) -> None:
    counts = reported[0]["counts"]
    assert {"exit", "call", "verdict", "fill", "interrupt", "fault", "bus"} <= counts.keys()
    assert {"accept", "modify", "emulate", "reject"} & counts["verdict"].keys() >= {
        "modify",
        "emulate",
        "reject",
    }


def test_the_interrupt_table_is_the_patent_s(reported: Reported) -> None:
    table = reported[0]["interrupt_table"]
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


def _change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(result: dict[str, Any]) -> None:
        for key in path[:-1]:
            result = result[key]
        result[path[-1]] = to

    return change


BLUE = ("instances", "blue")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (_change(*BLUE, "os", to="Linux 5.10 alpha"), "blue.os"),
        (_change(*BLUE, "pci", to=[]), "blue.pci"),
        (_change(*BLUE, "memory_bytes", to=1 << 27), "blue.memory_bytes"),
        (_change(*BLUE, "memory_usable_bytes", to=0), "blue.memory_usable_bytes"),
        (_change(*BLUE, "processors", to=2), "blue.processors"),
        (_change(*BLUE, "ended", to="machine check"), "blue.ended"),
        (_change(*BLUE, "concealed", to=[]), "blue.concealed"),
        (_change(*BLUE, "ethernet", "pings_answered", to=7), "blue.ethernet.pings_answered"),
        (_change(*BLUE, "ethernet", "frame_bytes", to=0), "blue.ethernet.frame_bytes"),
        (_change(*BLUE, "wire", "sent", to=0), "blue.wire"),
        (_change(*BLUE, "scsi", "equal", to=False), "blue.scsi.equal"),
        (_change(*BLUE, "scsi", "bytes_read", to=0), "blue.scsi.bytes_read"),
        (_change(*BLUE, "disk", to="disk of green"), "blue.disk"),
        (_change(*BLUE, "fork", to="7 42 8128"), "blue.fork"),
        (_change(*BLUE, "slept", to=False), "blue.slept"),
        (_change(*BLUE, "faults", "privileged_call", to="exit 0"), "blue.faults.privileged_call"),
        (_change(*BLUE, "floating", to=[]), "blue.floating"),
        (_change(*BLUE, "counts", "verdict", to={}), "blue.counts.verdict"),
        (_change(*BLUE, "exits", "during_io", to={}), "blue.exits.during_io"),
        (_change("interrupt_table", to=[]), "interrupt_table"),
        (_change("interrupt_table", 5, "added", to=0), "interrupt_table"),
        (_change("interrupt_table", 5, "handled_by", to="green"), "interrupt_table"),
        (_change("at_the_same_time", to=0.0), "at_the_same_time"),
    ],
)
def test_a_wrong_line_is_named(reported: Reported, change: Any, line: str) -> None:
    result, promised, versions = reported
    wrong = copy.deepcopy(result)
    change(wrong)
    assert line in {failure.line for failure in report.failures(wrong, promised, versions)}


def test_somebody_else_s_function(reported: Reported) -> None:
    result, promised, versions = reported
    wrong = copy.deepcopy(result)
    wrong["instances"]["blue"]["pci"].append(
        {"address": "0001:00:01.0", "vendor:device": "1af4:1041", "class": "0200"}
    )
    (failure,) = report.failures(wrong, promised, versions)
    assert str(failure) == "blue.pci: it lists 0001:00:01.0, which is green's"


def test_the_whole_command(
    built: files.AlphaFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.main(tmp_path) == 0
    said = capsys.readouterr().out
    assert "Everything is as the table says" in said
    assert all(len(line) <= 100 for line in said.splitlines())
    assert (tmp_path / "report.json").stat().st_size > 1000
