"""Is a disk that somebody uses refused, whoever that is, and by the name of who uses it?"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.host import users as module
from septum.host.users import Exclusively, Node, nodes, processes_with

ADDRESS = "0000:01:00.0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("proc", "dev", "sys/class/block", "sys/class/drm", "sys/class/net"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def device(root: Path) -> Path:
    made = root / "sys/devices/pci0000:00" / ADDRESS
    made.mkdir(parents=True)
    return made


def add(root: Path, folder: Path, kind: str, numbers: str, node: str = "", *more: str) -> None:
    folder.mkdir(parents=True)
    (folder / "subsystem").symlink_to(root / "sys/class" / kind)
    (folder / "dev").write_text(f"{numbers}\n")
    (folder / "uevent").write_text(f"MAJOR=1\nDEVNAME={node or folder.name}\n")
    for name in more:
        (folder / name).write_text("1\n")


def disk(root: Path, device: Path) -> None:
    at = device / "ata1/block/sda"
    add(root, at, "block", "8:0")
    add(root, at / "sda1", "block", "8:1", "", "partition")


def test_what_somebody_might_have_opened(root: Path, device: Path) -> None:
    disk(root, device)
    add(root, device / "drm/card0", "drm", "226:0", "dri/card0")
    add(root, device / "usb1/input/input3/event3", "input", "13:67", "input/event3")
    add(root, device / "power/odd", "block", "9:9")
    broken = device / "drm/card1"
    broken.mkdir()
    (broken / "dev").write_text("226:1\n")
    assert sorted(nodes(str(device), str(root))) == [
        Node("block", "sda", os.makedev(8, 0)),
        Node("block", "sda1", os.makedev(8, 1), True),
        Node("drm", "dri/card0", os.makedev(226, 0)),
    ]


def test_a_namespace_of_several_paths_stands_elsewhere(root: Path, device: Path) -> None:
    head = root / "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1"
    add(root, head, "block", "259:0")
    (root / "sys/class/block/nvme0n1").symlink_to(head)
    (device / "nvme/nvme0/nvme0c0n1").mkdir(parents=True)
    assert nodes(str(device), str(root)) == [Node("block", "nvme0n1", os.makedev(259, 0))]


class Kernel:
    """What opening a disk exclusively gives: an error for each, for so many times."""

    def __init__(self) -> None:
        self.refuses: dict[str, tuple[int, int]] = {}
        self.opened: list[str] = []

    def open(self, path: str) -> int:
        name = os.path.basename(path)
        number, times = self.refuses.get(name, (0, 0))
        if times:
            self.refuses[name] = (number, times - 1)
            raise OSError(number, "refused")
        self.opened.append(name)
        return os.open(os.devnull, os.O_RDONLY)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    kernel = Kernel()
    monkeypatch.setattr(module, "_opened", kernel.open)
    before = len(os.listdir("/proc/self/fd"))
    yield kernel
    assert len(os.listdir("/proc/self/fd")) == before, "nothing stays open"


ALWAYS = 1_000_000


def test_a_disk_in_use_is_refused(root: Path, device: Path, kernel: Kernel) -> None:
    disk(root, device)
    kernel.refuses["sda"] = (errno.EBUSY, ALWAYS)
    with (
        pytest.raises(HostProblem) as told,
        Exclusively(ADDRESS, str(device), str(root), patience=0),
    ):
        pass
    assert "/dev/sda" in told.value.because and "mounted" in told.value.because
    assert "umount" in told.value.remedy


def test_a_free_one_is_held_whole(root: Path, device: Path, kernel: Kernel) -> None:
    """To hold a partition too would be refused: the disk is held already, by another file."""
    disk(root, device)
    with Exclusively(ADDRESS, str(device), str(root), patience=0):
        assert kernel.opened == ["sda"]


def test_udev_looks_for_a_moment_only(root: Path, device: Path, kernel: Kernel) -> None:
    disk(root, device)
    kernel.refuses["sda"] = (errno.EBUSY, 2)
    with Exclusively(ADDRESS, str(device), str(root)):
        assert kernel.opened == ["sda"]


@pytest.mark.parametrize("number", [errno.ENOMEDIUM, errno.ENOENT, errno.ENXIO])
def test_a_drive_without_a_medium_is_nobodys(
    root: Path, device: Path, kernel: Kernel, number: int
) -> None:
    disk(root, device)
    kernel.refuses["sda"] = (number, ALWAYS)
    with Exclusively(ADDRESS, str(device), str(root), patience=0):
        pass


def test_what_cannot_be_looked_at_is_not_taken(root: Path, device: Path, kernel: Kernel) -> None:
    disk(root, device)
    add(root, device / "ata2/block/sdb", "block", "8:16")
    kernel.refuses["sdb"] = (errno.EACCES, ALWAYS)
    with (
        pytest.raises(HostProblem, match="cannot look at"),
        Exclusively(ADDRESS, str(device), str(root), patience=0),
    ):
        pass


def test_a_raw_user_is_told_by_name(root: Path, device: Path, kernel: Kernel) -> None:
    """One that does not ask for the disk alone, as most do, is not in Linux's way."""
    null = os.stat(os.devnull).st_rdev  # plays a device that any user can have open
    add(root, device / "nvme/nvme0/ng0n1", "nvme-generic", f"{os.major(null)}:{os.minor(null)}")
    process = root / "proc/812"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("qemu-system-x86\n")
    (process / "fd/7").symlink_to(os.devnull)
    (process / "fd/8").symlink_to("/nowhere")
    with (
        pytest.raises(HostProblem) as told,
        Exclusively(ADDRESS, str(device), str(root), patience=0),
    ):
        pass
    assert "qemu-system-x86 (process 812)" in told.value.because
    (process / "fd/7").unlink()
    with Exclusively(ADDRESS, str(device), str(root), patience=0):
        pass


def test_who_has_opened_a_device_of_this_computer() -> None:
    zero = {(False, os.stat("/dev/zero").st_rdev)}
    words = "import sys; f = open('/dev/zero'); print(1, flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdout.readline()
    told = processes_with(zero)
    assert any(f"(process {child.pid})" in one for one in told)
    child.communicate()
    assert not any(f"(process {child.pid})" in one for one in processes_with(zero))
    with open("/dev/zero"):
        assert not any(f"(process {os.getpid()})" in one for one in processes_with(zero))
