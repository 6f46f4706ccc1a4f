"""What did systems on an Alpha computer find, and what did its machine see of them?

build/demo-alpha/report.json, all sizes in bytes, times in seconds of the software computer's own
clock (but `seconds`, which are the wall's):

  sound, failures   is every line as the table and the machine file say (judges.py), and which not
  instances         of each: os, processors, memory_bytes, memory_usable_bytes, pci (as it lists
                    them), concealed (addresses it probed and found absent), io (began, ended,
                    rounds), ethernet (what it said; wire: what the other end of its cable saw),
                    scsi (what it said; on_disk: checksum of what the machine's disk holds), fork,
                    slept, faults, floating, attempts (at what is a neighbour's: what it read,
                    kept: the machine had the same there before and after, recorded: refused
                    writes that its probes tell), meanwhile (DMA cycles of the neighbours during
                    these), aimed (its card's DMA at a neighbour's memory, and the card's status
                    afterwards), exits, counts (every kind of trap and verdict), rejected, ended,
                    translations (what it held when it had reported)
  interrupt_table   rows of septum show interrupts; added: during the I/O of the row's instance
  at_the_same_time  how long all did their I/O
  afterwards        what devices could still do when all had ended
  counts            the same of all instances together
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.computer.devices.controller import ScsiController
from septum.engine.alpha.computer.devices.function import PciFunction
from septum.engine.alpha.computer.devices.network import NetworkCard
from septum.engine.alpha.computer.devices.pchip import Pchip
from septum.engine.alpha.vmm import show
from septum.lab import report
from septum.lab.alpha.judges import failures
from septum.lab.alpha.promise import CONFIGURATION, ETHERNET, SCSI, Foreign, Promise, seen_address
from septum.lab.alpha.run import ATTEMPTS, BYTES, FIRST_BYTE, Run, Witness, function_at
from septum.lab.report import SECTOR
from septum.layouts import ethernet, tsunami
from septum.units import MiB, PciAddress

# First words of counters: what left the guest, against what was said or done about it
LEFT = ("exit", "call", "bus")
GIVEN = ("accept", "modify")


def found(run: Run, versions: Mapping[str, str]) -> dict[str, Any]:
    """The whole report but the seconds, judged."""
    instances = {name: _instance(run, witness) for name, witness in run.witnesses.items()}
    times = [one["io"] for one in instances.values()]
    overlap = min(one["ended"] for one in times) - max(one["began"] for one in times)
    said: dict[str, Any] = {
        "platform": run.table.platform,
        "instances": instances,
        "interrupt_table": _interrupt_table(run),
        "at_the_same_time": max(overlap, 0.0),
        "afterwards": afterwards(run.computer),
        "counts": _summed(one["counts"] for one in instances.values()),
    }
    failed = failures(said, run.promised, versions)
    return {"sound": not failed, "failures": [str(one) for one in failed], **said}


def _instance(run: Run, witness: Witness) -> dict[str, Any]:
    instance, lines = witness.instance, witness.lines
    promise = run.promised[instance.name]
    facts: dict[str, Any] = {"os": "", "memory_bytes": 0, "memory_usable_bytes": 0, "processors": 0}
    last = dict(report.lines_of("\n".join(lines)))
    return {
        **facts,
        **report.facts("\n".join(lines)),
        "concealed": _concealed(witness),
        "io": _io(run, witness),
        "ethernet": _ethernet(run.computer, promise, last, lines),
        "scsi": _scsi(run.computer, promise, last, lines),
        "fork": last.get("fork", ""),
        "slept": last.get("slept_50_ms", "") == "yes",
        "faults": _faults(lines),
        "floating": [line.partition(" ")[2] for line in lines if line.startswith("float ")],
        "attempts": [_attempt(witness, number) for number in range(len(promise.foreign))],
        "meanwhile": _meanwhile(run, witness),
        "aimed": last.get("aimed", ""),
        "exits": _exits(witness),
        "counts": _by_kind(instance.counters),
        "rejected": [
            {"what": what, "why": why, "count": count}
            for (what, why), count in sorted(instance.rejections.items())
        ],
        "ended": instance.ended or "",
        "translations": [
            {key: str(row[key]) for key in ("guest", "to", "machine", "verdict", "held by")}
            for row in witness.translations
            if row["verdict"] in GIVEN
        ],
    }


def _values(lines: list[str], key: str) -> list[str]:
    """What was said under a key, in each round."""
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{key} ")]


def _numbers(lines: list[str], key: str) -> tuple[int, int]:
    """Two numbers under a key, summed over the rounds."""
    said = [[int(word) for word in line.split()] for line in _values(lines, key)]
    return sum(one[0] for one in said), sum(one[1] for one in said)


def _concealed(witness: Witness) -> list[str]:
    """As the instance numbers them."""
    rows = show.probes(witness.instance)
    absent = (PciAddress.parse(str(row["address"])) for row in rows if row["answer"] == "absent")
    return sorted({seen_address(witness.instance.partition, address) for address in absent})


def _io(run: Run, witness: Witness) -> dict[str, Any]:
    frequency = run.computer.description.frequency
    began, ended = (
        witness.moments[mark].cycle / frequency if mark in witness.moments else 0.0
        for mark in ("io begins", "io ends")
    )
    return {"began": began, "ended": ended, "rounds": witness.lines.count("io begins")}


def _ethernet(
    computer: Computer, promise: Promise, last: Mapping[str, str], lines: list[str]
) -> dict[str, Any]:
    interface, _, card = last.get("ethernet", "").partition(" ")
    sent, answered = _numbers(lines, "pings")
    return {
        "interface": interface,
        "card": card,
        "address": last.get("address", ""),
        "gateway": last.get("gateway", ""),
        "pings_sent": sent,
        "pings_answered": answered,
        "frame_bytes": sum(int(said) for said in _values(lines, "frame_sent")),
        "wire": _wire(function_at(computer, promise.of_kind(ETHERNET).machine)),
    }


def _wire(card: PciFunction | None) -> dict[str, Any]:
    assert isinstance(card, NetworkCard)
    counts, far_side = card.cable.counts, card.cable.far_side
    outward = [frame.content for frame in card.cable.frames if frame.outward]
    return {
        "sent": counts.sent,
        "received": counts.received,
        "answered": dict(far_side.answered),
        "ignored": far_side.ignored,
        "cards": sorted({_sender(frame)[0] for frame in outward}),
        "addresses": sorted({_sender(frame)[1] for frame in outward} - {""}),
    }


def _sender(frame: bytes) -> tuple[str, str]:
    """Whose a frame is, by its Ethernet and its IP address ("" when it has none)."""
    _, source, kind = ethernet.HEADER.unpack_from(frame)
    payload = frame[ethernet.HEADER.size :]
    address = b""
    if kind == ethernet.ARP:
        address = ethernet.ARP_PACKET.unpack_from(payload)[6]
    elif kind == ethernet.IPV4:
        address = payload[ethernet.IPV4_SOURCE_AT : ethernet.IPV4_DESTINATION_AT]
    return source.hex(":"), ".".join(str(part) for part in address)


def _scsi(
    computer: Computer, promise: Promise, last: Mapping[str, str], lines: list[str]
) -> dict[str, Any]:
    """`written`, `read`: checksums, one a round."""
    controller = function_at(computer, promise.of_kind(SCSI).machine)
    assert isinstance(controller, ScsiController)
    content = controller.target.disk.content
    written, read = _numbers(lines, "scsi_sectors")
    return {
        "label": last.get("disk_label", ""),
        "bytes": int(last.get("disk_sectors", "0")) * SECTOR,
        "bytes_written": written * SECTOR,
        "bytes_read": read * SECTOR,
        "written": _values(lines, "scsi_written"),
        "read": _values(lines, "scsi_read"),
        "on_disk": f"{_hashed(content[FIRST_BYTE : FIRST_BYTE + BYTES]):016x}",
    }


def _hashed(content: memoryview) -> int:
    """FNV-1a by 64-bit words, as init computes it."""
    hashed, most = 14695981039346656037, (1 << 64) - 1
    for word in content.cast("B").cast("Q"):
        hashed = (hashed ^ word) * 1099511628211 & most
    return hashed


def _faults(lines: list[str]) -> dict[str, str]:
    said = (line.split(maxsplit=2) for line in lines if line.startswith("fault "))
    return {words[1]: words[2] for words in said if len(words) == 3}


# ---- what it tried


def _attempt(witness: Witness, number: int) -> dict[str, Any]:
    thing = witness.foreign[number]
    said = (line.split() for line in witness.lines if line.startswith(f"attempt {thing.word} "))
    kept = all(mark in witness.moments for mark in ATTEMPTS) and (
        witness.moments[ATTEMPTS[0]].foreign[number] == witness.moments[ATTEMPTS[1]].foreign[number]
    )
    return {
        "kind": thing.kind,
        "whose": thing.whose,
        "name": thing.name,
        "at": f"{thing.physical:#x}",
        "read": [word for words in said for word in words[2:]],
        "kept": kept,
        "recorded": _recorded(witness, thing),
    }


def _recorded(witness: Witness, thing: Foreign) -> int:
    """Refused writes to a slot of the instance's own bus; elsewhere `rejected` has them."""
    partition = witness.instance.partition
    return sum(
        int(str(row["refused"]))
        for row in show.probes(witness.instance)
        if thing.kind == CONFIGURATION
        and seen_address(partition, PciAddress.parse(str(row["address"]))) == thing.slot
    )


def _meanwhile(run: Run, witness: Witness) -> dict[str, int]:
    """What the neighbours' functions did from the first attempt to the last."""
    if not all(mark in witness.moments for mark in ATTEMPTS):
        return {}
    before, after = (witness.moments[mark].accesses for mark in ATTEMPTS)
    return {
        one.name: after[one.name] - before[one.name]
        for name, promise in run.promised.items()
        if name != witness.instance.name
        for one in promise.functions
    }


# ---- what was counted


def _exits(witness: Witness) -> dict[str, dict[str, int]]:
    """What left the guest for the VMM (or, bus, for a device), by reason."""
    moments = witness.moments
    at_init = _left(moments["init"].counters) if "init" in moments else {}
    during: dict[str, int] = {}
    if "io begins" in moments and "io ends" in moments:
        before, after = (_left(moments[mark].counters) for mark in ("io begins", "io ends"))
        during = report.added(before, after)
    return {"until_init": at_init, "during_io": during}


def _left(counters: Mapping[str, int]) -> dict[str, int]:
    return {what: count for what, count in counters.items() if what.split()[0] in LEFT}


def _by_kind(counters: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Counters by their first word, then by the rest; "machine check" is one of its own."""
    kinds: dict[str, dict[str, int]] = {}
    for name, count in sorted(counters.items()):
        kind, _, what = name.partition(" ")
        kinds.setdefault(kind, {})[what or kind] = count
    return kinds


def _summed(counts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    total: dict[str, Counter[str]] = {}
    for one in counts:
        for kind, numbers in one.items():
            total.setdefault(kind, Counter()).update(numbers)
    return {kind: dict(sorted(numbers.items())) for kind, numbers in sorted(total.items())}


def _interrupt_table(run: Run) -> list[dict[str, Any]]:
    """The table at the end; `added`: during the I/O of each row's instance."""
    rows = []
    for row in show.interrupts(run.monitor):
        witness = run.witnesses.get(str(row["handled_by"]))
        added = None
        if witness is not None and {"io begins", "io ends"} <= witness.moments.keys():
            before, after = (
                next(one["count"] for one in moment.interrupts if one["device"] == row["device"])
                for moment in (witness.moments["io begins"], witness.moments["io ends"])
            )
            added = after - before
        rows.append({**row, "added": added})
    return rows


# ---- when all have ended


def afterwards(computer: Computer) -> dict[str, list[str]]:
    """What the machine's devices could still do: open windows, bus masters, what DMA reaches."""
    masters, reached, opened = [], [], []
    for hose in computer.hoses:
        for function in hose.functions.values():
            described = computer.description.function(hose.number, function.slot)
            name = described.name if described else str(function.slot)
            masters += [name] if function.is_master else []
            reached += [
                f"{name} at {address:#x}" for address in _reached(hose.pchip, function.slot)
            ]
        opened += [f"hose {hose.number}, {window}" for window in _opened(computer, hose.number)]
    return {"windows_open": opened, "bus_masters": masters, "reached": reached}


def _reached(pchip: Pchip, slot: int) -> list[int]:
    """Bus addresses at which a slot's DMA would get anywhere: one a smallest window."""
    places = (*range(0, tsunami.PCI_MEMORY.size, MiB), tsunami.MONSTER_WINDOW.start)
    parts = ((place, next(pchip.segments(slot, place, 1, False))) for place in places)
    return [place for place, part in parts if not part.refused]


def _opened(computer: Computer, hose: int) -> Iterator[str]:
    """Windows that are enabled, by the machine's registers: the common ones, each requester's."""
    start = tsunami.hose_address(hose, tsunami.PCHIP)
    sets = {"common": 0}
    if computer.description.hoses[hose].requester_windows:
        first, step = tsunami.REQUESTER_WINDOWS.start, tsunami.REQUESTER_STEP
        sets |= {f"slot {slot}": first + slot * step for slot in tsunami.SLOTS}
    for what, offset in sets.items():
        for number in range(tsunami.WINDOWS):
            at = start + offset + number * tsunami.REGISTER_STEP
            if tsunami.WindowBase(computer.read(at, tsunami.REGISTER_SIZE)).enable:
                yield f"{what} window {number}"
    control = computer.read(start + tsunami.PchipControl.offset, tsunami.REGISTER_SIZE)
    if tsunami.PchipControl(control).monster_window:
        yield "monster window"
