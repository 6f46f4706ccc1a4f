"""Does a system at work notice a neighbour that does whatever it likes?

The neighbour is the guest random-accesses: ports, configuration spaces by ports and by memory, all
of the window below 4 GiB, and the registers of functions of its own, so that these reach out by
DMA. Each attack has a seed, and the same seed makes the same accesses. Meanwhile a working system
(blue of the main job) pings and reads its disk; what is asked of it, and of the host, is judged.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from septum.engine.kvm.exits import TRIPLE_FAULT
from septum.errors import LabLost
from septum.lab import attempts, hostile, lost, typed
from septum.lab.demo import PATIENCE, MainJob
from septum.lab.progress import Progress
from septum.lab.run import Lab
from septum.lab.terminal import Terminal
from septum.units import KiB, MiB

GUEST = "random-accesses"
NAME = "hostile"
PLACE = "/var/tmp/hostile"
# Kinds of accesses, as bits; in the order of the guest's own list
KINDS = ("ports", "mechanism 1", "ECAM", "window", "own registers")
ALL_KINDS = 2 ** len(KINDS) - 1
OWN_SIZE = 32 * KiB  # of its function's first BAR: a power of two
FOLDER = Path("build/siege")
ATTACKERS_FUNCTIONS = ("0000:02:00.0", "0000:00:04.0")  # green's of the main job
MOST_LOSSES = 10
GROWTH = {"logs": 4 * MiB, "memory": 8 * MiB}  # bytes, most that an attack may cost the host
LEAST_SHARE = 0.4  # of the time for which the working system was ready to run; by weight it has 2/3
SWITCHED_OFF = "powered off"
OWN_DOING = (TRIPLE_FAULT, "failed")  # how a system may end that let devices write over it
TABLE = """\
[machine]
platform = "pc"
[instances.{name}]
kernel = "{place}.elf"
command_line = ""
memory = "64M"
processors = {{ share = [0, 1], count = 1, weight = 100 }}
functions = {functions}
without_reset = {functions}
on_reboot = "stop"
"""
# Sizes in bytes, times in nanoseconds on and off a processor: proc(5), schedstats
LOOK = r"""
echo "logs $(du -sb /var/log/septum | cut -f 1)"
for pid in $(cat /run/septum/supervisor | grep -o -m 1 '[0-9][0-9]*' | head -n 1) {pid}; do
    sed -n 's/^RssAnon:\s*/memory /p' /proc/$pid/status
done
for t in /proc/{pid}/task/*; do
    read -r name <$t/comm
    case $name in *" cpu"*) echo "processor $(cat $t/schedstat)" ;; esac
done
"""


class Attack(NamedTuple):
    """So many accesses, of kinds as bits, by an instance with these functions of its own."""

    seed: int
    accesses: int
    kinds: int = ALL_KINDS
    functions: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        kinds = ", ".join(name for bit, name in enumerate(KINDS) if self.kinds >> bit & 1)
        return f"seed {self.seed}: {kinds}; owns {', '.join(self.functions) or 'nothing'}"


class Siege:
    """Attacks, one after another, on what works in a lab that runs already."""

    def __init__(self, lab: Lab, works: Terminal, scratch: str, folder: Path) -> None:
        self.lab = lab
        self.works = works
        self.command = attempts.bystanding(scratch)
        self.folder = folder

    def endure(self, attack: Attack) -> dict[str, Any]:
        """One attack, from its start until the hostile system has ended: what was found."""
        self._place(attack)
        drivers = self._drivers(attack)
        complaints = lost.complaints(self.lab)
        before = self._look()
        began = time.monotonic()
        self.lab.run(f"septum up {PLACE}.toml", timeout=PATIENCE, check=True)
        rounds = []
        while True:
            rounds.append(attempts.neighbour(self.works.ask(self.command, PATIENCE).text))
            row = self._row(NAME)
            if row["state"] not in ("starting", "running"):
                break
        seconds = time.monotonic() - began
        after = self._look()
        said = self.lab.run(f"cat /var/log/septum/{NAME}.log", check=True).stdout
        down = self.lab.run(f"septum down --now {NAME}", timeout=PATIENCE)
        return {
            **attack._asdict(),
            "made": accesses_made(said),
            "alive": f"{GUEST}: alive" in said,
            "reason": row["reason"],
            "ended": row["ending"],
            "seconds": seconds,
            "neighbour": self._row(self.works.name)["state"],
            "rounds": rounds,
            "growth": growth(before, after),
            "share": share(before, after),
            "complaints": [o for o in lost.complaints(self.lab) if o not in complaints],
            "down": down.stderr if down.code else "",
            "drivers": [drivers, self._drivers(attack)],
        }

    def _place(self, attack: Attack) -> None:
        """The guest and its table, in the lab."""
        symbols = {"SEED": attack.seed, "ACCESSES": attack.accesses, "KINDS": attack.kinds}
        if attack.functions:
            where = f"/sys/bus/pci/devices/{attack.functions[0]}/resource"
            first = self.lab.run(f"head -n 1 {where}", check=True).stdout.split()
            symbols |= {"OWN_BASE": int(first[0], 16), "OWN_SIZE": OWN_SIZE}
        self.lab.put(hostile.make(GUEST, self.folder, **symbols), f"{PLACE}.elf")
        functions = json.dumps(attack.functions)
        table = TABLE.format(name=NAME, place=PLACE, functions=functions)
        self.lab.run(f"cat > {PLACE}.toml", stdin=table.encode(), check=True)
        self.lab.run(f"rm -f /var/log/septum/{NAME}.log", check=True)

    def _row(self, name: str) -> Mapping[str, Any]:
        rows = json.loads(self.lab.run("septum ps --json", check=True).stdout)
        found: Mapping[str, Any] = next(row for row in rows if row["name"] == name)
        return found

    def _look(self) -> str:
        pid = self._row(self.works.name)["pid"]
        return self.lab.run(LOOK.format(pid=pid), check=True).stdout

    def _drivers(self, attack: Attack) -> list[str]:
        words = [f"readlink /sys/bus/pci/devices/{one}/driver; echo ." for one in attack.functions]
        return self.lab.run("; ".join(words) or "true").stdout.splitlines()


def accesses_made(said: str) -> int:
    """How many there were when the guest last said so."""
    counts = re.findall(rf"{GUEST}: so far ([0-9a-f]{{16}})", said)
    return int(counts[-1], 16) if counts else 0


def growth(before: str, after: str) -> dict[str, int]:
    """What logs and processes are larger by, in bytes, of two looks at LOOK."""
    old, new = amounts(before), amounts(after)
    return {
        "logs": new["logs"][0] - old["logs"][0],
        "memory": (sum(new["memory"]) - sum(old["memory"])) * KiB,
    }


def share(before: str, after: str) -> float:
    """Of the time for which its processor wanted to run, how much it ran between two looks."""
    ran, waited = (
        sum(amounts(after)["processor"][at::3]) - sum(amounts(before)["processor"][at::3])
        for at in (0, 1)
    )
    return ran / max(1, ran + waited)


def amounts(text: str) -> dict[str, list[int]]:
    """The numbers behind each word, of lines such as LOOK prints."""
    found: dict[str, list[int]] = {}
    for line in text.splitlines():
        word, *numbers = line.split()
        found.setdefault(word, []).extend(int(one) for one in numbers if one.isdigit())
    return found


def failures(found: Mapping[str, Any], checksum: str) -> Iterator[str]:
    """What of one attack is not as it has to be; checksum: of what is on the neighbour's disk."""
    for number, one in enumerate(found["rounds"], 1):
        if not one["pings_sent"] == one["pings_answered"] == attempts.BYSTANDERS_PINGS:
            yield f"{one['pings_answered']} of {one['pings_sent']} pings in round {number}"
        if one["read"] != checksum:
            yield f"its disk reads {one['read']!r} in round {number}"
    if found["neighbour"] != "running":
        yield f"the neighbour is {found['neighbour']}"
    yield from _of_the_attacker(found)
    for what, most in GROWTH.items():
        if found["growth"][what] > most:
            yield f"{what} grew by {found['growth'][what]} bytes"
    if found["share"] < LEAST_SHARE:
        yield f"the neighbour ran for {found['share']:.2f} of the time it was ready"
    own = {address.partition(":")[2] for address in found["functions"]}
    for line in found["complaints"]:
        if not any(f"[{address}]" in line for address in own):
            yield f"the host's kernel says: {line}"
    before, after = found["drivers"]
    if found["down"] or before != after:
        yield f"not given back: {found['down']} {before} {after}"


def _of_the_attacker(found: Mapping[str, Any]) -> Iterator[str]:
    """Who owns nothing cannot harm itself; who drives DMA may write over its own program."""
    if not found["made"]:
        yield "the hostile system made no access"
    if found["alive"] and found["reason"] != SWITCHED_OFF:
        yield f"the hostile system lived, and then {found['ended']}"
    if not found["alive"] and not (found["functions"] and found["reason"] in OWN_DOING):
        yield f"the hostile system did not live: {found['ended']}"


def told(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """A line for each attack."""
    for row in rows:
        attack = Attack(*(row[field] for field in Attack._fields))
        sent = sum(one["pings_sent"] for one in row["rounds"])
        answered = sum(one["pings_answered"] for one in row["rounds"])
        yield (
            f"{attack.told}: {row['made']:,} accesses in {row['seconds']:.0f} s, {row['ended']}; "
            f"{answered} of {sent} pings, ran {row['share']:.0%} of the time it was ready"
        )


def plan(seeds: Sequence[int], accesses: int, functions: tuple[str, ...]) -> Iterator[Attack]:
    """For each seed: every kind alone and all together, by a system that owns nothing; then all
    of them by one with functions. `accesses` in all for each seed."""
    own = KINDS.index("own registers")
    kinds = [1 << bit for bit in range(own)] + [ALL_KINDS & ~(1 << own)]
    each = accesses // (len(kinds) + 1)
    for seed in seeds:
        for bits in kinds:
            yield Attack(seed, each, bits)
        yield Attack(seed, each, ALL_KINDS, functions)


def main(seeds: Sequence[int], accesses: int, folder: Path = FOLDER) -> int:
    """A siege in a lab of its own, told attack by attack; 0 when nobody was harmed.

    An attack in which the lab was lost is made again in a fresh one, and that is counted.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder = folder.absolute()
    waiting = None
    rows: list[dict[str, Any]] = []
    losses: list[str] = []
    attacks = iter(plan(seeds, accesses, ATTACKERS_FUNCTIONS))
    with Lab(folder=folder / "lab") as lab:
        while waiting := waiting or next(attacks, None):
            try:
                with lost.told_apart(lambda: lab), Working(lab, folder) as works:
                    while waiting := waiting or next(attacks, None):
                        rows.append(works.endure(waiting))
                        print(*told(rows[-1:]), *rows[-1]["failures"], sep="\n  ", flush=True)
                        waiting = None
            except LabLost as problem:
                losses.append(f"{waiting}: {problem.because}")
                print(f"{problem}", flush=True)
                if len(losses) > MOST_LOSSES:
                    raise
                lab.restart()
    made = sum(row["made"] for row in rows)
    failed = [f"{row['seed']}: {one}" for row in rows for one in row["failures"]]
    report = {"sound": not failed, "made": made, "losses": losses, "attacks": rows}
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"{made:,} accesses, {len(rows)} attacks; the lab was lost {len(losses)} times")
    print("nobody was harmed" if not failed else "\n".join(failed))
    return 1 if failed else 0


class Working:
    """Blue of the main job, at work alone, and besieged."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.job = MainJob(lab, folder, Progress(quiet=True))

    def __enter__(self) -> Working:
        job = self.job
        job.prepare()
        job.up()
        job.meet()
        job.each(job.ping)
        job.each(job.write_and_read)
        job.lab.run("septum down --now green", timeout=PATIENCE, check=True)
        self.siege = Siege(job.lab, job.terminals["blue"], typed.SCRATCH["blue"], job.folder)
        return self

    def __exit__(self, *error: object) -> None:
        self.job.detach()

    def endure(self, attack: Attack) -> dict[str, Any]:
        """One attack, with what was not as it has to be."""
        found = self.siege.endure(attack)
        checksum = self.job.instances["blue"]["scsi"]["written"]
        return {**found, "failures": list(failures(found, checksum))}
