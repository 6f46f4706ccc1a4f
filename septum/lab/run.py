"""How is a lab computer started, spoken to, and put away?

A command that fails in the lab is an answer (Completed.code). A lab that dies, or whose line
is cut, is LabLost: then nothing was learned.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from septum.errors import LabLost, Problem
from septum.lab import images, installed, monitor, packages
from septum.lab.arguments import Places, qemu_arguments
from septum.lab.computer import USUAL, Computer, Way, read_computer
from septum.lab.line import LOST, Background, Completed, Line
from septum.lab.progress import Progress
from septum.lab.qemu import lab_qemu

RUNS = Path("build/lab")
BOOTS = 3  # QEMU loses the timer of a processor in some: then there is nothing to wait for
BOOT_SECONDS = 120.0  # each; 15 on an idle machine
STOP_SECONDS = 10.0
LINK_SECONDS = 30.0
PANIC = b"Kernel panic"
TIMER_STOPPED = b"Possible timer handling issue on cpu="  # after 21 s without one tick
READY = b"septum-lab: ssh is ready"
PORT_TRIES = 5
STATE_FILE = "lab.json"
LAB_LOGS = "/var/log/septum"


class Lab:
    """A running lab computer; a context manager that starts it and puts it away.

    folder: where the logs of this run are kept (build/lab/N when not given).
    more_files: of disks that only this run's computer has, by the names in its file.
    """

    def __init__(
        self,
        computer: Computer | None = None,
        *,
        way: Way | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
        outlives_us: bool = False,
        more_files: Mapping[str, Path] | None = None,
    ) -> None:
        self.computer = computer or read_computer(USUAL)
        self.way = way or Way()
        self.folder = folder or new_run_folder()
        self.progress = progress or Progress()
        self.outlives_us = outlives_us
        self.more_files = more_files or {}
        self.process_id = 0
        self.port = 0
        self.qemu = Path()
        self.sockets = Path()
        self.files: dict[str, Path] = {}
        self.host_tree = Path()
        self.key = Path()
        self.known_hosts = Path()
        self.starts = 0
        self.boot_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    # -- starting ----------------------------------------------------------------------

    def __enter__(self) -> Lab:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Build what is missing, start QEMU, wait until ssh answers. Raises Problem, LabLost."""
        packages.install(self.progress)
        built = images.build(self.progress)
        disk = installed.septum_disk(built.host_tree, self.progress)
        self.key, self.known_hosts = built.key, built.known_hosts
        self.host_tree = built.host_tree
        self.folder.mkdir(parents=True, exist_ok=True)
        self.qemu = lab_qemu(self.progress)
        self.files = {**built.files, disk.name: disk, **self.more_files}
        with self.progress.step("starting the lab computer"):
            for _ in range(BOOTS - 1):
                try:
                    self._boot()
                    break
                except LabLost as problem:
                    self.progress.say(f"{problem.what}: once more")
                    self._put_aside()
            else:
                self._boot()
        if self.outlives_us:
            self._save()

    def restart(self) -> None:
        """Start a fresh computer in the place of a lost one, whose console is kept beside."""
        self._put_aside()
        self.start()

    def _put_aside(self) -> None:
        """End a lost computer; its console is kept."""
        self.kill()
        if self.console_log.exists():
            self.console_log.rename(self.folder / f"console.lost-{self.starts}.log")

    def _boot(self) -> None:
        self.starts += 1
        # A socket's path has to be short (108 bytes), and the run's folder need not be
        self.sockets = Path(tempfile.mkdtemp(prefix="septum-lab-"))
        started = time.monotonic()
        self._start_qemu(self.files)
        self._await_ssh()
        self.boot_seconds = time.monotonic() - started

    def _start_qemu(self, files: dict[str, Path]) -> None:
        errors = self.folder / "qemu.log"
        for _ in range(PORT_TRIES):
            self.port = free_port()
            arguments = qemu_arguments(self.computer, files, self._places(), self.way)
            words = [str(self.qemu), *arguments]
            (self.folder / "qemu.command").write_text(shlex.join(words) + "\n")
            if not self.outlives_us:
                # A killed test run must leave no QEMU behind
                words = ["setpriv", "--pdeathsig", "KILL", *words]
            with errors.open("wb") as file:
                self._process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self.process_id = self._process.pid
            while self._process.poll() is None:
                if self._places().monitor.exists():
                    return
                time.sleep(0.02)
            if "forwarding" not in errors.read_text(errors="replace"):
                break
        raise self._lost("QEMU did not start")

    def _places(self) -> Places:
        return Places(
            self.folder / "console.log",
            self.sockets / "monitor",
            self.folder / "qemu.pid",
            self.port,
        )

    def _await_ssh(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        asked_for = False
        while time.monotonic() < deadline:
            if not self.alive():
                raise self._lost("the lab computer stopped while it booted")
            said = self.console_log.read_bytes()
            if PANIC in said:
                raise self._lost("the lab computer's kernel gave up")
            if TIMER_STOPPED in said:
                raise self._lost("a processor of the lab computer has no timer any more")
            # Asking by the network would queue callers that the lab has to turn away later
            asked_for = asked_for or READY in said
            if asked_for and self._ask("true", timeout=LINK_SECONDS).code == 0:
                return
            time.sleep(0.05)
        raise self._lost(f"the lab computer did not answer within {BOOT_SECONDS:.0f} s")

    # -- speaking to it ----------------------------------------------------------------

    @property
    def console_log(self) -> Path:
        """What the lab computer itself writes on its serial port."""
        return self.folder / "console.log"

    def run(
        self,
        command: str | Sequence[str],
        *,
        timeout: float = 120.0,
        check: bool = False,
        stdin: bytes = b"",
    ) -> Completed:
        """Run a command in the lab (a string: by its shell) for at most `timeout` seconds.

        With check, a code other than 0 raises Problem. A dead lab raises LabLost.
        """
        text = command if isinstance(command, str) else shlex.join(command)
        limited = f"timeout --kill-after=5 {timeout:g} sh -c {shlex.quote(text)}"
        done = self._ask(limited, timeout=timeout + LINK_SECONDS, stdin=stdin)
        if done.code == LOST and not self.answers():
            raise self._lost(f"the line to the lab was cut during: {text}")
        if check and done.code != 0:
            because = f"it ended with {done.code}: {(done.stderr or done.stdout).strip()}"
            raise Problem(f"failed in the lab: {text}", because=because)
        return done

    def start_background(self, command: str, *, log: str, terminal: bool = False) -> Background:
        """Start a command in the lab; its output goes to the file `log` of the run's folder."""
        path = self.folder / log
        with path.open("wb") as file:
            process = subprocess.Popen(
                [*self.line.words(terminal=terminal), command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        return Background(process, path)

    def put(self, path: Path, place: str) -> None:
        """Copy a file into the lab."""
        mode = path.stat().st_mode & 0o777
        words = f"cat > {shlex.quote(place)} && chmod {mode:o} {shlex.quote(place)}"
        self.run(words, stdin=path.read_bytes(), check=True)

    def get(self, place: str, path: Path) -> None:
        """Copy a file out of the lab."""
        done = self.line.ask(f"cat {shlex.quote(place)}", LINK_SECONDS)
        if done.returncode != 0:
            self.run(f"test -r {shlex.quote(place)}", check=True)
        path.write_bytes(done.stdout)

    def copy_disk(self, drive: str, path: Path) -> None:
        """Copy one of its disks (NAME-UNIT of its computer's file) as it is now, as raw bytes."""
        monitor.copy_disk(self._places().monitor, drive, path)

    def answers(self) -> bool:
        """Whether the lab computer runs and its ssh answers."""
        return self.alive() and self._ask("true", timeout=LINK_SECONDS).code == 0

    def alive(self) -> bool:
        """Whether its QEMU runs."""
        if self._process is not None:
            return self._process.poll() is None
        try:
            name = Path(f"/proc/{self.process_id}/comm").read_text()
        except OSError:
            return False
        return self.process_id != 0 and name.startswith("qemu-system")

    @property
    def line(self) -> Line:
        """The way in."""
        return Line(self.port, self.key, self.known_hosts, self.sockets)

    def _ask(self, command: str, *, timeout: float, stdin: bytes = b"") -> Completed:
        done = self.line.ask(command, timeout, stdin)
        text = [stream.decode(errors="replace") for stream in (done.stdout, done.stderr)]
        return Completed(done.returncode, text[0], text[1])

    # -- putting it away ---------------------------------------------------------------

    def stop(self) -> None:
        """Keep the logs, then switch the computer off."""
        try:
            if self.alive():
                self.keep_logs()
                self.line.hang_up()
                monitor.tell(self._places().monitor, "quit")
                deadline = time.monotonic() + STOP_SECONDS
                while self.alive() and time.monotonic() < deadline:
                    time.sleep(0.02)
        finally:
            self.kill()

    def keep_logs(self) -> None:
        """Copy Septum's logs and the kernel's messages out of the lab into the run's folder."""
        (self.folder / "dmesg.log").write_bytes(self.line.ask("dmesg", LINK_SECONDS).stdout)
        found = f"tar -C {LAB_LOGS} -cf - . 2>/dev/null"
        content = self.line.ask(found, LINK_SECONDS).stdout
        if content:
            target = self.folder / "septum"
            target.mkdir(exist_ok=True)
            unpacked = ["tar", "-C", str(target), "--no-same-owner", "-xf", "-"]
            subprocess.run(unpacked, input=content, check=False)

    def kill(self) -> None:
        """End QEMU at once, by its process number, and remove its sockets."""
        if self.process_id and self.alive():
            os.kill(self.process_id, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        if self.sockets != Path():
            self.line.hang_up()
            shutil.rmtree(self.sockets, ignore_errors=True)
        (self.folder / STATE_FILE).unlink(missing_ok=True)

    def _lost(self, what: str) -> LabLost:
        last = ""
        for name in ("qemu.log", "console.log"):
            path = self.folder / name
            lines = path.read_text(errors="replace").splitlines()[-5:] if path.exists() else []
            last += "".join(f"\n           {name}: {line}" for line in lines)
        return LabLost(what, because=f"its last words:{last}", remedy=f"see {self.folder}")

    # -- finding it again --------------------------------------------------------------

    def _save(self) -> None:
        state = {
            "process_id": self.process_id,
            "port": self.port,
            "sockets": str(self.sockets),
            "key": str(self.key),
            "known_hosts": str(self.known_hosts),
            "computer": self.computer.name,
        }
        (self.folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n")

    @classmethod
    def attach(cls, folder: Path | None = None) -> Lab:
        """The lab that runs with its files in `folder`; without one, the one started last."""
        candidates = [folder] if folder else reversed(run_folders())
        for candidate in candidates:
            state = candidate / STATE_FILE
            if state.exists():
                lab = cls(folder=candidate)
                said = json.loads(state.read_text())
                lab.process_id, lab.port = said["process_id"], said["port"]
                lab.sockets = Path(said["sockets"])
                lab.key, lab.known_hosts = Path(said["key"]), Path(said["known_hosts"])
                if lab.alive():
                    return lab
        raise LabLost("no lab computer runs", remedy="python -m septum.lab start")


def run_folders() -> list[Path]:
    """The folders of all runs, oldest first."""
    folders = [path for path in RUNS.glob("*") if path.name.isdigit()]
    return sorted(folders, key=lambda path: int(path.name))


def new_run_folder() -> Path:
    """A folder of its own for one run: build/lab/1, 2, ..."""
    RUNS.mkdir(parents=True, exist_ok=True)
    before = run_folders()
    number = int(before[-1].name) if before else 0
    while True:
        number += 1
        folder = RUNS / str(number)
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder.absolute()


def free_port() -> int:
    """A TCP port nobody listens on now; another may still be quicker to take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
