"""Where do the kernels, the init and the disks of the alpha platform's example lie?

In build/alpha, where examples/alpha-two-systems.toml looks for them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from septum.lab import cpio
from septum.lab.alpha import packages
from septum.lab.alpha.kernels import CROSS, Kernel, kernels
from septum.lab.cache import built
from septum.lab.command import command
from septum.lab.progress import Progress

CHECKOUT = Path(__file__).parents[3]
PLACE = CHECKOUT / "build/alpha"
SOURCES = Path(__file__).parent / "init"
FLAGS = (
    *("-std=gnu11", "-Wall", "-Wextra", "-O2", "-mcpu=ev6", "-mieee", "-s"),
    *("-ffreestanding", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-fno-stack-protector"),
    *("-fno-builtin", "-fno-math-errno", "-fno-tree-loop-distribute-patterns"),
    *("-Wl,--build-id=none", "-Wl,-z,max-page-size=8192", "-Wl,-z,noexecstack"),
)


class AlphaFiles(NamedTuple):
    """What both systems start from."""

    blue: Kernel
    green: Kernel
    initrd: Path


def build(progress: Progress, place: Path = PLACE) -> AlphaFiles:
    """Build what is not built yet and put it in its place. Raises HostProblem."""
    blue, green = kernels(progress)
    initrd = init(progress)
    place.mkdir(parents=True, exist_ok=True)
    return AlphaFiles(
        blue._replace(file=_placed(blue.file, place / "blue.vmlinux")),
        green._replace(file=_placed(green.file, place / "green.vmlinux")),
        _placed(initrd, place / "init.cpio"),
    )


def init(progress: Progress) -> Path:
    """The initial RAM disk: one program, of init/."""
    sources = sorted(SOURCES.iterdir())
    recipe = (FLAGS, tuple((path.name, path.read_bytes()) for path in sources))

    def make(folder: Path) -> None:
        packages.for_kernels(progress)
        program = folder / "init"
        inputs = [path for path in sources if path.suffix in (".c", ".S")]
        command([f"{CROSS}gcc", *FLAGS, "-o", program, *inputs], what="init cannot be compiled")
        entry = cpio.file("init", program.read_bytes(), 0o755)
        (folder / "init.cpio").write_bytes(cpio.packed([entry]))

    return built("alpha-init", recipe, make, "compiling the init for Alpha", progress) / "init.cpio"


def _placed(source: Path, target: Path) -> Path:
    if not target.exists() or target.read_bytes() != source.read_bytes():
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(source, part)
        part.rename(target)
    return target
