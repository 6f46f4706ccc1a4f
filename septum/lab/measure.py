"""What does a virtual machine monitor cost, seen from the Linux it runs on?

Runs in the lab: `python -m septum.lab.measure JOB -- COMMAND`, where JOB is one of JOBS. Prints
one line of JSON. The lab's clock counts instructions, so nanoseconds here are instructions.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

TRACING = "/sys/kernel/tracing"
DEBUGGING = "/sys/kernel/debug"
EXIT = "events/kvm/kvm_exit"
USER_EXIT = "events/kvm/kvm_userspace_exit"
ENTRY = "events/kvm/kvm_entry"
BY_REASON = {EXIT: "hist:keys=exit_reason", USER_EXIT: "hist:keys=reason"}
INIT = b"bench: init"
MARK = b"bench: mark"
END = b"bench: end"
SECOND = 10**9
CALIBRATION = 0.1  # seconds, and how many times:
CALIBRATIONS = 10


class Area(NamedTuple):
    """One mapping of a process: its size and what of it is resident, bytes; /proc/PID/smaps."""

    name: str
    size: int
    resident: int
    private: int
    huge: int


def main(words: list[str]) -> int:
    job, command = words[0], words[words.index("--") + 1 :]
    print(json.dumps(JOBS[job](command)))
    return 0


def start(command: list[str]) -> dict[str, Any]:
    """Seconds from exec to the end of a command, which is the guest's reboot."""
    keep, stdin = os.pipe()[::-1]
    with open("/tmp/bench.out", "wb") as out:
        begun = time.monotonic_ns()
        number = spawned(command, stdin, out.fileno())
        _, status = os.waitpid(number, 0)
        ended = time.monotonic_ns()
    os.close(keep)
    os.close(stdin)
    with open("/tmp/bench.out", "rb") as file:
        said = file.read()
    return {
        "seconds": (ended - begun) / SECOND,
        "code": os.waitstatus_to_exitcode(status),
        "init": INIT in said,
        "said": said[-600:].decode(errors="replace"),
    }


def hold(command: list[str]) -> dict[str, Any]:
    """Exits until the guest's init, when it was first entered, and memory at that time.

    The guest has to wait after it said INIT; it is ended here.
    """
    trace_on()
    begun = time.monotonic_ns()
    guest = Watched(command)
    seen = guest.wait_for(INIT) == INIT
    at_init = time.monotonic_ns()
    write(f"{TRACING}/tracing_on", "0")
    found: dict[str, Any] = {
        "init": seen,
        "said": guest.said[-600:].decode(errors="replace"),
        "seconds_to_init": (at_init - begun) / SECOND,
    }
    if seen:
        entered = first_entry(read(f"{TRACING}/trace"))
        found["seconds_to_entry"] = entered - begun / SECOND
        found["exits"] = histogram(read(f"{TRACING}/{EXIT}/hist"))
        found["exits"] = named(found["exits"], read(f"{TRACING}/{EXIT}/format"))
        found["user_exits"] = histogram(read(f"{TRACING}/{USER_EXIT}/hist"))
        found["user_exits"] = named(found["user_exits"], read(f"{TRACING}/{USER_EXIT}/format"))
        family = (guest.number, *children(guest.number))
        found["memory"] = memory_beyond_guest([mappings(read(f"/proc/{n}/smaps")) for n in family])
    guest.end()
    trace_off()
    return found


def reads(command: list[str]) -> dict[str, Any]:
    """Busy nanoseconds of the processor between the marks that a command prints.

    Each mark is printed before a pause: it is looked at while the one who printed it sleeps.
    """
    trace_on(USER_EXIT)
    with Soak() as soak:
        guest = Watched(command)
        busy = []
        exits = []
        while guest.wait_for(MARK, END) == MARK:
            busy.append(soak.busy())
            exits.append(sum(histogram(read(f"{TRACING}/{USER_EXIT}/hist")).values()))
        guest.end()
    trace_off()
    return {"busy": busy, "user_exits": exits, "said": guest.said[-600:].decode(errors="replace")}


class Soak:
    """A process that uses up what nobody else wants of the one processor, and counts.

    Without it the lab's clock would leap whenever the processor is idle, to the next timer,
    and a wait for a disk would become a storm of timers.
    """

    def __init__(self) -> None:
        self.count = ctypes.c_uint64.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
        self.per_second = 0.0
        self.number = 0

    def __enter__(self) -> Soak:
        self.number = os.fork()
        if self.number == 0:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            count = self.count
            while True:
                count.value += 1
        # The most it reaches: the read takes its wait for the disk as idle, which is many times
        # what is measured, so that a rate of 1 % too little would be most of the result
        self.per_second = max(self.rate() for _ in range(CALIBRATIONS))
        return self

    def rate(self) -> float:
        """Counts a second, over a moment in which whoever else is there may have run too."""
        begun, counted = time.monotonic_ns(), self.count.value
        time.sleep(CALIBRATION)
        return (self.count.value - counted) / ((time.monotonic_ns() - begun) / SECOND)

    def __exit__(self, *error: object) -> None:
        os.kill(self.number, signal.SIGKILL)
        os.waitpid(self.number, 0)

    def busy(self) -> float:
        """Nanoseconds of the clock that others used, from some moment on."""
        return time.monotonic_ns() - self.count.value / self.per_second * SECOND


class Watched:
    """A command whose output is waited for."""

    def __init__(self, command: list[str]) -> None:
        stdin, self.keep = os.pipe()
        self.output, stdout = os.pipe()
        self.number = spawned(command, stdin, stdout)
        os.close(stdin)
        os.close(stdout)
        self.said = b""
        self._looked = 0

    def wait_for(self, *words: bytes) -> bytes:
        """Which of the words was said next, after those found before; b"" when it ended."""
        while True:
            places = [(self.said.find(word, self._looked), word) for word in words]
            found = [place for place in places if place[0] >= 0]
            if found:
                self._looked = min(found)[0] + 1
                return min(found)[1]
            more = os.read(self.output, 1 << 16)
            if not more:
                return b""
            self.said += more

    def end(self) -> None:
        """Ask it to end, and wait until it has; like Ctrl-C, it may clean up."""
        with suppress(ProcessLookupError):
            os.kill(self.number, signal.SIGTERM)
        while os.read(self.output, 1 << 16):
            continue
        os.waitpid(self.number, 0)
        os.close(self.keep)
        os.close(self.output)


def spawned(command: list[str], stdin: int, stdout: int) -> int:
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1)]
    actions.append((os.POSIX_SPAWN_DUP2, stdout, 2))
    return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)


# -- what Linux says ----------------------------------------------------------------------


def trace_on(*events: str) -> None:
    """Count these exits by reason (all without a name), and keep the first entries."""
    for kind, place in (("tracefs", TRACING), ("debugfs", DEBUGGING)):
        if not os.listdir(place):
            os.spawnlp(os.P_WAIT, "mount", "mount", "-t", kind, "none", place)
    trace_off()
    write(f"{TRACING}/trace_clock", "mono")
    write(f"{TRACING}/options/overwrite", "0")
    write(f"{TRACING}/buffer_size_kb", "16")
    write(f"{TRACING}/trace", "")
    for event in events or BY_REASON:
        write(f"{TRACING}/{event}/trigger", BY_REASON[event])
    if not events:
        write(f"{TRACING}/{ENTRY}/enable", "1")
    write(f"{TRACING}/tracing_on", "1")


def trace_off() -> None:
    write(f"{TRACING}/{ENTRY}/enable", "0")
    for event, trigger in BY_REASON.items():
        if trigger in read(f"{TRACING}/{event}/trigger"):
            write(f"{TRACING}/{event}/trigger", f"!{trigger}")


def first_entry(trace: str) -> float:
    """Seconds of the clock at which a guest was first entered; the trace's first event."""
    for line in trace.splitlines():
        head, found, _ = line.partition(": kvm_entry:")
        if found:
            return float(head.split()[-1])
    raise ValueError("the trace has no entry of a guest")


def histogram(text: str) -> dict[str, int]:
    """Counts by key of an event's hist file: Documentation/trace/histogram.rst."""
    counts = {}
    for line in text.splitlines():
        key, found, count = line.partition("hitcount:")
        if found and line.startswith("{"):
            counts[key.strip(" {}").partition(":")[2].strip()] = int(count)
    return counts


def mappings(smaps: str) -> list[Area]:
    """The mappings of a process: Documentation/filesystems/proc.rst, smaps."""
    found: list[Area] = []
    name, values = "", dict[str, int]()
    for line in [*smaps.splitlines(), "0-0 end"]:
        words = line.split()
        if words[0].endswith(":"):
            if words[-1] == "kB":
                values[words[0][:-1]] = int(words[1]) << 10
            continue
        if values:
            huge = values.get("Shared_Hugetlb", 0) + values.get("Private_Hugetlb", 0)
            private = values["Private_Clean"] + values["Private_Dirty"]
            found.append(Area(name, values["Size"], values["Rss"], private, huge))
        name, values = " ".join(words[5:]), {}
    return found


def children(number: int) -> list[int]:
    """The processes that a process has begun and not yet reaped."""
    return [int(word) for word in read(f"/proc/{number}/task/{number}/children").split()]


def memory_beyond_guest(family: list[list[Area]]) -> dict[str, int]:
    """Bytes resident outside of the guest's memory, which is the largest mapping of a process.

    Of the other processes of a command counts what they have to themselves: what they share with
    the one that holds the guest is resident there.
    """
    holder = max(family, key=lambda found: max(mapping.size for mapping in found))
    guest = max(holder, key=lambda mapping: mapping.size)
    around = [mapping for mapping in holder if mapping is not guest]
    beside = [mapping for found in family if found is not holder for mapping in found]
    apart = sum(mapping.private for mapping in beside)
    return {
        "guest_resident": guest.resident + guest.huge,
        "resident": sum(mapping.resident + mapping.huge for mapping in around) + apart,
        "private": sum(mapping.private for mapping in around) + apart,
    }


def named(counts: Mapping[str, int], format_text: str) -> dict[str, int]:
    """Counts by the names that an event's format file has for its last list of numbers.

    KVM's exits have two such lists, of Intel's and AMD's reasons; the lab's processor is AMD's.
    """
    last = format_text.rpartition("__print_symbolic(")[2]
    names = {}
    for item in last.split("{")[1:]:
        number, comma, name = item.partition("}")[0].partition(",")
        if comma:
            value = sum(int(part, 0) for part in number.split("+"))
            # "KVM_EXIT_" "IO" is one word in C
            names[str(value)] = name.replace('" "', "").strip(' "')
    return {names.get(key, key): count for key, count in counts.items()}


def read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


JOBS = {"start": start, "hold": hold, "reads": reads}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
