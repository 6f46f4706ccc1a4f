"""How is the report of the Alpha computer told to people? Plain text, 100 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from septum.interrupts.table import REQUIRED
from septum.lab import story
from septum.lab.alpha.promise import Promise
from septum.units import MiB

Row = Mapping[str, Any]

COLUMNS = story.COLUMNS
MOST_KINDS = 14


def told(found: Row, promised: Mapping[str, Promise]) -> str:
    """The whole report, from what was found and what the table says."""
    lines = [
        "",
        story.rule(),
        story.centred(f"{story.counted(len(promised))} operating systems, one Alpha processor"),
        story.rule(),
    ]
    lines += story.side_by_side("", [[name.upper()] for name in promised])
    for label, cells in _rows(found, promised):
        lines += story.side_by_side(label, cells)
    lines += ["", f"interrupt table {story.dashes(COLUMNS - 16)}", *_interrupts(found)]
    lines += ["", f"traps and verdicts {story.dashes(COLUMNS - 19)}", *_counts(found["counts"])]
    lines += ["", f"afterwards {story.dashes(COLUMNS - 11)}", *_afterwards(found["afterwards"])]
    lines += ["", f"seconds {story.dashes(COLUMNS - 8)}", *story.seconds(found["seconds"])]
    return "\n".join([*lines, "", story.rule(), *_verdict(found), story.rule()])


def _rows(found: Row, promised: Mapping[str, Promise]) -> Iterable[tuple[str, list[list[str]]]]:
    says = [(found["instances"][name], promise) for name, promise in promised.items()]
    yield "system", [[said["os"]] for said, _ in says]
    yield "memory", [_memory(said) for said, _ in says]
    yield "devices", [story.devices(said["pci"]) for said, _ in says]
    yield "cannot find", [_concealed(said["concealed"], promise) for said, promise in says]
    yield "Ethernet", [_ethernet(said) for said, _ in says]
    yield "SCSI disk", [_scsi(said) for said, _ in says]
    yield "is given", [_given(said["translations"]) for said, _ in says]
    yield "tries", [_attempts(said) for said, _ in says]
    yield "programs", [_programs(said) for said, _ in says]
    yield "until init", [_exits(said["exits"]["until_init"]) for said, _ in says]
    yield "during I/O", [_exits(said["exits"]["during_io"]) for said, _ in says]
    yield "refused", [_refused(said["rejected"]) for said, _ in says]
    yield "ended", [[said["ended"]] for said, _ in says]


def _memory(said: Row) -> list[str]:
    usable = said["memory_usable_bytes"] / MiB
    return [f"finds {said['memory_bytes'] / MiB:.0f} MiB, keeps {usable:.1f} for programs"]


def _concealed(addresses: Sequence[str], promise: Promise) -> list[str]:
    theirs = [f"{at[5:]} ({promise.absent[at]})" for at in addresses if promise.absent.get(at)]
    return [f"{len(addresses)} addresses probed, absent; among them", *theirs]


def _given(translations: Sequence[Row]) -> list[str]:
    """Runs of translations, by verdict: [0026]."""
    lines = []
    for row in translations:
        what = row["to"].removesuffix(" BAR 0")
        lines.append(f"{row['verdict']} {what}:")
        lines.append(f"  {row['guest'].partition('-')[0]} to machine {row['machine']}")
    return lines


def _attempts(said: Row) -> list[str]:
    """Each kind of thing of a neighbour's, how often; what its neighbours did meanwhile."""
    kinds = Counter((row["whose"], row["kind"]) for row in said["attempts"])
    lines = [
        f"{whose}'s {kind}{'' if count == 1 else f', {count} places'}"
        for (whose, kind), count in kinds.items()
    ]
    read = {letter for row in said["attempts"] for word in row["read"] for letter in word}
    read_what = "ones" if read == {"f"} else "SOMETHING"
    what = "nothing" if all(row["kept"] for row in said["attempts"]) else "SOMETHING"
    aimed = "refused" if any(row["what"] == "DMA" for row in said["rejected"]) else "DONE"
    moved = ", ".join(f"{name} {count:,}" for name, count in said["meanwhile"].items())
    return [
        *lines,
        f"read: {read_what}; written: {what} changes",
        f"DMA meanwhile: {moved}",
        f"its own card, at {said['aimed'].partition(' ')[0]} on its bus: {aimed}",
    ]


def _afterwards(found: Row) -> list[str]:
    """What devices could still do when all had ended."""
    names = {
        "windows_open": "DMA windows open",
        "bus_masters": "functions that may master a bus",
        "reached": "places that DMA reaches",
    }
    return [f"{words:33}{', '.join(found[line]) or 'none'}" for line, words in names.items()]


def _ethernet(said: Row) -> list[str]:
    card, wire = said["ethernet"], said["ethernet"]["wire"]
    return [
        f"{card['interface']} {card['card']}, {card['address']}",
        f"{card['pings_answered']} of {card['pings_sent']} pings answered by {card['gateway']}",
        f"on its wire: {wire['sent']} frames out, {wire['received']} in,",
        f"all from {story.joined(wire['cards'])}, {story.joined(wire['addresses'])}",
    ]


def _scsi(said: Row) -> list[str]:
    disk = said["scsi"]
    same = "the same" if disk["written"] == disk["read"] else "NOT THE SAME"
    return [
        f'{disk["bytes"] // MiB} MiB, its label: "{disk["label"]}"',
        f"{disk['bytes_written'] / MiB:.1f} MiB written, {disk['bytes_read'] / MiB:.1f} MiB read",
        f"back with caches dropped: {same},",
        f"checksum {disk['on_disk']}, as on the disk",
    ]


def _programs(said: Row) -> list[str]:
    signals = sum(one.startswith("signal") for one in said["faults"].values())
    return [
        "fork, copy on write, wait, sleep",
        f"{signals} faulty programs ended, their system went on",
        f"{len(said['floating'])} lines of floating point, bit by bit",
    ]


def _exits(counts: Mapping[str, int]) -> list[str]:
    return [f"{sum(counts.values()):,}: {story.counts(counts)}"]


def _refused(rejected: Sequence[Row]) -> list[str]:
    return [f"{one['what']}: {one['why']} ({one['count']})" for one in rejected] or ["nothing"]


def _interrupts(found: Row) -> list[str]:
    """As the table of the patent's example: request, device, handled by, handler. [0039]"""
    heading = ("request", "device", "handled by", "handler", "count", "during I/O")
    rows = [
        (
            str(number), _asking(row), row["handled_by"], row["handler"],
            f"{row['count']:,}", "-" if row["added"] is None else f"{row['added']:,}",
        )
        for number, row in enumerate(found["interrupt_table"])
    ]  # fmt: skip
    widths = [max(len(line[place]) for line in [heading, *rows]) for place in range(len(heading))]
    return [
        "  ".join(
            cell.rjust(width) if place > 3 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [heading, *rows]
    ]


def _asking(row: Row) -> str:
    return str(row["request"] if row["request"] in REQUIRED else row["device"])


def _counts(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    lines = []
    for kind, numbers in counts.items():
        ordered = sorted(numbers.items(), key=lambda item: -item[1])
        text = ", ".join(f"{what} {count:,}" for what, count in ordered[:MOST_KINDS])
        more = len(ordered) - MOST_KINDS
        text += f", and {more} kinds more" if more > 0 else ""
        indent = " " * story.LABEL
        lines += textwrap.wrap(
            text, COLUMNS, initial_indent=kind.ljust(story.LABEL), subsequent_indent=indent
        )
    return lines


def _verdict(found: Row) -> list[str]:
    if not found["sound"]:
        return story.verdict(found)
    milliseconds = found["at_the_same_time"] * 1000
    return [
        "Everything is as the table says. Both were at their I/O at the same time, for "
        f"{milliseconds:.0f} ms",
        "of the computer's own time.",
    ]
