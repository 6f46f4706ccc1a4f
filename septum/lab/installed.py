"""How does Septum come into the lab? As a user would install it: a wheel, into an environment.

It has a disk of its own (the host mounts it at /opt/septum), so that a change of the code
costs seconds and not a new host disk.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from septum.errors import HostProblem
from septum.lab.cache import built, locked
from septum.lab.command import command
from septum.lab.images import file_system
from septum.lab.progress import Progress
from septum.units import MiB

PLACE = "opt/septum"
EXTRA = "pc"
LAB_PYTHON = "3.11"
SPARE_SIZE = 64 * MiB
CHECKOUT = Path(__file__).parents[2]
PACKAGED = ("pyproject.toml", "README.md", "LICENSE")


def septum_disk(host_tree: Path, progress: Progress) -> Path:
    """The file system image with this checkout's Septum installed in it."""
    environment = base_environment(host_tree, progress)
    known = (host_tree.parent.name, environment.name, source_digest(CHECKOUT))

    def make(folder: Path) -> None:
        wheel = build_wheel(folder)
        tree = folder / "tree"
        with in_tree(host_tree, environment / "tree") as place:
            shutil.copy(wheel, place)
            pip_install(host_tree, ["--no-deps", f"/{PLACE}/{wheel.name}"])
            (place / wheel.name).unlink()
            compile_all(host_tree)
            shutil.copytree(place, tree, symlinks=True)
        file_system(tree, folder / "septum.ext4", spare=SPARE_SIZE)
        shutil.rmtree(tree)

    folder = built("septum", known, make, "installing Septum for the lab", progress)
    return folder / "septum.ext4"


def base_environment(host_tree: Path, progress: Progress) -> Path:
    """A folder with, in `tree`, a virtual environment that holds what Septum depends on."""
    wanted = dependencies(CHECKOUT)

    def make(folder: Path) -> None:
        wheels = folder / "wheels"
        wheels.mkdir()
        if wanted:
            command(
                [
                    *(sys.executable, "-m", "pip", "download", "-q", "-d", wheels),
                    *("--python-version", LAB_PYTHON, "--only-binary=:all:", *wanted),
                ],
                what="what Septum depends on cannot be fetched",
                remedy="see that pip reaches its package index",
            )
        with in_tree(host_tree, None) as place:
            command(
                ["chroot", host_tree, "python3", "-m", "venv", f"/{PLACE}"],
                what="no virtual environment for the lab can be made",
            )
            if wanted:
                shutil.copytree(wheels, place / "wheels")
                pip_install(host_tree, [f"--find-links=/{PLACE}/wheels", *wanted])
                shutil.rmtree(place / "wheels")
            compile_all(host_tree)
            shutil.copytree(place, folder / "tree", symlinks=True)

    known = (host_tree.parent.name, wanted, LAB_PYTHON)
    return built("environment", known, make, "fetching what Septum depends on", progress)


class in_tree:
    """The place in the host's tree, filled from a folder, empty again afterwards."""

    def __init__(self, host_tree: Path, content: Path | None) -> None:
        self.place = host_tree / PLACE
        self.content = content
        self.lock = locked("in-tree")

    def __enter__(self) -> Path:
        self.lock.__enter__()
        shutil.rmtree(self.place, ignore_errors=True)
        if self.content is None:
            self.place.mkdir(parents=True)
        else:
            shutil.copytree(self.content, self.place, symlinks=True)
        return self.place

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        self.lock.__exit__(None, None, None)


def pip_install(host_tree: Path, words: list[str]) -> None:
    command(
        [
            *("chroot", host_tree, f"/{PLACE}/bin/python3", "-m", "pip", "install", "-q"),
            *("--isolated", "--no-index", "--no-compile", "--disable-pip-version-check", *words),
        ],
        what="Septum cannot be installed for the lab",
    )


def compile_all(host_tree: Path) -> None:
    """Byte code made here: the lab is twenty times slower at it."""
    folder = f"/{PLACE}/lib/python{LAB_PYTHON}/site-packages"
    command(
        ["chroot", host_tree, "python3", "-m", "compileall", "-q", folder],
        what="Septum cannot be compiled to byte code",
    )


def build_wheel(folder: Path) -> Path:
    """The wheel of the checkout, built in a copy so that nothing is left in the checkout."""
    copy = folder / "checkout"
    copy.mkdir()
    for name in PACKAGED:
        if (CHECKOUT / name).exists():
            shutil.copy(CHECKOUT / name, copy)
        elif name.endswith(".md"):
            (copy / name).write_text("")
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "septum", copy / "septum", ignore=left_out)
    command(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, copy],
        what="no wheel of Septum can be built",
        remedy="see pyproject.toml, and that pip reaches its package index",
    )
    shutil.rmtree(copy)
    wheels = list(folder.glob("septum-*.whl"))
    if len(wheels) != 1:
        raise HostProblem("no wheel of Septum was built", because=f"found {wheels}")
    return wheels[0]


def dependencies(checkout: Path) -> tuple[str, ...]:
    """What pyproject.toml says Septum needs to run on a PC."""
    import tomllib

    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    optional = project.get("optional-dependencies", {}).get(EXTRA, ())
    return tuple(sorted([*project.get("dependencies", ()), *optional]))


def source_digest(checkout: Path) -> str:
    """Short name of everything that goes into the wheel."""
    paths = [checkout / name for name in PACKAGED]
    paths += sorted(path for path in (checkout / "septum").rglob("*") if path.is_file())
    state = hashlib.sha256()
    for path in paths:
        if path.exists() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            state.update(f"{path.relative_to(checkout)} {content}\n".encode())
    return state.hexdigest()[:16]
