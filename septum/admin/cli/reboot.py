"""How does an instance start anew, because an administrator wants it to?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from septum import protocol
from septum.admin.cli import tables
from septum.admin.cli.down import heard, within, within_arguments
from septum.admin.cli.up import ending_text
from septum.errors import NotRunning
from septum.state import RUNNING
from septum.supervisor.conflicts import runs_alone

HELP = (
    "Shut instances down, by their power button, and start them again with what they had. Who "
    "does not go in time is reset."
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "names", metavar="TABLE or NAME", nargs="+", help="a partition table's instances, or these"
    )
    within_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the instances as JSON")


def run(options: Namespace) -> int:
    """0: all run again; 1: at least one does not."""
    from septum.supervisor.beginning import reach

    seconds = within(options)
    place = tables.place()
    names = tables.names_of(options.names, place.directory)
    for name in names:
        if runs_alone(place.directory, name):
            raise NotRunning(
                f"{name} cannot be started again",
                because="it runs in the foreground of a terminal, and ends with what it runs in",
                remedy=f"septum down {name}, then septum run",
            )
    conversation = reach(place)
    if conversation is None:
        raise NotRunning(
            f"{names[0]} does not run", because="no supervisor runs", remedy="septum up TABLE"
        )
    conversation.tell(protocol.question("reboot", names=names, within=seconds))
    rows = heard(conversation, not options.json)
    if options.json:
        import json

        print(json.dumps(rows, indent=2))
    for row in rows if not options.json else ():
        print(f"{row['name']}: {'running' if row['state'] == RUNNING else ending_text(row)}")
    return 0 if all(row["state"] == RUNNING for row in rows) else 1
