"""Is everything as the table says? What systems on an Alpha computer found, and how it is told.

build/demo-alpha/report.json has what septum.lab.report says of the pc platform's, and in addition

  platform          "alpha"
  instances         of each also: ended, floating, faults {name: signal or exit}, fork, slept,
                    disk (what its first sector says), wire (frames its Ethernet sent and received),
                    counts (every kind of trap and verdict), rejected [what, why, count]
  counts            the same of all together
  translations      NAME: what it held when it ended

Machine time is the software computer's own: seconds of its clock, not of the wall's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from septum.engine.alpha.computer.devices.network import NetworkCard
from septum.engine.alpha.vmm import show
from septum.lab import report
from septum.lab.alpha.run import BYTES, ROUNDS, Run, Witness, function_at
from septum.lab.report import ETHERNET, SCSI, SECTOR, Failure, Promise, Row
from septum.partitions.model import Partition
from septum.units import PciAddress

ISA_BRIDGE = "0601"
PINGS, FRAME = 4, 64
FAULTS = {  # as Linux on any Alpha has them: signals 11 SEGV, 4 ILL, 5 TRAP, 8 FPE
    "kernel_memory": "signal 11",
    "no_memory": "signal 11",
    "code_written": "signal 11",
    "privileged_call": "signal 4",
    "reserved_instruction": "signal 4",
    "jump_to_nowhere": "signal 11",
    "breakpoint": "signal 5",
    "division_by_zero": "signal 8",
    "unaligned": "exit 5",
}
FLOATING = [  # IEEE 754: the same bits on every machine
    "harmonic 4017831a8b7c3add root 3ff6a09e667f3bcd single 401d439600000000 5878030948121446",
    "denormal 0004000000000000 back 0010000000000000 infinity 7ff0000000000000",
    "nan ordered",
]
FORK = "7 1 8128"  # the child's exit code, what it changed, and the sum of what it copied
# First words of counters: what left the guest, against what was said or done about it
LEFT = ("exit", "call", "bus")


def seen_address(partition: Partition, address: PciAddress) -> str:
    """Where an owner finds a function: its hoses are counted from 0 [0048]."""
    hoses = sorted({one.domain for one in partition.functions})
    return str(address._replace(domain=hoses.index(address.domain)))


def promises(run: Run, versions: Mapping[str, str]) -> dict[str, Promise]:
    """By instance, what the table and the machine promise it; addresses as it finds them."""
    owners = {at: one.name for one in run.table.partitions for at in one.functions}
    made = {}
    for partition in run.table.partitions:
        functions = {}
        for address in partition.functions:
            function = run.machine.function(address)
            assert function is not None, "a sound table owns what is there"
            functions[seen_address(partition, address)] = (
                f"{function.vendor:04x}:{function.device:04x}",
                f"{function.class_code >> 8:04x}",
            )
        bridges = tuple(
            str(one.address._replace(domain=0))
            for one in run.machine.functions
            if f"{one.class_code >> 8:04x}" == ISA_BRIDGE
        )
        others = {
            str(one.address): owners.get(one.address, "nobody")
            for one in run.machine.functions
            if owners.get(one.address) != partition.name
        }
        made[partition.name] = Promise(
            partition.name,
            partition.memory.total,
            partition.processors.found,
            functions,
            bridges,
            {at: whose for at, whose in others.items() if at not in {*functions, *bridges}},
        )
    return made


# ---- what was found


def found(run: Run, promised: Mapping[str, Promise], versions: Mapping[str, str]) -> dict[str, Any]:
    """The whole report but the seconds, judged."""
    instances = {name: _instance(run, witness) for name, witness in run.witnesses.items()}
    together = [_io_cycles(witness) for witness in run.witnesses.values()]
    overlap = min(last for _, last in together) - max(first for first, _ in together)
    said: dict[str, Any] = {
        "platform": "alpha",
        "instances": instances,
        "interrupt_table": _interrupt_table(run),
        "at_the_same_time": max(overlap, 0) / run.computer.description.frequency,
        "given_back": {"drivers": {}, "huge_pages": [0, 0], "claims": [], "faults": []},
        "counts": _summed(one["counts"] for one in instances.values()),
        "translations": {
            name: [dict(row) for row in show.translations(witness.instance)]
            for name, witness in run.witnesses.items()
        },
    }
    failed = failures(said, promised, versions)
    return {"sound": not failed, "failures": [str(one) for one in failed], **said}


def _io_cycles(witness: Witness) -> tuple[int, int]:
    moments = witness.moments
    if "io begins" not in moments or "io ends" not in moments:
        return (0, 0)
    return moments["io begins"].cycle, moments["io ends"].cycle


def _interrupt_table(run: Run) -> list[dict[str, Any]]:
    """The table at the end; `added`: during the first I/O of each row's instance."""
    rows = []
    for row in show.interrupts(run.monitor):
        witness = run.witnesses.get(str(row["handled_by"]))
        whose = {"instance": "all" if witness is None else row["handled_by"]}
        added = None
        if witness is not None and {"io begins", "io ends"} <= witness.moments.keys():
            before, after = (
                next(one["count"] for one in moment.interrupts if one["device"] == row["device"])
                for moment in (witness.moments["io begins"], witness.moments["io ends"])
            )
            added = after - before
        rows.append({**whose, **row, "added": added})
    return rows


def _instance(run: Run, witness: Witness) -> dict[str, Any]:
    instance, lines = witness.instance, witness.lines
    text = "\n".join(lines)
    facts: dict[str, Any] = {"os": "", "memory_bytes": 0, "memory_usable_bytes": 0, "processors": 0}
    facts |= report.facts(text)
    last = dict(report.lines_of(text))
    probes = [{"instance": instance.name, **row} for row in show.probes(instance)]
    return {
        **facts,
        "ethernet": _ethernet(last, lines),
        "scsi": _scsi(lines),
        "exits": _exits(witness),
        "concealed": report.concealed(probes, instance.name),
        "on_processors": list(instance.partition.processors.numbers),
        "ended": instance.ended or "",
        "floating": [line.partition(" ")[2] for line in lines if line.startswith("float ")],
        "faults": _faults(lines),
        "fork": last.get("fork", ""),
        "slept": last.get("slept_50_ms", "") == "yes",
        "disk": last.get("disk_label", ""),
        "wire": _wire(run, instance.partition),
        "counts": _by_kind(instance.counters),
        "rejected": [
            {"what": what, "why": why, "count": count}
            for (what, why), count in sorted(instance.rejections.items())
        ],
    }


def _values(lines: list[str], key: str) -> list[str]:
    """What was said under a key, in each round."""
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{key} ")]


def _ethernet(last: Mapping[str, str], lines: list[str]) -> dict[str, Any]:
    """`lease`: None, as nobody gives any on these wires; the table says the address."""
    interface, _, card = last.get("ethernet", "").partition(" ")
    pings = [[int(word) for word in said.split()] for said in _values(lines, "pings")]
    return {
        "interface": interface,
        "card": card,
        "address": last.get("address", ""),
        "gateway": last.get("gateway", ""),
        "lease": None,
        "pings_sent": sum(one[0] for one in pings),
        "pings_answered": sum(one[1] for one in pings),
        "frame_bytes": sum(int(said) for said in _values(lines, "frame_sent")),
    }


def _scsi(lines: list[str]) -> dict[str, Any]:
    """`written`, `read`: checksums, one a round."""
    written, read = _values(lines, "scsi_written"), _values(lines, "scsi_read")
    sectors = [[int(word) for word in said.split()] for said in _values(lines, "scsi_sectors")]
    return {
        "bytes_written": sum(one[0] for one in sectors) * SECTOR,
        "bytes_read": sum(one[1] for one in sectors) * SECTOR,
        "written": " ".join(written),
        "read": " ".join(read),
        "equal": bool(written) and written == read,
    }


def _faults(lines: list[str]) -> dict[str, str]:
    said = (line.split(maxsplit=2) for line in lines if line.startswith("fault "))
    return {words[1]: words[2] for words in said if len(words) == 3}


def _wire(run: Run, partition: Partition) -> dict[str, int]:
    for address in partition.functions:
        card = function_at(run.computer, address)
        if isinstance(card, NetworkCard):
            return {"sent": card.cable.counts.sent, "received": card.cable.counts.received}
    return {"sent": 0, "received": 0}


def _exits(witness: Witness) -> dict[str, dict[str, int]]:
    """What left the guest for the VMM (or, bus, for a device), by reason."""
    moments = witness.moments
    at_init = _left(moments["init"].counters) if "init" in moments else {}
    during: dict[str, int] = {}
    if "io begins" in moments and "io ends" in moments:
        before, after = (_left(moments[mark].counters) for mark in ("io begins", "io ends"))
        during = report.added(before, after)
    return {"until_init": at_init, "during_io": during, "msix_device": {}}


def _left(counters: Mapping[str, int]) -> dict[str, int]:
    return {what: count for what, count in counters.items() if what.split()[0] in LEFT}


def _by_kind(counters: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Counters by their first word, then by the rest."""
    kinds: dict[str, dict[str, int]] = {}
    for name, count in sorted(counters.items()):
        kind, _, what = name.partition(" ")
        kinds.setdefault(kind, {})[what or kind] = count
    return kinds


def _summed(counts: Iterator[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    total: dict[str, Counter[str]] = {}
    for one in counts:
        for kind, numbers in one.items():
            total.setdefault(kind, Counter()).update(numbers)
    return {kind: dict(sorted(numbers.items())) for kind, numbers in sorted(total.items())}


# ---- the verdict


def failures(
    said: Row, promised: Mapping[str, Promise], versions: Mapping[str, str]
) -> list[Failure]:
    """Every line of a report that is not as the table says."""
    wrong: list[Failure] = []
    for name, promise in promised.items():
        instance = said["instances"][name]
        if f"Linux {versions[name]} " not in instance["os"]:
            wrong.append(Failure(f"{name}.os", f"it says {instance['os']!r}"))
        checks = (_pci, _resources, _io, _programs, _traps)
        for check in checks:
            wrong += [Failure(f"{name}.{line}", why) for line, why in check(instance, promise)]
        wrong += _interrupts(said["interrupt_table"], name)
    if said["at_the_same_time"] <= 0:
        wrong.append(Failure("at_the_same_time", "they did their I/O one after the other"))
    return wrong


Findings = Iterator[tuple[str, str]]


def _pci(said: Row, promise: Promise) -> Findings:
    listed = {row["address"]: (row["vendor:device"], row["class"]) for row in said["pci"]}
    for address, expected in promise.functions.items():
        if listed.get(address) != expected:
            yield "pci", f"{address} should be {expected}, and is {listed.get(address)}"
    for address in listed.keys() - promise.functions.keys() - set(promise.on_the_way):
        yield "pci", f"it lists {address}, which is {promise.others.get(address, 'nobody')}'s"
    if not said["concealed"]:
        yield "concealed", "it was never told that something is absent"
    for address in set(said["concealed"]) & promise.functions.keys():
        if promise.others:
            continue  # a hose counted from elsewhere
        yield "concealed", f"its own {address} was answered as absent"


def _resources(said: Row, promise: Promise) -> Findings:
    if said["memory_bytes"] != promise.memory:
        yield "memory_bytes", f"it finds {said['memory_bytes']}, promised were {promise.memory}"
    if not promise.memory * 0.8 < said["memory_usable_bytes"] < promise.memory:
        yield "memory_usable_bytes", f"{said['memory_usable_bytes']} of {promise.memory}"
    if said["processors"] != promise.processors:
        yield "processors", f"it finds {said['processors']}, promised were {promise.processors}"
    if said["ended"] != "powered off":
        yield "ended", f"{said['ended'] or 'it goes on'}, and should be powered off"


def _io(said: Row, promise: Promise) -> Findings:
    ethernet, scsi, wire = said["ethernet"], said["scsi"], said["wire"]
    if (ethernet["pings_sent"], ethernet["pings_answered"]) != (ROUNDS * PINGS,) * 2:
        yield (
            "ethernet.pings_answered",
            f"{ethernet['pings_answered']} of {ethernet['pings_sent']} to {ethernet['gateway']}",
        )
    if ethernet["frame_bytes"] != ROUNDS * FRAME:
        yield "ethernet.frame_bytes", f"{ethernet['frame_bytes']} bytes of {ROUNDS * FRAME}"
    if wire["sent"] < ROUNDS * (PINGS + 1) or wire["received"] < ROUNDS * PINGS:
        yield "wire", f"it carried {wire['sent']} frames out and {wire['received']} in"
    if not scsi["equal"]:
        yield "scsi.equal", f"written was {scsi['written']}, read back was {scsi['read']}"
    for line in ("bytes_written", "bytes_read"):
        if scsi[line] < ROUNDS * BYTES:
            yield f"scsi.{line}", f"the disk counted {scsi[line]} bytes of {ROUNDS * BYTES}"
    if said["disk"] != f"disk of {promise.name}":
        yield "disk", f"its first sector says {said['disk']!r}"


def _programs(said: Row, promise: Promise) -> Findings:
    if said["fork"] != FORK:
        yield "fork", f"parent and child say {said['fork']!r}, and should say {FORK!r}"
    if not said["slept"]:
        yield "slept", "a sleep of 50 ms did not take 50 to 500"
    for name, expected in FAULTS.items():
        if said["faults"].get(name) != expected:
            yield f"faults.{name}", f"{said['faults'].get(name)}, and should be {expected}"
    if said["floating"] != FLOATING:
        yield "floating", f"{said['floating']} is not what IEEE 754 says"


def _traps(said: Row, promise: Promise) -> Findings:
    counts = said["counts"]
    for kind in ("exit", "verdict", "fill", "interrupt", "fault"):
        if not counts.get(kind):
            yield f"counts.{kind}", "nothing was counted"
    for line in ("until_init", "during_io"):
        if not said["exits"][line]:
            yield f"exits.{line}", "nothing was counted"


def _interrupts(table: list[Row], name: str) -> Iterator[Failure]:
    for kind in ("Ethernet", "SCSI"):
        mine = [row for row in table if row["handled_by"] == name and kind in row["device"]]
        if len(mine) != 1:
            yield Failure("interrupt_table", f"{name} handles {len(mine)} rows of {kind}")
        elif not mine[0]["added"]:
            yield Failure("interrupt_table", f"none of {mine[0]['device']} reached {name}")


__all__ = ["ETHERNET", "SCSI", "failures", "found", "promises"]
