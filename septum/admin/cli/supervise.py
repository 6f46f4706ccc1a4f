"""How does systemd run the supervisor? In the foreground, as its service."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from septum.admin.cli import tables

HELP = "Be the supervisor, in the foreground; septum.service runs this, people need not."


def arguments(parser: ArgumentParser) -> None:
    from septum.admin.cli.units import add_within

    add_within(parser)


def run(options: Namespace) -> int:
    """0: it was told to end, or was of no more use; 1: it could not go on."""
    from septum.supervisor.beginning import supervise

    return supervise(tables.place(), options.within)
