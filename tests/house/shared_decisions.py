"""How many lines of the decisions that run are imported by both platforms?

    scripts/shared-decisions [CHECKOUT]

A platform's run path is a module and all it imports, also within functions; what is imported for
types alone is not. Of that, the folders that decide are counted, by lines of their files that are
neither empty nor comment alone. Formats that are one platform's by their nature are told apart.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DECIDE = ("machine", "partitions", "discovery", "translation", "interrupts", "memory", "shared")
# Where each platform's run path begins: the first that is there, in this and in older layouts.
BEGINNINGS = {
    "pc": (("septum.instance.boot",),),
    "alpha": (
        ("septum.software.computer", "septum.instance.software"),
        ("septum.engine.alpha.vmm.monitor", "septum.engine.alpha.vmm"),
    ),
}
FORMATS = ("septum.discovery.acpi", "septum.discovery.hwrpb")


class Counted(NamedTuple):
    """A module of the folders that decide, and the platforms whose run path has it."""

    name: str
    lines: int
    platforms: tuple[str, ...]
    is_format: bool


class Package:
    """The modules of a checkout, by dotted name, and what each imports when it runs."""

    def __init__(self, root: Path) -> None:
        self.files: dict[str, Path] = {}
        for path in sorted((root / "septum").rglob("*.py")):
            dotted = ".".join(path.relative_to(root).with_suffix("").parts)
            self.files[dotted.removesuffix(".__init__")] = path

    def closure(self, beginnings: tuple[tuple[str, ...], ...]) -> set[str]:
        """These modules and all they import, and what that imports."""
        found: set[str] = set()
        waiting = [next(one for one in names if one in self.files) for names in beginnings]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.imports(name)
        return found

    def imports(self, name: str) -> set[str]:
        """Modules of the package; of a module in a folder, the folder's too."""
        tree = ast.parse(self.files[name].read_text())
        said = {part for node in running(tree) for part in named(node)}
        found = {self.module(dotted) for dotted in said if dotted.startswith("septum.")}
        parents = {one.rpartition(".")[0] for one in found}
        return {one for one in found | parents if one}

    def module(self, dotted: str) -> str:
        """The module that a dotted name is, or is in."""
        while dotted and dotted not in self.files:
            dotted = dotted.rpartition(".")[0]
        return dotted

    def lines(self, name: str) -> int:
        lines = (line.strip() for line in self.files[name].read_text().splitlines())
        return sum(bool(line) and not line.startswith("#") for line in lines)


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from running(node)


def named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def counted(root: Path) -> list[Counted]:
    """Every module that decides and runs, by name."""
    package = Package(root)
    paths = {name: package.closure(begins) for name, begins in BEGINNINGS.items()}
    found = []
    for name in sorted(set().union(*paths.values())):
        parts = name.split(".")
        if len(parts) > 2 and parts[1] in DECIDE:
            platforms = tuple(platform for platform, path in paths.items() if name in path)
            is_format = any(name == one or name.startswith(one + ".") for one in FORMATS)
            found.append(Counted(name, package.lines(name), platforms, is_format))
    return found


def share(modules: list[Counted]) -> tuple[int, int]:
    """Lines that both import, and all that run."""
    both = sum(one.lines for one in modules if len(one.platforms) == len(BEGINNINGS))
    return both, sum(one.lines for one in modules)


def told(modules: list[Counted], what: str) -> str:
    both, total = share(modules)
    return f"{both:6} of {total} lines are imported by both: {100 * both / total:.1f} %{what}"


def report(root: Path) -> str:
    modules = counted(root)
    rows = [
        f"{one.lines:6}  {' '.join(one.platforms):9}  {one.name}{' (format)' * one.is_format}"
        for one in modules
    ]
    decisions = [one for one in modules if not one.is_format]
    rows += ["", told(decisions, ""), told(modules, ", formats of one platform counted too")]
    return "\n".join(rows)


if __name__ == "__main__":
    print(report(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]))
