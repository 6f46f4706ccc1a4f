"""Do imports point down the picture, and do effects happen only where they may?

The picture is the one of ARCHITECTURE.md. Every import counts: inside functions and under
TYPE_CHECKING too, because a layer that must not know another must not name its types either.
"""

from __future__ import annotations

import ast

import pytest

from tests.house.source import ROOT, imported, modules

PICTURE = """
lab                    admin
supervisor
platforms
instance               software
sockets
host                   engine
syscall
shared
translation
discovery
memory   interrupts    confinement
protocol
partitions
machine
layouts   state   settings   messages
errors    units    rate_limit
"""
LINES = [line.split() for line in PICTURE.strip().splitlines()]
HEIGHT = {name: -at for at, line in enumerate(LINES) for name in line}

# An effect, and the layers it may come from. Whoever needs it elsewhere asks one of these.
ADDRESSES = {
    "ctypes": {"layouts", "syscall", "host", "engine"},
    "fcntl": {"layouts", "host", "engine", "supervisor", "lab"},  # the last two: file locks
    "mmap": {"layouts", "host", "engine"},
    "threading": {"engine", "instance", "sockets", "software", "lab"},
    "_thread": set(),
    "multiprocessing": set(),
    "subprocess": {"supervisor", "lab", "host"},
}
# (module, what): why this one may. The list is meant to shrink.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("septum.lab.measure", "ctypes"): "a counter that two processes share, without a system call",
    ("septum.lab.measure", "mmap"): "the same",
}


def test_every_folder_has_its_line() -> None:
    here = {module.layer for module in modules()} - {"", "__main__"}
    assert here <= set(HEIGHT), f"not in the picture: {sorted(here - set(HEIGHT))}"


def test_imports_point_down() -> None:
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in modules()
        for name, line in imported(module)
        if name.startswith("septum.") and not _is_below(module.layer, name.split(".")[1])
        if (module.name, ".".join(name.split(".")[:2])) not in EXCEPTIONS
    ]
    assert not wrong, "\n".join(wrong)


def _is_below(upper: str, lower: str) -> bool:
    if upper == lower or lower not in HEIGHT:
        return True  # septum.__version__ and the like
    return upper in HEIGHT and HEIGHT[lower] < HEIGHT[upper]


@pytest.mark.parametrize("effect", ADDRESSES)
def test_effects_have_addresses(effect: str) -> None:
    wrong = [
        f"{module.path}:{line} imports {effect}"
        for module in modules()
        for name, line in imported(module)
        if name.split(".")[0] == effect and module.layer not in ADDRESSES[effect]
        if (module.name, effect) not in EXCEPTIONS
    ]
    assert not wrong, "\n".join(wrong)


# What the kernel is asked with, and whose it is: a module, or all of a folder.
KERNEL = {
    "septum.syscall": (
        *("septum.host.vfio", "septum.engine.kvm.machine", "septum.engine.kvm.statistics"),
        "septum.host.confinement",
    ),
    "septum.layouts.ioctl": ("septum.syscall", "septum.layouts.kvm", "septum.layouts.vfio"),
    "septum.layouts.kvm": ("septum.engine.kvm",),
    "septum.layouts.vfio": ("septum.host.vfio", "septum.instance"),
    "septum.layouts.vfio.VFIO": ("septum.host.vfio",),
    "septum.engine.kvm": ("septum.engine.kvm", "septum.instance", "septum.admin.cli.doctor"),
    "septum.host.vfio": ("septum.instance",),
    "ctypes.CDLL": (),
    "fcntl.ioctl": (),
}


@pytest.mark.parametrize("what", KERNEL)
def test_who_may_know_how_the_kernel_is_asked(what: str) -> None:
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in modules()
        for name, line in imported(module)
        if _is_within(name, what) and module.layer != "lab"
        if not any(_is_within(module.name, user) for user in KERNEL[what])
    ]
    assert not wrong, "\n".join(wrong)


def _is_within(name: str, folder: str) -> bool:
    return name == folder or name.startswith(folder + ".")


def test_the_c_library_is_called_where_it_may_be() -> None:
    """An ioctl needs the C library, or fcntl; both by attribute, or by name from elsewhere."""
    wrong = [
        f"{module.path}:{node.lineno} {_named(node)}"
        for module in modules()
        for node in ast.walk(module.tree)
        if _named(node) in ("CDLL", "PyDLL", "pythonapi", "ioctl")
        if not any(_is_within(module.name, user) for user in C_LIBRARY[_named(node)])
    ]
    assert not wrong, "\n".join(wrong)


C_LIBRARY = {
    "CDLL": ("septum.syscall", "septum.host.processes"),
    "PyDLL": (),
    "pythonapi": (),
    "ioctl": KERNEL["septum.syscall"] + ("septum.syscall",),
}


def _named(node: ast.AST) -> str:
    """The name that is looked up here: x.NAME, NAME, or "NAME" of getattr."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return node.id if isinstance(node, ast.Name) else ""


def test_exceptions_are_needed() -> None:
    used = {
        (module.name, part)
        for module in modules()
        for name, _ in imported(module)
        for part in (name.split(".")[0], ".".join(name.split(".")[:2]))
    }
    assert not set(EXCEPTIONS) - used


def test_the_picture_is_architecture_s() -> None:
    page = ROOT / "ARCHITECTURE.md"
    if not page.exists():
        pytest.skip("ARCHITECTURE.md is not written yet")
    text = [line.split() for line in page.read_text().splitlines()]
    assert all(line in text for line in LINES), "the picture and this list differ"


def test_the_rule_would_notice() -> None:
    assert not _is_below("machine", "engine")
    assert not _is_below("host", "engine")
    assert _is_below("instance", "host")
    hidden = ast.walk(ast.parse("getattr(libc, 'ioctl')"))
    assert "ioctl" in [_named(node) for node in hidden]
    assert _is_within("septum.layouts.vfio.VFIO", "septum.layouts.vfio")
    assert not _is_within("septum.layouts.vfio_more", "septum.layouts.vfio")


def test_no_two_modules_import_each_other() -> None:
    """Nor in a ring of any length, for types either: each can be read before those above it."""
    known = {module.name for module in modules()}
    below = {
        module.name: {part for name, _ in imported(module) for part in _modules(name, known)}
        for module in modules()
    }
    left = rings(below)
    assert not left, f"they import each other: {sorted(left)}"


def rings(below: dict[str, set[str]]) -> set[str]:
    """Who is in a ring, or above one: all that is left when what needs nothing has been taken."""
    while leaves := {name for name, rest in below.items() if not (rest - {name}) & set(below)}:
        below = {name: rest for name, rest in below.items() if name not in leaves}
    return set(below)


def test_a_ring_would_be_noticed() -> None:
    assert rings({"a": {"b"}, "b": {"c"}, "c": set()}) == set()
    assert rings({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == {"a", "b", "c"}


def _modules(name: str, known: set[str]) -> list[str]:
    """The module that an imported name is, or is in."""
    whole = name if name in known else name.rpartition(".")[0]
    return [whole] if whole in known and whole != "septum" else []
