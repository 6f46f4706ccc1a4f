"""What do the same kernel and init do on QEMU's Alpha computer? Its console, and how long it took.

Its clipper board has the same chipset; its Ethernet and SCSI cards are virtio's too, behind the
board's IOMMU, so the same drivers of the same kernel drive them.
"""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from septum.errors import HostProblem

PROGRAM = "qemu-system-alpha"
LONGEST = 120.0  # seconds


class Seen(NamedTuple):
    """What one computer of QEMU's said, and when its init began (seconds from its start)."""

    lines: list[str]
    init_after: float


def arguments(kernel: Path, initrd: Path, disk: Path, command_line: str, net: int) -> list[str]:
    """QEMU's command; `net` is the third number of its Ethernet's addresses."""
    return [
        *(PROGRAM, "-M", "clipper", "-m", "64", "-nodefaults", "-nographic", "-serial", "stdio"),
        *("-no-reboot", "-kernel", str(kernel), "-initrd", str(initrd), "-append", command_line),
        *("-netdev", f"user,id=n,net=10.0.{net}.0/24,host=10.0.{net}.254,restrict=on"),
        *("-device", "virtio-net-pci,netdev=n,disable-legacy=on,iommu_platform=on,addr=4"),
        *("-device", "virtio-scsi-pci,id=s,disable-legacy=on,iommu_platform=on,addr=5"),
        *("-drive", f"file={disk},format=raw,if=none,id=d,cache=unsafe"),
        *("-device", "scsi-hd,drive=d,bus=s.0"),
    ]


def watched(commands: list[list[str]]) -> list[Seen]:
    """Start these at the same time and read them to their ends. HostProblem: one did not end."""
    watchers = [_Watcher(command) for command in commands]
    for watcher in watchers:
        watcher.join(LONGEST)
    for watcher in watchers:
        watcher.end()
    late = [watcher for watcher in watchers if not watcher.is_whole]
    if late:
        said = " | ".join(late[0].lines[-3:])
        raise HostProblem("QEMU's Alpha computer did not reach its end", because=said)
    return [Seen(watcher.lines, watcher.init_after) for watcher in watchers]


class _Watcher(threading.Thread):
    """Reads one QEMU's console."""

    def __init__(self, command: list[str]) -> None:
        super().__init__(daemon=True)
        self.lines: list[str] = []
        self.init_after = 0.0
        self.is_whole = False
        self.began = time.perf_counter()
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except FileNotFoundError:
            raise HostProblem(
                f"there is no {command[0]}", remedy="install qemu-system-misc"
            ) from None
        self.start()

    def run(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").strip()
            if line == "septum: init" and not self.init_after:
                self.init_after = time.perf_counter() - self.began
            self.lines.append(line)
        self.is_whole = bool(self.init_after)

    def end(self) -> None:
        if self.is_alive():  # it still reads: QEMU has not closed its console
            self.process.kill()
            self.is_whole = False
        self.process.wait()
        if self.process.stdout is not None:
            self.join(1.0)
            self.process.stdout.close()
