"""What does systemd have to be told of Septum? The texts of its unit files.

The files of units/ are templates; a few words in them differ from computer to computer.
systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

import os

TEMPLATES = os.path.join(os.path.dirname(__file__), "units")
SERVICE, TABLE, SLEEP = "septum.service", "septum@.service", "septum-sleep.service"
NAMES = (SERVICE, TABLE, SLEEP)
RESTARTS = "needrestart.conf"
INSTALLED = "/etc/systemd/system"
NEEDRESTART = "/etc/needrestart/conf.d"  # read where services are restarted for new libraries
TABLES = "/etc/septum"  # where septum@NAME.service finds NAME.toml
# Where systemd looks, the first file counts: systemd.unit(5), "Unit File Load Path"
PATH = (
    *(INSTALLED, "/run/systemd/system", "/usr/local/lib/systemd/system"),
    *("/usr/lib/systemd/system", "/lib/systemd/system"),
)
OURS = "# Written by `septum units install`"
WITHIN = 60.0  # seconds an instance gets to shut down before its plug is pulled
BEYOND = 120.0  # seconds that pulling it, and giving back, may take on top


def places(name: str) -> list[str]:
    """Every path at which systemd would find this unit."""
    return [os.path.join(folder, name) for folder in PATH]


def destinations(root: str = "") -> list[tuple[str, str]]:
    """Each file that belongs into a system, and the path where it goes."""
    paths = [(name, os.path.join(root + INSTALLED, name)) for name in NAMES]
    if os.path.isdir(root + NEEDRESTART):
        paths.append((RESTARTS, os.path.join(root + NEEDRESTART, "septum.conf")))
    return paths


def text(name: str, program: list[str], within: float) -> str:
    """A file's text, for the words that run Septum and the seconds a shutdown may take."""
    with open(os.path.join(TEMPLATES, name), encoding="utf-8") as f:
        template = f.read()
    words = {
        "SEPTUM": quoted(program),
        "FILE": program[0].replace("%", "%%"),
        "WITHIN": f"{within:g}",
        "STOP": f"{within + BEYOND:g}s",
    }
    for word, value in words.items():
        template = template.replace(f"@{word}@", value)
    return template


def quoted(words: list[str]) -> str:
    """A command as unit files have it: systemd.service(5), "Command lines"."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    for special, twice in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(special, twice)
    is_plain = not set(word) & set(" \t'\";\\")
    return word if is_plain else f'"{word}"'


def settings(of: str) -> list[tuple[str, str]]:
    """The settings of a unit file's text, in order: (name, value)."""
    lines = (line.strip() for line in of.splitlines())
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#;[")
    return [(name, value) for name, _, value in pairs]


def transient(program: list[str], within: float) -> list[str]:
    """What systemd-run has to be told for the supervisor's service without its file."""
    found = settings(text(SERVICE, program, within))
    said = [f"--property={name}={value}" for name, value in found if name != "ExecStart"]
    return [*said, *program, "supervise", "--within", f"{within:g}"]
