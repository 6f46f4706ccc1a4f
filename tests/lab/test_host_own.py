"""Does the lab host find its own disks and card, whatever Linux called them this time?"""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from septum.lab.computer import COMPUTERS, read_computer
from septum.lab.images import FILES

SERIAL, MAC = "host-nvme", "52:54:00:00:00:01"
OTHERS = {"nvme": ("zoo", 1), "another": ("host-nvme-2", 2)}  # serial, namespaces


def controller(sysfs: Path, number: int, serial: str, namespaces: int, *, paths: bool) -> None:
    """As Linux makes it; with `paths` as where a namespace may be reached by several."""
    folder = sysfs / f"class/nvme/nvme{number}"
    folder.mkdir(parents=True)
    (folder / "serial").write_text(f"{serial:20}\n")  # padded, NVMe 1.4, 5.15.2.2
    for identity in range(1, namespaces + 1):
        # Namespaces are counted as they are found, and that differs from their identity
        place = namespaces + 1 - identity
        name = f"nvme{number}c0n{place}" if paths else f"nvme{number}n{place}"
        (folder / name).mkdir()
        (folder / name / "nsid").write_text(f"{identity}\n")


def card(sysfs: Path, name: str, address: str) -> None:
    folder = sysfs / "class/net" / name
    folder.mkdir(parents=True)
    (folder / "address").write_text(f"{address}\n")


def own(sysfs: Path) -> list[str]:
    words = ["sh", str(FILES / "host-own"), str(sysfs), SERIAL, MAC]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()


@pytest.mark.parametrize("paths", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_in_whatever_order_they_were_found(
    tmp_path: Path, order: tuple[int, ...], paths: bool
) -> None:
    found = [(SERIAL, 2), *OTHERS.values()]
    for number, (serial, namespaces) in zip(order, found, strict=True):
        controller(tmp_path, number, serial, namespaces, paths=paths)
    for number, place in enumerate(order):
        card(tmp_path, f"eth{place}", f"52:54:00:00:00:0{number + 1}")
    card(tmp_path, "lo", "00:00:00:00:00:00")
    host = order[0]
    assert own(tmp_path) == [f"/dev/nvme{host}n2", f"/dev/nvme{host}n1", f"eth{host}"]


def test_it_waits_until_all_are_there(tmp_path: Path) -> None:
    assert not own(tmp_path)
    controller(tmp_path, 0, "zoo", 2, paths=False)
    card(tmp_path, "eth0", MAC)
    assert not own(tmp_path)
    controller(tmp_path, 1, SERIAL, 1, paths=False)
    assert not own(tmp_path)
    (tmp_path / "class/nvme/nvme1/nvme1n2").mkdir()
    assert not own(tmp_path)  # its nsid is not there yet
    (tmp_path / "class/nvme/nvme1/nvme1n2/nsid").write_text("2\n")
    assert own(tmp_path) == ["/dev/nvme1n1", "/dev/nvme1n2", "eth0"]


@pytest.mark.parametrize("path", sorted(COMPUTERS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_computer_has_what_is_looked_for(path: Path) -> None:
    functions = read_computer(path.stem).functions
    (disk,) = [one for one in functions if one.name == SERIAL]
    assert disk.device == "nvme" and disk.disks[:2] == ("host.ext4", "septum.ext4")
