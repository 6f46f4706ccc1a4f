"""How often did the machine's interrupts come, as its Linux counts them? /proc/interrupts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Counted(NamedTuple):
    """One line of it: where it arrives, and how often, on all processors together."""

    line: str  # "IRQ 29", "NMI"
    count: int  # type: ignore[assignment]  # hides tuple.count


def counts(text: str) -> dict[str, Counted]:
    """By the name of what handles it: {"vfio-msix[0](0000:01:00.0)": ("IRQ 29", 12), "NMI": ...}.

    What a processor requests by itself goes by its abbreviation: NMI, LOC, RES, MCE, PMI.
    """
    lines = text.splitlines()
    processors = len(lines[0].split()) if lines else 0
    found: dict[str, Counted] = {}
    for line in lines[1:]:
        label, *words = line.split()[: 1 + processors] or [""]
        numbers = [word for word in words if word.isdecimal() and word.isascii()]
        if not processors or len(numbers) < processors or not label.endswith(":"):
            continue
        label = label[:-1]
        total = sum(int(number) for number in numbers)
        if not label.isdecimal():
            found[label] = Counted(label, total)
            continue
        # Several actions may share a line: each saw every interrupt of it.
        for word in line.split()[1 + processors :]:
            found[word.rstrip(",")] = Counted(f"IRQ {label}", total)
    return found


def added_up(found: Mapping[str, Counted], labels: Iterable[str]) -> Counted | None:
    """Several of a processor's own lines as one; None when Linux counts none of them."""
    lines = [found[label] for label in labels if label in found]
    if not lines:
        return None
    return Counted("+".join(one.line for one in lines), sum(one.count for one in lines))
