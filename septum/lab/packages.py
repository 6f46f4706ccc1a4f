"""Which Debian packages does the lab need outside, and are they there?

QEMU must be 8 or later: 7.2, which Debian 12 itself has, aborts at times when a nested
guest takes an interrupt. Debian 12's backports have a later one; they are added from the
archive that this machine already uses.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from septum.errors import HostProblem
from septum.lab.command import command
from septum.lab.progress import Progress

NEEDED = ("acpica-tools", "binutils", "e2fsprogs", "mmdebstrap", "openssh-client", "pciutils")
QEMU = "qemu-system-x86"
QEMU_PROGRAM = "qemu-system-x86_64"
QEMU_LOWEST = 8
BACKPORTS_FILE = "etc/apt/sources.list.d/septum-backports.sources"
ROOT_REMEDY = "run it as root, once; later runs find the packages in place"


class Source(NamedTuple):
    """One archive as apt is told of it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str

    def lines(self) -> list[str]:
        """The same in apt's one-line form, one line a suite."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        components = " ".join(self.components)
        return [f"deb {option}{self.uri} {suite} {components}" for suite in self.suites]


def install(progress: Progress) -> None:
    """Install what is missing; quick when nothing is. Raises HostProblem."""
    missing = list(missing_packages())
    old_qemu = qemu_version() < QEMU_LOWEST
    if not missing and not old_qemu:
        return
    names = [*missing, QEMU] if old_qemu else missing
    if os.geteuid() != 0:
        because = f"Debian packages are missing: {' '.join(names)}"
        raise HostProblem("the lab cannot be set up", because=because, remedy=ROOT_REMEDY)
    with progress.step("reading the package lists"):
        apt("update")
    if old_qemu and candidate_version(QEMU) < QEMU_LOWEST:
        progress.say(
            f"QEMU here is older than {QEMU_LOWEST} and can abort under a nested guest: "
            f"adding Debian's backports in /{BACKPORTS_FILE}"
        )
        add_backports()
        with progress.step("reading the package lists"):
            apt("update")
    if missing:
        with progress.step(f"installing {' '.join(missing)}"):
            apt("install", *missing)
    if old_qemu:
        from_backports = candidate_version(QEMU) < QEMU_LOWEST
        wanted = ["-t", f"{codename()}-backports", QEMU] if from_backports else [QEMU]
        with progress.step(f"installing {QEMU}"):
            apt("install", *wanted)
    if qemu_version() < QEMU_LOWEST:
        raise HostProblem(
            f"the QEMU found here is older than {QEMU_LOWEST}",
            because=f"{shutil.which(QEMU_PROGRAM)} comes first on the path",
            remedy="remove it, or put a later one first",
        )


def missing_packages(needed: tuple[str, ...] = NEEDED) -> tuple[str, ...]:
    """Those of the needed that dpkg does not hold installed."""
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        raise HostProblem(
            "the lab cannot be set up",
            because="this is not a Debian system: it has no apt-get",
            remedy="use Debian 12 or later, or a container of it",
        )
    form = "${Package} ${db:Status-Status}\n"
    answer = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={form}", *needed],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    installed = {line.split()[0] for line in answer.splitlines() if line.endswith(" installed")}
    return tuple(name for name in needed if name not in installed)


def qemu_version() -> int:
    """The major version of the QEMU on the path; 0 when there is none."""
    if shutil.which(QEMU_PROGRAM) is None:
        return 0
    said = subprocess.run([QEMU_PROGRAM, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d+)\.", said.stdout)
    return int(match[1]) if match else 0


def candidate_version(package: str) -> int:
    """The major upstream version that apt would install; 0 when it knows none."""
    policy = command(["apt-cache", "policy", package], what="apt cannot be asked")
    match = re.search(r"Candidate: (?:\d+:)?(\d+)", policy)
    return int(match[1]) if match else 0


def apt(*words: str) -> None:
    """Run apt-get without questions. Raises HostProblem with what it said."""
    options = ["-q", "-y", "--no-install-recommends"] if words[0] == "install" else ["-q"]
    command(
        ["apt-get", words[0], *options, *words[1:]],
        what=f"apt-get {' '.join(words)} failed",
        remedy="see that this machine reaches its Debian archive (apt-get update)",
        environment={"DEBIAN_FRONTEND": "noninteractive"},
    )


def codename(root: Path = Path("/")) -> str:
    """What this Debian calls itself: bookworm, trixie, ..."""
    for line in (root / "etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise HostProblem("this system does not say which Debian it is", because="/etc/os-release")


def add_backports(root: Path = Path("/")) -> None:
    """Tell apt of the backports suite of the archive it already uses."""
    suite = codename(root)
    for source in sources(root):
        if suite in source.suites:
            lines = [
                "Types: deb",
                f"URIs: {source.uri}",
                f"Suites: {suite}-backports",
                "Components: main",
            ]
            if source.signed_by:
                lines.append(f"Signed-By: {source.signed_by}")
            (root / BACKPORTS_FILE).write_text("\n".join(lines) + "\n")
            return
    raise HostProblem(
        f"no archive of {suite} is known to apt",
        because=f"neither /etc/apt/sources.list nor its folder names the suite {suite}",
        remedy=f"add {suite} and {suite}-backports to apt's sources",
    )


def sources(root: Path = Path("/")) -> list[Source]:
    """Every archive of binary packages this machine's apt uses, in both of apt's notations."""
    found: list[Source] = []
    folder = root / "etc/apt/sources.list.d"
    for path in [root / "etc/apt/sources.list", *sorted(folder.glob("*.list"))]:
        if path.exists():
            found += filter(None, map(_from_line, path.read_text().splitlines()))
    for path in sorted(folder.glob("*.sources")):
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            found += _from_paragraph(paragraph)
    return found


def _from_line(line: str) -> Source | None:
    match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)", line.split("#")[0].strip())
    if match is None:
        return None
    signed = re.search(r"signed-by=(\S+)", match[1] or "")
    return Source(match[2], (match[3],), tuple(match[4].split()), signed[1] if signed else "")


def _from_paragraph(paragraph: str) -> list[Source]:
    fields: dict[str, str] = {}
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith(("#", " ", "\t")):
            fields[name.lower()] = value.strip()
    usable = "deb" in fields.get("types", "").split() and fields.get("enabled", "yes") != "no"
    if not usable:
        return []
    suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
    signed = fields.get("signed-by", "")
    return [
        Source(uri, tuple(suites), tuple(components), signed)
        for uri in fields.get("uris", "").split()
    ]
