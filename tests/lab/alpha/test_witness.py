"""Do the same kernel and init print the same here and on QEMU's Alpha computer?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from septum.lab.alpha import demo, files, packages, witness
from septum.lab.alpha.run import Run, command_line, run, sound
from septum.lab.progress import Progress
from septum.units import MiB

TASKS = "report,off"
# What another board has at other places, another clock counts otherwise, or chance decides
DIFFERENT = ("pci ", "ethernet ", "disk_label ", "scsi_", "disk_sectors ", "interrupts ")


def comparable(lines: list[str]) -> list[str]:
    said = [line.removeprefix("septum: ") for line in lines if line.startswith("septum: ")]
    kept = [line for line in said if not line.startswith(DIFFERENT)]
    return [re.sub(r"^(memory_kib) \d+", r"\1", line) for line in kept]


@pytest.fixture(scope="module")
def ours(built: files.AlphaFiles) -> Run:
    table, machine = sound(demo.TABLE)
    return run(table, machine, TASKS)


@pytest.mark.parametrize(("name", "net"), [("blue", 1), ("green", 2)])
def test_the_same_is_said(
    built: files.AlphaFiles, ours: Run, name: str, net: int, tmp_path: Path
) -> None:
    packages.witnesses(Progress())
    partition = ours.table.partition(name)
    assert partition is not None and partition.initrd is not None
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(16 * MiB)
    line = command_line(partition, TASKS)
    kernel, initrd = Path(partition.kernel), Path(partition.initrd)
    (seen,) = witness.watched([witness.arguments(kernel, initrd, disk, line, net)])
    here = [f"septum: {line}" for line in ours.witnesses[name].lines]
    assert comparable(here) == comparable(seen.lines)
    assert len(comparable(here)) > 25
