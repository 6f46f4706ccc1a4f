"""What is QEMU asked for by its monitor? QEMU Machine Protocol, docs/interop/qmp-spec.rst."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from septum.errors import Problem

PATIENCE = 10.0  # seconds for an answer
COPY_SECONDS = 120.0


def tell(monitor: Path, command: str, **arguments: object) -> str:
    """Give QEMU a command; its answer, as JSON, no event. A QEMU that has gone needs none."""
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(str(monitor))
            stream = line.makefile("rwb")
            stream.readline()
            answer = b""
            for name, given in (("qmp_capabilities", {}), (command, arguments)):
                asked = {"execute": name, "arguments": given}
                stream.write(json.dumps(asked).encode() + b"\n")
                stream.flush()
                answer = stream.readline()
                while b'"event"' in answer:
                    answer = stream.readline()
            return answer.decode()
    except OSError:
        return ""


def asked(monitor: Path, command: str, **arguments: object) -> Any:
    """What QEMU returns for a command; Problem when it refuses."""
    said = json.loads(tell(monitor, command, **arguments) or "{}")
    if "return" not in said:
        raise Problem(f"QEMU refuses {command}", because=str(said.get("error")))
    return said["return"]


def copy_disk(monitor: Path, drive: str, path: Path) -> None:
    """Copy a drive as it is now, as raw bytes, into a file. Problem when it takes too long."""
    drives = {one["device"]: one for one in asked(monitor, "query-block")}
    path.touch()
    os.truncate(path, drives[drive]["inserted"]["image"]["virtual-size"])
    # A target that drive-backup opens by itself is as temporary as the disk's snapshot
    file = {"driver": "file", "filename": str(path)}
    asked(monitor, "blockdev-add", **{"driver": "raw", "node-name": "copied", "file": file})
    how = {"device": drive, "target": "copied", "sync": "full", "job-id": "copy"}
    asked(monitor, "blockdev-backup", **how)
    deadline = time.monotonic() + COPY_SECONDS
    while asked(monitor, "query-block-jobs"):
        if time.monotonic() > deadline:
            raise Problem(f"{drive} is not copied within {COPY_SECONDS:.0f} s")
        time.sleep(0.1)
    asked(monitor, "blockdev-del", **{"node-name": "copied"})
