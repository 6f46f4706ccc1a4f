"""Does every module keep the habits of the house?"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.house.source import Module, modules

HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F_]+")
MODULES = modules()
QUESTION = re.compile(r"(?s).*\?|(?:What|Which|Who|Where|When|Why|How|Is|Are|Does|May|Can)\b")
LONGEST_FILE = 400  # lines; in layouts a file is one specification, however long
LONGEST_FUNCTION = 60  # lines; most have fewer than 40
# path or path:function: why it may be longer. The list is meant to shrink.
LONG: dict[str, str] = {}


def tokens(module: Module) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(module.text).readline)


def test_hexadecimal_stands_in_layouts() -> None:
    wrong = [
        f"{module.path}:{token.start[0]}: {token.string}"
        for module in MODULES
        if module.layer != "layouts"
        for token in tokens(module)
        if token.type == tokenize.NUMBER and HEXADECIMAL.fullmatch(token.string)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_says_its_question(module: Module) -> None:
    docstring = ast.get_docstring(module.tree) or ""
    first_line = docstring.partition("\n\n")[0]
    assert docstring, "no docstring"
    if not module.path.endswith("__init__.py"):
        assert QUESTION.match(first_line), f"no question: {first_line}"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_annotations_are_not_evaluated(module: Module) -> None:
    """At run time they would cost imports on the boot path."""
    if any(isinstance(node, ast.AnnAssign | ast.FunctionDef) for node in ast.walk(module.tree)):
        assert "from __future__ import annotations" in module.text


def test_errors_are_caught_by_name() -> None:
    """Or passed on; or, with ruff's rule named and a reason after it, kept on purpose."""
    wrong = [
        f"{module.path}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or "BaseException" in ast.dump(node.type))
        and not re.search(r"# noqa: BLE001 +\w", module.text.splitlines()[node.lineno - 1])
        and not any(isinstance(step, ast.Raise) and step.exc is None for step in ast.walk(node))
    ]
    assert not wrong, "\n".join(wrong)


def test_no_star_imports() -> None:
    assert not [
        module.path
        for module in MODULES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]


def test_sizes() -> None:
    wrong = [
        f"{place} has {lines} lines"
        for module in MODULES
        for place, lines, most in _sizes(module)
        if lines > most and place not in LONG
    ]
    assert not wrong, "\n".join(wrong)


def _sizes(module: Module) -> Iterator[tuple[str, int, int]]:
    if module.layer != "layouts":
        yield module.path, module.text.count("\n"), LONGEST_FILE
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield f"{module.path}:{node.name}", lines, LONGEST_FUNCTION


def test_long_ones_are_listed_only_while_they_are_long() -> None:
    sizes = {place: lines > most for module in MODULES for place, lines, most in _sizes(module)}
    assert not [place for place in LONG if not sizes.get(place)]
