"""What was found, and what was promised? The facts of a report; judges.py says what is wrong.

build/demo/report.json, all sizes in bytes, all times in seconds:

  sound             true when every line is as the table says
  failures          the lines that are not: "blue.pci: it lists 0000:00:04.0, which is green's"
  instances         NAME: os, pci [address, vendor:device, class], memory_bytes, memory_usable_bytes
                    (what its Linux keeps for programs), processors,
                    ethernet (interface, function, mac, address, gateway, lease, pings_sent,
                    pings_answered), scsi (function, serial, size, mark: the first word read back,
                    bytes_written, bytes_read: as its disk counted, written, read: checksums,
                    equal), exits (until_init, during_io: by reason; msix_device, scsi_device: the
                    exits that I/O on it added, by who answered), concealed [address],
                    on_processors (THREAD: allowed, ran_on: numbers of the computer's)
  interrupt_table   rows of septum show interrupts: instance, request, device, handled_by,
                    handler, count; added: interrupts during the I/O
  at_the_same_time  seconds during which both did their I/O
  attempts          NAME: tried [what, address, of, function, answered], recorded (no_memory,
                    no_port, ecam: exits), neighbour (what the other did meanwhile: pings_sent,
                    pings_answered, read: its disk's checksum)
  dma               one owned device made to reach beyond its owner: instance, device, aims [how,
                    address, of, got, ended], faults [device, how, address], read_again (its own
                    disk's checksum afterwards), neighbour
  given_back        drivers {function: driver or ""}, huge_pages, claims [file], faults [line]
  seconds           what each step took; total
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from septum.lab.computer import Computer, mac_address
from septum.layouts import pci
from septum.units import KiB, MiB, PciAddress

Row = Mapping[str, Any]

ETHERNET, SCSI = "0200", "0100"
VMM = "VMM"
SECTOR = 512
SCRATCH_BYTES = 8 * MiB  # what each writes to its disk and reads back
BEYOND = 128 * MiB  # as far behind the end of its own memory an instance reaches
MEMORY, PORT, CONFIGURATION = "memory", "port", "configuration"
READ, WRITE = "Read", "Write"  # as Linux names the two ways of DMA

_ADDRESS = r"[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_PINGED = re.compile(r"(\d+) packets transmitted, (\d+) (?:packets )?received")
_DMA_FAULT = re.compile(
    rf"DMAR: \[DMA (Read|Write)[^]]*\] Request device \[({_ADDRESS})\] fault addr (0x[0-9a-f]+)"
)


class Target(NamedTuple):
    """Something of another's that an instance reaches for in vain."""

    what: str  # MEMORY, PORT or CONFIGURATION
    address: str
    of: str
    function: str = ""  # whose registers these are


class Promise(NamedTuple):
    """What the table and the machine promise one instance. Addresses as text, lspci's form."""

    name: str
    memory: int
    processors: int
    functions: dict[str, tuple[str, str]]  # address: vendor:device, class (first two bytes)
    on_the_way: tuple[str, ...]  # the bridges to them
    others: dict[str, str]  # every other function of the machine: whose it is
    bridges: Mapping[str, tuple[str, str]] = {}  # the same of those on the way
    numbers: tuple[int, ...] = ()  # of the machine's processors
    mac: str = ""  # of its Ethernet card, as the computer's file says
    network: str = ""  # at which that card is
    serial: str = ""  # of its disk
    disk_size: int = 0
    targets: tuple[Target, ...] = ()

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


def promises(
    table: Row, machine: Row, computer: Computer, sizes: Mapping[str, int]
) -> dict[str, Promise]:
    """By instance: what septum check and septum scan say as JSON, and what QEMU was told.

    sizes: of the computer's disks, by the names in its file.
    """
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
        promise = Promise(
            row["name"],
            row["memory"]["base"] + row["memory"]["float"],
            row["processors"]["count"] or len(row["processors"]["numbers"]),
            {at: _identity(functions[at]) for at in row["functions"]},
            tuple(sorted(on_the_way)),
            {at: owners.get(at, "the host") for at in sorted(hidden)},
            {at: _identity(functions[at]) for at in on_the_way},
            tuple(row["processors"]["numbers"]),
        )
        promise = _with_belongings(promise, machine, computer, sizes)
        made[row["name"]] = promise._replace(targets=_targets(promise, machine, owners))
    return made


def _identity(function: Row) -> tuple[str, str]:
    name = f"{function['vendor']:04x}:{function['device']:04x}"
    return name, f"{function['class_code'] >> 8:04x}"


def _with_belongings(
    promise: Promise, machine: Row, computer: Computer, sizes: Mapping[str, int]
) -> Promise:
    """What can be known of its card and its disk from the computer's file alone."""
    behind = {function["parent"]: function["address"] for function in machine["functions"]}
    for number, function in enumerate(computer.functions, 1):
        at = f"0000:{function.at}" if function.at else behind.get(f"0000:{function.port}", "none")
        if at == promise.of_class(ETHERNET):
            promise = promise._replace(mac=mac_address(number), network=function.network)
        elif at == promise.of_class(SCSI) and function.disks:
            serial, size = f"{function.name}-0", sizes[function.disks[0]]
            promise = promise._replace(serial=serial, disk_size=size)
    return promise


def _targets(promise: Promise, machine: Row, owners: Mapping[str, str]) -> tuple[Target, ...]:
    """Each register window and configuration space of the others, and no memory of its own."""
    found = [Target(MEMORY, f"{promise.memory + BEYOND:#x}", "what lies beyond its memory")]
    for function in machine["functions"]:
        at = function["address"]
        if owners.get(at, promise.name) == promise.name:
            continue
        place = _ecam_place(machine["ecam"][0], PciAddress.parse(at))
        found.append(Target(CONFIGURATION, f"{place:#x}", f"{at}, {owners[at]}'s", at))
        for bar in function["bars"]:
            what = PORT if bar["kind"] == "io" else MEMORY
            where = f"{at} BAR {bar['index']}, {owners[at]}'s"
            found.append(Target(what, f"{bar['span']['start']:#x}", where, at))
    return tuple(found)


def _ecam_place(area: Row, at: PciAddress) -> int:
    """Where in memory an address's configuration space would be."""
    inside = (at.bus - int(area["first_bus"])) << pci.ECAM_BUS_SHIFT
    inside |= at.device << pci.ECAM_DEVICE_SHIFT | at.function << pci.ECAM_FUNCTION_SHIFT
    return int(area["span"]["start"]) + inside


# ---- what the instances said


def lines_of(text: str) -> Iterator[tuple[str, str]]:
    """The "key value" lines of an answer."""
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if key:
            yield key, value


def facts(text: str) -> dict[str, Any]:
    """os, processors, memory and pci, of what typed.FACTS prints."""
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
    """The lease and the pings, of what typed.LEASE and PINGS prints."""
    said = dict(lines_of(text))
    # Busybox's alarm can interrupt ping at its last words, and they are said again
    said_by_each = [_PINGED.findall(part) for part in text.split("PING ")]
    counted = [counts[-1] for counts in said_by_each if counts]
    interface, _, address = said.get("lease", "").partition(" ")
    return {
        "interface": interface,
        "function": said.get("card", ""),
        "mac": said.get("mac", ""),
        "address": address,
        "gateway": said.get("gateway", ""),
        "lease": bool(address),
        "pings_sent": sum(int(sent) for sent, _ in counted),
        "pings_answered": sum(int(answered) for _, answered in counted),
    }


def scsi(text: str) -> dict[str, Any]:
    """What was written and read back, of what typed.write_and_read prints."""
    said = dict(lines_of(text))
    sectors = {key: said.get(key, "0 0").split() for key in ("before", "after")}
    read, written = (
        (int(after) - int(before)) * SECTOR
        for before, after in zip(sectors["before"], sectors["after"], strict=True)
    )
    sums = [said.get(key, "").split(" ")[0] for key in ("written", "read")]
    return {
        "function": said.get("controller", ""),
        "serial": said.get("serial", ""),
        "size": int(said.get("size") or 0) * SECTOR,
        "mark": said.get("mark", ""),
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


def exits(
    promise: Promise, before: Sequence[Row], between: Sequence[Row], after: Sequence[Row]
) -> dict[str, dict[str, int]]:
    """What an instance's I/O added, first by its Ethernet card, then by its disk."""
    name = promise.name
    found = {"during_io": added(by_reason(before, name), by_reason(after, name))}
    for line, kind, *looks in (
        ("msix_device", ETHERNET, before, between),
        ("scsi_device", SCSI, between, after),
    ):
        mine = (promise.of_class(kind), "PCI configuration")
        grown = added(*(by_reason(rows, name, "answered by") for rows in looks))
        found[line] = {what: count for what, count in grown.items() if what.startswith(mine)}
    return found


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


def dma_faults(lines: Sequence[str]) -> list[dict[str, str]]:
    """The kernel's lines about DMA that the IOMMU refused; each kind once, in order."""
    found: list[dict[str, str]] = []
    for line in lines:
        if match := _DMA_FAULT.search(line):
            how, device, address = match.groups()
            fault = {"device": f"0000:{device}", "how": how, "address": address}
            if fault not in found:
                found.append(fault)
    return found


def given_back(
    before: Sequence[tuple[str, str]],
    after: Sequence[tuple[str, str]],
    refused: Sequence[Row] = (),
) -> dict[str, Any]:
    """What was taken from the host, before and after, of what typed.HOST_STATE prints.

    refused: the DMA faults that are judged by themselves; all others are told here.
    """

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
        "faults": [
            line
            for line in values(after, "fault")
            if line not in values(before, "fault")
            and not any(fault in refused for fault in dma_faults([line]))
        ],
    }


def written(report: Row) -> str:
    """The report as JSON."""
    return json.dumps(report, indent=2) + "\n"
