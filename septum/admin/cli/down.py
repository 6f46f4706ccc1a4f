"""How do instances stop, and is everything given back?"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from septum import protocol
from septum.admin.cli import tables
from septum.admin.cli.up import ending_text
from septum.errors import NotRunning, Problem
from septum.host.channel import Conversation, ask
from septum.host.journal import Journal
from septum.host.processes import Process
from septum.messages import Message
from septum.supervisor.keeper import SHUTDOWN_SECONDS
from septum.supervisor.workplace import Workplace
from septum.units import parse_duration

HELP = (
    "Shut instances down, by their power button, and wait until what they had is given back to "
    "Linux. Who does not go in time is unplugged."
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "names",
        metavar="TABLE or NAME",
        nargs="*",
        help="a partition table's instances, or these (default: all)",
    )
    within_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the instances as JSON")


def within_arguments(parser: ArgumentParser) -> None:
    """How long a system may take: --within, or --now."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--within",
        metavar="TIME",
        help="how long a system may take to shut down, such as 90s or 5m (default: 60s)",
    )
    group.add_argument("--now", action="store_true", help="do not ask the system: pull the plug")


def within(options: Namespace) -> float | None:
    """Seconds that are asked for, 0 for the plug, None when nothing is said. Problem: no time."""
    if options.now or options.within is None:
        return 0.0 if options.now else None
    try:
        return parse_duration(options.within)
    except ValueError as error:
        raise Problem(
            f"--within {options.within} is not possible",
            because=str(error),
            remedy="write --within 90s, or 5m; or --now for the plug, at once",
        ) from error


def run(options: Namespace) -> int:
    """0: stopped, and Linux has everything again; 1: something did not come back."""
    seconds = within(options)
    place = tables.place()
    from septum.supervisor.beginning import clean_up, reach, try_again

    typed = options.names
    if options.names:
        options.names = tables.names_of(options.names, place.directory)
    alone = end_alone(place, options, SHUTDOWN_SECONDS if seconds is None else seconds)
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
        names = those_there(conversation, typed, options.names)
        conversation.tell(protocol.question("down", names=names, within=seconds))
        rows = follow(conversation, not options.json)
    if options.json:
        import json

        print(json.dumps(rows, indent=2))
    return 1 if kept or any(row["kept"] for row in rows) else 0


def those_there(conversation: Conversation, typed: list[str], names: list[str]) -> list[str]:
    """The names to ask for: of a table's instances those that were started, of the rest all.

    NotRunning when that is nobody.
    """
    if set(names) <= set(typed):
        return names  # no table was named
    conversation.tell(protocol.question("list"))
    rows = protocol.instances_of(conversation.hear() or {"rows": []})
    there = [row["name"] for row in rows]
    wanted = [name for name in names if name in there or name in typed]
    if not wanted:
        raise NotRunning(
            f"no instance of {' or '.join(typed)} runs",
            because=f"the instances are {', '.join(sorted(there)) or 'none'}",
            remedy="septum ps lists them",
        )
    return wanted


def end_alone(place: Workplace, options: Namespace, seconds: float) -> dict[str, list[str]]:
    """End those of the named instances that run in the foreground of a terminal.

    Their names, and what each had that Linux has not got back.
    """
    from septum.host import processes
    from septum.supervisor.beginning import left_by

    ended: dict[str, list[str]] = {}
    for name in options.names:
        process = processes.read_process(place.directory.alone_of(name))
        if process is None or not process.is_alive:
            continue
        how = "shut down"
        if not (seconds and pressed(place, name) and processes.wait_for_end(process, seconds)):
            how = "unplugged"
            unplug(process, place.patience)
        ended[name] = left_by(place, name)
        if not options.json:
            print(f"{name}: {how}, it ran in the foreground; {returned(ended[name])}")
    return ended


def pressed(place: Workplace, name: str) -> bool:
    """Press the power button of one that nobody supervises; whether there was anybody to ask."""
    try:
        question = protocol.question("press", protocol.INSTANCE)
        return "error" not in ask(place.directory.control_of(name), question, name)
    except Problem:
        return False


def unplug(process: Process, patience: float) -> None:
    """End the process of an instance; it gives back what it can within so many seconds."""
    import signal

    from septum.host import processes

    processes.tell(process, signal.SIGTERM)
    if not processes.wait_for_end(process, patience):
        processes.tell(process, signal.SIGKILL)
        processes.wait_for_end(process, patience)


def returned(kept: list[str]) -> str:
    """What became of the things an instance had."""
    if not kept:
        return "everything is given back"
    return f"not given back: {', '.join(kept)} (septum ps tries again, and says why)"


def follow(conversation: Conversation, is_aloud: bool) -> list[Message]:
    """Say what happens until all is done, and how each ended; the instances' last rows."""
    rows = heard(conversation, is_aloud)
    for row in rows if is_aloud else ():
        ending = {**row, "detail": row["detail"].partition("\n")[0]}
        print(f"{row['name']}: {ending_text(ending)}; {returned(row['kept'])}", flush=True)
    return rows


def heard(conversation: Conversation, is_aloud: bool) -> list[Message]:
    """Say what happens until all is done; the instances' rows then."""
    while True:
        message = conversation.hear()
        if message is None:
            raise NotRunning(
                "the supervisor left before all was done",
                because="its process ended",
                remedy="septum ps cleans up what it left",
            )
        protocol.answered(message)
        if message.get("done"):
            return list(message["rows"])
        if is_aloud and message["event"] == "stage":
            print(f"{message['instance']}: {message['text']}", flush=True)
