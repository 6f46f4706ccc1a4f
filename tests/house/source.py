"""What is in the source? One parse of every module, for the house rules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "septum"


class Module(NamedTuple):
    """One file of the package: its path below the root, its dotted name, its parts."""

    path: str
    name: str
    text: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        """The folder (or top file) of the house it stands in; "" for septum itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


@cache
def modules() -> tuple[Module, ...]:
    return tuple(_module(path) for path in sorted(PACKAGE.rglob("*.py")))


def _module(path: Path) -> Module:
    inside = path.relative_to(ROOT)
    name = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
    text = path.read_text()
    return Module(str(inside), name, text, ast.parse(text, str(inside)))


def imported(module: Module) -> Iterator[tuple[str, int]]:
    """Dotted names a module imports anywhere (functions and TYPE_CHECKING too), with lines."""
    is_package = module.path.endswith("/__init__.py")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = module.name.split(".")
                up = up[: len(up) - node.level + is_package]
                base = ".".join([*up, *([base] if base else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, node.lineno


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
