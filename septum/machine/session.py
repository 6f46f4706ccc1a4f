"""From where is the administrator logged in?"""

from __future__ import annotations

import os
from collections.abc import Mapping

from septum.layouts import sysfs
from septum.machine.files import HostFiles
from septum.machine.processors import whole

_VARIABLES = ("SSH_CONNECTION", "XDG_SEAT")
_TERMINAL = 4  # tty_nr of /proc/PID/stat, counted after the name: proc_pid_stat(5)
_MOST_PARENTS = 32


def login_environment(files: HostFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """What tells where the login comes from; empty for a service, which nobody typed.

    SSH_CONNECTION: over the network. XDG_SEAT: somebody sits at the machine. TTY: a serial
    terminal. sudo keeps them from its command, so the parents are asked. Give it files of its
    own: what is read here belongs in no capture.
    """
    found = {name: environ[name] for name in _VARIABLES if name in environ}
    if not found:
        found = _from_parents(files)
    terminal = _serial_terminal(files)
    return {**found, "TTY": terminal} if terminal else found


def _from_parents(files: HostFiles) -> dict[str, str]:
    process = "self"
    for _ in range(_MOST_PARENTS):
        found = {}
        for item in files.read_bytes(f"/proc/{process}/environ", b"").split(b"\0"):
            name, _, value = item.decode("utf-8", "replace").partition("=")
            if name in _VARIABLES:
                found[name] = value
        if found:
            return found
        process = _parent(files.read_text(f"/proc/{process}/status", ""))
        if whole(process, 0) <= 0:
            break
    return {}


def _parent(status: str) -> str:
    for line in status.splitlines():
        if line.startswith("PPid:"):
            return line.partition(":")[2].strip()
    return ""


def _serial_terminal(files: HostFiles) -> str:
    """The serial port that is this process's terminal; "" when it is another kind of terminal."""
    words = files.read_text("/proc/self/stat", "").rpartition(")")[2].split()
    number = whole(words[_TERMINAL], 0) if len(words) > _TERMINAL else 0
    if number <= 0:
        return ""
    major, minor = os.major(number), os.minor(number)
    if major == sysfs.TERMINAL_MAJOR and minor < sysfs.FIRST_SERIAL_MINOR:
        return ""  # a virtual console: its keyboard is the seat's
    return files.read_link(f"/sys/dev/char/{major}:{minor}").rpartition("/")[2]
