"""Which command is asked for? Finds its module, and imports no other.

A start of an instance is measured from here, so nothing is imported before it is needed.
A command's module has HELP, arguments(parser) and run(options) -> exit code. It may have
without_argparse(words), which answers the options of its simplest call, or None.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

COMMANDS: tuple[tuple[str, str], ...] = (
    ("scan", "what this computer has, what can be divided, what not and why"),
    ("doctor", "can this computer run instances? each no with its remedy"),
    ("check", "is a partition table sound? works offline, as any user"),
    ("up", "start the instances of a partition table"),
    ("down", "shut instances down, or unplug them, and give back what they had"),
    ("reboot", "shut instances down, or reset them, and start them again"),
    ("ps", "which instances there are, and how they fare"),
    ("console", "attach this terminal to an instance's serial port"),
    ("show", "devices, memory, interrupts, probes, translations or exits of instances"),
    ("revoke", "take back what an instance was let touch; its next access is decided anew"),
    ("run", "one instance in the foreground, its serial port on this terminal"),
    ("units", "systemd's units for all this: install, remove or show them"),
    ("supervise", "be the supervisor, in the foreground: what septum.service runs"),
)
INTERRUPTED = 130  # what a shell expects of a command ended by Ctrl-C


def main(words: list[str] | None = None) -> int:
    """Run one command; its exit code. Problems are printed, bugs keep their traceback."""
    try:
        return explained(sys.argv[1:] if words is None else words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except RuntimeError as error:
        # Python 3.11 wraps what interrupts __set_name__, as when registers are being declared.
        if isinstance(error.__cause__, KeyboardInterrupt):
            return INTERRUPTED
        raise
    except BrokenPipeError:
        # The reader (head, less) has left: say nothing, here and when Python flushes at its end.
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def entry() -> int:
    """The command `septum`. An instance that ran here is over: nothing is taken apart after it.

    What it had is given back by then, and the memory of a process goes with the process; doing
    the same object by object would be part of every start and end.
    """
    code = main()
    if sys.argv[1:2] == ["run"] and code != INTERRUPTED:
        import os

        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    return code


def explained(words: list[str]) -> int:
    """Run one command; a Problem is printed: what, because, and what to try."""
    from septum.errors import Problem

    try:
        return dispatch(words)
    except Problem as problem:
        print(f"septum: {problem}", file=sys.stderr)
        return 1


def dispatch(words: list[str]) -> int:
    """Find the command, read its arguments, run it."""
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if words else 2
    if words[0] in ("--version", "version"):
        print(f"septum {version()}")
        return 0
    command = words[0]
    if command not in dict(COMMANDS):
        from septum.errors import Problem

        raise Problem(
            f"{command}: there is no such command",
            because=f"the commands are {', '.join(name for name, _ in COMMANDS)}",
            remedy="septum --help",
        )
    module = command_module(command)
    shortcut = getattr(module, "without_argparse", None)
    options = shortcut(words[1:]) if shortcut is not None else None
    if options is None:
        options = parsed(command, module, words[1:])
    code: int = module.run(options)
    sys.stdout.flush()
    return code


def command_module(command: str) -> ModuleType:
    from importlib import import_module

    return import_module(f"septum.admin.cli.{command}")


def parsed(command: str, module: ModuleType, words: list[str]) -> object:
    """The options argparse reads from the words after the command."""
    import argparse

    parser = argparse.ArgumentParser(prog=f"septum {command}", description=module.HELP)
    module.arguments(parser)
    return parser.parse_args(words)


def overview() -> str:
    """The text of septum --help."""
    lines = ["usage: septum COMMAND ...", "", "One computer, several operating systems.", ""]
    lines += [f"  {name:<9} {text}" for name, text in COMMANDS]
    return "\n".join([*lines, "", "septum COMMAND --help says more; septum --version."])


def version() -> str:
    """The installed version of this package."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("septum")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
