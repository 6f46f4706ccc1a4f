"""How do instances start when the computer does, and end in order before it does?

By systemd's units: what they are, and how they get into the system and out of it.
"""

from __future__ import annotations

import os
import shutil
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from glob import glob

from septum.admin.cli import tables
from septum.errors import HostProblem, NotRunning, explained
from septum.host import systemd, unit_files
from septum.units import duration_text, parse_duration

HELP = """Install, remove or show systemd's units for Septum. septum@NAME.service starts the
instances of /etc/septum/NAME.toml, septum.service keeps all instances, and septum-sleep.service
keeps the computer from sleep while they own devices."""
REMEDIES = {13: "run as root", 1: "run as root"}


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=("show", "install", "remove", "sleep"),
        help="show: print the files as they would be; install: write and enable them; remove: "
        "undo that; sleep: 0 when nothing owns a device, as septum-sleep.service asks it",
    )
    add_within(parser)


def add_within(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--within",
        type=seconds,
        default=unit_files.WITHIN,
        metavar="TIME",
        help="how long an instance may take to shut down when systemd ends it, before its plug "
        f"is pulled (default: {duration_text(unit_files.WITHIN)})",
    )


def seconds(text: str) -> float:
    """A time as people write it: 90s, 3m, 90."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def run(options: Namespace) -> int:
    """0: done."""
    from septum.supervisor.beginning import program

    if options.action == "show":
        for name, path in unit_files.destinations():
            print(f"# {path}\n{unit_files.text(name, program(), options.within)}")
    elif options.action == "sleep":
        refuse_sleep()
    else:
        lines = removed() if options.action == "remove" else installed(program(), options.within)
        print("\n".join(lines))
    return 0


def installed(
    program: list[str], within: float, root: str = "", tables_in: str = unit_files.TABLES
) -> list[str]:
    """Write the units and have systemd know them; a line for each thing that was done.

    HostProblem: a file of somebody else's is in the way, it is not permitted, or there is no
    systemd.
    """
    if shutil.which("systemctl") is None:
        raise HostProblem(
            "the units cannot be installed",
            because="there is no systemd here",
            remedy="have this computer's own init run septum up at boot, and septum down before",
        )
    destinations = unit_files.destinations(root)
    for _, path in destinations:
        refuse_foreign(path)
    said = []
    for name, path in destinations:
        with explained(f"cannot write {path}", REMEDIES):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(f"{path}.new", "w", encoding="utf-8") as f:
                f.write(unit_files.text(name, program, within))
            os.rename(f"{path}.new", path)
        said.append(f"wrote {path}")
    if not os.path.isdir(root + tables_in):
        with explained(f"cannot make {root + tables_in}", REMEDIES):
            os.makedirs(root + tables_in)
        said.append(f"made {root + tables_in}, for tables")
    reload(root)
    systemctl(root, "enable", unit_files.SLEEP)
    said.append(f"enabled {unit_files.SLEEP}: no sleep while instances own devices")
    return [
        *said,
        f"start {tables_in}/NAME.toml now and at boot: systemctl enable --now septum@NAME",
    ]


def removed(root: str = "") -> list[str]:
    """Undo it, links to the units too; a line for each thing. NotRunning: they are in use."""
    folder = root + unit_files.INSTALLED
    if not root and is_active():
        raise NotRunning(
            "the units cannot be removed",
            because=f"{unit_files.SERVICE} runs",
            remedy="septum down ends the instances, and it with them",
        )
    said = []
    for name in sorted(
        {os.path.basename(link) for link in glob(f"{folder}/*/septum[@-]*.service")}
    ):
        systemctl(root, "disable", name)
        said.append(f"disabled {name}")
    for _, path in unit_files.destinations(root):
        if os.path.exists(path):
            refuse_foreign(path)
            with explained(f"cannot remove {path}", REMEDIES):
                os.unlink(path)
            said.append(f"removed {path}")
    reload(root)
    return said or ["no units of Septum were installed"]


def is_active() -> bool:
    """True while systemd keeps a supervisor."""
    return systemd.runs() and not systemd.asked(
        ["systemctl", "is-active", "--quiet", unit_files.SERVICE]
    )


def refuse_foreign(path: str) -> None:
    """HostProblem when the file is there and not one that Septum wrote."""
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            is_ours = f.readline().startswith(unit_files.OURS)
    except FileNotFoundError:
        return
    if not is_ours:
        raise HostProblem(
            f"{path} stays as it is",
            because="somebody else wrote it, or changed its first line",
            remedy="move it away; changes of yours belong into systemctl edit",
        )


def reload(root: str) -> None:
    """Have systemd read its units anew, if it runs here."""
    if not root and systemd.runs():
        systemctl(root, "daemon-reload")


def systemctl(root: str, *words: str) -> None:
    """HostProblem with what systemd said when it did not do it."""
    line = ["systemctl", *([f"--root={root}"] if root else []), "--quiet", *words]
    if because := systemd.asked(line):
        raise HostProblem(
            f"{' '.join(line)} failed",
            because=because,
            remedy="see that systemd runs this computer, and that you are root",
        )


def refuse_sleep() -> None:
    """HostProblem, told to whoever is logged in, when instances own devices."""
    from septum.host.journal import Journal

    entries = Journal(tables.place().directory.claims).entries()
    held: dict[str, list[str]] = {}
    for entry in entries:
        if entry.is_held:
            held.setdefault(entry.instance, []).append(entry.address)
    if not held:
        return
    problem = HostProblem(
        "this computer cannot sleep now",
        because="; ".join(f"{name} owns {', '.join(owned)}" for name, owned in held.items()),
        remedy=f"septum down {' '.join(held)}",
    )
    # Who asked for sleep is told nothing: systemd does not wait for how it ends
    systemd.asked(["wall", f"Septum: {problem}"])
    raise problem
