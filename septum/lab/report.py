"""Is everything as the table says? What two systems found, against what they were promised.

build/demo/report.json, all sizes in bytes, all times in seconds:

  sound             true when every line is as the table says
  failures          the lines that are not: "blue.pci: it lists 0000:00:04.0, which is green's"
  instances         NAME: os, pci [address, vendor:device, class], memory_bytes, memory_usable_bytes
                    (what its Linux keeps for programs), processors,
                    ethernet (interface, address, gateway, lease, pings_sent, pings_answered),
                    scsi (bytes_written, bytes_read: as its disk counted, written, read: checksums,
                    equal), exits (until_init, during_io: by reason; msix_device: the exits that
                    I/O on it added, by who answered), concealed [address], on_processors
  interrupt_table   rows of septum show interrupts: instance, request, device, handled_by,
                    handler, count; added: interrupts during the I/O
  at_the_same_time  seconds during which both did their I/O
  given_back        drivers {function: driver or ""}, huge_pages, claims [file], faults [line]
  seconds           what each step took; total
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from septum.units import KiB, MiB

Row = Mapping[str, Any]

LEGACY_AREA = 384 * KiB  # between 640 KiB and 1 MiB a PC has no memory that is reported
EBDA = KiB  # below it, the firmware's own data area
ETHERNET, SCSI, HOST_BRIDGE = "0200", "0100", "0600"
MSIX = "MSI-X"
VMM = "VMM"
SECTOR = 512


class Promise(NamedTuple):
    """What the table and the machine promise one instance. Addresses as text, lspci's form."""

    name: str
    memory: int
    processors: int
    functions: dict[str, tuple[str, str]]  # address: vendor:device, class (first two bytes)
    on_the_way: tuple[str, ...]  # the bridges to them
    others: dict[str, str]  # every other function of the machine: whose it is

    def of_class(self, wanted: str) -> str:
        """The address of its function of a class; "" when it has none."""
        found = (at for at, (_, kind) in self.functions.items() if kind == wanted)
        return next(found, "")


class Failure(NamedTuple):
    """A line of the report that is not as the table says."""

    line: str
    why: str

    def __str__(self) -> str:
        return f"{self.line}: {self.why}"


def promises(table: Row, machine: Row) -> dict[str, Promise]:
    """By instance, from what septum check --json and septum scan --json say."""
    functions = {function["address"]: function for function in machine["functions"]}
    owners = {at: row["name"] for row in table["instances"] for at in row["functions"]}
    made = {}
    for row in table["instances"]:
        on_the_way: list[str] = []
        for address in row["functions"]:
            parent = functions[address]["parent"]
            while parent is not None and parent not in on_the_way:
                on_the_way.append(parent)
                parent = functions[parent]["parent"]
        hidden = functions.keys() - set(row["functions"]) - set(on_the_way)
        made[row["name"]] = Promise(
            row["name"],
            row["memory"]["base"] + row["memory"]["float"],
            row["processors"]["count"] or len(row["processors"]["numbers"]),
            {at: _identity(functions[at]) for at in row["functions"]},
            tuple(sorted(on_the_way)),
            {at: owners.get(at, "the host") for at in sorted(hidden)},
        )
    return made


def _identity(function: Row) -> tuple[str, str]:
    name = f"{function['vendor']:04x}:{function['device']:04x}"
    return name, f"{function['class_code'] >> 8:04x}"


# ---- what the instances said


def lines_of(text: str) -> Iterator[tuple[str, str]]:
    """The "key value" lines of an answer."""
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key:
            yield key, value


def facts(text: str) -> dict[str, Any]:
    """os, processors, memory and pci, of what demo.FACTS prints."""
    found: dict[str, Any] = {"pci": []}
    for key, value in lines_of(text):
        if key == "os":
            found["os"] = value
        elif key == "pci":
            address, kind, identity = value.split()[:3]
            found["pci"].append(
                {"address": address, "vendor:device": identity, "class": kind.rstrip(":")}
            )
        elif key in ("processors", "memory_bytes"):
            found[key] = int(value)
        elif key == "memory_kib":
            found["memory_usable_bytes"] = int(value.split()[0]) * KiB
    return found


def ethernet(text: str) -> dict[str, Any]:
    """The lease and the pings, of what demo.ETHERNET prints."""
    said = dict(lines_of(text))
    counted = re.findall(r"(\d+) packets transmitted, (\d+) (?:packets )?received", text)
    interface, _, address = said.get("lease", "").partition(" ")
    return {
        "interface": interface,
        "address": address,
        "gateway": said.get("gateway", ""),
        "lease": bool(address),
        "pings_sent": sum(int(sent) for sent, _ in counted),
        "pings_answered": sum(int(answered) for _, answered in counted),
    }


def scsi(text: str) -> dict[str, Any]:
    """What was written and read back, of what demo.scsi_commands print."""
    said = dict(lines_of(text))
    sectors = {key: said.get(key, "0 0").split() for key in ("before", "after")}
    read, written = (
        (int(after) - int(before)) * SECTOR
        for before, after in zip(sectors["before"], sectors["after"], strict=True)
    )
    sums = [said.get(key, "").split(" ")[0] for key in ("written", "read")]
    return {
        "bytes_written": written,
        "bytes_read": read,
        "written": sums[0],
        "read": sums[1],
        "equal": bool(sums[0]) and sums[0] == sums[1],
    }


# ---- what the VMM counted


def by_reason(rows: Sequence[Row], instance: str, kind: str = "reason") -> dict[str, int]:
    """An instance's rows of septum show exits: {what: exits}."""
    wanted = (row for row in rows if row["instance"] == instance and row["by"] == kind)
    return {row["what"]: row["exits"] for row in wanted}


def added(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What was counted between; what was not, is left out."""
    grown = {what: count - before.get(what, 0) for what, count in after.items()}
    return {what: count for what, count in grown.items() if count}


def concealed(rows: Sequence[Row], instance: str) -> list[str]:
    """The addresses an instance probed that answered as absent, of septum show probes."""
    mine = (row for row in rows if row["instance"] == instance and row["answer"] == "absent")
    return sorted({row["address"] for row in mine})


def interrupt_table(before: Sequence[Row], after: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows of septum show interrupts, each with what was added since an earlier look."""

    def key(row: Row) -> tuple[str, ...]:
        return tuple(str(row.get(name)) for name in ("instance", "request", "device"))

    earlier = {key(row): row.get("count") or 0 for row in before}
    table = []
    for row in after:
        count = row.get("count")
        grown = None if count is None else count - earlier.get(key(row), 0)
        table.append({**row, "added": grown})
    return table


def given_back(
    before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """What was taken from the host, before and after, of what demo.HOST_STATE prints."""

    def drivers(lines: Sequence[tuple[str, str]]) -> dict[str, str]:
        said = (value.partition(" ") for key, value in lines if key == "driver")
        return {address: driver for address, _, driver in said}

    def values(lines: Sequence[tuple[str, str]], key: str) -> list[str]:
        return [value for found, value in lines if found == key]

    then, now = drivers(before), drivers(after)
    return {
        "drivers": {address: [then[address], now.get(address, "")] for address in then},
        "huge_pages": [int(values(lines, "huge_pages")[0]) for lines in (before, after)],
        "claims": values(after, "claim"),
        "faults": values(after, "fault"),
    }


# ---- the verdict


def failures(report: Row, promised: Mapping[str, Promise]) -> list[Failure]:
    """Every line of a report that is not as the table says."""
    found: list[Failure] = []
    for name, promise in promised.items():
        said = report["instances"].get(name)
        if said is None:
            found.append(Failure(name, "it never answered"))
            continue
        for check in _CHECKS:
            found += [Failure(f"{name}.{line}", why) for line, why in check(said, promise)]
        found += _interrupt_failures(report["interrupt_table"], promise)
    if report["at_the_same_time"] <= 0:
        found.append(Failure("at_the_same_time", "they did their I/O one after the other"))
    return [*found, *_given_back_failures(report["given_back"])]


Findings = Iterator[tuple[str, str]]


def _check_os(said: Row, promise: Promise) -> Findings:
    if f"Linux {promise.name} " not in said["os"]:
        yield "os", f"it says {said['os']!r}"


def _check_pci(said: Row, promise: Promise) -> Findings:
    listed = {row["address"]: row for row in said["pci"]}
    for address, (identity, kind) in promise.functions.items():
        row = listed.get(address)
        if row is None:
            yield "pci", f"it does not list its own {address}"
        elif (row["vendor:device"], row["class"]) != (identity, kind):
            yield "pci", f"{address} should be {identity}, and is {row['vendor:device']}"
    for address, row in listed.items():
        if address in promise.functions or address in promise.on_the_way:
            continue
        if row["class"] != HOST_BRIDGE:
            whose = promise.others.get(address, "nobody")
            yield "pci", f"it lists {address}, which is {whose}'s"


def _check_memory(said: Row, promise: Promise) -> Findings:
    expected = promise.memory - LEGACY_AREA - EBDA
    if said["memory_bytes"] != expected:
        yield "memory_bytes", f"it finds {said['memory_bytes']}, promised were {expected}"
    if not expected * 0.8 < said["memory_usable_bytes"] < expected:
        yield "memory_usable_bytes", f"{said['memory_usable_bytes']} of {expected}"


def _check_processors(said: Row, promise: Promise) -> Findings:
    if said["processors"] != promise.processors:
        yield "processors", f"it finds {said['processors']}, promised were {promise.processors}"


def _check_ethernet(said: Row, promise: Promise) -> Findings:
    found = said["ethernet"]
    if not found["lease"]:
        yield "ethernet.lease", "no lease was obtained"
    if not found["pings_sent"] or found["pings_answered"] != found["pings_sent"]:
        yield (
            "ethernet.pings_answered",
            f"{found['pings_answered']} of {found['pings_sent']} to {found['gateway']}",
        )


def _check_scsi(said: Row, promise: Promise) -> Findings:
    found = said["scsi"]
    if not found["equal"]:
        yield "scsi.equal", f"written was {found['written']}, read back was {found['read']}"
    for line in ("bytes_written", "bytes_read"):
        if found[line] < SCRATCH_BYTES:
            yield f"scsi.{line}", f"the disk counted {found[line]} bytes of {SCRATCH_BYTES}"


SCRATCH_BYTES = 8 * MiB


def _check_exits(said: Row, promise: Promise) -> Findings:
    exits = said["exits"]
    if not exits["until_init"]:
        yield "exits.until_init", "nothing was counted"
    if exits["msix_device"]:
        yield "exits.msix_device", f"its I/O left for the VMM: {exits['msix_device']}"


def _check_concealed(said: Row, promise: Promise) -> Findings:
    reached = {address[:7] for address in (*promise.functions, *promise.on_the_way)}  # buses
    for address, whose in promise.others.items():
        is_probed = address[:7] in reached and address.endswith(".0")
        if is_probed and address not in said["concealed"] and not _is_root(address):
            yield "concealed", f"{address}, which is {whose}'s, was not answered as absent"
    for address in set(said["concealed"]) & promise.functions.keys():
        yield "concealed", f"its own {address} was answered as absent"


def _is_root(address: str) -> bool:
    return address.endswith(":00:00.0")  # where a host bridge is played


_CHECKS = (
    *(_check_os, _check_pci, _check_memory, _check_processors),
    *(_check_ethernet, _check_scsi, _check_exits, _check_concealed),
)


def _interrupt_failures(table: Sequence[Row], promise: Promise) -> Iterator[Failure]:
    rows = [row for row in table if row["instance"] == promise.name]
    for row in rows:
        if row["device"] in promise.others:
            whose = promise.others[row["device"]]
            yield Failure(
                "interrupt_table", f"{promise.name} gets those of {row['device']}: {whose}'s"
            )
    for kind in (ETHERNET, SCSI):
        address = promise.of_class(kind)
        mine = [row for row in rows if row["device"] == address]
        if not mine or any(row["handled_by"] != promise.name for row in mine):
            yield Failure("interrupt_table", f"{promise.name} does not handle those of {address}")
        elif sum(row["added"] or 0 for row in mine) <= 0:
            yield Failure("interrupt_table", f"none of {address} reached {promise.name}")
    address = promise.of_class(ETHERNET)
    if not any(row["device"] == address and row["request"].startswith(MSIX) for row in rows):
        yield Failure("interrupt_table", f"{address} does not use {MSIX}")


def _given_back_failures(found: Row) -> Iterator[Failure]:
    for address, (before, after) in found["drivers"].items():
        if before != after:
            now = after or "no driver"
            yield Failure("given_back.drivers", f"{address} had {before or 'none'}, has {now}")
    before, after = found["huge_pages"]
    if before != after:
        yield Failure("given_back.huge_pages", f"{after} are left, {before} were there before")
    for line in ("claims", "faults"):
        if found[line]:
            yield Failure(f"given_back.{line}", f"left: {', '.join(found[line])}")


def written(report: Row) -> str:
    """The report as JSON."""
    return json.dumps(report, indent=2) + "\n"
