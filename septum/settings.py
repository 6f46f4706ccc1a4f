"""What can an administrator set, under which key, and what does it mean?

Every setting is declared once, here: the file's reader, its errors, its defaults and the manual
come from it. So is every platform, by its name: platforms/registry.py finds the rest.

setting("instance", "memory")   one of them
manual()                        all of them, as text for people
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from septum.units import (
    GiB,
    KiB,
    MiB,
    PciAddress,
    duration_text,
    parse_duration,
    parse_size,
    size_text,
)

INSTANCE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
# Septum's own files beside the instances', in the run directory and among the logs.
RESERVED_NAMES = ("claims", "control", "heir", "lock", "log", "supervisor")

SMALLEST_LOG, LARGEST_LOG = 64 * KiB, GiB  # bytes of one file
REQUIRED = object()  # the default of a setting that must be given

_BUS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2})", re.I)


class PciBus(NamedTuple):
    """A bus by its domain and number."""

    domain: int
    bus: int

    @classmethod
    def parse(cls, text: str) -> PciBus:
        """Read "0000:03" or "03"; ValueError when it is neither."""
        match = _BUS.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a PCI bus such as 0000:03")
        return cls(int(match[1] or "0", 16), int(match[2], 16))

    def __str__(self) -> str:
        return f"{self.domain:04x}:{self.bus:02x}"


class Shape(NamedTuple):
    """What a value looks like in the file. `read` raises ValueError, saying what is wrong."""

    name: str
    read: Callable[[object], object]
    each: bool = False  # a list whose elements are read one by one
    section: str = ""  # an inline table, read by the settings of this section
    pairs: bool = False  # an inline table, whose keys and values are read one by one
    text: Callable[[Any], str] = str  # a value as the manual shows it


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a text in quotes")
    if "\0" in value:
        raise ValueError("it has a zero byte in it")
    return value


def _path(value: object) -> str:
    if not _text(value):
        raise ValueError("it is empty")
    return _text(value)


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"{shown(value)} is not a size such as 512M or 2G")
    size = parse_size(value)
    if size < 0:
        raise ValueError(f"{size} is below zero")
    return size


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{shown(value)} is not a whole number")
    if value < 0:
        raise ValueError(f"{value} is below zero")
    return value


def _weight(value: object) -> int:
    weight = _number(value)
    if not 1 <= weight <= 10000:
        raise ValueError(f"{weight} is not between 1 and 10000")
    return weight


def _count(value: object) -> int:
    count = _number(value)
    if count < 1:
        raise ValueError("an instance finds at least one processor")
    return count


def _log_size(value: object) -> int:
    size = _size(value)
    if not SMALLEST_LOG <= size <= LARGEST_LOG:
        raise ValueError(f"{size} bytes are not between 64K and 1G")
    return size


def _log_count(value: object) -> int:
    count = _number(value)
    if not 1 <= count <= 100:
        raise ValueError(f"{count} is not between 1 and 100")
    return count


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def _address(value: object) -> PciAddress:
    return PciAddress.parse(_text(value))


def _bus(value: object) -> PciBus:
    return PciBus.parse(_text(value))


def _one_of(*words: str) -> Shape:
    def read(value: object) -> str:
        if value not in words:
            meant = nearest(value, words) if isinstance(value, str) else ""
            hint = f"; did you mean {meant}?" if meant else ""
            raise ValueError(f"{shown(value)} is none of {', '.join(words)}{hint}")
        return str(value)

    return Shape(" or ".join(f'"{word}"' for word in words), read)


TEXT = Shape("a text", _text)
NAMES = Shape("a list of names", _path, each=True)
PATH = Shape("a file; relative to the table's folder", _path)
SIZE = Shape("a size such as 512M or 2G", _size, text=size_text)
NUMBERS = Shape("a list of processor numbers", _number, each=True)
COUNT = Shape("1 or more", _count)
LOG_SIZE = Shape("a size from 64K to 1G", _log_size, text=size_text)
LOG_COUNT = Shape("1 to 100", _log_count)
WEIGHT = Shape("1 to 10000", _weight)
YES_OR_NO = Shape("true or false", _yes_or_no, text=lambda value: shown(value))
NUMBER = Shape("a number", _number)
DURATION = Shape("a time such as 30s or 10m", parse_duration, text=duration_text)
ADDRESSES = Shape('a list of PCI addresses such as "0000:01:00.0"', _address, each=True)
BUSES = Shape('a list of PCI buses such as "0000:03"', _bus, each=True)
PAIRS_OF_BUSES = Shape('a table such as { "0000:03" = "0000:00" }', _bus, pairs=True)
MEMORY = Shape("a size, or a table of base and float", _size, section="memory")
PROCESSORS = Shape("a table of share or own", _size, section="processors")


class Setting(NamedTuple):
    """One thing that can be set: its key in the file, its shape, its default, its manual line."""

    section: str
    key: str
    shape: Shape
    default: object  # REQUIRED, or the value when it is not given
    help: str


class PlatformName(NamedTuple):
    """A kind of computer that a table may divide."""

    name: str
    refuses: Mapping[str, str] = MappingProxyType({})  # a setting, as section.key: why


PLATFORMS = (
    PlatformName(
        "pc",
        {
            "machine.computer": "it divides the computer that Septum runs on",
            "memory.at": "Linux gives what memory it has free",
            "instance.isa": "Linux, or firmware, drives what is on this computer's ISA bus",
            "instance.interrupts": "KVM delivers them: to a running processor at once, to a waiting"
            " one when Linux runs it; nothing is asked in between that could keep them",
        },
    ),
    PlatformName(
        "alpha",
        {
            "instance.nested": "an Alpha has no virtualization to give",
            "instance.on_crash": "there is no triple fault: a kernel says what follows a fault",
            **dict.fromkeys(
                ("instance.restart_delay", "instance.restart_limit", "instance.restart_within"),
                "a restart takes nothing from Linux there: it is a matter of its own time slices",
            ),
        },
    ),
)
PLATFORM_NAMES = tuple(platform.name for platform in PLATFORMS)

SECTIONS = {
    "machine": "[machine]",
    "instance": "[instances.NAME]",
    "memory": "memory = { ... }",
    "processors": "processors = { ... }",
}

SETTINGS: tuple[Setting, ...] = (
    Setting("machine", "platform", _one_of(*PLATFORM_NAMES), "pc", "what the table divides"),
    Setting("machine", "computer", TEXT, "", "the computer, a name or a machine file"),
    Setting("instance", "kernel", PATH, REQUIRED, "the kernel to start, unmodified"),
    Setting("instance", "initrd", PATH, None, "the initial RAM disk that goes with it"),
    Setting("instance", "command_line", TEXT, "", "what the kernel is told"),
    Setting("instance", "memory", MEMORY, REQUIRED, "its memory; nobody else's"),
    Setting("instance", "processors", PROCESSORS, REQUIRED, "the processors it runs on"),
    Setting("instance", "functions", ADDRESSES, (), "devices it owns"),
    Setting("instance", "buses", BUSES, (), "it owns all on these buses and below"),
    Setting(
        "instance",
        "present",
        PAIRS_OF_BUSES,
        (),
        "buses it finds under other numbers: the machine's number, and its own for it",
    ),
    Setting("instance", "without_reset", ADDRESSES, (), "owned though they cannot be reset"),
    Setting("instance", "isa", NAMES, (), "devices of an ISA bus it owns"),
    Setting(
        "instance",
        "interrupts",
        _one_of("switch", "queue"),
        "switch",
        "when others run and its device asks, run it at once, or when its turn comes",
    ),
    Setting(
        "instance",
        "on_reboot",
        _one_of("restart", "stop"),
        "restart",
        "what a reboot asked from inside does",
    ),
    Setting(
        "instance",
        "on_crash",
        _one_of("restart", "stop"),
        "stop",
        "what a triple fault does (so does the kernel's reboot=t)",
    ),
    Setting(
        "instance",
        "restart_delay",
        DURATION,
        1.0,
        "the least time between two starts, doubled by each recent restart, up to 1m",
    ),
    Setting(
        "instance",
        "restart_limit",
        NUMBER,
        10,
        "how often it restarts by itself within restart_within; then it stays down",
    ),
    Setting("instance", "restart_within", DURATION, 600.0, "the time in which restarts count"),
    Setting("instance", "log_size", LOG_SIZE, 16 * MiB, "how long a log of it may become"),
    Setting("instance", "log_count", LOG_COUNT, 4, "how many files of a log are kept"),
    Setting("instance", "nested", YES_OR_NO, False, "may run virtual machines of its own"),
    Setting("memory", "base", SIZE, REQUIRED, "never lent"),
    Setting("memory", "float", SIZE, 0, "may be lent to others"),
    Setting("memory", "at", SIZE, None, "where in the computer's memory it begins"),
    Setting("processors", "share", NUMBERS, None, "used together with others"),
    Setting("processors", "own", NUMBERS, None, "used by nobody else"),
    Setting("processors", "count", COUNT, 0, "how many it finds; without it, all that are named"),
    Setting("processors", "weight", WEIGHT, 100, "share of time against the others"),
)


def section(name: str) -> dict[str, Setting]:
    """The settings of a section by key, in the order of the manual."""
    return {item.key: item for item in SETTINGS if item.section == name}


def setting(section_name: str, key: str) -> Setting:
    """One setting; KeyError when there is none."""
    return section(section_name)[key]


def default(section_name: str, key: str) -> Any:
    """What a setting is when the file does not say; for records made without a file too."""
    return setting(section_name, key).default


def refusal(item: Setting, platform: str) -> str:
    """Why a platform's tables may not have a setting; "" when they may, or there is no such."""
    word = f"{item.section}.{item.key}"
    return next((one.refuses.get(word, "") for one in PLATFORMS if one.name == platform), "")


def known_to(item: Setting) -> tuple[str, ...]:
    """The platforms whose tables may have a setting."""
    return tuple(one.name for one in PLATFORMS if not refusal(item, one.name))


def manual() -> str:
    """All settings as aligned text: key, platforms unless all, meaning, shape, default."""
    lines: list[str] = []
    width = max(len(item.key) for item in SETTINGS)
    for name, title in SECTIONS.items():
        lines += ["", title] if lines else [title]
        for item in section(name).values():
            some = "" if known_to(item) == PLATFORM_NAMES else f"{', '.join(known_to(item))}: "
            meaning = f"{some}{item.help}; {item.shape.name}{_default(item)}"
            lines.append(f"  {item.key:{width}}  {meaning}")
    return "\n".join(lines)


def _default(item: Setting) -> str:
    if item.default is REQUIRED:
        return " (required)"
    if item.default in (None, (), ""):
        return ""
    return f" (default: {item.shape.text(item.default)})"


def nearest(word: str, known: tuple[str, ...], likeness: float = 0.6) -> str:
    """The known word that was probably meant, or "" when none is like it (1: the same)."""
    import difflib

    found = difflib.get_close_matches(word, known, n=1, cutoff=likeness)
    return found[0] if found else ""


def shown(value: object) -> str:
    """A value of the file, as its writer wrote it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return f'"{value}"' if isinstance(value, str) else str(value)
