"""How do instances start? Check the table, reach the supervisor, follow every stage."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NamedTuple

from septum import protocol
from septum.admin.cli import tables
from septum.errors import NotRunning
from septum.host.channel import Conversation
from septum.messages import Message, plain
from septum.partitions.model import Partition
from septum.state import ACTIVE, RUNNING
from septum.supervisor.conflicts import runs_already
from septum.supervisor.workplace import Workplace
from septum.units import size_text

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from septum.machine.model import Machine

HELP = "Start the instances of a partition table, and wait until each runs or has failed."


class Options(NamedTuple):
    """The command's words."""

    table: str
    names: list[str]
    json: bool = False


def without_argparse(words: list[str]) -> Options | None:
    """The options of `up TABLE NAME...`, quickly; None for anything else."""
    if not words or any(word.startswith("-") for word in words):
        return None
    return Options(words[0], words[1:])


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="the partition table's file")
    parser.add_argument("names", metavar="NAME", nargs="*", help="these instances (default: all)")
    parser.add_argument("--json", action="store_true", help="print the instances as JSON")


def run(options: Options) -> int:
    """0: all run; 1: at least one failed, the others run; 130: interrupted, all taken back."""
    from septum.supervisor.beginning import reach_or_begin

    draft = tables.draft_of(options.table)
    platform = tables.platform_of(draft)
    machine = platform.machine(draft)
    place = tables.place(platform)
    in_file = [instance.name for instance in draft.instances]
    active = memory_of_active(place)
    for name in options.names or in_file:
        if name in active:
            raise runs_already(name)
    held = sum(active.get(name, 0) for name in in_file)
    table = tables.sound_table(draft, with_room(machine, held))
    partitions = tables.chosen(table, options.names)
    found: list[str] = []
    conversation = reach_or_begin(place, draft.platform, found)
    say = silent if options.json else aloud
    for line in found:
        say(line)
    question = protocol.question(
        "up", platform=draft.platform, partitions=plain(partitions), machine=plain(machine)
    )
    with TakingBack(conversation) as interruption:
        conversation.tell(question)
        interruption.is_asked()
        rows = follow(conversation, partitions, say)
    if rows is None:
        return 130
    if options.json:
        import json

        print(json.dumps(rows, indent=2))
    return 0 if all(row["state"] == RUNNING for row in rows) else 1


def memory_of_active(place: Workplace) -> dict[str, int]:
    """Bytes that instances hold which run now, by name.

    The supervisor refuses what runs already, too; asked first, the reason is not drowned by
    what the table then lacks.
    """
    from septum.supervisor.beginning import reach

    conversation = reach(place)
    if conversation is None:
        return {}
    conversation.tell(protocol.question("list"))
    rows = protocol.instances_of(conversation.hear() or {"rows": []})
    conversation.close()
    return {row["name"]: row["memory"] for row in rows if row["state"] in ACTIVE}


def with_room(machine: Machine, held: int) -> Machine:
    """The machine as a table's rules must see it when its own instances hold so many bytes.

    Linux counts them as gone. Huge pages in use are counted as there already.
    """
    in_use = sum((pages.total - pages.free) * pages.size for pages in machine.huge_pages)
    beyond = max(0, held - in_use)
    return machine._replace(memory_available=machine.memory_available + beyond)


class TakingBack:
    """While it lasts, Ctrl-C (or SIGTERM) has the supervisor take back what was asked.

    A second one leaves at once; the supervisor takes back all the same. Once all is done it comes
    too late, and changes nothing.
    """

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.happened = False
        self.can_be_told = False

    def __enter__(self) -> TakingBack:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.interrupt)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        self.conversation.close()

    def interrupt(self, number: int, frame: object) -> None:
        if self.happened:
            raise KeyboardInterrupt
        self.happened = True
        if self.can_be_told:
            self.conversation.tell(protocol.question("take back"))

    def is_asked(self) -> None:
        """The question is sent whole: from now on an interruption may be sent after it."""
        self.can_be_told = True
        if self.happened:
            self.conversation.tell(protocol.question("take back"))


def follow(
    conversation: Conversation, partitions: list[Partition], say: object
) -> list[Message] | None:
    """Say what happens until all is done; the instances' rows, None when all was taken back."""
    assert callable(say)
    by_name = {partition.name: partition for partition in partitions}
    while True:
        message = conversation.hear()
        if message is None:
            raise NotRunning(
                "the supervisor left before the instances ran",
                because="its process ended",
                remedy="see supervisor.log or journalctl -u septum; septum ps cleans up",
            )
        protocol.answered(message)
        if message.get("done"):
            rows: list[Message] = list(message["rows"])
            if not message["gone"]:
                return rows
            say(f"interrupted: {taken_back([kept for row in rows for kept in row['kept']])}")
            return None
        say(f"{message['instance']}: {event_text(message, by_name[message['instance']])}")


def taken_back(kept: list[str]) -> str:
    """What became of all that was started."""
    if not kept:
        return "everything this command started was given back"
    return f"not given back: {', '.join(kept)} (septum ps tries again, and says why)"


def event_text(message: Message, partition: Partition) -> str:
    """One line about one event of an instance."""
    if message["event"] == "stage":
        return str(message["text"])
    if message["state"] == RUNNING:
        return (
            f"running, {counted(partition.processors.found, 'processor')}, "
            f"{size_text(partition.memory.total)}, "
            f"{counted(len(partition.functions), 'function')}"
        )
    return ending_text(message)


def ending_text(message: Message) -> str:
    """The state an instance is left in, and why."""
    reason, detail = message.get("reason", ""), message.get("detail", "")
    text = str(message["state"])
    if reason and reason != text:
        text += f", {reason}"
    return f"{text}: {detail}" if detail else text


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def aloud(line: str) -> None:
    print(line, flush=True)


def silent(line: str) -> None:
    return None
