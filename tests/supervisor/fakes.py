"""septum with instances that are not: no KVM, no devices, everything else as it is.

    python -m tests.supervisor.fakes up TABLE

An instance does what its kernel command line says, word by word:
    claim         write a journal entry for each function, as a claim would; never gives back
    wait=FILE     report a stage, then wait until the file is there
    fail          a Problem                 bug           an exception nobody expected
    crash         SIGKILL itself            powered-off   end by itself, at once
    deaf          ignore SIGTERM            reset=FILE    run, then reset once FILE is there
    resets        run, and reset at once    fault=FILE    the same, with a triple fault
    no-button     does not hear it
    says=KIND     report nonsense of a kind (NONSENSE) to its supervisor, then go on
    flood         report as much as it can for as long as it runs
    running       say already that it runs
At the end of the words it runs: its control socket answers, its console echoes, until "stop", or
until its power button is pressed.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from septum.admin.cli import main, tables
from septum.errors import GuestProblem, HostProblem
from septum.host import processes
from septum.host.channel import listen
from septum.host.journal import Entry, Journal
from septum.host.processes import Process
from septum.host.runtime import RunDirectory
from septum.machine.model import Machine
from septum.messages import Lines, Report, encode
from septum.partitions.draft import Draft
from septum.partitions.model import Partition
from septum.platforms import registry
from septum.platforms.pc import Pc
from septum.platforms.platform import Platform
from septum.state import Ending
from septum.supervisor.workplace import Workplace
from tests.machines import a_machine


def instance(
    partition: Partition,
    machine: Machine,
    directory: RunDirectory,
    report: Report,
    keeper: Process | None,
) -> Ending:
    """The life of a false instance."""
    reset_at, ending, hears = "", Ending("reset"), True
    for word in partition.command_line.split():
        verb, _, path = word.partition("=")
        if verb == "claim":
            for address in partition.functions:
                claim(Journal(directory.claims), str(address), partition.name, keeper, report)
        elif verb == "wait":
            report("stage", {"text": f"waiting for {os.path.basename(path)}"})
            wait_for(path)
        elif verb == "fail":
            raise GuestProblem("no kernel", because="it is not one", remedy="name a kernel")
        elif verb == "bug":
            raise ZeroDivisionError("nobody thought of this")
        elif verb == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        elif verb == "says":
            for packet in NONSENSE[path]:
                reports().send(packet)
        elif verb == "flood":
            threading.Thread(target=flood, args=(reports(),), daemon=True).start()
        elif verb == "running":
            report("state", {"state": "running"})
        elif verb == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif verb == "powered-off":
            report("state", {"state": "running"})
            return Ending("powered off")
        elif verb == "resets":
            report("state", {"state": "running"})
            return Ending("reset")
        elif verb == "no-button":
            hears = False
        elif verb in ("reset", "fault"):
            reset_at = path
            ending = Ending("reset" if verb == "reset" else "shut down (triple fault)")
    return running(partition.name, directory, report, reset_at, ending, hears)


def claim(
    journal: Journal, address: str, name: str, keeper: Process | None, report: Report
) -> None:
    """As host/claim.py does, without a device: take it, or take it over."""
    report("stage", {"text": f"claiming {address}"})
    standing = journal.read(address)
    if standing is not None and standing.is_held:
        assert not standing.holder.is_alive and (standing.instance, standing.keeper) == (
            name,
            keeper,
        )
        report("stage", {"text": f"taking {address} over"})
    journal.write(Entry(address, "e1000e", "", processes.this_process(), name, keeper))


def reports() -> socket.socket:
    """The socket that an instance's process reports over, as a hostile one would find it."""
    for number in processes.open_files():
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                found = socket.socket(fileno=os.dup(number))
                if found.type == socket.SOCK_SEQPACKET:
                    return found
    raise AssertionError("an instance reports over a socket")


def flood(stream: socket.socket) -> None:
    for number in itertools.count():
        select.select([], [stream], [])
        stream.send(encode({"event": "stage", "text": f"so it goes {number}"}))


NONSENSE: dict[str, list[bytes]] = {
    "bytes": [b"\xff\xfe\x00\n"],
    "no-object": [b"[1, 2]\n"],
    "deep": [b"[" * 60_000 + b"\n"],
    "unknown": [b'{"event": "dance"}\n'],
    "types": [b'{"event": "ending", "reason": {"a": 1}, "detail": NaN}\n'],
    "missing": [b'{"event": "ending"}\n'],
    "state": [b'{"event": "state", "state": "stopping"}\n'],
    "huge": [b'{"event": "stage", "text": "' + b"9" * 100_000 + b'"}\n'],
    "number": [b'{"event": "stage", "text": ' + b"9" * 100_000 + b"}\n"],
    "endless": [b"x" * 100_000] * 4,
    "surrogates": [b'{"event": "stage", "text": "\\ud800\\u0000\\u001b[2J"}\n'] * 3,
}


def wait_for(path: str) -> None:
    while not os.path.exists(path):
        time.sleep(0.01)


def running(
    name: str, directory: RunDirectory, report: Report, reset_at: str, ending: Ending, hears: bool
) -> Ending:
    """Answer at both sockets until told to stop, or to reset."""
    control, console = listen(directory.control_of(name)), listen(directory.console_of(name))
    report("state", {"state": "running"})
    attached: list[socket.socket] = []
    while True:
        ready, _, _ = select.select([control, console, *attached], [], [], 0.05)
        if reset_at and os.path.exists(reset_at):
            os.unlink(reset_at)
            return ending
        for one in ready:
            if one is console:
                attached.append(console.accept()[0])
                attached[-1].sendall(b"login: ")
            elif one is not control:
                data = one.recv(100)
                if data:
                    one.sendall(data.upper())
                else:
                    attached.remove(one)
                    one.close()
            elif (asked := answer_asker(control, hears)) == "stop":
                return Ending("stopped")
            elif asked == "press" and hears:
                return Ending("powered off")


def answer_asker(control: socket.socket, hears: bool) -> str:
    """Answer all that one asks until it leaves, or asks for the end; what it asked last."""
    stream, _ = control.accept()
    stream.setblocking(True)
    asked = ""
    with stream:
        while data := stream.recv(1000):
            for question in Lines().feed(data):
                asked = str(question["ask"])
                heard = {"rows": [{"heard": hears}]}
                answer = heard if asked == "press" else ANSWERS.get(asked, {"rows": [question]})
                stream.sendall(encode(answer))
                if asked == "stop" or (asked == "press" and hears):
                    return asked
    return asked


ANSWERS: dict[str, Mapping[str, object]] = {
    "interrupts": {"rows": [{"request": "MSI-X 0", "count": 12, "handled_by": "instance"}]},
    "exits": {"error": {"what": "no exits yet", "because": "it is young", "remedy": "wait"}},
    "probes": {"rows": []},
    "stop": {"rows": []},
}


def restore(journal: Journal, instance: str = "") -> list[str]:
    """Gives nothing to Linux, but says and forgets what it would; SEPTUM_STUBBORN stays.

    A function that SEPTUM_HANGS names is not given back before a file of that name is there.
    """
    held = [entry.address for entry in journal.abandoned(instance)]
    hangs, _, until = os.environ.get("SEPTUM_HANGS", "").partition("=")
    if hangs in held:
        wait_for(until)
    stubborn = [one for one in held if one in os.environ.get("SEPTUM_STUBBORN", "").split()]
    for address in held:
        if address not in stubborn:
            journal.remove(address)
    for problem in journal.damaged().values():
        raise problem
    if stubborn:
        raise HostProblem(
            f"cannot give {stubborn[0]} back to Linux",
            because="e1000e had it, and no driver has it now",
            remedy="see dmesg",
        )
    return [f"{address}: given back to Linux" for address in held]


class FalsePc(Pc):
    """The platform pc, on a computer that is made up, with instances that are not."""

    def machine(self, draft: Draft) -> Machine:
        if held := os.environ.get("SEPTUM_HOLD", ""):  # hold it up as it reads the machine
            print("reading", flush=True)
            wait_for(held)
        return a_machine()

    def warm_up(self) -> None:
        return None

    def restore(self, journal: Journal, instance: str = "") -> list[str]:
        return restore(journal, instance)

    def run(
        self,
        partition: Partition,
        machine: Machine,
        directory: RunDirectory,
        report: Report,
        *,
        terminal: bool = False,
        keeper: Process | None = None,
    ) -> Ending:
        return instance(partition, machine, directory, report, keeper)


def false_place(platform: Platform | None = None) -> Workplace:
    """Control groups below SEPTUM_GROUPS."""
    patience = float(os.environ.get("SEPTUM_PATIENCE", "20"))
    asker = float(os.environ.get("SEPTUM_ASKER_PATIENCE", "20"))
    slow = float(os.environ.get("SEPTUM_SLOW", "60"))
    directory, groups = RunDirectory.from_environment(), os.environ["SEPTUM_GROUPS"]
    return Workplace(directory, groups, patience, asker, slow=slow)


if __name__ == "__main__":
    # These tests may run where a shell has it ignored (a job in the background); typed commands
    # stand in the foreground.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    registry.known["pc"] = FalsePc()
    tables.place = false_place
    sys.exit(main.main())
