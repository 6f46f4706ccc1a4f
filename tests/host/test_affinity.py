"""Do an owned function's interrupts go to its owner's processors, on a machine made of files?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from septum.host.affinity import Affinity

ADDRESS = "0000:01:00.0"


class Linux:
    """/proc/irq and one function of /sys below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.device = root / "sys/bus/pci/devices" / ADDRESS
        self.device.mkdir(parents=True)
        (self.device / "irq").write_text("17\n")

    def place(self, number: int) -> Path:
        return self.root / "proc/irq" / str(number) / "smp_affinity_list"

    def request(self, number: int, *actions: str) -> None:
        self.place(number).parent.mkdir(parents=True)
        self.set(number, "0-7")
        for action in actions:
            (self.place(number).parent / action).mkdir()

    def message(self, number: int) -> None:
        self.request(number, f"vfio-msix[0]({ADDRESS})")
        (self.device / "msi_irqs").mkdir(exist_ok=True)
        (self.device / "msi_irqs" / str(number)).write_text("msix\n")

    def where(self, number: int) -> str:
        return self.place(number).read_text().strip()

    def set(self, number: int, processors: str) -> None:
        self.place(number).write_text(f"{processors}\n")


@pytest.fixture
def linux(tmp_path: Path) -> Linux:
    return Linux(tmp_path)


@pytest.fixture
def affinity(linux: Linux) -> Affinity:
    return Affinity(ADDRESS, (5, 2), str(linux.root))


def test_messages_follow_as_they_are_connected(linux: Linux, affinity: Affinity) -> None:
    linux.message(40)
    assert affinity.follow() and linux.where(40) == "2,5"
    linux.message(41)
    assert affinity.follow() and linux.where(41) == linux.where(40) == "2,5"
    assert not affinity.follow()
    linux.set(40, "0-3")  # by irqbalance, or a number that came again as another interrupt
    assert affinity.follow() and linux.where(40) == "2,5"


@pytest.mark.parametrize("written", ["2-3,5", "5,2-3", "2,3,5"])
def test_a_list_has_many_forms(linux: Linux, written: str) -> None:
    linux.message(40)
    linux.set(40, written)
    assert not Affinity(ADDRESS, (2, 3, 5), str(linux.root)).follow()


def test_a_vector_nobody_listens_to_yet(linux: Linux, affinity: Affinity) -> None:
    """VFIO's first, when vectors are set up one by one: Linux shows it in /proc only later."""
    (linux.device / "msi_irqs").mkdir()
    (linux.device / "msi_irqs" / "40").write_text("msix\n")
    assert not affinity.follow() and not affinity.refused
    linux.request(40, f"vfio-msix[0]({ADDRESS})")
    assert affinity.follow() and linux.where(40) == "2,5"


def test_a_line_of_its_own_follows(linux: Linux, affinity: Affinity) -> None:
    linux.request(17, f"vfio-intx({ADDRESS})")
    assert affinity.follow() and linux.where(17) == "2,5"


@pytest.mark.parametrize("others", [("ahci",), ("vfio-intx(0000:02:00.0)",)])
def test_a_line_others_listen_to_stays(
    linux: Linux, affinity: Affinity, others: tuple[str, ...]
) -> None:
    linux.request(17, f"vfio-intx({ADDRESS})", *others)
    assert not affinity.follow() and linux.where(17) == "0-7"


def test_nothing_is_connected(linux: Linux, affinity: Affinity) -> None:
    assert not affinity.follow()
    linux.request(17, "ahci")
    assert not affinity.follow() and linux.where(17) == "0-7", "its former driver is back"
    (linux.device / "irq").write_text("0\n")
    assert not affinity.follow()
    assert not Affinity("0000:09:00.0", (1,), str(linux.root)).follow()


def test_what_linux_refuses_is_told(
    linux: Linux, affinity: Affinity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A managed interrupt, or somebody without the right: EIO, EACCES. It is not tried again."""
    for number in (40, 41, 42):
        linux.message(number)
    linux.set(42, "nonsense")
    plain, tries = os.write, [0]

    def write(file: int, text: bytes) -> Any:
        if os.readlink(f"/proc/self/fd/{file}").endswith("40/smp_affinity_list"):
            tries[0] += 1
            raise OSError(5, "Input/output error")
        return plain(file, text)

    monkeypatch.setattr(os, "write", write)
    for _ in range(2):
        affinity.follow()
    assert affinity.refused["40"] == "Input/output error" and tries == [1]
    assert "is not a list" in affinity.refused["42"]
    assert linux.where(41) == "2,5" and linux.where(40) == "0-7"
    (linux.device / "msi_irqs" / "40").unlink()
    affinity.follow()
    assert set(affinity.refused) == {"42"}
