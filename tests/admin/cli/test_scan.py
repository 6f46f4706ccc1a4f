"""Does septum scan tell people and programs what is here and what can be divided?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from septum.admin.cli.main import main
from tests.captured import LAB, laptop, workstation


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_lab_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--machine", LAB]) == 0
    told = lines(capsys)
    assert "IOMMU       10 groups, with interrupt remapping" in told
    (nic,) = (line for line in told if "0000:01:00.0" in line and "e1000e" in line)
    assert nic.startswith("  0000:01:00.0")  # below its port
    assert nic.split()[1] == "yes"
    (disk,) = (line for line in told if line.startswith("0000:00:02.0"))
    assert disk.split()[1] == "no"
    note = disk.split()[2]
    (reason,) = (line for line in told if line.startswith(note))
    assert "root file system" in reason


def test_the_lab_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--json", "--machine", LAB]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["machine"]["functions"]) == len(told["division"]) == 12
    (answer,) = (row for row in told["division"] if row["address"] == "0000:00:03.0")
    assert answer["possible"] and answer["without_reset"]


def test_a_capture_of_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = str(tmp_path / "copy.tar.xz")
    assert main(["scan", "--machine", LAB, "--capture", copy]) == 0
    first = lines(capsys)
    assert f"captured in {copy}" in first
    assert main(["scan", "--machine", copy]) == 0
    assert lines(capsys) == first[: first.index(f"captured in {copy}") - 1]


@pytest.mark.parametrize("captured", [workstation, laptop])
def test_other_computers(
    captured: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from septum.machine.capture import pack
    from septum.machine.inventory import inventory

    files = captured()  # type: ignore[operator]
    machine = inventory(files)
    path = str(tmp_path / "machine.tar.gz")
    pack(files, path)
    assert main(["scan", "--machine", path]) == 0
    told = "\n".join(lines(capsys))
    assert all(str(function.address) in told for function in machine.functions)


def test_a_bad_capture_is_said_not_traced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "odd"
    odd.write_text("hello")
    assert main(["scan", "--machine", str(odd)]) == 1
    told = capsys.readouterr().err
    assert "cannot read the capture" in told and "try:" in told
