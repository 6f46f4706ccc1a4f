"""How do tests type commands? A desk: its own run directory, a table, false instances."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from septum.host import processes
from septum.host.journal import Journal
from septum.host.runtime import RunDirectory

ROOT = Path(__file__).parents[2]
BLUE_FUNCTION = "0000:01:00.0"  # blue's in the table below
LIMIT = 60.0  # seconds; generous, nothing waits this long when all is well

TABLE = """\
[machine]
platform = "pc"

[instances.blue]
kernel = "{kernel}"
command_line = "{blue}"
memory = "512M"
processors = {{ share = [0, 1], weight = 200 }}
functions = ["0000:01:00.0"]

[instances.green]
kernel = "{kernel}"
command_line = "{green}"
memory = "256M"
processors = {{ share = [0] }}
functions = ["0000:02:00.0"]
"""


def until(what: str, condition: Callable[[], Any]) -> Any:
    """Wait for something to become true; its value."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"never: {what}")


class Desk:
    """A directory of its own, and the commands typed there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = RunDirectory(str(root / "run"), str(root / "log"))
        self.groups = root / "groups"
        self.groups.mkdir()
        (root / "kernel").write_text("")
        self.environment = {
            **os.environ,
            "SEPTUM_RUN": self.directory.root,
            "SEPTUM_LOG": self.directory.logs,
            "SEPTUM_GROUPS": str(self.groups),
            "PYTHONPATH": str(ROOT),
        }

    def table(self, blue: str = "", green: str = "", keys: str = "") -> str:
        """Write a table whose instances do what these words say; its path. `keys` are blue's."""
        path = self.root / "two.toml"
        text = TABLE.format(kernel=self.root / "kernel", blue=blue, green=green)
        path.write_text(text.replace("[instances.green]", f"{keys}\n\n[instances.green]"))
        return str(path)

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.supervisor.fakes", *words]
        environment = {**self.environment, **options.pop("environment", {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)

    def type(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **options)
        out, error = process.communicate(timeout=LIMIT)
        assert "Traceback" not in error, error
        return subprocess.CompletedProcess(words, process.returncode, out, error)

    def rows(self) -> dict[str, dict[str, Any]]:
        """What ps --json lists, by name."""
        return {row["name"]: row for row in json.loads(self.type("ps", "--json").stdout)}

    def claimed(self) -> list[str]:
        return [entry.address for entry in Journal(self.directory.claims).entries()]

    def supervisor(self) -> processes.Process | None:
        return processes.read_process(self.directory.supervisor)

    def is_tidy(self) -> bool:
        """True when nothing is left claimed, and no socket, directory or group of an instance."""
        return not (self.claimed() or self.directory.instances() or os.listdir(self.groups))


@contextmanager
def a_desk() -> Iterator[Desk]:
    """A desk in a short path (sockets need one); its processes end with it."""
    root = Path(tempfile.mkdtemp(prefix="septum-"))
    desk = Desk(root)
    try:
        yield desk
        log = root / "log" / "supervisor.log"
        assert not log.exists() or "Traceback" not in log.read_text(), log.read_text()
    finally:
        end_everything(desk)
        shutil.rmtree(root)


def end_everything(desk: Desk) -> None:
    supervisor = desk.supervisor()
    heir = processes.read_process(desk.directory.heir)
    left = [processes.read_process(desk.directory.process_of(n)) for n in instances(desk)]
    for process in (heir, supervisor, *left):
        if process is not None and process.is_alive:
            processes.tell(process, signal.SIGKILL)


def instances(desk: Desk) -> list[str]:
    return desk.directory.instances()
