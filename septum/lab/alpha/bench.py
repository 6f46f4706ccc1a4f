"""How quick is the Alpha computer, and QEMU's beside it? Ratios of one run, on one processor.

build/bench-alpha/report.json:

  integer_loop_mips         millions of instructions a second, the best of some
  two_boots_seconds         from switching on until both inits run; the median of some, warm
  python_share              part of that time spent outside of compiled code
  qemu_two_boots_seconds    the same two kernels and init in two of QEMU's, at the same time
  qemu_ratio                two_boots_seconds / qemu_two_boots_seconds
  exits_per_million         exits by kind, for a million instructions of the two boots
  instructions              of the two boots
  goals, missed             what is expected, and what of it was not reached
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from septum.engine.alpha.processor.processor import prepare
from septum.errors import Problem
from septum.lab.alpha import files, packages, witness
from septum.lab.alpha.loop import integer_loop_mips
from septum.lab.alpha.report import LEFT
from septum.lab.alpha.run import Run, command_line, run, sound
from septum.lab.progress import Progress
from septum.units import MiB

FOLDER = Path("build/bench-alpha")
TABLE = files.CHECKOUT / "examples" / "alpha-two-systems.toml"
REPEATS = 5
LOOPS = 12
DISK = 16 * MiB
LEAST_MIPS, MOST_SECONDS, MOST_PYTHON = 250.0, 1.0, 0.25
TASKS = "off"


def main(folder: Path = FOLDER) -> int:
    """Measure, print, write; 0 when every goal is reached."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress()
    try:
        packages.witnesses(progress)
        files.build(progress)
        prepare(progress.say)
        result = measured(progress)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    print(told(result))
    (folder / "report.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"the report: {folder / 'report.json'}")
    return 1 if result["missed"] else 0


def measured(progress: Progress) -> dict[str, Any]:
    """All figures, measured on one processor of this computer."""
    everywhere = os.sched_getaffinity(0)
    # The best: whoever computes on this processor's other thread meanwhile halves it
    mips, boots, under_qemu = 0.0, list[dict[str, Any]](), list[float]()
    os.sched_setaffinity(0, {max(everywhere)})
    try:
        boot()  # warms up
        for number in range(1, REPEATS + 1):
            with progress.step(f"loop, two kernels, the same under QEMU: {number} of {REPEATS}"):
                mips = max(mips, *(integer_loop_mips() for _ in range(LOOPS)))
                boots.append(boot())
                under_qemu.append(qemu_boots())
    finally:
        os.sched_setaffinity(0, everywhere)
    boots.sort(key=lambda one: one["seconds"])
    median = boots[len(boots) // 2]
    result: dict[str, Any] = {
        "integer_loop_mips": round(mips, 1),
        "two_boots_seconds": round(median["seconds"], 3),
        "python_share": round(median["python_share"], 3),
        "qemu_two_boots_seconds": round(statistics.median(under_qemu), 3),
        "qemu_ratio": round(median["seconds"] / statistics.median(under_qemu), 2),
        "exits_per_million": median["exits_per_million"],
        "instructions": median["instructions"],
    }
    return {**result, "goals": goals(), "missed": missed(result)}


def boot() -> dict[str, Any]:
    """Both kernels until both inits run."""
    table, machine = sound(TABLE)
    finished = run(table, machine, TASKS)
    last = max((one.moments["init"] for one in finished.witnesses.values()), key=lambda m: m.second)
    return {
        "seconds": last.second,
        "python_share": 1 - last.compiled / last.second,
        "instructions": last.instructions,
        "exits_per_million": exits_per_million(finished, last.instructions),
    }


def exits_per_million(finished: Run, instructions: int) -> dict[str, float]:
    """By kind, most first: until each instance's init began."""
    total: Counter[str] = Counter()
    for one in finished.witnesses.values():
        total.update(
            {
                what: count
                for what, count in one.moments["init"].counters.items()
                if what.split()[0] in LEFT
            }
        )
    per_million = instructions / 1e6
    return {what: round(count / per_million, 2) for what, count in total.most_common()}


def qemu_boots() -> float:
    """Seconds until the later of both inits runs, in two QEMUs started at once."""
    table, _ = sound(TABLE)
    with tempfile.TemporaryDirectory() as folder:
        commands = []
        for number, one in enumerate(table.partitions, 1):
            disk = Path(folder) / f"{one.name}.img"
            with disk.open("wb") as file:
                file.truncate(DISK)
            assert one.initrd is not None
            line = command_line(one, TASKS)
            kernel, initrd = Path(one.kernel), Path(one.initrd)
            commands.append(witness.arguments(kernel, initrd, disk, line, number))
        return max(seen.init_after for seen in witness.watched(commands))


def goals() -> dict[str, str]:
    return {
        "integer_loop_mips": f"at least {LEAST_MIPS:.0f}",
        "two_boots_seconds": f"at most {MOST_SECONDS:.0f}",
        "python_share": f"under {MOST_PYTHON}",
    }


def missed(result: Mapping[str, Any]) -> list[str]:
    """Which goals were not reached, in words."""
    reached = {
        "integer_loop_mips": result["integer_loop_mips"] >= LEAST_MIPS,
        "two_boots_seconds": result["two_boots_seconds"] <= MOST_SECONDS,
        "python_share": result["python_share"] < MOST_PYTHON,
    }
    return [
        f"{name} is {result[name]}, and should be {goals()[name]}"
        for name, is_reached in reached.items()
        if not is_reached
    ]


def told(result: Mapping[str, Any]) -> str:
    """The figures for people."""
    exits = ", ".join(f"{what} {rate}" for what, rate in result["exits_per_million"].items())
    lines = [
        f"integer loop      {result['integer_loop_mips']} million instructions a second",
        f"two boots         {result['two_boots_seconds']} s to both inits, "
        f"{result['instructions'] / 1e6:.0f} million instructions",
        f"  in Python       {result['python_share']:.0%} of that time",
        f"  under QEMU      {result['qemu_two_boots_seconds']} s "
        f"({result['qemu_ratio']} times as long here)",
        f"  exits           for a million instructions: {exits}",
    ]
    return "\n".join(lines + [f"MISSED: {line}" for line in result["missed"]])
