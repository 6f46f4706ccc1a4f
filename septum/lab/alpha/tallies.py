"""Is what an instance was refused, given and interrupted with as its table says?

Where a number follows from what was asked for, it must be that number. Where it depends on the
kernels and on chance (how often something trapped), it must lie between bounds that a working
system keeps and a broken one does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from septum.lab.alpha.promise import CONFIGURATION, MEMORY, PORT, REGISTERS, Owned, Promise
from septum.lab.alpha.run import TRIES
from septum.lab.report import VMM, Row
from septum.layouts import elf, palcode, tsunami
from septum.units import Span

MOST_EXITS = 60_000  # of one kind, of one instance, in any of the spans that are counted
MOST_COUNTED = 300_000  # of one kind of trap or verdict, in a whole run of one instance
ACCESSES = 3  # a try is a read, a write, and a read again
SHARED = ("NMI", "machine check", "timer", "interprocessor", "cycle counter")
NEVER = ("NMI", "interprocessor")  # no halt button; one processor an instance

Findings = Iterator[tuple[str, str]]


def between(line: str, value: float, least: float, most: float) -> Findings:
    if not least <= value <= most:
        yield line, f"it is {value}, and should be {least} to {most}"


def same(line: str, value: object, expected: object) -> Findings:
    if value != expected:
        yield line, f"it is {value!r}, and should be {expected!r}"


# ---- what it was refused


def _refusals(promise: Promise) -> dict[tuple[str, str], tuple[int, int]]:
    """What is refused, why, and how often at least and at most."""
    each = ACCESSES * TRIES
    beyond = [
        *promise.tried(REGISTERS),
        *(one for one in promise.tried(CONFIGURATION) if not one.slot),
    ]
    asked: dict[tuple[str, str], tuple[int, int]] = {
        # Of its own init: a program that calls what is the kernel's
        ("privileged call", "swpipl in user mode"): (1, 1),
        # Linux opens it on each Pchip it finds
        ("DMA window", "the monster window reaches all memory"): (1, 1),
        # Its drivers look for devices of the ISA bus
        ("I/O port", "not this instance's"): (each * len(promise.tried(PORT)), 100),
        # One device reads the three parts of a ring; of refusals that follow one another at once
        # the Pchip's register keeps the first
        ("DMA", "no window"): (1, 16),
    }
    for what, things in (("memory access", promise.tried(MEMORY)), ("I/O space", beyond)):
        if things:
            asked[what, "not this instance's"] = (each * len(things), each * len(things))
    return asked


def rejected(said: Row, promise: Promise) -> Findings:
    counted = {(row["what"], row["why"]): row["count"] for row in said["rejected"]}
    allowed = _refusals(promise)
    for what, why in counted.keys() - allowed.keys():
        yield "rejected", f"{what}: {why}, which nothing here asks for"
    for (what, why), (least, most) in allowed.items():
        line = f"rejected.{what}"
        yield from between(line, counted.get((what, why), 0), least, most)


# ---- what it was given


def translations(said: Row, promise: Promise) -> Findings:
    """Each leads to its own, and is accepted where it is the machine's address, else modified."""
    reached = set()
    for row in said["translations"]:
        guest, machine = _span(row["guest"]), _number(row["offset"].removeprefix("machine "))
        if guest is None or machine is None:
            yield "translations", f"{row['guest']} to {row['offset']} is not a translation"
            continue
        target = Span(machine, guest.size)
        owned = next((one for one in promise.functions if _covers(one.registers, target)), None)
        if owned is None and not _covers(promise.memory, target):
            yield "translations", f"{row['guest']} leads to {row['offset']}, which is not its own"
            continue
        here = _as_seen(owned, promise, target)
        if here != guest.start:
            yield "translations", f"{row['offset']} is found at {row['guest']}, not at {here:#x}"
        what = "memory" if owned is None else f"{owned.machine} BAR 0"
        yield from same("translations.to", row["to"], what)
        verdict = "accept" if guest.start == machine else "modify"
        yield from same("translations.verdict", row["verdict"], verdict)
        reached.add(what)
    for one in ("memory", *(f"{owned.machine} BAR 0" for owned in promise.functions)):
        if one not in reached:
            yield "translations", f"it holds none to {one}"


def _as_seen(owned: Owned | None, promise: Promise, target: Span) -> int:
    """Where an instance finds its own: memory from 0; registers where its Linux places them."""
    if owned is None:
        return target.start - promise.memory.start
    return owned.found + target.start - owned.registers.start


def _covers(whole: Span, part: Span) -> bool:
    return whole.start <= part.start and part.end <= whole.end


def _span(text: str) -> Span | None:
    first, _, last = text.partition("-")
    start, end = _number(first), _number(last)
    return None if start is None or end is None else Span(start, end + 1 - start)


def _number(text: str) -> int | None:
    try:
        return int(text, 0)
    except ValueError:
        return None


# ---- what was counted


def counted_kinds(said: Row, promise: Promise) -> Findings:
    counts = said["counts"]
    for kind in ("exit", "verdict", "fill", "interrupt", "fault", "call", "bus"):
        if not counts.get(kind):
            yield f"counts.{kind}", "nothing was counted"
    for kind, numbers in counts.items():
        for what, count in numbers.items():
            yield from between(f"counts.{kind}.{what}", count, 1, MOST_COUNTED)
    verdicts = counts.get("verdict", {})
    refused = sum(row["count"] for row in said["rejected"])
    yield from same("counts.verdict.reject", verdicts.get("reject"), refused)
    wanted = {"modify", "emulate", "reject"} | ({"accept"} if _accepts(promise) else set())
    yield from same("counts.verdict", set(verdicts), wanted)
    checks = sum(numbers for numbers in counts.get("machine", {}).values())
    tried = ACCESSES * TRIES * len(promise.tried(MEMORY))
    yield from same("counts.machine check", checks, tried)
    for line in ("until_init", "during_io"):
        exits = said["exits"][line]
        if not exits:
            yield f"exits.{line}", "nothing was counted"
        for what, count in exits.items():
            yield from between(f"exits.{line}.{what}", count, 1, MOST_EXITS)


def _accepts(promise: Promise) -> bool:
    """Whether something of its own stands where the machine has it."""
    return any(one.found == one.registers.start for one in promise.functions)


# ---- the interrupt table


def table(said: Row, promised: Mapping[str, Promise]) -> Findings:
    rows = {(row["request"], row["device"]): row for row in said["interrupt_table"]}
    devices = {("device", one.name): (promise, one) for promise in promised.values()
               for one in promise.functions}  # fmt: skip
    for key, row in rows.items():
        if key in devices:
            yield from _device(row, *devices[key], said["instances"][devices[key][0].name])
        elif row["request"] not in SHARED or row["handled_by"] != VMM:
            yield "interrupt_table", f"{row['handled_by']} handles {key}, which nobody has"
    for key in devices.keys() - rows.keys():
        yield "interrupt_table", f"there is no row of {key[1]}"
    shared = [row["request"] for row in said["interrupt_table"] if row["handled_by"] == VMM]
    yield from same("interrupt_table", shared, list(SHARED))
    yield from _shared(said)
    for name in promised:
        rows_of = [row for row in said["interrupt_table"] if row["handled_by"] == name]
        counted = said["instances"][name]["counts"].get("interrupt", {}).get("device")
        yield from same("interrupt_table.count", sum(row["count"] for row in rows_of), counted)


def _shared(said: Row) -> Findings:
    counts = said["counts"]
    expected = {
        **dict.fromkeys(NEVER, 0),
        "machine check": sum(counts.get("machine", {}).values()),
        "timer": counts.get("interrupt", {}).get("clock"),
    }
    for row in said["interrupt_table"]:
        if row["handled_by"] != VMM:
            continue
        line = f"interrupt_table.{row['request']}"
        yield from same(line, (row["line"], row["added"]), ("", None))
        if row["request"] in expected:
            yield from same(line, row["count"], expected[row["request"]])
        else:
            yield from between(line, row["count"], 1, MOST_COUNTED)


def _device(row: Row, promise: Promise, owned: Owned, instance: Row) -> Findings:
    line = f"interrupt_table.{owned.name}"
    yield from same(line, row["handled_by"], promise.name)
    request = tsunami.request_bit(owned.machine.domain, owned.machine.device, 1)
    yield from same(line, row["line"], f"DRIR {request}")
    seen = tsunami.request_bit(owned.seen_hose, owned.machine.device, 1)
    number = palcode.ISA_LINES + seen
    vector = palcode.VECTOR_DEVICE + number * palcode.VECTOR_STEP
    handler, _, said_vector = row["handler"].partition(", vector ")
    yield from same(line, said_vector, f"{vector:#x}")
    if not elf.KSEG < (_number(handler) or 0) < elf.KSEG + promise.memory.size:
        yield line, f"its handler is at {handler}, which is not in its kernel"
    if not 0 < (row["added"] or 0) <= row["count"] <= MOST_COUNTED:
        yield line, f"{row['count']} reached it, {row['added']} during its I/O"
