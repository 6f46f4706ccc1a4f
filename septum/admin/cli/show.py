"""What did instances find, touch, ask and receive? Each instance's own process answers."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from septum import protocol
from septum.admin.cli import tables
from septum.errors import Problem
from septum.host.channel import ask
from septum.host.runtime import RunDirectory
from septum.interrupts.table import ALL
from septum.messages import Message

HELP = "Show what instances own, find, touch and receive."
SUBJECTS = ("devices", "memory", "interrupts", "probes", "translations", "exits")


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("subject", choices=SUBJECTS, help="what to show")
    parser.add_argument(
        "whose",
        metavar="TABLE or NAME",
        nargs="*",
        help="a partition table's instances, or these (default: all that run)",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def run(options: Namespace) -> int:
    """0: every instance answered; 1: one did not, the others' rows are printed all the same."""
    directory = RunDirectory.from_environment()
    rows: list[Message] = []
    problems: list[Problem] = []
    for name in tables.names_of(options.whose, directory):
        try:
            question = protocol.question(options.subject, protocol.INSTANCE)
            answer = ask(directory.control_of(name), question, name)
            rows += [{"instance": name, **row} for row in protocol.rows_of(answer)]
        except Problem as problem:
            problems.append(problem)
    rows = merged(rows)
    if options.json:
        import json

        print(json.dumps(rows, indent=2))
    elif rows or not problems:
        print(listing(rows) or f"no {options.subject}")
    for unanswered in problems:
        print(f"septum: {unanswered}", file=sys.stderr)
    return 1 if problems else 0


def merged(rows: list[Message]) -> list[Message]:
    """What each instance tells of the whole machine once, as the last one told it, and first."""
    common: dict[object, Message] = {}
    for row in rows:
        if row["instance"] == ALL:
            common[row.get("request"), row.get("line"), row.get("device")] = row
    return [*common.values(), *(row for row in rows if row["instance"] != ALL)]


def listing(rows: list[Message]) -> str:
    """Rows under the columns that any of them has, in the order they come."""
    from septum.admin.cli.listing import table

    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return table(rows, columns) if rows else ""
