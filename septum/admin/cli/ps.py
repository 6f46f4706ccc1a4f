"""Which instances are there, and how do they fare?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from septum import protocol
from septum.admin.cli import tables
from septum.host.channel import ask
from septum.host.journal import Journal
from septum.host.runtime import RunDirectory
from septum.messages import Message
from septum.state import RUNNING
from septum.units import size_text

HELP = "List the instances that were started: those that run, and how the others ended."
COLUMNS = (
    *("name", "state", "pid", "processors", "memory", "functions", "uptime", "restarts", "ending"),
)
MINUTE, HOUR, DAY = 60, 3600, 86400


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the instances as JSON")


def run(options: Namespace) -> int:
    """0, also when nothing runs; 1 when Linux has not got back what an instance had."""
    rows = listed()
    if options.json:
        import json

        print(json.dumps(rows, indent=2))
    elif rows:
        from septum.admin.cli.listing import table

        print(table([readable(row) for row in rows], COLUMNS))
    else:
        print("no instances")
    return 1 if Journal(tables.place().directory.claims).unreturned() else 0


def listed() -> list[Message]:
    """The supervisor's rows; none, after cleaning up, when there is no supervisor."""
    place = tables.place()
    from septum.supervisor.beginning import clean_up, reach, try_again

    alone = alone_rows(place.directory)
    conversation = reach(place)
    for line in clean_up(place) if conversation is None else try_again(place):
        print(line, file=sys.stderr)
    if conversation is None:
        return alone
    conversation.close()
    answer = ask(place.directory.control, protocol.question("list"), "the supervisor")
    return [*protocol.instances_of(answer), *alone]


def alone_rows(directory: RunDirectory) -> list[Message]:
    """Instances in the foreground of some terminal, of which nobody else keeps account."""
    from septum.host import processes

    rows: list[Message] = []
    for name in directory.instances():
        process = processes.read_process(directory.alone_of(name))
        if process is not None and process.is_alive:
            row: Message = dict.fromkeys((*COLUMNS, "reason"))
            row |= {"name": name, "state": RUNNING, "pid": process.number, "ending": ""}
            row["kept"] = []
            rows.append({**row, "detail": "in the foreground (septum run)"})
    return rows


def readable(row: Message) -> Message:
    """A row as people read it."""
    uptime = None if row["uptime"] is None else span_text(row["uptime"])
    memory = None if row["memory"] is None else size_text(row["memory"])
    wait, state = row.get("starts_in"), row["state"]
    if wait is not None:
        state = f"{state} {span_text(wait)}"
    restarts = row.get("restarts") or None
    return {**row, "memory": memory, "uptime": uptime, "state": state, "restarts": restarts}


def span_text(seconds: float) -> str:
    """12s, 3m12s, 4h05m, 2d04h."""
    whole = int(seconds)
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m{whole % MINUTE:02}s"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02}m"
    return f"{whole // DAY}d{whole % DAY // HOUR:02}h"
