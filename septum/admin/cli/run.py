"""How does one instance run right here, without a supervisor?

Its start is measured: nothing is imported that an instance does not need.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from septum.errors import NotRunning
from septum.host.runtime import RunDirectory

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping
    from typing import Any

    from septum.messages import Report
    from septum.partitions.draft import Draft
    from septum.platforms.platform import ProcessPlatform

LOCAL_MODES = 3  # their place in what tcgetattr returns: termios(3), c_lflag
HELP = "Run one instance in the foreground, its serial port on this terminal."


class Options(NamedTuple):
    """The command's words."""

    table: str
    name: str
    verbose: bool = False


def without_argparse(words: list[str]) -> Options | None:
    """The options of `run TABLE NAME`, quickly; None for anything else."""
    is_verbose = words[:1] == ["-v"]
    rest = words[is_verbose:]
    if len(rest) != 2 or any(word.startswith("-") for word in rest):
        return None
    return Options(rest[0], rest[1], is_verbose)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="the partition table's file")
    parser.add_argument("name", metavar="NAME", help="the instance")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print each stage of the start to stderr"
    )


def run(options: Options) -> int:
    """0: it powered off, or was reset or stopped from inside; 1: anything else."""
    import gc

    gc.disable()  # what is imported stays: there is nothing to collect in it
    from septum.admin.cli import tables
    from septum.host.apart import apart
    from septum.host.journal import Journal
    from septum.state import ORDERLY

    draft = tables.draft_of(options.table)
    platform = process_platform(draft)
    platform.warm_up()
    gc.freeze()
    gc.enable()
    machine = platform.machine(draft)
    table = tables.sound_table(draft, machine)
    (partition,) = tables.chosen(table, [options.name])
    directory = platform.directory()
    report = reporter(options.name) if options.verbose else silent

    def tidy() -> None:
        for line in platform.restore(Journal(directory.claims)):
            print(line, file=sys.stderr)

    with Alone(directory, options.name), Keyboard(0):
        tidy()  # after others
        # The process that runs the instance gives up what tidying after it takes.
        ending = apart(
            lambda: platform.run(partition, machine, directory, report, terminal=True), tidy
        )
    if options.verbose or ending.reason not in ORDERLY:
        print(f"{options.name}: {ending.reason} {ending.detail}".rstrip(), file=sys.stderr)
    return 0 if ending.reason in ORDERLY else 1


def process_platform(draft: Draft) -> ProcessPlatform:
    """A table's platform; NotRunning where instances share one computer that is software."""
    from septum.admin.cli.tables import platform_of
    from septum.platforms.platform import ProcessPlatform

    platform = platform_of(draft)
    if not isinstance(platform, ProcessPlatform):
        raise NotRunning(
            "no instance of a software computer runs alone",
            because=f"those of {draft.path} live in one process, with their computer",
            remedy=f"septum up {draft.path}, then septum console NAME",
        )
    return platform


class Alone:
    """This process is an instance: nobody else starts it, or cleans up after it, meanwhile."""

    def __init__(self, directory: RunDirectory, name: str) -> None:
        self.directory = directory
        self.name = name

    def __enter__(self) -> None:
        from septum.host import processes

        self.directory.make()
        for path in (
            self.directory.process_of(self.name),
            self.directory.alone_of(self.name),
        ):
            other = processes.read_process(path)
            if other is not None and other.is_alive:
                raise NotRunning(
                    f"{self.name} runs already",
                    because=f"its process is {other.number}",
                    remedy=f"septum down {self.name}, or end that process",
                )
        self.directory.remove_instance(self.name)
        self.directory.make_instance(self.name)
        path = self.directory.alone_of(self.name)
        processes.write_process(path, processes.this_process())
        processes.end_on_terminate()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        from septum.host import logs

        self.directory.remove_instance(self.name)
        logs.tidy(self.directory.log_of(self.name))


class Keyboard:
    """Keys reach the instance one by one, and are not echoed here; Ctrl-C still ends it."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.before: list[Any] = []

    def __enter__(self) -> None:
        if not os.isatty(self.terminal):
            return
        import termios

        self.before = termios.tcgetattr(self.terminal)
        keys = termios.tcgetattr(self.terminal)
        keys[LOCAL_MODES] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self.terminal, termios.TCSADRAIN, keys)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.before:
            import termios

            with suppress(termios.error):  # it may be gone: SIGHUP
                termios.tcsetattr(self.terminal, termios.TCSADRAIN, self.before)


def reporter(name: str) -> Report:
    def report(event: str, fields: Mapping[str, object]) -> None:
        text = fields.get("text") or fields.get("state") or os.linesep
        with suppress(OSError):  # nobody may be there to read it any more
            print(f"{name}: {text}", file=sys.stderr, flush=True)

    return report


def silent(event: str, fields: Mapping[str, object]) -> None:
    return None
