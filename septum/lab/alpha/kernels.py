"""Which kernels do the alpha platform's systems run, and how are they built?

Two unmodified ones, from Debian's source packages, with its cross compiler. A version that
does not build is passed over: the next older one is taken, and it is said.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from septum.errors import HostProblem
from septum.lab.alpha import packages
from septum.lab.cache import built
from septum.lab.command import command
from septum.lab.progress import Progress

HERE = Path(__file__).parent
CROSS = "alpha-linux-gnu-"
JOBS = 2
SAID_EVERY = 20  # seconds
LAST_LINES = 12


class Recipe(NamedTuple):
    """One kernel: the newest of a series that builds, and how it differs from the common."""

    series: str
    options: tuple[str, ...]


# Two versions and two rates of the clock, so that what holds for one only is noticed.
BLUE = Recipe("6.1", ("CONFIG_HZ_64=y",))
GREEN = Recipe("6.12", ("CONFIG_HZ_128=y",))


class Kernel(NamedTuple):
    """One that was built: an ELF file, and the version of its source package."""

    file: Path
    version: str


class DoesNotBuild(HostProblem):
    """This version does not; another may."""


def kernels(progress: Progress) -> tuple[Kernel, Kernel]:
    """Both kernels, built now if they are not there. Raises HostProblem."""
    blue = kernel(BLUE, progress)
    try:
        return blue, kernel(GREEN, progress)
    except DoesNotBuild as problem:
        progress.say(
            f"{problem.what}: the second kernel is {BLUE.series} too, otherwise configured"
        )
        return blue, kernel(Recipe(BLUE.series, GREEN.options), progress)


def kernel(recipe: Recipe, progress: Progress) -> Kernel:
    """One kernel. What was built once from a series and a configuration is kept."""
    configuration = (HERE / "kernel.config").read_text() + "\n".join((*recipe.options, ""))

    def make(folder: Path) -> None:
        packages.for_kernels(progress)
        for version in versions(recipe.series, progress):
            try:
                _build(recipe.series, version, configuration, folder, progress)
            except HostProblem as problem:
                log = folder.parent / f"{folder.name}.{version}.log"
                if (folder / "log").exists():
                    shutil.move(folder / "log", log)
                progress.say(f"{problem}\n(the whole log: {log})\ntrying an older version")
                continue
            (folder / "version").write_text(version)
            return
        raise DoesNotBuild(
            f"no kernel {recipe.series} builds for Alpha",
            because="none of the versions that apt has does",
            remedy="see the logs named above",
        )

    name = f"alpha-linux-{recipe.series}"
    what = f"building Linux {recipe.series} for Alpha (a few minutes, once)"
    folder = built(name, configuration, make, what, progress)
    return Kernel(folder / "vmlinux", (folder / "version").read_text())


def versions(series: str, progress: Progress) -> list[str]:
    """The versions of a series' source package that apt has, newest first."""
    found = _madison(series)
    if not found:
        try:
            from septum.lab.packages import apt

            with progress.step("reading the package lists"):
                apt("update")
        except HostProblem:
            return []
        found = _madison(series)
    return found


def _madison(series: str) -> list[str]:
    said = subprocess.run(
        ["apt-cache", "madison", f"linux-source-{series}"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    rows = [line.split("|") for line in said.splitlines()]
    return list(dict.fromkeys(row[1].strip() for row in rows if len(row) > 2))


def _build(series: str, version: str, configuration: str, folder: Path, progress: Progress) -> None:
    """Fill the folder with vmlinux and its configuration; the sources are removed again."""
    log, source, objects = folder / "log", folder / "source", folder / "objects"
    try:
        with progress.step(f"unpacking the source of Linux {version}"):
            _unpack(series, version, folder, source)
        (folder / "wanted").write_text(configuration)
        words: list[str | Path] = [
            "make",
            "-C",
            source,
            f"O={objects}",
            "ARCH=alpha",
            f"CROSS_COMPILE={CROSS}",
        ]
        command(
            [*words, f"KCONFIG_ALLCONFIG={folder / 'wanted'}", "allnoconfig"],
            what=f"Linux {version} cannot be configured", log=log,
        )  # fmt: skip
        # The architecture's own files first: where one version fails, it is in these
        for target in ("arch/alpha/", "vmlinux"):
            _compile([*words, f"-j{JOBS}", target], f"Linux {version}", log, progress)
        vmlinux = folder / "vmlinux"
        command([f"{CROSS}strip", "-g", "-o", vmlinux, objects / "vmlinux"], what="strip failed")
        shutil.copy(objects / ".config", folder / "config")
    finally:
        for tree in (source, objects, folder / "package"):
            shutil.rmtree(tree, ignore_errors=True)


def _unpack(series: str, version: str, folder: Path, source: Path) -> None:
    name = f"linux-source-{series}"
    remedy = "see that this machine reaches its Debian archive (apt-get update)"
    package = folder / "package"
    package.mkdir(exist_ok=True)
    done = subprocess.run(
        ["apt-get", "-q", "download", f"{name}={version}"],
        cwd=package, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        because = done.stderr.strip().splitlines()[-1:] or ["apt-get says nothing"]
        raise HostProblem(f"{name} {version} cannot be had", because=because[0], remedy=remedy)
    (file,) = package.glob("*.deb")
    command(["dpkg-deb", "-x", file, package], what=f"{file.name} cannot be unpacked")
    file.unlink()
    source.mkdir()
    archive = package / f"usr/src/{name}.tar.xz"
    words: list[str | Path] = ["tar", "-C", source, "--strip-components=1", "-xf", archive]
    command(words, what=f"{archive.name} cannot be unpacked")


def _compile(words: list[str | Path], what: str, log: Path, progress: Progress) -> None:
    """Run make to its end, saying now and then how far it is."""
    with log.open("a") as output:
        process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            while (code := _waited(process)) is None:
                files = len(re.findall(r"^  (?:CC|AS) ", log.read_text(errors="replace"), re.M))
                progress.say(f"{what}: {files} files compiled")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code != 0:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "error" in line.lower() or "***" in line]
        because = "\n           ".join(errors[-LAST_LINES:] or lines[-LAST_LINES:])
        raise HostProblem(f"{what} does not build", because=because)


def _waited(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(SAID_EVERY)
    except subprocess.TimeoutExpired:
        return None
