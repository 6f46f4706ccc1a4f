"""Does systemd run this computer, and what is it asked for? A service, word that it is ready, and
that the computer stays awake.

systemd.service(5), sd_notify(3), systemd-inhibit(1), systemd.resource-control(5) on delegation.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from septum.errors import HostProblem, explained
from septum.host import cgroups, unit_files

if TYPE_CHECKING:
    import subprocess

IS_BOOTED = "/run/systemd/system"  # exists where systemd is the first process: sd_booted(3)
BUS = "/run/dbus/system_bus_socket"  # on which logind is asked
OWN_GROUP = "/proc/self/cgroup"
UNIFIED = "0::"  # how the line of cgroup v2 begins: cgroups(7)
DELEGATED = "trusted.delegate"  # an attribute of a group that systemd leaves to its service
LEAF = "supervisor"
WHY = "instances own devices of this computer: septum down first"


def runs() -> bool:
    """True where systemd is the computer's first process, and we may ask it for a service."""
    return os.geteuid() == 0 and os.path.isdir(IS_BOOTED)


def begin_service(program: list[str], within: float) -> None:
    """Have systemd start the supervisor's service, and wait until that is ready.

    Its unit file counts, where there is one; else the service is made of the one that would be
    installed. HostProblem: it did not start.
    """
    start = ["systemctl", "start", unit_files.SERVICE]
    if not any(map(os.path.exists, unit_files.places(unit_files.SERVICE))):
        transient = ["systemd-run", "--quiet", "--collect", f"--unit={unit_files.SERVICE}"]
        if not asked([*transient, *unit_files.transient(program, within)]):
            return
        # Somebody may have been quicker: then this waits until that service is ready
    if because := asked(start):
        raise HostProblem(
            f"systemd does not start {unit_files.SERVICE}",
            because=because,
            remedy=f"systemctl status {unit_files.SERVICE}",
        )


def asked(words: list[str]) -> str:
    """Run a command of systemd; "" when it did what it was asked, else what it said."""
    import subprocess

    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return f"there is no {words[0]}"
    said = done.stderr.strip() or f"{words[0]} ended with {done.returncode}"
    return said if done.returncode else ""


def say_ready() -> None:
    """Tell systemd, if that started this process, that its service can be asked now."""
    import socket

    address = os.environ.pop("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract name: unix(7)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as word:
        word.sendto(b"READY=1\n", address)


def own_groups(root: str = cgroups.DEFAULT_ROOT, said: str = OWN_GROUP) -> str:
    """Where this process may make control groups: below its own, where systemd left it that.

    It then stands in a leaf of that itself: a group that hands controllers down has no processes
    of its own (cgroups(7), the "no internal processes" rule). HostProblem: it may not.
    """
    with open(said, encoding="utf-8") as f:
        paths = [line[len(UNIFIED) :].strip() for line in f if line.startswith(UNIFIED)]
    own = root + paths[0] if paths else root
    if own.rstrip("/") == root or not is_delegated(own):
        return root
    leaf = os.path.join(own, LEAF)
    with explained(f"cannot make the control group {leaf}", cgroups.REMEDIES):
        os.makedirs(leaf, exist_ok=True)
        cgroups.write(leaf, "cgroup.procs", str(os.getpid()))
    return own


def is_delegated(group: str) -> bool:
    try:
        return os.getxattr(group, DELEGATED) == b"1"
    except OSError:
        return False


class Wakefulness:
    """A lock of logind's, so that this computer is not put to sleep.

    It is held by a process of systemd's for us, which ends when this one does, however that is:
    it reads what nobody writes.
    """

    def __init__(self) -> None:
        self.holder: subprocess.Popen[bytes] | None = None
        self.left: list[subprocess.Popen[bytes]] = []  # held the lock, and may not be gone yet

    def keep(self, is_needed: bool) -> None:
        """Take the lock, or return it. Without logind there is none to take, and no sleep."""
        self.left = [one for one in self.left if one.poll() is None]
        if is_needed and self.holder is None and os.path.exists(BUS):
            self.take()
        elif not is_needed and self.holder is not None:
            self.forget()
            self.left.append(self.holder)
            self.holder = None

    def take(self) -> None:
        import subprocess

        words = ["systemd-inhibit", "--what=sleep", "--mode=block", "--who=Septum", f"--why={WHY}"]
        try:
            self.holder = subprocess.Popen(
                [*words, "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            print(f"sleep is not inhibited: {error}", flush=True)

    def forget(self) -> None:
        """Close our end of it: to return the lock; in a forked process, to leave it to this one."""
        if self.holder is not None and self.holder.stdin is not None:
            self.holder.stdin.close()
