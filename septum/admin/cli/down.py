"""How do instances stop, and is everything given back?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from septum import protocol
from septum.admin.cli import tables
from septum.admin.cli.up import ending_text
from septum.errors import NotRunning
from septum.host.channel import Conversation
from septum.host.journal import Journal
from septum.messages import Message
from septum.supervisor.workplace import Workplace

HELP = "Stop instances and wait until what they had is given back to Linux."


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "names",
        metavar="TABLE or NAME",
        nargs="*",
        help="a partition table's instances, or these (default: all)",
    )
    parser.add_argument(
        "--within",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="how long a stop may take before it is insisted on (default: 20)",
    )
    parser.add_argument("--json", action="store_true", help="print the instances as JSON")


def run(options: Namespace) -> int:
    """0: stopped, and Linux has everything again; 1: something did not come back."""
    place = tables.place()
    from septum.supervisor.beginning import clean_up, reach, try_again

    if options.names:
        options.names = tables.names_of(options.names, place.directory)
    alone = end_alone(place, options)
    kept = [address for addresses in alone.values() for address in addresses]
    if alone and len(alone) == len(options.names):
        return 1 if kept else 0
    options.names = [name for name in options.names if name not in alone]
    conversation = reach(place)
    if conversation is None:
        found = clean_up(place)
        kept += Journal(place.directory.claims).unreturned()
        if not found or options.names:
            raise NotRunning(
                f"{options.names[0]} does not run" if options.names else "nothing runs",
                because="no supervisor runs" + "".join(f"; {line}" for line in found),
                remedy="septum up TABLE starts instances",
            )
        rows: list[Message] = []
        if not options.json:
            print("\n".join(found))
    else:
        for line in try_again(place):
            print(line, file=sys.stderr)
        asked = protocol.question("down", names=options.names, within=options.within)
        conversation.tell(asked)
        rows = follow(conversation, not options.json)
    if options.json:
        import json

        print(json.dumps(rows, indent=2))
    return 1 if kept or any(row["kept"] for row in rows) else 0


def end_alone(place: Workplace, options: Namespace) -> dict[str, list[str]]:
    """End those of the named instances that run in the foreground of a terminal.

    Their names, and what each had that Linux has not got back.
    """
    import signal

    from septum.host import processes
    from septum.supervisor.beginning import left_by

    ended: dict[str, list[str]] = {}
    for name in options.names:
        process = processes.read_process(place.directory.alone_of(name))
        if process is None or not process.is_alive:
            continue
        processes.tell(process, signal.SIGTERM)
        if not processes.wait_for_end(process, options.within):
            processes.tell(process, signal.SIGKILL)
            processes.wait_for_end(process, options.within)
        ended[name] = left_by(place, name)
        if not options.json:
            print(f"{name}: stopped, it ran in the foreground; {returned(ended[name])}")
    return ended


def returned(kept: list[str]) -> str:
    """What became of the things an instance had."""
    if not kept:
        return "everything is given back"
    return f"not given back: {', '.join(kept)} (septum ps tries again, and says why)"


def follow(conversation: Conversation, is_aloud: bool) -> list[Message]:
    """Say what happens until all is done; the instances' last rows."""
    while True:
        message = conversation.hear()
        if message is None:
            raise NotRunning(
                "the supervisor left before the instances were stopped",
                because="its process ended",
                remedy="septum ps cleans up what it left",
            )
        protocol.answered(message)
        if not message.get("done"):
            if is_aloud and message["event"] == "stage":
                print(f"{message['instance']}: {message['text']}", flush=True)
            continue
        rows = list(message["rows"])
        for row in rows if is_aloud else ():
            ending = {**row, "detail": row["detail"].partition("\n")[0]}
            print(f"{row['name']}: {ending_text(ending)}; {returned(row['kept'])}", flush=True)
        return rows
