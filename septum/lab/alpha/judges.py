"""Is each line of the Alpha computer's report as the table and the machine file say?

Where a number follows from what was asked for, it must be that number. Where it depends on the
kernels and on chance (how often something trapped), it must lie between bounds that a working
system keeps and a broken one does not. What no judge looks at is in TOLD, with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from septum.lab.alpha.promise import CONFIGURATION, SIZES, Promise
from septum.lab.alpha.run import BYTES, LEAST_ROUNDS, LONGEST, TRIES
from septum.lab.alpha.tallies import (
    MOST_COUNTED,
    Findings,
    between,
    counted_kinds,
    rejected,
    same,
    table,
    translations,
)
from septum.lab.report import Failure, Row

# Leaves of the report that are told and not judged
TOLD = {
    "sound": "the judges' own verdict",
    "failures": "the judges' own verdict",
    "seconds": "the wall's clock is each computer's own; its total has a limit, in demo.py",
    "interrupt_table.VMM.device": "the VMM's words for what has no device",
    "interrupt_table.VMM.handler": "the VMM's words for what it does itself",
}

MOST_ROUNDS = 20
MOST_READ_AGAIN = 8 << 20  # labels and partition tables, and what is read ahead
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
NEEDS_RESET = "4f"  # a virtio device's status when what it read by DMA was no ring


def failures(
    said: Row, promised: Mapping[str, Promise], versions: Mapping[str, str]
) -> list[Failure]:
    """Every line of a report that is not as the table and the machine file say."""
    wrong: list[Failure] = []
    for name, promise in promised.items():
        instance = said["instances"][name]
        expected = f"Linux {versions[name]} alpha"
        if instance["os"] != expected:
            wrong.append(Failure(f"{name}.os", f"it says {instance['os']!r}, and is {expected}"))
        for check in _CHECKS:
            wrong += [Failure(f"{name}.{line}", why) for line, why in check(instance, promise)]
    for whole in (table, _own_data, _together, _afterwards, _totals):
        wrong += [Failure(line, why) for line, why in whole(said, promised)]
    return wrong


# ---- what it found


def _pci(said: Row, promise: Promise) -> Findings:
    listed = {row["address"]: (row["vendor:device"], row["class"]) for row in said["pci"]}
    expected = {one.seen: (one.identity, one.kind) for one in promise.functions} | promise.bridges
    for address, identity in expected.items():
        if listed.get(address) != identity:
            yield "pci", f"{address} should be {identity}, and is {listed.get(address)}"
    for address in listed.keys() - expected.keys():
        whose = promise.absent.get(address) or "nobody's"
        yield "pci", f"it lists {address}, which is {whose}"
    absent = set(said["concealed"])
    for address in sorted(absent - promise.absent.keys()):
        yield "concealed", f"{address} was answered as absent, and is its own, or on no bus of it"
    for address in sorted(promise.absent.keys() - absent):
        whose = promise.absent[address] or "nobody's"
        yield "concealed", f"{address}, {whose}, was not probed and answered as absent"


def _resources(said: Row, promise: Promise) -> Findings:
    size = promise.memory.size
    yield from same("memory_bytes", said["memory_bytes"], size)
    yield from between("memory_usable_bytes", said["memory_usable_bytes"], 0.8 * size, size - 1)
    yield from same("processors", said["processors"], promise.processors)
    yield from same("ended", said["ended"], promise.end)


def _times(said: Row, promise: Promise) -> Findings:
    io = said["io"]
    yield from between("io.rounds", io["rounds"], LEAST_ROUNDS, MOST_ROUNDS)
    yield from between("io.ended", io["ended"], 0, LONGEST)
    if not 0 < io["began"] < io["ended"]:
        yield "io.began", f"at {io['began']} s, and it ended at {io['ended']} s"


def _ethernet(said: Row, promise: Promise) -> Findings:
    card, rounds = said["ethernet"], said["io"]["rounds"]
    expected = {
        "interface": "eth0",
        "card": promise.card,
        "address": promise.address,
        "gateway": promise.gateway,
        "pings_sent": rounds * PINGS,
        "pings_answered": rounds * PINGS,
        "frame_bytes": rounds * FRAME,
    }
    for line, value in expected.items():
        yield from same(f"ethernet.{line}", card[line], value)
    wire = card["wire"]
    answered = wire["answered"]
    yield from same("ethernet.wire.cards", wire["cards"], [promise.card])
    yield from same("ethernet.wire.addresses", wire["addresses"], [promise.address])
    yield from same("ethernet.wire.ignored", wire["ignored"], 0)
    yield from same("ethernet.wire.answered.icmp", answered["icmp"], rounds * PINGS)
    yield from same("ethernet.wire.answered.experiment", answered["experiment"], rounds)
    yield from same("ethernet.wire.answered.udp", answered["udp"], 0)
    yield from between("ethernet.wire.answered.arp", answered["arp"], 1, rounds)
    for line in ("sent", "received"):  # the other end has an answer for each
        yield from same(f"ethernet.wire.{line}", wire[line], sum(answered.values()))


def _scsi(said: Row, promise: Promise) -> Findings:
    disk, rounds = said["scsi"], said["io"]["rounds"]
    yield from same("scsi.label", disk["label"], f"disk of {promise.name}")
    yield from same("scsi.bytes", disk["bytes"], promise.disk)
    yield from same("scsi.bytes_written", disk["bytes_written"], rounds * BYTES)
    least = rounds * BYTES
    yield from between("scsi.bytes_read", disk["bytes_read"], least, least + MOST_READ_AGAIN)
    if disk["read"] != disk["written"] or len(disk["written"]) != rounds:
        yield "scsi.read", f"written was {disk['written']}, read back was {disk['read']}"
    if len(set(disk["written"])) != len(disk["written"]):
        yield "scsi.written", "two rounds wrote the same"
    if disk["on_disk"] not in disk["written"][-1:]:
        yield "scsi.on_disk", f"the machine's disk holds {disk['on_disk']}, which is not its last"


def _programs(said: Row, promise: Promise) -> Findings:
    yield from same("fork", said["fork"], FORK)
    if said["slept"] is not True:
        yield "slept", "a sleep of 50 ms did not take 50 to 500"
    for name in FAULTS.keys() | said["faults"].keys():
        yield from same(f"faults.{name}", said["faults"].get(name), FAULTS.get(name))
    yield from same("floating", said["floating"], FLOATING)


# ---- what it tried


def _attempts(said: Row, promise: Promise) -> Findings:
    named = ("kind", "whose", "name", "at")
    tried = [tuple(row[key] for key in named) for row in said["attempts"]]
    expected = [(one.kind, one.whose, one.name, f"{one.physical:#x}") for one in promise.foreign]
    yield from same("attempts", tried, expected)
    for row, thing in zip(said["attempts"], promise.foreign, strict=False):
        what = f"{thing.whose}'s {thing.name}, its {thing.kind}"
        if row["read"] != ["f" * 2 * SIZES[thing.kind]] * 2 * TRIES:
            yield "attempts", f"{what}: it read {row['read']}"
        if row["kept"] is not True:
            yield "attempts", f"{what}: the machine has something else there than before"
        writes = TRIES if thing.kind == CONFIGURATION and thing.slot else 0
        if row["recorded"] != writes:
            yield "attempts", f"{what}: {row['recorded']} writes are recorded, {writes} were tried"
    theirs = promise.tried(CONFIGURATION)
    yield from same("meanwhile", set(said["meanwhile"]), {thing.name for thing in theirs})
    for whose in {thing.whose for thing in theirs}:
        names = [thing.name for thing in theirs if thing.whose == whose]
        if not any(said["meanwhile"].get(name) for name in names):
            yield "meanwhile", f"{whose} did nothing during its attempts"
    for name, count in said["meanwhile"].items():
        yield from between(f"meanwhile.{name}", count, 0, MOST_COUNTED)
    expected_aim = f"{promise.aim:x} {NEEDS_RESET}" if promise.aim else ""
    yield from same("aimed", said["aimed"], expected_aim)


def _totals(said: Row, promised: Mapping[str, Promise]) -> Findings:
    """The sums are the sums; what two count, both count alike."""
    total: Counter[tuple[str, str]] = Counter()
    for name in promised:
        for kind, numbers in said["instances"][name]["counts"].items():
            total.update({(kind, what): count for what, count in numbers.items()})
    told = {
        (kind, what): count
        for kind, numbers in said["counts"].items()
        for what, count in numbers.items()
    }
    for kind, what in total.keys() | told.keys():
        line = f"counts.{kind}.{what}"
        yield from same(line, told.get((kind, what)), total.get((kind, what)))
    yield from same("platform", said["platform"], "alpha")


def _own_data(said: Row, promised: Mapping[str, Promise]) -> Findings:
    """No two disks hold the same, in no round."""
    sums = Counter(
        one for name in promised for one in set(said["instances"][name]["scsi"]["written"])
    )
    for one, count in sums.items():
        if count > 1:
            yield "scsi.written", f"{one} was written to {count} disks"


def _together(said: Row, promised: Mapping[str, Promise]) -> Findings:
    times = [said["instances"][name]["io"] for name in promised]
    overlap = min(one["ended"] for one in times) - max(one["began"] for one in times)
    if overlap <= 0:
        yield "at_the_same_time", "they did their I/O one after the other"
    yield from same("at_the_same_time", said["at_the_same_time"], max(overlap, 0.0))


def _afterwards(said: Row, promised: Mapping[str, Promise]) -> Findings:
    for line, left in said["afterwards"].items():
        yield from same(f"afterwards.{line}", left, [])


_CHECKS: tuple[Callable[[Row, Promise], Findings], ...] = (
    *(_pci, _resources, _times, _ethernet, _scsi, _programs),
    *(_attempts, rejected, translations, counted_kinds),
)
