"""Is a machine file read as it says, and what is wrong in one told by its key?"""

from __future__ import annotations

from pathlib import Path

import pytest

from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.computer.description import ETHERNET, SCSI, load, names, parse
from septum.errors import MachineProblem

CARD = """
slot = 1
device = "ethernet"
address = "02:00:00:00:01:01"
far_address = "02:00:00:00:01:fe"
far_ip = "10.0.1.254"
"""
SOUND = f'name = "x"\nmemory = "64M"\n[[hoses]]\n[[hoses.functions]]\n{CARD}'


def test_the_one_that_comes_with_it() -> None:
    clipper = load("clipper")
    assert "clipper" in names() and clipper.memory == 192 << 20 and clipper.processors == 1
    assert clipper.has_isa and [part.name for part in clipper.isa][:2] == ["serial0", "serial1"]
    for hose, slots in enumerate(((1, 2), (5, 3))):
        card, disk = (clipper.function(hose, slot) for slot in slots)
        assert card is not None and card.device == ETHERNET and card.far_ip[:2] == b"\x0a\0"
        assert disk is not None and disk.device == SCSI and disk.disk_size == (16, 24)[hose] << 20
    assert clipper.function(1, 7) is None and clipper.function(2, 1) is None


def test_every_one_that_comes_with_it_can_be_built() -> None:
    for name in names():
        assert Computer(load(name)).memory.size == load(name).memory


def test_a_file_by_its_path_and_its_disk_beside_it(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"d" * 1024)
    file = tmp_path / "mine.toml"
    file.write_text(SOUND.replace(CARD, 'slot = 3\ndevice = "scsi"\ndisk = "disk.img"\n'))
    mine = load(str(file))
    assert mine.hoses[0].functions[0].disk_file == str(tmp_path / "disk.img")
    assert not mine.has_isa and mine.isa == () and mine.latencies.disk == 20_000
    assert Computer(mine).hoses[0].functions[3 << 3].target.disk.blocks == 2  # type: ignore[attr-defined]


def test_a_disk_that_is_not_there(tmp_path: Path) -> None:
    disk = 'slot = 3\ndevice = "scsi"\ndisk = "none.img"\n'
    with pytest.raises(MachineProblem, match=r"none\.img cannot be opened"):
        Computer(parse(SOUND.replace(CARD, disk), str(tmp_path / "m.toml")))


@pytest.mark.parametrize(
    ("old", "new", "key", "because"),
    [
        ('name = "x"', "", "name", "missing"),
        ('name = "x"', "name = 3", "name", "3 is not a text"),
        ('"64M"', '"64Q"', "memory", "not a size"),
        ('"64M"', '"16M"', "memory", "from 32M to 2G"),
        ('"64M"', "67108865", "memory", "whole mebibytes"),
        ('"64M"', "true", "memory", "not a size"),
        ('"64M"', '"64M"\nprocessors = 3', "processors", "from 1 to 2"),
        ('"64M"', '"64M"\nprocesors = 2', "procesors", "not a known key"),
        ('"64M"', '"64M"\nfrequency = 1', "frequency", "1 is not a number"),
        ('"64M"', '"64M"\nisa = ["serial0"]', "isa", "no ISA bridge"),
        ('"64M"', '"64M"\nisa = ["floppy"]', "isa", "controllers"),
        ('"64M"', '"64M"\nlatencies = 5', "latencies", "a table is expected"),
        ('"64M"', '"64M"\n[latencies]\ndisk = 10', "latencies.disk", "from 1000"),
        ("[[hoses]]", "[[hoses]]\n[[hoses]]\n[[hoses]]", "hoses", "there are 3"),
        ("[[hoses]]", "[[hoses]]\nrequester_windows = 1", "hoses[0].requester_windows", "neither"),
        ("slot = 1", "slot = 7", "hoses[0].functions[0].slot", "from 1 to 6"),
        ("slot = 1", "slot = 0", "hoses[0].functions[0].slot", "from 1 to 6"),
        ("slot = 1", "", "hoses[0].functions[0].slot", "missing"),
        ('"ethernet"', '"modem"', "hoses[0].functions[0].device", '"modem"'),
        ('"ethernet"', '"scsi"', "hoses[0].functions[0].address", "not a known key"),
        ("02:00:00:00:01:01", "02:00", "hoses[0].functions[0].address", "is not an address"),
        ("02:00:00:00:01:01", "03:00:00:00:01:01", "hoses[0].functions[0].address", "group"),
        ("10.0.1.254", "10.0.1.256", "hoses[0].functions[0].far_ip", "is not an address"),
        (CARD, 'slot = 2\ndevice = "scsi"\ndisk = 700', "hoses[0].functions[0].disk", "sectors"),
        (CARD, 'slot = 2\ndevice = "scsi"\ndisk = ""', "hoses[0].functions[0].disk", "text"),
        (CARD, f"{CARD}\n[[hoses.functions]]\n{CARD}", "hoses[0].functions[1].slot", "has two"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(old: str, new: str, key: str, because: str) -> None:
    assert old in SOUND
    with pytest.raises(MachineProblem) as caught:
        parse(SOUND.replace(old, new, 1), "mine.toml")
    assert f"mine.toml: {key} is wrong" in str(caught.value)
    assert because in caught.value.because


def test_an_isa_bridge_stands_on_the_first_hose() -> None:
    bridge = '[[hoses.functions]]\nslot = 7\ndevice = "isa-bridge"\n'
    with pytest.raises(MachineProblem, match=r"hoses\[1\]\.functions\[0\]\.device"):
        parse(f"{SOUND}\n[[hoses]]\n{bridge}", "mine.toml")
    assert parse(f"{SOUND}\n{bridge}", "mine.toml").has_isa


def test_what_is_no_machine_file(tmp_path: Path) -> None:
    with pytest.raises(MachineProblem, match="no computer toaster"):
        load("toaster")
    with pytest.raises(MachineProblem, match="cannot be read"):
        load(str(tmp_path / "none.toml"))
    with pytest.raises(MachineProblem, match="cannot be read"):
        load(str(tmp_path) + "/")
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(MachineProblem, match="is not TOML"):
        load(str(tmp_path / "broken.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(MachineProblem, match="cannot be read"):
        load(str(tmp_path / "binary.toml"))


def test_the_others_that_come_with_it() -> None:
    assert load("two-processors").processors == 2
    (hose,) = load("one-hose").hoses
    assert hose.requester_windows and len(hose.functions) == 5
