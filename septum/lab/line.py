"""How is a command brought into the lab, and its answer out? By ssh, over one connection."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

LOST = 255
TIMED_OUT = 124


class Completed(NamedTuple):
    """How a command in the lab ended; code 124 when its time was over."""

    code: int
    stdout: str
    stderr: str

    @property
    def timed_out(self) -> bool:
        return self.code == TIMED_OUT


class Background:
    """A command that runs in the lab while we do other things. Its output goes to `log`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self.process.poll()

    def wait(self, timeout: float) -> int:
        """Its exit code; subprocess.TimeoutExpired when it takes longer (seconds)."""
        return self.process.wait(timeout)

    def text(self) -> str:
        """What it has printed until now."""
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """Close the line to it: with a terminal it gets a hang-up, as at a closed window."""
        self.process.terminate()
        self.process.wait()


class Line(NamedTuple):
    """Where the lab's ssh is, and what opens it. `sockets` is a folder with a short path."""

    port: int
    key: Path
    known_hosts: Path
    sockets: Path

    def words(self, *, terminal: bool = False) -> list[str]:
        """The ssh command that reaches the lab, without a command for it."""
        options = {
            "ControlMaster": "auto",
            "ControlPath": str(self.sockets / "ssh"),
            "ControlPersist": "yes",
            "HostKeyAlias": "septum-lab",
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": "20",
            "ServerAliveInterval": "20",
            "ServerAliveCountMax": "6",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        words = ["ssh", "-F", "/dev/null", "-i", str(self.key), "-p", str(self.port)]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        return [*words, "-t" if terminal else "-T", "root@127.0.0.1"]

    def ask(
        self, command: str, timeout: float, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command; code 255 when the line failed, or was silent for `timeout` seconds."""
        words = [*self.words(), command]
        # The connection that ssh leaves behind would hold a pipe open: files do not wait
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
            process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=out, stderr=error)
            try:
                process.communicate(stdin, timeout)
                code = process.returncode
            except subprocess.TimeoutExpired:
                code = LOST
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            out.seek(0)
            error.seek(0)
            return subprocess.CompletedProcess(words, code, out.read(), error.read())

    def hang_up(self) -> None:
        """Close the connection that is kept for the next command."""
        if (self.sockets / "ssh").exists():
            words = [*self.words(), "-O", "exit"]
            subprocess.run(words, capture_output=True, check=False)
