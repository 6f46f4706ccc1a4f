"""Who calls whom? Read from the source, by name, for the stations of ARCHITECTURE's stories.

A call is seen where a function names another: by a name that its module defines or imports, or as
an attribute that a class of its own module, or of one it imports, has as a method; and where a
class has one of its base's methods anew. Naming without calling counts too: that is how a handler
is armed. What is only called through such a handler has no caller here but who armed it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from tests.house.source import Module, imported, modules

_STORY = re.compile(r"^\*\*(\d)\. (.+?)\*\*(.*?)(?=\n\n)", re.M | re.S)
_STATION = re.compile(r"`([\w/]+\.py):([\w.]+)`")


class Station(NamedTuple):
    """A function, class or method, as the text names it: path below the package, dotted name."""

    path: str
    name: str

    @property
    def key(self) -> str:
        return f"septum.{self.path.removesuffix('.py').replace('/', '.')}:{self.name}"

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"


def stories(text: str) -> dict[str, list[Station]]:
    """The stations of each story, in the order of the text; each at its first place."""
    return {
        title: list(dict.fromkeys(Station(*found) for found in _STATION.findall(body)))
        for _, title, body in _STORY.findall(text)
    }


class Mention(NamedTuple):
    """Where a function names another."""

    line: int
    whom: str  # module:qualified name


class Calls:
    """For each function of the package, whom it names, line by line."""

    def __init__(self) -> None:
        self.defined = {module.name: dict(_definitions(module)) for module in modules()}
        self.known = {module.name: self._scope(module) for module in modules()}
        self.methods = {module.name: self._methods(module) for module in modules()}
        self.by_function: dict[str, list[Mention]] = {}
        for module in modules():
            for name, node in self.defined[module.name].items():
                mentions = sorted(set(self._mentions(module, name, node)))
                self.by_function[f"{module.name}:{name}"] = mentions
        for module in modules():
            self._add_overrides(module)

    def reached(self, key: str) -> set[str]:
        """All that a function leads to, itself included."""
        found: set[str] = set()
        waiting = [key]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += [mention.whom for mention in self.by_function.get(one, ())]
        return found

    def line_of(self, caller: str, whom: str) -> int | None:
        """Where a function itself first names another."""
        lines = [one.line for one in self.by_function.get(caller, ()) if one.whom == whom]
        return min(lines, default=None)

    def _scope(self, module: Module) -> dict[str, str]:
        """What plain names mean in a module: `module` or `module:definition`."""
        names = {name: f"{module.name}:{name}" for name in self.defined[module.name]}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    dotted = f"{node.module}.{alias.name}"
                    is_module = dotted in self.defined
                    meaning = dotted if is_module else f"{node.module}:{alias.name}"
                    names[alias.asname or alias.name] = meaning
        return names

    def _mentions(self, module: Module, name: str, node: ast.AST) -> Iterator[Mention]:
        scope = self.known[module.name]
        if isinstance(node, ast.ClassDef):
            for method in ("__init__", "__enter__", "__exit__"):
                if f"{name}.{method}" in self.defined[module.name]:
                    yield Mention(node.lineno, f"{module.name}:{name}.{method}")
            return
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and ":" in scope.get(part.id, ""):
                yield Mention(part.lineno, scope[part.id])
            elif isinstance(part, ast.Attribute):
                base = scope.get(part.value.id, "") if isinstance(part.value, ast.Name) else ""
                if base in self.defined:
                    yield Mention(part.lineno, f"{base}:{part.attr}")
                else:
                    for key in self.methods[module.name].get(part.attr, ()):
                        yield Mention(part.lineno, key)

    def _methods(self, module: Module) -> dict[str, set[str]]:
        """By their names, the methods of classes in a module and in those it imports."""
        near = {module.name}
        for name, _ in imported(module):
            near |= {name, name.rpartition(".")[0]} & set(self.defined)
        found: dict[str, set[str]] = {}
        for one in near:
            for name in self.defined[one]:
                if "." in name:
                    found.setdefault(name.rpartition(".")[2], set()).add(f"{one}:{name}")
        return found

    def _add_overrides(self, module: Module) -> None:
        """Who calls a method of a base may call that of a class made from it."""
        for name, node in self.defined[module.name].items():
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                above = self.known[module.name].get(ast.unparse(base), "")
                for method in self.defined[module.name]:
                    key = f"{above}.{method.rpartition('.')[2]}"
                    if method.startswith(f"{name}.") and key in self.by_function:
                        self.by_function[key].append(Mention(0, f"{module.name}:{method}"))


def _definitions(module: Module) -> Iterator[tuple[str, ast.AST]]:
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield node.name, node
            for method in node.body:
                if isinstance(method, ast.FunctionDef):
                    yield f"{node.name}.{method.name}", method
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else (node.target,):
                if isinstance(target, ast.Name):  # a table of handlers, perhaps
                    yield target.id, node.value


@cache
def calls() -> Calls:
    return Calls()


def unreached(stations: list[Station], armed: tuple[str, ...] = ()) -> list[str]:
    """Stations that none before them leads to; `armed`: what was before the first."""
    wrong = []
    before: set[str] = set()
    for key in armed:
        before |= calls().reached(key)
    for at, station in enumerate(stations):
        if at and not _is_in(station.key, before):
            wrong.append(f"{station}: no station before it leads there")
        before |= calls().reached(station.key)
    return wrong


def reversed_order(stations: list[Station]) -> list[str]:
    """Stations that only the next one leads to, not any before them."""
    wrong = []
    before: set[str] = set()
    for one, after in pairwise(stations):
        leads_on = _is_in(after.key, calls().reached(one.key))
        if _is_in(one.key, calls().reached(after.key) - before) and not leads_on:
            wrong.append(f"{after} leads to {one}, which stands before it")
        before |= calls().reached(one.key)
    return wrong


def _is_in(key: str, reached: set[str]) -> bool:
    """A class is reached by any of its methods, too."""
    return key in reached or any(one.startswith(key + ".") for one in reached)


def misplaced(stations: list[Station]) -> list[str]:
    """Of stations that the same one names itself: those that it names in another order."""
    wrong = []
    for caller in stations:
        lines = [
            (line, station)
            for station in stations[stations.index(caller) + 1 :]
            if (line := calls().line_of(caller.key, station.key)) is not None
        ]
        for (line, one), (after, other) in pairwise(lines):
            if after < line:
                wrong.append(f"{caller} comes to {other} (line {after}) before {one} ({line})")
    return wrong
