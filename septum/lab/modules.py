"""Which kernel modules, in which order, make a driver work?"""

from __future__ import annotations

import lzma
from pathlib import Path

from septum.errors import HostProblem
from septum.lab import cpio


def kernel_release(root: Path) -> str:
    """The one kernel whose modules lie in a Debian tree, such as 6.12.1-amd64."""
    releases = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(releases) != 1:
        raise HostProblem(f"not exactly one kernel in {root}", because=f"found {releases}")
    return releases[0]


def load_order(root: Path, names: tuple[str, ...]) -> list[Path]:
    """Module files, each after those it needs. Drivers built into the kernel are left out."""
    folder = root / "usr/lib/modules" / kernel_release(root)
    needs: dict[str, list[str]] = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    paths = {_module_name(path): path for path in needs}
    builtin = {_module_name(line) for line in (folder / "modules.builtin").read_text().split()}
    order: list[str] = []

    def add(path: str) -> None:
        # modules.dep lists what is needed with the deepest need last
        for need in reversed(needs[path]):
            add(need)
        if path not in order:
            order.append(path)

    for name in names:
        if name in paths:
            add(paths[name])
        elif name not in builtin:
            raise HostProblem(f"the kernel in {root} has no module {name}")
    return [folder / path for path in order]


def module_entries(root: Path, names: tuple[str, ...]) -> list[cpio.Entry]:
    """The modules for an initramfs, plain, as modules/000-name.ko in loading order."""
    entries = []
    for number, path in enumerate(load_order(root, names)):
        content = path.read_bytes()
        if path.suffix == ".xz":
            content = lzma.decompress(content)
        name = f"modules/{number:03d}-{_module_name(str(path))}.ko"
        entries.append(cpio.file(name, content))
    return entries


def _module_name(path: str) -> str:
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")
