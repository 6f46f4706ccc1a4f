"""How much of which processors does an instance get? Control groups of Linux (cgroup v2)."""

from __future__ import annotations

import errno
import os

from septum.errors import HostProblem, explained

DEFAULT_ROOT = "/sys/fs/cgroup"
PARENT = "septum"
CONTROLLERS = ("cpu", "cpuset")
LIMITING = ("memory", "pids")  # used where they are: a group without them is better than none
REMEDIES = {
    errno.EACCES: "run as root",
    errno.EROFS: "mount cgroup2 writable at /sys/fs/cgroup",
    errno.EBUSY: "a process is left in it: end it first",
}


def available(root: str = DEFAULT_ROOT) -> bool:
    """True when this computer has cgroup v2 with the processor controllers."""
    return set(CONTROLLERS) <= controllers(root)


def controllers(root: str) -> set[str]:
    """What this computer's groups can control; nothing where there is no cgroup v2."""
    try:
        with open(os.path.join(root, "cgroup.controllers"), encoding="ascii") as f:
            return set(f.read().split())
    except (FileNotFoundError, PermissionError):
        return set()


class ControlGroup:
    """/sys/fs/cgroup/septum/NAME for the length of a with block."""

    def __init__(
        self,
        name: str,
        *,
        weight: int,
        processors: tuple[int, ...],
        memory: int = 0,
        tasks: int = 0,
        root: str = DEFAULT_ROOT,
    ) -> None:
        self.root = root
        self.parent = os.path.join(root, PARENT)
        self.path = os.path.join(self.parent, name)
        self.weight = weight  # 1 to 10000, 100 is Linux's own default
        self.processors = processors
        self.memory = memory  # the most it may have, bytes; 0 no limit
        self.tasks = tasks  # processes and threads, the most; 0 no limit
        self.lacking: list[str] = []  # of LIMITING, after make()

    def __enter__(self) -> ControlGroup:
        self.make()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.remove()

    def make(self) -> None:
        """Make the group and set its limits; HostProblem, and no group left, when refused."""
        if not available(self.root):
            raise HostProblem(
                f"cannot weigh processors at {self.root}",
                because="cgroup v2 with the controllers cpu and cpuset is not there",
                remedy=f"mount -t cgroup2 none {self.root}",
            )
        try:
            with explained(f"cannot make the control group {self.path}", REMEDIES):
                os.makedirs(self.path, exist_ok=True)
                there = controllers(self.root)
                self.lacking = [name for name in LIMITING if name not in there]
                used = [name for name in (*CONTROLLERS, *LIMITING) if name in there]
                # A controller must be handed down by every group above before a file of it exists.
                for above in (self.root, self.parent):
                    write(above, "cgroup.subtree_control", " ".join(f"+{name}" for name in used))
                write(self.path, "cpu.weight", str(self.weight))
                write(self.path, "cpuset.cpus", ",".join(str(n) for n in self.processors))
                if self.memory and "memory" in there:
                    write(self.path, "memory.max", str(self.memory))
                if self.tasks and "pids" in there:
                    write(self.path, "pids.max", str(self.tasks))
        except HostProblem:
            self.remove()
            raise

    def take(self, process: int) -> None:
        """Move a process in, with all its threads."""
        with explained(f"cannot move process {process} to {self.path}", REMEDIES):
            write(self.path, "cgroup.procs", str(process))

    def remove(self) -> None:
        """Remove the group and, when it was the last, the one above; no error when gone."""
        for directory in (self.path, self.parent):
            try:
                os.rmdir(directory)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
                    raise


def write(directory: str, name: str, text: str) -> None:
    with open(os.path.join(directory, name), "w", encoding="ascii") as f:
        f.write(text)
