"""Does anybody use what Linux made of a function, at this very moment?

What sysfs shows (machine/needs.py) cannot tell who has opened a disk: a virtual machine, a
database, a formatting tool. So this is looked at last, just before the function is taken, and
disks are held exclusively until they are gone: nobody mounts one in between. open(2), O_EXCL
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from typing import NamedTuple

from septum.errors import HostProblem, explained

# Classes of devices whose users lose something, or keep the driver from letting go. Not keyboards
# or sound cards: those are unplugged all the time, and programs cope.
_CLASSES = ("block", "drm", "tty", "nvme", "nvme-generic", "scsi_generic", "infiniband_verbs")
_PRUNED = ("power", "msi_irqs", "net", "hwmon", "queue", "mq", "trace", "integrity")
# One path to a namespace of several, hidden: the namespace is "nvme0n1". Linux, nvme/multipath.c
_NVME_PATH = re.compile(r"nvme(\d+)c\d+n(\d+)")
_PATIENCE = 3.0  # seconds; udev looks into a new disk for a moment
_PAUSE = 0.05  # seconds
_PROCESSES_TOLD = 3


class Node(NamedTuple):
    """One device that Linux made of a function."""

    kind: str  # its class
    name: str  # "nvme0n1": below /dev
    number: int  # as stat(2) has it in st_rdev
    is_partition: bool = False

    @property
    def is_disk(self) -> bool:
        return self.kind == "block"


def nodes(device: str, root: str = "/") -> list[Node]:
    """The devices below a function's folder that somebody might have opened."""
    found: list[Node] = []
    ahead = [device]
    while ahead:
        folder = ahead.pop()
        has_number = False
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                path = _NVME_PATH.fullmatch(entry.name)
                if path:
                    head = os.path.join(root, f"sys/class/block/nvme{path[1]}n{path[2]}")
                    ahead.append(os.path.realpath(head))
                if entry.name not in _PRUNED:
                    ahead.append(entry.path)
            has_number |= entry.name == "dev"
        node = _node(folder) if has_number else None
        if node is not None and node not in found:
            found.append(node)
    return found


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # it was just removed, or is none


def _node(folder: str) -> Node | None:
    try:
        kind = os.path.basename(os.readlink(os.path.join(folder, "subsystem")))
        with open(os.path.join(folder, "dev"), encoding="ascii") as file:
            major, _, minor = file.read().strip().partition(":")
        name = os.path.basename(folder)
        with open(os.path.join(folder, "uevent"), encoding="utf-8") as file:
            for line in file:
                if line.startswith("DEVNAME="):
                    name = line.strip().partition("=")[2]
        number = os.makedev(int(major), int(minor))
    except (OSError, ValueError):
        return None  # it was just removed
    is_partition = os.path.exists(os.path.join(folder, "partition"))
    return Node(kind, name, number, is_partition) if kind in _CLASSES else None


def processes_with(numbers: set[tuple[bool, int]], root: str = "/") -> list[str]:
    """Who has opened one of these devices (whether a block device; its number), in words."""
    found = []
    folder = os.path.join(root, "proc")
    for process in sorted((name for name in os.listdir(folder) if name.isdecimal()), key=int):
        if int(process) != os.getpid() and _has_one(os.path.join(folder, process, "fd"), numbers):
            found.append(f"{_name(os.path.join(folder, process))} (process {process})")
    return found


def _has_one(folder: str, numbers: set[tuple[bool, int]]) -> bool:
    try:
        files = os.listdir(folder)
    except OSError:
        return False  # it has ended
    for name in files:
        try:
            about = os.stat(os.path.join(folder, name))
        except OSError:
            continue
        is_disk = stat.S_ISBLK(about.st_mode)
        if (is_disk or stat.S_ISCHR(about.st_mode)) and (is_disk, about.st_rdev) in numbers:
            return True
    return False


def _name(process: str) -> str:
    try:
        with open(os.path.join(process, "comm"), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "a process that has ended"


class Exclusively:
    """A with block in which nobody else begins to use a function's disks.

    HostProblem when somebody uses one of its devices, and goes on with it for a while.
    """

    def __init__(
        self, address: str, device: str, root: str = "/", patience: float = _PATIENCE
    ) -> None:
        self.address = address
        self.device = device
        self.root = root
        self.patience = patience
        self._held: list[int] = []

    def __enter__(self) -> None:
        end = time.monotonic() + self.patience
        found = nodes(self.device, self.root)
        while found:
            refused = self._hold(found)
            users = processes_with({(node.is_disk, node.number) for node in found}, self.root)
            if not refused and not users:
                return
            if time.monotonic() >= end:
                self._let_go()
                raise self._problem(found, refused, users)
            self._let_go()
            time.sleep(_PAUSE)

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def _hold(self, found: list[Node]) -> list[str]:
        """Open each disk exclusively; names of those that Linux refuses.

        A disk is refused when a partition of it is in use, and keeps its partitions from others.
        """
        refused = []
        for node in found:
            if not node.is_disk or node.is_partition:
                continue
            path = os.path.join(self.root, "dev", node.name)
            try:
                with explained(f"cannot look at {path}"):
                    self._held.append(_opened(path))
            except HostProblem as problem:
                cause = problem.__cause__
                number = cause.errno if isinstance(cause, OSError) else 0
                if number == errno.EBUSY:
                    refused.append(f"/dev/{node.name}")
                # A drive without a medium, or without a node in /dev, is nobody's.
                elif number not in (errno.ENOMEDIUM, errno.ENOENT, errno.ENXIO, errno.ENODEV):
                    self._let_go()
                    raise
        return refused

    def _let_go(self) -> None:
        while self._held:
            os.close(self._held.pop())

    def _problem(self, found: list[Node], refused: list[str], users: list[str]) -> HostProblem:
        what = ", ".join(refused) or ", ".join(f"/dev/{node.name}" for node in found)
        because = f"Linux uses {what}: it is mounted, swap space, or a part of something bigger"
        remedy = "umount, swapoff, vgchange -an, mdadm --stop or zpool export; see septum scan"
        if users:
            told = ", ".join(users[:_PROCESSES_TOLD])
            more = len(users) - _PROCESSES_TOLD
            told += f" and {more} more" if more > 0 else ""
            because = f"opened by {told}: {what}"
            remedy = "end that, or have it use another device"
        return HostProblem(
            f"cannot take {self.address} from Linux", because=because, remedy=remedy
        )


def _opened(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_EXCL | os.O_NONBLOCK | os.O_CLOEXEC)
