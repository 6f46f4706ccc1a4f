"""How do the measured figures compare, and which targets do they meet? No lab is needed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any, NamedTuple

from septum.units import MiB


class Target(NamedTuple):
    """A figure to stay at or below, by its place in the report."""

    place: tuple[str, ...]
    what: str
    required: float
    hoped: float
    unit: str


# Issue by issue the project says what it wants to reach; these are the ones about speed.
START_OF_QEMU = 1.89  # lab seconds, as first measured with QEMU 7.2's q35
TARGETS = (
    Target(("start", "septum", "median"), "start, lab seconds", START_OF_QEMU, 1.35, "s"),
    Target(("memory", "septum", "resident_mib"), "memory beyond the guest", 30, 5, "MiB"),
    Target(("ratios", "reads_septum_to_qemu"), "reads, to QEMU's", 1.05, 1.05, "times"),
    Target(("ratios", "reads_septum_to_native"), "reads, to native", 1.02, 1.02, "times"),
)


FEW = 4  # values: with more, one that is far off says nothing
NOISE = 0.05  # reads that are further apart than this are not compared


def report(results: Mapping[str, Any], failures: Sequence[str]) -> dict[str, Any]:
    """The whole report from what septum.lab.measure printed, by kind and by monitor."""
    found: dict[str, Any] = {
        "clock": "lab seconds and nanoseconds: the lab's clock counts its instructions",
        "start": {name: spread(times) for name, times in results["start"].items()},
        "before_guest": {},
        "memory": {},
        "exits_until_init": {},
        "cycles_per_read": {},
        "ratios": {},
        "failures": list(failures),
    }
    for name, held in results["hold"].items():
        before = held["seconds_to_entry"]
        until = held["seconds_to_init"]
        found["before_guest"][name] = {"seconds": before, "share": before / until}
        found["memory"][name] = {
            f"{key}_mib": round(value / MiB, 1) for key, value in held["memory"].items()
        }
        found["exits_until_init"][name] = {
            "all": sum(held["exits"].values()),
            "by_reason": held["exits"],
            "to_user_space": sum(held["user_exits"].values()),
            "to_user_space_by_reason": held["user_exits"],
        }
    for name, read in results["reads"].items():
        found["cycles_per_read"][name] = {
            **spread(cycles_per_read(read["busy"], read["reads"])),
            "exits_to_user_space_by_the_reads": read["user_exits"][-1] - read["user_exits"][-2],
        }
    found["too_noisy"] = [
        name for name, read in found["cycles_per_read"].items() if read["spread"] > NOISE
    ]
    found["ratios"] = ratios(found)
    found["targets"] = [judged(target, found) for target in TARGETS]
    return found


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, and how far apart the values are as a share of it: of many, the middle half."""
    middle = median(values)
    low, high = min(values), max(values)
    if len(values) > FEW:
        low, _, high = quantiles(values, n=4)
    apart = (high - low) / middle if middle else 0.0
    return {"median": middle, "spread": round(apart, 4), "values": list(values)}


def cycles_per_read(busy: Sequence[float], reads: int) -> list[float]:
    """From busy nanoseconds at the marks before, one, before, one, ..., before.

    Between "before" and "one" one block is read, until the next "before" `reads` more than
    that: the difference is the reads alone, without the program that makes them.
    """
    rounds = range(2, len(busy) - 2, 2)  # the first one warms the caches
    alone = [(busy[n + 2] - busy[n + 1]) - (busy[n + 1] - busy[n]) for n in rounds]
    return [difference / reads for difference in alone]


def ratios(found: Mapping[str, Any]) -> dict[str, float]:
    pairs = (
        ("start_septum_to_qemu_q35", "start", "septum", "qemu_q35"),
        ("start_septum_to_qemu_pc", "start", "septum", "qemu_pc"),
        ("reads_septum_to_native", "cycles_per_read", "septum", "native"),
        ("reads_qemu_to_native", "cycles_per_read", "qemu", "native"),
        ("reads_septum_to_qemu", "cycles_per_read", "septum", "qemu"),
    )
    return {
        name: round(found[kind][one]["median"] / found[kind][other]["median"], 3)
        for name, kind, one, other in pairs
        if one in found[kind] and other in found[kind] and found[kind][other]["median"]
    }


def judged(target: Target, found: Mapping[str, Any]) -> dict[str, Any]:
    value: Any = found
    for key in target.place:
        value = value.get(key) if isinstance(value, Mapping) else None
    if any(name in target.place[-1].split("_") for name in found["too_noisy"]):
        value = None  # a quieter machine has to tell
    return {
        "what": target.what,
        "unit": target.unit,
        "value": value,
        "to_reach": target.required,
        "met": value is not None and value <= target.required,
        "after": target.hoped,
        "after_met": value is not None and value <= target.hoped,
    }


def listing(found: Mapping[str, Any]) -> str:
    """The report for people."""
    rows: list[list[str]] = [["", "septum", "qemu_q35", "qemu_pc"]]
    names = rows[0][1:]

    def row(title: str, kind: str, key: str, form: str, scale: float = 1) -> None:
        values = [found[kind].get(name, {}).get(key) for name in names]
        rows.append([title, *("-" if v is None else f"{v * scale:{form}}" for v in values)])

    row("start to reboot, lab s", "start", "median", ".3f")
    row("  spread, %", "start", "spread", ".1f", 100)
    row("before the guest, lab s", "before_guest", "seconds", ".3f")
    row("  share of start to init, %", "before_guest", "share", ".0f", 100)
    row("resident beyond guest, MiB", "memory", "resident_mib", ".1f")
    row("  of it private, MiB", "memory", "private_mib", ".1f")
    row("exits until init", "exits_until_init", "all", "d")
    row("  to user space", "exits_until_init", "to_user_space", "d")
    lines = aligned(rows)
    rows = [["cycles per 4 KiB read", "median", "spread, %"]]
    for name, values in found["cycles_per_read"].items():
        rows.append([f"  {name}", f"{values['median']:.0f}", f"{values['spread'] * 100:.1f}"])
    lines += ["", *aligned(rows), ""]
    rows = [["target", "value", "to reach", "", "after", ""]]
    for one in found["targets"]:
        value = "-" if one["value"] is None else f"{one['value']:.2f}"
        met, later = ("met" if one[key] else "not met" for key in ("met", "after_met"))
        unit = one["unit"]
        rows.append(
            [one["what"], f"{value} {unit}", f"{one['to_reach']}", met, f"{one['after']}", later]
        )
    lines += aligned(rows)
    noisy = ", ".join(found["too_noisy"])
    if noisy:
        lines.append(f"not compared, too far apart: {noisy}; do it again on a quieter machine")
    lines += [f"could not be measured: {failure}" for failure in found["failures"]]
    return "\n".join(lines)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
