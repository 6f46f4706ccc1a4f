"""Is everything as the table says? What two systems found, against what they were promised.

tests/lab/test_report.py spoils every single value, and sees that one of the judges notices. Bounds
are some ten times what was measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_interface, ip_network
from typing import Any

from septum.interrupts.table import ALL, DELIVER, missing
from septum.lab import isolation
from septum.lab.report import ETHERNET, SCRATCH_BYTES, SCSI, VMM, Failure, Promise, Row
from septum.state import POWERED_OFF
from septum.units import KiB

LEGACY_AREA = 384 * KiB  # between 640 KiB and 1 MiB a PC has no memory that is reported
EBDA = KiB  # below it, the firmware's own data area
HOST_BRIDGES = {"0000:00:00.0": ("1b36:0008", "0600")}  # each system's own, which the VMM plays
PINGS = 110  # of demo.PINGS
GATEWAY = 2  # QEMU's place in the network it plays
MOST_EXITS_UNTIL_INIT = 20_000  # 2,000 were measured, and as many during the I/O: most for what
MOST_EXITS_DURING_IO = 20_000  # is typed at the consoles, a character at a time
MOST_BYTES = 4 * SCRATCH_BYTES  # that a disk counts while SCRATCH_BYTES go to it, or from it
MOST_INTERRUPTS = 1_000_000  # the processors' timers come 250 times a second

MSIX = "MSI-X"
# What the VMM handles and has to list, request and device: of each instance, and of all together
VMM_REQUESTS = {
    "GSI 4": "serial 1",
    "GSI 0": "PIT",
    "LVT timer": "local APIC timer",
    "IPI": "interprocessor",
    "GSI 9": "ACPI SCI",
    "interrupt": "virtual processor 0",
    "NMI": "virtual processor 0",
}
EVERYBODYS = {
    "NMI": "processors",
    "machine check": "processors",
    "timer": "local APIC timers",
    "interprocessor": "processors",
    "cycle counter": "performance counters",
}
LINES = {  # of these, by Linux's words; of what is played, none
    "NMI": "NMI",
    "machine check": "MCE",
    "timer": "LOC",
    "interprocessor": "RES+CAL+TLB",
    "cycle counter": "PMI",
}
OWN_REQUESTS = re.compile(r"INTx [A-D]|MSI|MSI-X \d+")
OWN_HANDLERS = re.compile(r"vector \d+ of processor \d+|GSI \d+, (level|edge)")
VMM_HANDLERS = re.compile(r"emulated\b.*|injected by KVM")
LINUX_HANDLES = re.compile(r"Linux, below the VMM")
OWN_LINES = re.compile(r"IRQ \d+")

_CHECKSUM = re.compile(r"[0-9a-f]{32}")
_REASON = re.compile(r"(port|memory) (read|write)|interrupted|[A-Z_]+")
_INTERFACE = re.compile(r"(en|eth)\w+")
_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")

# What is told for information, and why it is not judged
TOLD_ONLY = {"seconds.*": "how long a step takes depends on the machine; `make bench` judges times"}

# What a report consists of, by the place in it: what is not here has no judge
_SHAPE = {
    "": "instances interrupt_table at_the_same_time attempts dma ended given_back seconds",
    "instances.*": "os pci memory_bytes memory_usable_bytes processors ethernet scsi exits "
    "concealed on_processors",
    "instances.*.pci.*": "address vendor:device class",
    "instances.*.ethernet": "interface function mac address gateway lease pings_sent "
    "pings_answered",
    "instances.*.scsi": "function serial size mark bytes_written bytes_read written read equal",
    "instances.*.exits": "until_init during_io msix_device scsi_device",
    "instances.*.on_processors.*": "allowed ran_on",
    "interrupt_table.*": "instance request line device handled_by delivery handler count added",
    "attempts.*": "tried recorded neighbour",
    "attempts.*.tried.*": "what address of function answered",
    "attempts.*.recorded": "no_memory no_port ecam",
    "attempts.*.neighbour": "pings_sent pings_answered read",
    "dma": "instance device aims faults read_again neighbour",
    "dma.aims.*": "how address of got ended",
    "dma.faults.*": "device how address",
    "dma.neighbour": "pings_sent pings_answered read",
    "given_back": "drivers huge_pages claims faults",
}

Findings = Iterator[tuple[str, str]]


def failures(report: Row, promised: Mapping[str, Promise]) -> list[Failure]:
    """Every line of a report that is not as the table says."""
    found: list[Failure] = []
    for name in report["instances"].keys() - promised.keys():
        found.append(Failure(name, "the table has no such instance"))
    for name, promise in promised.items():
        said = report["instances"].get(name)
        if said is None:
            found.append(Failure(name, "it never answered"))
            continue
        for check in _CHECKS:
            found += [Failure(f"{name}.{line}", why) for line, why in check(said, promise)]
        found += _interrupt_failures(report["interrupt_table"], promise)
    for check_all in (_check_time, _check_ended, *isolation.CHECKS):
        found += [Failure(line, why) for line, why in check_all(report, promised)]
    found += _unknown_rows(report["interrupt_table"], promised)
    for pattern, keys in _SHAPE.items():
        found += _unjudged(report, pattern.split(".") if pattern else [], set(keys.split()))
    return [*found, *_given_back_failures(report["given_back"], promised)]


def _unjudged(part: Any, pattern: Sequence[str], keys: set[str], at: str = "") -> list[Failure]:
    """What is said at a place that no judge knows, or is not said."""
    if not pattern:
        return [Failure(f"{at}.{key}".strip("."), "no judge knows it, or it is missing")
                for key in sorted(part.keys() ^ keys)]  # fmt: skip
    first, *rest = pattern
    if first != "*":
        return _unjudged(part[first], rest, keys, f"{at}.{first}")
    items = part.items() if isinstance(part, Mapping) else enumerate(part)
    return [one for key, item in items for one in _unjudged(item, rest, keys, f"{at}.{key}")]


def _check_os(said: Row, promise: Promise) -> Findings:
    linux = rf"Linux {promise.name} \d\S+-amd64 .*Debian.* x86_64 GNU/Linux"
    if not re.fullmatch(linux, said["os"]):
        yield "os", f"it says {said['os']!r}"


def _check_pci(said: Row, promise: Promise) -> Findings:
    listed = {row["address"]: row for row in said["pci"]}
    if len(listed) != len(said["pci"]):
        yield "pci", "it lists an address twice"
    expected = {**promise.functions, **promise.bridges, **HOST_BRIDGES}
    for address, identity in expected.items():
        row = listed.get(address)
        if row is None:
            yield "pci", f"it does not list its own {address}"
        elif (row["vendor:device"], row["class"]) != identity:
            found = f"{row['vendor:device']} of class {row['class']}"
            yield "pci", f"{address} should be {identity[0]}, and is {found}"
    for address in listed.keys() - expected.keys():
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
    expected = {f"{promise.name} cpu{number}" for number in range(promise.processors)}
    if said["on_processors"].keys() != expected:
        yield "on_processors", f"its processors' threads are {sorted(said['on_processors'])}"
    for thread, where in said["on_processors"].items():
        if where["allowed"] != list(promise.numbers):
            yield "on_processors", f"{thread} may run on {where['allowed']}"
        if not where["ran_on"] or not set(where["ran_on"]) <= set(promise.numbers):
            yield "on_processors", f"{thread} ran on {where['ran_on']}"


def _check_ethernet(said: Row, promise: Promise) -> Findings:
    found = said["ethernet"]
    card = promise.of_class(ETHERNET)
    if found["lease"] is not True:
        yield "ethernet.lease", "no lease was obtained"
    if found["function"] != card:
        yield "ethernet.function", f"{found['interface']} is {found['function']}, not {card}"
    if not _INTERFACE.fullmatch(found["interface"]):
        yield "ethernet.interface", f"{found['interface']!r} is no Ethernet interface"
    if found["mac"] != promise.mac:
        yield "ethernet.mac", f"it is {found['mac']}, and {card} has {promise.mac}"
    network = ip_network(promise.network)
    try:
        is_right = ip_interface(found["address"]).network == network
    except ValueError:
        is_right = False
    if not is_right:
        yield "ethernet.address", f"{found['address']!r} is not of {card}'s network {network}"
    if found["gateway"] != str(network[GATEWAY]):
        yield "ethernet.gateway", f"{found['gateway']!r} is not {network[GATEWAY]}"
    if not found["pings_answered"] == found["pings_sent"] == PINGS:
        answered = f"{found['pings_answered']} of {found['pings_sent']} to {found['gateway']}"
        yield "ethernet.pings_answered", f"{answered}; {PINGS} were to be sent"


def _check_scsi(said: Row, promise: Promise) -> Findings:
    found = said["scsi"]
    expected = {
        "function": promise.of_class(SCSI),
        "serial": promise.serial,
        "size": promise.disk_size,
        "mark": promise.name,
        "equal": True,
    }
    for line, wanted in expected.items():
        if found[line] != wanted:
            yield f"scsi.{line}", f"it is {found[line]!r}, and should be {wanted!r}"
    if found["written"] != found["read"]:
        yield "scsi.equal", f"written was {found['written']}, read back was {found['read']}"
    for line in ("written", "read"):
        if not _CHECKSUM.fullmatch(found[line]):
            yield f"scsi.{line}", f"{found[line]!r} is no checksum"
    for line in ("bytes_written", "bytes_read"):
        if not SCRATCH_BYTES <= found[line] <= MOST_BYTES:
            yield f"scsi.{line}", f"the disk counted {found[line]} bytes of {SCRATCH_BYTES}"


def _check_exits(said: Row, promise: Promise) -> Findings:
    exits = said["exits"]
    for line, most in (
        ("until_init", MOST_EXITS_UNTIL_INIT),
        ("during_io", MOST_EXITS_DURING_IO),
    ):
        counts = exits[line]
        if not counts:
            yield f"exits.{line}", "nothing was counted"
        if sum(counts.values()) > most or min(counts.values(), default=1) < 1:
            yield f"exits.{line}", f"{counts} are not 1 to {most}"
        for reason in counts:
            if not _REASON.fullmatch(reason):
                yield f"exits.{line}", f"{reason!r} is no reason"
    for line in ("msix_device", "scsi_device"):
        if exits[line]:
            yield f"exits.{line}", f"its I/O left for the VMM: {exits[line]}"


def _check_concealed(said: Row, promise: Promise) -> Findings:
    reached = {address[:7] for address in (*promise.functions, *promise.on_the_way)}  # buses
    for address, whose in promise.others.items():
        is_probed = address[:7] in reached and address.endswith(".0")
        if is_probed and address not in said["concealed"] and address not in HOST_BRIDGES:
            yield "concealed", f"{address}, which is {whose}'s, was not answered as absent"
    for address in said["concealed"]:
        if address in {**promise.functions, **promise.bridges, **HOST_BRIDGES}:
            yield "concealed", f"its own {address} was answered as absent"
        if not _ADDRESS.fullmatch(address):
            yield "concealed", f"{address!r} is no address"


_CHECKS = (
    *(_check_os, _check_pci, _check_memory, _check_processors),
    *(_check_ethernet, _check_scsi, _check_exits, _check_concealed),
)


# ---- both together


def _check_time(report: Row, promised: Mapping[str, Promise]) -> Findings:
    together = report["at_the_same_time"]
    if together <= 0:
        yield "at_the_same_time", "they did their I/O one after the other"
    if together > sum(report["seconds"].values()):
        yield "at_the_same_time", f"{together} s are more than all took"


# ---- interrupts


def _check_ended(report: Row, promised: Mapping[str, Promise]) -> Findings:
    """Each shut itself down, from inside or at its power button; none was unplugged."""
    for name in sorted(promised.keys() | report["ended"].keys()):
        how = report["ended"].get(name, "not at all")
        if name not in promised or how != POWERED_OFF:
            yield f"{name}.ended", f"it ended: {how}"


def _interrupt_failures(table: Sequence[Row], promise: Promise) -> Iterator[Failure]:
    rows = [row for row in table if row["instance"] == promise.name]
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
    requests = {row["request"] for row in rows if row["handled_by"] == VMM}
    for request in VMM_REQUESTS:
        if request not in requests:
            yield Failure("interrupt_table", f"{promise.name} has no row {request} of the VMM's")


def _unknown_rows(table: Sequence[Row], promised: Mapping[str, Promise]) -> Iterator[Failure]:
    """Each row by itself: whose it is, who handles it, and how often it came."""
    for why in missing(table):
        yield Failure("interrupt_table", why)
    for row in table:
        words = f"{row['instance']}: {row['request']} of {row['device']}"
        for why in _row_failures(row, promised):
            yield Failure("interrupt_table", f"{words} {why}")


def _row_failures(row: Row, promised: Mapping[str, Promise]) -> Iterator[str]:
    promise = promised.get(row["instance"])
    if promise is None and row["instance"] != ALL:
        yield "is nobody's"
    owner, requests, handlers = VMM, VMM_REQUESTS if promise else EVERYBODYS, VMM_HANDLERS
    is_known = requests.get(row["request"]) == row["device"]
    if promise is None:
        handlers = LINUX_HANDLES
    elif row["device"] in promise.functions:
        owner, handlers = promise.name, OWN_HANDLERS
        is_known = bool(OWN_REQUESTS.fullmatch(row["request"]))
    elif _ADDRESS.fullmatch(str(row["device"])):
        yield f"is {promise.others.get(row['device'], 'nobody')}'s"
    if not is_known:
        yield "is an unknown request"
    if row["handled_by"] != owner:
        yield f"is handled by {row['handled_by']}, and should be by {owner}"
    if not handlers.fullmatch(str(row["handler"])):
        yield f"has the handler {row['handler']!r}"
    line = LINES.get(row["request"], "") if promise is None else ""
    is_right = OWN_LINES.fullmatch(row["line"]) if owner != VMM else row["line"] == line
    if row["delivery"] != DELIVER or not is_right:
        yield f"comes by {row['line']!r}, {row['delivery']}"
    yield from _count_failures(row, owner)


def _count_failures(row: Row, owner: str) -> Iterator[str]:
    count, added = row["count"], row["added"]
    if owner == VMM and count is None and added is None and row["instance"] != ALL:
        return
    if not (isinstance(count, int) and isinstance(added, int)):
        yield f"was counted {count!r} times, {added!r} during the I/O"
    elif not 0 <= added <= count <= MOST_INTERRUPTS:
        yield f"came {count} times, {added} during the I/O"


# ---- given back


def _given_back_failures(found: Row, promised: Mapping[str, Promise]) -> Iterator[Failure]:
    taken = {at for promise in promised.values() for at in promise.functions}
    if found["drivers"].keys() != taken:
        yield Failure("given_back.drivers", f"told of {sorted(found['drivers'])}, not {taken}")
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
