"""Is what an instance was refused, given and interrupted with as its table says?

Where a number follows from what was asked for, it must be that number. Where it depends on the
kernels and on chance (how often something trapped), it must lie between bounds that a working
system keeps and a broken one does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from septum.interrupts.table import ALL
from septum.lab.alpha.promise import CONFIGURATION, MEMORY, PORT, REGISTERS, Owned, Promise
from septum.lab.alpha.run import TRIES
from septum.lab.report import VMM, Row
from septum.layouts import elf, palcode, tsunami
from septum.units import Span

MOST_EXITS = 60_000  # of one kind, of one instance, in any of the spans that are counted
MOST_COUNTED = 300_000  # of one kind of trap or verdict, in a whole run of one instance
ACCESSES = 3  # a try is a read, a write, and a read again
INTA = "INTx A"
# What the VMM handles for all, and the line it comes by: 21264 HRM 6.4.5 (irq_h), 21272 HRM (DRIR)
SHARED = {
    "NMI": "irq_h 4-5",
    "machine check": "irq_h 0",
    "timer": "irq_h 2",
    "interprocessor": "irq_h 3",
    "cycle counter": "PCTR",
    "interrupt controllers": f"DRIR {tsunami.ISA_REQUEST}",
    "played ISA devices": "ISA, played",
}
REQUESTS = {"interrupt": "ISA", "played": "ISA", "Pchip": "error"}  # by a device's first word
ERRORS = tsunami.PCHIP_ERROR_REQUEST
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
        guest, machine = _span(row["guest"]), _number(row["machine"])
        if guest is None or machine is None:
            yield "translations", f"{row['guest']} to {row['machine']} is not a translation"
            continue
        target = Span(machine, guest.size)
        owned = next((one for one in promise.functions if _covers(one.registers, target)), None)
        if owned is None and not _covers(promise.memory, target):
            yield "translations", f"{row['guest']} leads to {row['machine']}, which is not its own"
            continue
        here = _as_seen(owned, promise, target)
        if here != guest.start:
            yield "translations", f"{row['machine']} is found at {row['guest']}, not at {here:#x}"
        what = "memory" if owned is None else f"{owned.machine} BAR 0"
        yield from same("translations.to", row["to"], what)
        verdict = "accept" if guest.start == machine else "modify"
        yield from same("translations.verdict", row["verdict"], verdict)
        # Its windows lead devices to its memory, and to nothing else.
        sides = "processor" if owned else "processor, devices"
        yield from same("translations.held by", row["held by"], sides)
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
    devices = {(INTA, one.name): (promise, one) for promise in promised.values()
               for one in promise.functions}  # fmt: skip
    ports = {("ISA", name): promise for promise in promised.values() for name in promise.isa}
    for key, row in rows.items():
        if key in devices:
            yield from _device(row, *devices[key])
        elif key in ports:
            yield from _isa(row, ports[key])
        elif row["handled_by"] != VMM:
            yield "interrupt_table", f"{row['handled_by']} handles {key}, which nobody has"
    for key in (devices.keys() | ports.keys()) - rows.keys():
        yield "interrupt_table", f"there is no row of {key[1]}"
    yield from _shared(said, max(one.pchips for one in promised.values()))
    for name in promised:
        rows_of = [row for row in said["interrupt_table"] if row["handled_by"] == name]
        counted = said["instances"][name]["counts"].get("interrupt", {}).get("device")
        on_lines = [row["count"] for row in rows_of if row["request"] == INTA]
        yield from same("interrupt_table.count", sum(on_lines), counted)


def _shared(said: Row, hoses: int) -> Findings:
    """The VMM's own rows: each there once, on its line, and counted where it is fielded."""
    counts = said["counts"]
    refused = sum(
        row["count"]
        for one in said["instances"].values()
        for row in one["rejected"]
        if row["what"] == "DMA"
    )
    forwarded = sum(
        row["count"]
        for row in said["interrupt_table"]
        if row["request"] == "ISA" and row["handled_by"] != VMM
    )
    own = [row for row in said["interrupt_table"] if row["handled_by"] == VMM]
    lines = {**SHARED, **{f"Pchip {n}": f"DRIR {ERRORS - n}" for n in range(hoses)}}
    found = [row["device"] if row["device"] in lines else row["request"] for row in own]
    yield from same("interrupt_table", sorted(found), sorted(lines))
    expected = {
        **dict.fromkeys(NEVER, 0),
        "machine check": sum(counts.get("machine", {}).values()),
        "timer": counts.get("interrupt", {}).get("clock"),
        "played ISA devices": counts.get("interrupt", {}).get("ISA"),
        "interrupt controllers": forwarded,
    }
    for key, row in zip(found, own, strict=True):
        line = f"interrupt_table.{key}"
        yield from same(line, (row["line"], row["added"]), (lines.get(key), None))
        yield from same(line, row["delivery"], "queue" if key == "timer" else "deliver")
        yield from same(line, row["instance"], ALL)
        asks = row["request"] if row["device"] not in lines else REQUESTS[key.split()[0]]
        yield from same(line, row["request"], asks)
        if key in expected:
            yield from same(line, row["count"], expected[key])
        elif not key.startswith("Pchip"):
            yield from between(line, row["count"], 1, MOST_COUNTED)
    told = sum(row["count"] for key, row in zip(found, own, strict=True) if key[:5] == "Pchip")
    yield from same("interrupt_table.Pchip", told, refused)


def _isa(row: Row, promise: Promise) -> Findings:
    """A dedicated ISA device; nothing is connected to it, so it never asks."""
    line = f"interrupt_table.{row['device']}"
    yield from same(line, (row["handled_by"], row["instance"]), (promise.name,) * 2)
    yield from same(line, row["delivery"], promise.interrupts)
    number = promise.isa[row["device"]]
    yield from same(line, row["line"], f"ISA {number}")
    vector = palcode.VECTOR_DEVICE + number * palcode.VECTOR_STEP
    yield from _handler(line, row, promise, vector)
    yield from same(line, (row["count"], row["added"]), (0, 0))


def _device(row: Row, promise: Promise, owned: Owned) -> Findings:
    line = f"interrupt_table.{owned.name}"
    yield from same(line, (row["handled_by"], row["instance"]), (promise.name,) * 2)
    yield from same(line, row["delivery"], promise.interrupts)
    request = tsunami.request_bit(owned.machine.domain, owned.machine.device, 1)
    yield from same(line, row["line"], f"DRIR {request}")
    seen = tsunami.request_bit(owned.seen_hose, owned.machine.device, 1)
    number = palcode.ISA_LINES + seen
    vector = palcode.VECTOR_DEVICE + number * palcode.VECTOR_STEP
    yield from _handler(line, row, promise, vector)
    if not 0 < (row["added"] or 0) <= row["count"] <= MOST_COUNTED:
        yield line, f"{row['count']} reached it, {row['added']} during its I/O"


def _handler(line: str, row: Row, promise: Promise, vector: int) -> Findings:
    handler, _, said_vector = row["handler"].partition(", vector ")
    yield from same(line, said_vector, f"{vector:#x}")
    if not elf.KSEG < (_number(handler) or 0) < elf.KSEG + promise.memory.size:
        yield line, f"its handler is at {handler}, which is not in its kernel"
