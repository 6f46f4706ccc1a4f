"""From where is the administrator logged in?"""

from __future__ import annotations

from collections.abc import Mapping

from septum.machine.files import HostFiles
from septum.machine.processors import whole

_VARIABLE = "SSH_CONNECTION"
_MOST_PARENTS = 32


def login_environment(files: HostFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """SSH_CONNECTION of this process or the nearest parent that has it; empty at a console.

    sudo keeps it from its command, so the parents are asked. Give it files of its own: what
    is read here belongs in no capture.
    """
    if _VARIABLE in environ:
        return {_VARIABLE: environ[_VARIABLE]}
    process = "self"
    for _ in range(_MOST_PARENTS):
        for item in files.read_bytes(f"/proc/{process}/environ", b"").split(b"\0"):
            name, _, value = item.decode("utf-8", "replace").partition("=")
            if name == _VARIABLE:
                return {_VARIABLE: value}
        process = _parent(files.read_text(f"/proc/{process}/status", ""))
        if whole(process, 0) <= 0:
            break
    return {}


def _parent(status: str) -> str:
    for line in status.splitlines():
        if line.startswith("PPid:"):
            return line.partition(":")[2].strip()
    return ""
