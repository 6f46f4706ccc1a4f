"""Did each stay within its own, however it tried, and did the other notice nothing?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from septum.lab import attempts
from septum.lab.report import CONFIGURATION, MEMORY, PORT, SCSI, Promise, Row

MORE_RECORDED = 100  # exits beside those of the attempts, while they were made
NOTHING = {MEMORY: "0xFFFFFFFF", CONFIGURATION: "0xFFFFFFFF", PORT: "ff"}  # all ones

Findings = Iterator[tuple[str, str]]


def _check_apart(report: Row, promised: Mapping[str, Promise]) -> Findings:
    """What is each one's own must not be the same."""
    for part, line in (("scsi", "written"), ("scsi", "serial"), ("ethernet", "mac")):
        values = [said[part][line] for said in report["instances"].values()]
        if len(set(values)) != len(values):
            yield f"{part}.{line}", f"two have the same: {values[0]}"


def _check_attempts(report: Row, promised: Mapping[str, Promise]) -> Findings:
    if report["attempts"].keys() != promised.keys():
        yield "attempts", f"attempts were made by {sorted(report['attempts'])}"
    for name, made in report["attempts"].items():
        promise = promised.get(name)
        if promise is None:
            continue
        told = [{key: row[key] for key in row if key != "answered"} for row in made["tried"]]
        if told != [target._asdict() for target in promise.targets]:
            yield f"{name}.attempts.tried", f"it tried {told}"
        for row in made["tried"]:
            if row["answered"] != NOTHING.get(row["what"]):
                where = f"{row['what']} {row['address']} ({row['of']})"
                yield f"{name}.attempts.tried", f"{where} answered {row['answered']!r}"
        ports = sum(target.what == PORT for target in promise.targets)
        spaces = sum(target.what == CONFIGURATION for target in promise.targets)
        rest = len(promise.targets) - ports
        found = made["recorded"]
        in_memory = found["no_memory"] + found["ecam"]
        for line, count, tries in (
            ("no port", found["no_port"], ports),
            ("no memory", in_memory, rest),
            ("no memory", found["no_memory"], rest - spaces),
        ):
            # Each was one write and one read
            if not 2 * tries <= count <= 2 * tries + MORE_RECORDED:
                yield f"{name}.attempts.recorded", f"{count} under {line} of {tries} tries"
        yield from _neighbour(f"{name}.attempts", made["neighbour"], report, promised, name)


def _neighbour(
    line: str, found: Row, report: Row, promised: Mapping[str, Promise], name: str
) -> Findings:
    """The other instance, whose work went on while `name` tried."""
    if not found["pings_sent"] == found["pings_answered"] == attempts.BYSTANDERS_PINGS:
        answered = f"{found['pings_answered']} of {found['pings_sent']}"
        yield f"{line}.neighbour", f"{answered} pings were answered"
    others = [report["instances"].get(other) for other in promised if other != name]
    if [found["read"]] != [said and said["scsi"]["written"] for said in others]:
        yield f"{line}.neighbour", f"its disk reads {found['read']!r} now"


def _check_dma(report: Row, promised: Mapping[str, Promise]) -> Findings:
    found, name = report["dma"], attempts.DMA_INSTANCE
    device = promised[name].of_class(SCSI)
    if (found["instance"], found["device"]) != (name, device):
        yield "dma.device", f"it was {found['device']} of {found['instance']}"
    wanted = [one._asdict() | {"address": f"{one.address:#x}"} for one in attempts.aims(promised)]
    told = [{key: row[key] for key in ("how", "address", "of")} for row in found["aims"]]
    if told != wanted:
        yield "dma.aims", f"it aimed at {told}"
    for row in found["aims"]:
        if (row["got"], row["ended"]) != attempts.OUTCOME.get(row["how"]):
            yield "dma.aims", f"{row['how']} got {row['got']}, and ended with {row['ended']}"
    expected = [{"device": device, "how": one["how"], "address": one["address"]} for one in wanted]
    if found["faults"] != expected:
        yield "dma.faults", f"the IOMMU refused {found['faults']}, and should {expected}"
    said = report["instances"].get(name)
    if said and found["read_again"] != said["scsi"]["written"]:
        yield "dma.read_again", f"{name}'s own disk reads {found['read_again']!r} now"
    yield from _neighbour("dma", found["neighbour"], report, promised, name)


CHECKS = (_check_apart, _check_attempts, _check_dma)
