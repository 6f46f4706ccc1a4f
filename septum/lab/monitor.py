"""What does the lab's QEMU say when it is asked itself, and not the computer that it plays?

QEMU machine protocol: one JSON object a line, both ways.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from septum.errors import LabLost

SECONDS = 60.0  # for one answer; a busy machine needs some


def ask(monitor: Path, command: str, **arguments: object) -> Any:
    """What one command returns. LabLost: QEMU is gone, silent, or refuses."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(SECONDS)
            line.connect(str(monitor))
            stream = line.makefile("rwb")
            stream.readline()
            for question in ({"execute": "qmp_capabilities"}, _question(command, arguments)):
                stream.write(json.dumps(question).encode() + b"\n")
                stream.flush()
                answer = _answer(stream)
    except (OSError, ValueError) as error:
        raise LabLost(f"QEMU does not answer {command}", because=str(error)) from None
    if "error" in answer:
        raise LabLost(f"QEMU refuses {command}", because=str(answer["error"].get("desc")))
    return answer["return"]


def _question(command: str, arguments: dict[str, object]) -> dict[str, object]:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return {"execute": command, "arguments": named} if named else {"execute": command}


def _answer(stream: Any) -> dict[str, Any]:
    """The next line that is no event."""
    while True:
        said: dict[str, Any] = json.loads(stream.readline())
        if "event" not in said:
            return said


def copy_of_disk(monitor: Path, drive: str, path: Path) -> Path:
    """A file with a disk as it is now, with all that was written in this run.

    The file is made here: one that QEMU makes for a disk of a run's own layer goes with the layer.
    """
    disks = {disk["device"]: disk["inserted"] for disk in ask(monitor, "query-block")}
    with path.open("wb") as file:
        file.truncate(disks[drive]["image"]["virtual-size"])
    opened = {"driver": "file", "filename": str(path)}
    ask(monitor, "blockdev-add", driver="raw", node_name="copy", file=opened)
    ask(monitor, "blockdev-backup", device=drive, target="copy", sync="full", job_id="copying")
    end = time.monotonic() + SECONDS
    while ask(monitor, "query-block-jobs"):
        if time.monotonic() > end:
            raise LabLost(f"QEMU does not copy {drive}", because=f"{SECONDS:g} s were too few")
        time.sleep(0.1)
    ask(monitor, "blockdev-del", node_name="copy")
    return path
