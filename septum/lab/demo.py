"""Does the main job work? Two operating systems at work on one computer, and a report of it."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from septum.errors import LabLost, Problem
from septum.lab import attempts, judges, lost, report, typed
from septum.lab.installed import CHECKOUT
from septum.lab.progress import Progress
from septum.lab.run import Lab
from septum.lab.story import told
from septum.lab.terminal import Terminal

FOLDER = Path("build/demo")
TABLE = CHECKOUT / "examples" / "two-systems.toml"
PLACE = "two-systems.toml"
PATIENCE = 150.0  # seconds for any one step; a busy machine needs a multiple of an idle one's
ATTEMPTS = 3

# What each system's console says first, once its first process runs
INIT_WORDS = {"blue": r"login:|root@blue:~#", "green": r"green: \S+ is up"}
PROMPTS = {"blue": r"root@blue:~# ", "green": r"root@green:/root# "}


def main(folder: Path = FOLDER) -> int:
    """Run the main job, print and write its report; 0 when all is right.

    A job whose lab was lost is begun again in a fresh one: QEMU's emulation of SVM loses nested
    guests at times. Nothing else is asked for twice: not a job that could not be finished, and
    not a report that is not as the table says.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return once(folder)
        except LabLost as problem:
            print(f"\n{problem}\n", file=sys.stderr)
            print(f"the lab was lost; once more in a fresh one ({attempt + 1} of {ATTEMPTS})")
    return once(folder)


def once(folder: Path) -> int:
    """The main job in a lab of its own; LabLost when nothing was learned of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder = folder.absolute()
    progress = Progress()
    began = time.monotonic()
    try:
        with Lab(folder=folder / "lab", progress=progress) as lab, lost.told_apart(lambda: lab):
            job = MainJob(lab, folder, progress)
            job.seconds["lab"] = time.monotonic() - began
            found = job.run()
    except Problem:
        print(f"every console's log is in {folder}, the lab's in {folder / 'lab'}", file=sys.stderr)
        raise
    found["seconds"]["total"] = time.monotonic() - began
    return finish(found, job.promised, folder)


def finish(found: dict[str, Any], promised: dict[str, report.Promise], folder: Path) -> int:
    """Judge, print and keep the report; 0 when all is as the table says, else 1."""
    failed = judges.failures(found, promised)
    found = {"sound": not failed, "failures": [str(one) for one in failed], **found}
    path = folder / "report.json"
    path.write_text(report.written(found))
    print(told(found, promised))
    print(f"\nreport: {path}")
    for one in failed:
        print(f"not as the table says: {one}", file=sys.stderr)
    if failed:
        print(f"every console's log is in {folder}", file=sys.stderr)
    return 1 if failed else 0


class MainJob:
    """One run of the job in a lab that runs already; its steps may be called one by one."""

    def __init__(self, lab: Lab, folder: Path, progress: Progress) -> None:
        self.lab = lab
        self.folder = folder
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.promised: dict[str, report.Promise] = {}
        self.terminals: dict[str, Terminal] = {}
        self.instances: dict[str, dict[str, Any]] = {}
        self.at_work: dict[str, tuple[float, float]] = {}
        self.threads: dict[str, str] = {}
        self.tried: dict[str, dict[str, Any]] = {}
        self.dma: dict[str, Any] = {}
        self.interrupts: list[dict[str, Any]] = []
        self.machine: dict[str, Any] = {}
        self.before: list[tuple[str, str]] = []
        self.ended: dict[str, str] = {}

    def run(self) -> dict[str, Any]:
        """All steps in order; what was found."""
        self.prepare()
        with ExitStack() as held:
            held.callback(self.detach)
            self.up()
            self.meet()
            self.work()
            self.reach_out()
            self.down()
        return self.found()

    def found(self) -> dict[str, Any]:
        """The report, without its verdict."""
        return {
            "instances": self.instances,
            "interrupt_table": self.interrupts,
            "at_the_same_time": self.overlap(),
            "attempts": self.tried,
            "dma": self.dma,
            "ended": self.ended,
            "given_back": self.given_back(),
            "seconds": self.seconds,
        }

    @contextmanager
    def step(self, name: str, what: str) -> Iterator[None]:
        """One step, said and measured."""
        started = time.monotonic()
        with self.progress.step(what):
            yield
        self.seconds[name] = time.monotonic() - started

    # ---- the steps

    def prepare(self) -> None:
        """What is here, can this host do it, and is the table sound?"""
        with self.step("check", "septum doctor, septum scan, septum check"):
            table = attempts.reaching_table(TABLE.read_text())
            self.lab.run(f"cat > {PLACE}", stdin=table.encode(), check=True)
            self.lab.run("modprobe -a kvm_amd vfio-pci", check=True)
            machine, table, doctor = self.together(
                lambda: self.asked("septum scan --json"),
                lambda: self.asked(f"septum check --json {PLACE}"),
                lambda: self.lab.run("septum doctor", check=True).stdout,
            )
        self.machine = machine["machine"]
        sizes = {name: path.stat().st_size for name, path in self.lab.files.items()}
        self.promised = report.promises(table, self.machine, self.lab.computer, sizes)
        self.before = self.host_state()
        self.arrivals = lost.Arrivals(self.lab)
        (self.folder / "doctor.txt").write_text(doctor)

    def up(self) -> None:
        """Start both; their consoles are attached before they say their first word."""
        with self.step("up", f"septum up {PLACE}"):
            up = self.lab.start_background(f"septum up {PLACE}", log="up.log")
            for name in self.promised:
                self.attach(name)
            code = up.wait(PATIENCE)
        if code != 0:
            raise Problem(
                "septum up failed",
                because=f"it ended with {code}: {up.text().strip()}",
                remedy=f"see {self.folder}",
            )

    def meet(self) -> None:
        """Wait for both systems, count their exits until then, and ask what they found."""
        with self.step("systems", "both systems start"):
            self.each(self.await_init)
        with self.arrivals.at_work(self.promised), self.step("facts", "both say what they find"):
            self.each(self.ask_facts)

    def work(self) -> None:
        """Both drive their devices at the same time; the interrupt table before and after."""
        with self.arrivals.at_work(self.promised):
            self._work()

    def _work(self) -> None:
        interrupts = self.shown("interrupts")
        with self.step("ethernet", "both ping through their own Ethernet cards"):
            before = self.shown("exits")
            self.each(self.ping)
            between = self.shown("exits")
        with self.step("scsi", "both write to their own disks and read back"):
            self.each(self.write_and_read)
            after = self.shown("exits")
        self.interrupts = report.interrupt_table(interrupts, self.shown("interrupts"))
        for name, said in self.instances.items():
            self.see_threads(name)
            said["on_processors"] = typed.threads(self.threads[name])
            said["exits"] |= report.exits(self.promised[name], before, between, after)

    def reach_out(self) -> None:
        """Each reaches for what is not its own, while the other works; then a device does."""
        for name in self.promised:
            with self.step(f"{name} tries", f"{name} reaches for what is not its own"):
                self.tried[name] = self.while_the_other_works(name, self.attempt)
        name = attempts.DMA_INSTANCE
        with self.step("dma", f"a device of {name}'s aims DMA beyond {name}'s memory"):
            self.dma = self.while_the_other_works(name, self.aim_dma)
        probes = self.shown("probes")
        for name, said in self.instances.items():
            said["concealed"] = report.concealed(probes, name)

    def down(self) -> None:
        """Green switches itself off; blue's power button is pressed, and its systemd hears it."""
        with self.step("down", "green powers itself off; septum down presses blue's button"):
            self.terminals["green"].type("poweroff -f")
            deadline = time.monotonic() + PATIENCE
            while not self.terminals["green"].has_ended and time.monotonic() < deadline:
                time.sleep(0.1)
            rows = self.asked(f"septum down --within {PATIENCE:.0f}s --json", 2 * PATIENCE)
        self.ended = {row["name"]: row["reason"] for row in rows}

    def attach(self, name: str) -> None:
        """Attach to a console, as soon as it is there."""
        self.terminals[name] = Terminal(self.lab, name, self.folder / f"{name}.log")

    def detach(self) -> None:
        for terminal in self.terminals.values():
            terminal.close()

    # ---- what one instance does

    def await_init(self, name: str) -> None:
        started = time.monotonic()
        self.arrivals.wait_for(self.terminals[name], INIT_WORDS[name], PATIENCE)
        self.seconds[f"{name} until init"] = time.monotonic() - started
        rows = self.shown("exits", name)
        self.instances[name] = {"exits": {"until_init": report.by_reason(rows, name)}}
        self.terminals[name].wait_for(PROMPTS[name], PATIENCE)
        self.seconds[f"{name} until its shell"] = time.monotonic() - started

    def ask_facts(self, name: str) -> None:
        terminal = self.terminals[name]
        terminal.quiet_shell(PATIENCE)
        found = report.facts(terminal.ask(typed.FACTS, PATIENCE).text)
        self.instances[name] = {**found, **self.instances[name]}
        self.instances[name]["lease"] = terminal.ask(typed.LEASE, PATIENCE).text
        self.see_threads(name)

    def ping(self, name: str) -> None:
        started = time.monotonic()
        answer = self.terminals[name].ask(typed.PINGS, PATIENCE, check=False)
        self.at_work[name] = (started, time.monotonic())
        lease = self.instances[name].pop("lease")
        self.instances[name]["ethernet"] = report.ethernet(f"{lease}\n{answer.text}")

    def write_and_read(self, name: str) -> None:
        answer = self.terminals[name].ask(typed.write_and_read(name), PATIENCE)
        self.at_work[name] = (self.at_work[name][0], time.monotonic())
        self.instances[name]["scsi"] = report.scsi(answer.text)

    # ---- what is not its own

    def attempt(self, name: str) -> dict[str, Any]:
        """What it tried by its processor, what that answered, and what the VMM recorded."""
        before = report.by_reason(self.shown("exits", name), name, "answered by")
        tried = attempts.by_processor(self.terminals[name], self.promised[name], PATIENCE)
        after = report.by_reason(self.shown("exits", name), name, "answered by")
        return {"tried": tried, "recorded": attempts.recorded(before, after)}

    def aim_dma(self, name: str) -> dict[str, Any]:
        """What its controller tried, and what the host's IOMMU refused."""
        mine = attempts.controller_of(self.promised[name], self.machine)
        scratch, aims = typed.SCRATCH[name], attempts.aims(self.promised)
        done = attempts.by_device(self.terminals[name], mine, aims, scratch, PATIENCE)
        return {"instance": name, **done, "faults": report.dma_faults(self.complaints())}

    def while_the_other_works(
        self, name: str, does: Callable[[str], dict[str, Any]]
    ) -> dict[str, Any]:
        """What one does, and beside it how the other one's work went on."""
        (other,) = self.promised.keys() - {name}
        command = attempts.bystanding(typed.SCRATCH[other])
        done, text = self.together(
            lambda: does(name), lambda: self.terminals[other].ask(command, PATIENCE).text
        )
        return {**done, "neighbour": attempts.neighbour(text)}

    # ---- what the lab's host says

    def shown(self, subject: str, name: str = "") -> list[dict[str, Any]]:
        """The rows of septum show."""
        rows: list[dict[str, Any]] = self.asked(f"septum show {subject} {name} --json")
        return rows

    def asked(self, command: str, timeout: float = PATIENCE) -> Any:
        """A command's answer in JSON."""
        return json.loads(self.lab.run(command, timeout=timeout, check=True).stdout)

    def see_threads(self, name: str) -> None:
        """Where its processors' threads are now; all such looks are kept."""
        (pid,) = [row["pid"] for row in self.asked("septum ps --json") if row["name"] == name]
        said = self.lab.run(typed.THREADS.format(pid=pid), check=True).stdout
        self.threads[name] = self.threads.get(name, "") + said

    def host_state(self) -> list[tuple[str, str]]:
        """Drivers, huge pages, claims and the kernel's complaints."""
        functions = " ".join(at for one in self.promised.values() for at in one.functions)
        asked = typed.HOST_STATE.format(functions=functions, complaints=typed.COMPLAINTS)
        said = self.lab.run(asked).stdout
        return list(report.lines_of(said))

    def complaints(self) -> list[str]:
        """What the host's kernel has complained of since the job began."""
        return [
            value
            for key, value in self.host_state()
            if key == "fault" and (key, value) not in self.before
        ]

    def given_back(self) -> dict[str, Any]:
        """What was taken, as it was and as it is now."""
        return report.given_back(self.before, self.host_state(), self.dma["faults"])

    def overlap(self) -> float:
        """Seconds during which both were at work."""
        last_begin = max(begin for begin, _ in self.at_work.values())
        return max(0.0, min(end for _, end in self.at_work.values()) - last_begin)

    # ---- both at once

    def each(self, what: Callable[[str], None]) -> None:
        """Do it with each instance, all at the same time."""
        self.together(*[lambda name=name: what(name) for name in self.promised])

    @staticmethod
    def together(*tasks: Callable[[], Any]) -> Sequence[Any]:
        """Their answers; the first problem is raised when all have ended."""
        with ThreadPoolExecutor(len(tasks)) as pool:
            return [future.result() for future in [pool.submit(task) for task in tasks]]
