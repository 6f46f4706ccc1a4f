"""How does one instance run right here, without a supervisor?

Its start is measured: nothing is imported that an instance does not need.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from septum.errors import NotRunning
from septum.host.runtime import RunDirectory

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Mapping
    from typing import Any

    from septum.supervisor.world import Report

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
    from septum.admin.cli import world as surroundings
    from septum.host.journal import Journal
    from septum.state import ORDERLY, Ending

    surroundings.warm_up()
    gc.freeze()
    gc.enable()
    if b"alpha" in read_bytes(options.table):  # so that others are not read twice
        refuse_software(options.table)
    machine = surroundings.live_machine()
    table = surroundings.sound_table(options.table, machine)
    (partition,) = surroundings.chosen(table, [options.name])
    world = surroundings.world()
    report = reporter(options.name) if options.verbose else silent
    with Alone(world.directory, options.name), Keyboard(0):
        for line in world.restore(Journal(world.directory.claims)):
            print(line, file=sys.stderr)
        ending = Ending(*surroundings.run_here(partition, machine, world.directory, report))
    if options.verbose or ending.reason not in ORDERLY:
        print(f"{options.name}: {ending.reason} {ending.detail}".rstrip(), file=sys.stderr)
    return 0 if ending.reason in ORDERLY else 1


def read_bytes(path: str) -> bytes:
    """A file, or nothing where reading it properly will say why not."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def refuse_software(path: str) -> None:
    """NotRunning for a table whose instances share one computer that is software."""
    from septum.admin.cli.world import draft_of

    if draft_of(path).platform == "alpha":
        raise NotRunning(
            "no instance of a software computer runs alone",
            because=f"those of {path} live in one process, with their computer",
            remedy=f"septum up {path}, then septum console NAME",
        )


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
        self.directory.remove_instance(self.name)


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

            termios.tcsetattr(self.terminal, termios.TCSADRAIN, self.before)


def reporter(name: str) -> Report:
    def report(event: str, fields: Mapping[str, object]) -> None:
        text = fields.get("text") or fields.get("state") or os.linesep
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    return report


def silent(event: str, fields: Mapping[str, object]) -> None:
    return None
