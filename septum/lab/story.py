"""How is the report of the main job told to people? Plain text, 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from septum.lab.report import ETHERNET, SCSI, Promise
from septum.units import MiB

Row = Mapping[str, Any]

COLUMNS = 100
LABEL = 14
KINDS = {
    **{ETHERNET: "Ethernet", SCSI: "SCSI"},
    **{"0600": "host bridge", "0601": "ISA bridge", "0604": "PCI bridge"},
}
MOST_REASONS = 6


def told(found: Row, promised: Mapping[str, Promise]) -> str:
    """The whole report, from what was found and what the table says."""
    names = list(promised)
    lines = [
        "",
        rule(),
        centred(f"{counted(len(names))} operating systems, one computer"),
        rule(),
    ]
    lines += side_by_side("", [[name.upper()] for name in names])
    for label, cells in _rows(found, promised):
        lines += side_by_side(label, cells)
    lines += ["", f"interrupt table {dashes(COLUMNS - 16)}", *interrupts(found)]
    lines += ["", f"DMA {dashes(COLUMNS - 4)}", *_dma(found["dma"])]
    lines += ["", f"given back {dashes(COLUMNS - 11)}", *_given_back(found["given_back"])]
    lines += ["", f"seconds {dashes(COLUMNS - 8)}", *seconds(found["seconds"])]
    lines += ["", rule(), *verdict(found), rule()]
    return "\n".join(lines)


def _rows(found: Row, promised: Mapping[str, Promise]) -> Iterable[tuple[str, list[list[str]]]]:
    """Each line of the report: its label, and what each instance has to say."""
    says = [(found["instances"][name], promise) for name, promise in promised.items()]
    yield "system", [_system(said["os"]) for said, _ in says]
    yield (
        "processors",
        [_processors(said) for said, _ in says],
    )
    yield (
        "memory",
        [
            [f"{promise.memory // MiB} MiB, finds {said['memory_bytes']:,} bytes"]
            for said, promise in says
        ],
    )
    yield "devices", [devices(said["pci"]) for said, _ in says]
    yield "cannot find", [_concealed(said["concealed"], promise) for said, promise in says]
    yield "Ethernet", [_ethernet(said["ethernet"]) for said, _ in says]
    yield "SCSI disk", [_scsi(said["scsi"]) for said, _ in says]
    yield "exits", [_exits(said["exits"]) for said, _ in says]
    yield "tried", [_tried(found["attempts"][name]) for name in promised]
    yield "ended", [[found["ended"][name]] for name in promised]


def _processors(said: Row) -> list[str]:
    return [
        str(said["processors"]),
        *(
            f"{thread}: may run on the computer's {joined(where['allowed'])}; "
            f"ran on {joined(where['ran_on'])}"
            for thread, where in said["on_processors"].items()
        ),
    ]


def _tried(made: Row) -> list[str]:
    kinds = [row["what"] for row in made["tried"]]
    counted = ", ".join(f"{kind} {kinds.count(kind)}" for kind in dict.fromkeys(kinds))
    answers = joined(sorted({row["answered"] for row in made["tried"]}))
    seen = sum(made["recorded"].values())
    return [
        f"to read and write what is not its own: {counted}; answered {answers}",
        f"recorded: {seen} exits",
        _went_on(made["neighbour"]),
    ]


def _went_on(said: Row) -> str:
    pings = f"{said['pings_answered']} of {said['pings_sent']}"
    return f"meanwhile {pings} of the other's pings were answered"


def _system(os: str) -> list[str]:
    words = os.split()
    return [" ".join(words[:3]), " ".join(words[3:])]


def devices(pci: Sequence[Row]) -> list[str]:
    return [
        f"{row['address'][5:]} {row['vendor:device']} {KINDS.get(row['class'], row['class'])}"
        for row in pci
    ]


def _concealed(addresses: Sequence[str], promise: Promise) -> list[str]:
    theirs = [f"{at[5:]} ({promise.others[at]})" for at in addresses if at in promise.others]
    return [f"{len(addresses)} addresses probed, absent; among them", ", ".join(theirs)]


def _ethernet(said: Row) -> list[str]:
    return [
        f"lease {said['address']} on {said['interface']}" if said["lease"] else "no lease",
        f"card {said['function'][5:]}, {said['mac']}",
        f"{said['pings_answered']} of {said['pings_sent']} pings answered by {said['gateway']}",
    ]


def _scsi(said: Row) -> list[str]:
    same = "the same" if said["equal"] else "NOT THE SAME"
    return [
        f"{said['serial']}, {said['size'] // MiB:,} MiB, by {said['function'][5:]}",
        f"{said['bytes_written'] / MiB:.1f} MiB written, {said['bytes_read'] / MiB:.1f} MiB read",
        f"back with caches dropped: {same}",
        f"md5 {said['read']}",
    ]


def _exits(said: Row) -> list[str]:
    first, during, device = said["until_init"], said["during_io"], said["msix_device"]
    return [
        f"until init: {sum(first.values()):,} ({counts(first)})",
        f"during the I/O: {sum(during.values()):,} ({counts(during) or 'none'})",
        f"added by the Ethernet card's I/O: {sum(device.values())}, by the SCSI controller's: "
        f"{sum(said['scsi_device'].values())}",
    ]


def counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:MOST_REASONS]
    return ", ".join(f"{what} {count:,}" for what, count in ordered)


def interrupts(found: Row) -> list[str]:
    columns = ("instance", "request", "device", "handled_by", "handler", "count", "in I/O")
    rows = [
        [
            *(str(row.get(name) or "") for name in columns[:5]),
            _number(row, "count"),
            _number(row, "added"),
        ]
        for row in found["interrupt_table"]
    ]
    heading = [name.replace("_", " ") for name in columns]
    widths = [max(len(line[place]) for line in [heading, *rows]) for place in range(len(columns))]
    return [
        "  ".join(
            cell.rjust(width) if place > 4 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [heading, *rows]
    ]


def _number(row: Row, key: str) -> str:
    value = row.get(key)
    return "-" if value is None else f"{value:,}"


def _dma(found: Row) -> list[str]:
    refused = [(one["how"], one["address"]) for one in found["faults"]]
    lines = [f"{found['device']}, {found['instance']}'s, was made to reach for"]
    for aim in found["aims"]:
        what = f"{aim['how'].lower()} {aim['address']} ({aim['of']})"
        is_refused = (aim["how"], aim["address"]) in refused
        lines.append(f"  {what}: {'refused by the IOMMU' if is_refused else 'NOT REFUSED'}")
    return [*lines, f"  {_went_on(found['neighbour'])}; {found['instance']}'s disk works again"]


def _given_back(found: Row) -> list[str]:
    drivers = [
        f"{address[5:]} to {after or 'no driver, as before'}"
        for address, (_, after) in found["drivers"].items()
    ]
    before, after = found["huge_pages"]
    claims = joined(found["claims"]) or "none"
    faults = joined(found["faults"]) or "none"
    return [
        *textwrap.wrap(
            ", ".join(drivers),
            COLUMNS,
            initial_indent="functions     ",
            subsequent_indent=" " * LABEL,
        ),
        f"huge pages    {after} reserved, {before} before",
        f"claims        {claims} left; other faults of the IOMMU or the kernel: {faults}",
    ]


def seconds(seconds: Mapping[str, float]) -> list[str]:
    parts = [f"{name} {value:.1f}" for name, value in seconds.items()]
    # Wrapped between the parts, not inside them
    wrapped = textwrap.wrap("   ".join(part.replace(" ", "\0") for part in parts), COLUMNS)
    return [line.replace("\0", " ") for line in wrapped]


def verdict(found: Row) -> list[str]:
    if found["sound"]:
        return [
            "Everything is as the table says. Both were at work at the same time for "
            f"{found['at_the_same_time']:.1f} s."
        ]
    lines = ["NOT as the table says:"]
    for one in found["failures"]:
        lines += textwrap.wrap(one, COLUMNS, initial_indent="  ", subsequent_indent="    ")
    return lines


def side_by_side(label: str, cells: Sequence[Sequence[str]]) -> list[str]:
    """One line of the report: its label, then a column for each instance."""
    width = (COLUMNS - LABEL) // max(len(cells), 1)
    columns = [
        [part for text in cell for part in textwrap.wrap(text, width - 2) or [""]] for cell in cells
    ]
    height = max(len(column) for column in columns)
    lines = []
    for row in range(height):
        parts = [column[row] if row < len(column) else "" for column in columns]
        head = label if row == 0 else ""
        text = head.ljust(LABEL) + "".join(part.ljust(width) for part in parts)
        lines.append(text.rstrip())
    return lines


def joined(items: Sequence[object]) -> str:
    return ", ".join(str(item) for item in items)


def counted(number: int) -> str:
    words = {2: "Two", 3: "Three", 4: "Four"}
    return words.get(number, str(number))


def rule() -> str:
    return "=" * COLUMNS


def dashes(number: int) -> str:
    return "-" * number


def centred(text: str) -> str:
    return text.center(COLUMNS).rstrip()
