"""Of what is a lab computer made, according to its file?

A computer is described by a file (computers/two-of-each.toml is the usual one). Needed of
each: an IOMMU with interrupt remapping, and a processor that virtualizes. What QEMU has to be
told to be one is in arguments.py.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from septum.errors import Problem
from septum.lab.devices import KINDS, unknown
from septum.units import parse_size

COMPUTERS = Path(__file__).parent / "computers"
USUAL = "two-of-each"
ACCELERATORS = ("tcg", "kvm")
IOMMUS = ("intel", "amd")
BRIDGES = ("pcie-pci-bridge", "pci-bridge")

FIRST_ROOT = "00"
FIRST_SLOT = "00.0"

# Linux counts on a timer that keeps time with its processor, and panics when it does not; here
# either may wait for something else that this machine does
EVERY_COMMAND_LINE = "no_timer_check"

_PLACE = re.compile(r"([0-9a-f]{2}):([01][0-9a-f]\.[0-7])")
_SLOT = re.compile(r"[01][0-9a-f]\.[0-7]")


class Root(NamedTuple):
    """One more root bus, and where on bus 0 QEMU has the function that stands for it."""

    bus: str
    at: str


class Switch(NamedTuple):
    """A PCIe switch behind a root port of its own at `port`; what names it stands below it."""

    name: str
    port: str


class Bridge(NamedTuple):
    """A bridge to a conventional bus; what names it stands behind it, each in a slot."""

    name: str
    at: str
    device: str = BRIDGES[0]


class Function(NamedTuple):
    """A PCI function: `at` its place on a root bus, or behind a root port at `port`, or on a
    port of its own below a `switch`, or behind a `bridge`.

    `slot` is its place on the bus behind that port or bridge; functions with one port share it.
    Without `acs` the port does not keep what is behind it apart from what is behind others of
    its device. `options` are further properties of QEMU's device.
    """

    name: str
    device: str
    at: str = ""
    port: str = ""
    switch: str = ""
    bridge: str = ""
    slot: str = FIRST_SLOT
    acs: bool = True
    options: str = ""
    network: str = ""
    disks: tuple[str, ...] = ()
    ssh: bool = False


class Computer(NamedTuple):
    """A lab computer; memory in bytes; kernel, initrd and disks are names of built files."""

    name: str
    memory: int
    processors: int
    kernel: str
    initrd: str
    command_line: str
    functions: tuple[Function, ...]
    roots: tuple[Root, ...] = ()
    switches: tuple[Switch, ...] = ()
    bridges: tuple[Bridge, ...] = ()
    iommu: str = IOMMUS[0]


class Way(NamedTuple):
    """How a computer is run this time."""

    accelerator: str = "tcg"
    icount: bool = False
    more_command_line: str = ""
    more_arguments: tuple[str, ...] = ()


def read_computer(name_or_path: str = USUAL) -> Computer:
    """The computer of a file, or of a name in computers/. Raises Problem."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = COMPUTERS / f"{name_or_path}.toml"
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        known = ", ".join(sorted(found.stem for found in COMPUTERS.glob("*.toml")))
        raise Problem(f"there is no lab computer {name_or_path}", remedy=f"take {known}") from None
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{path} is not TOML", because=str(error)) from None
    try:
        return computer_of(content)
    except (KeyError, TypeError, ValueError) as error:
        because = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        raise Problem(f"{path} describes no computer", because=because) from None


def computer_of(content: dict[str, object]) -> Computer:
    """Check the content of a computer file. Raises ValueError, KeyError or TypeError."""
    content = dict(content)
    functions = tuple(
        Function(**{**item, "disks": tuple(item.get("disks", ()))})
        for item in _listed(content, "functions")
    )
    computer = Computer(
        functions=functions,
        roots=tuple(Root(**item) for item in _listed(content, "roots", ())),
        switches=tuple(Switch(**item) for item in _listed(content, "switches", ())),
        bridges=tuple(Bridge(**item) for item in _listed(content, "bridges", ())),
        memory=parse_size(str(content.pop("memory"))),
        **content,  # type: ignore[arg-type]
    )
    if computer.iommu not in IOMMUS:
        raise ValueError(f"there is no iommu {computer.iommu}: take one of {', '.join(IOMMUS)}")
    for function in functions:
        _check_kind(function)
    _check_places(computer)
    if sum(function.ssh for function in functions) != 1:
        raise ValueError("exactly one function must have ssh = true")
    return computer


def _listed(content: dict[str, object], key: str, *missing: tuple[()]) -> list[dict[str, Any]]:
    listed = content.pop(key, *missing)
    if not isinstance(listed, (list, tuple)):
        raise ValueError(f"{key} must be an array of tables")
    return list(listed)


def _check_kind(function: Function) -> None:
    """It is of a kind there is, with as many disks as that takes, and a network if it can."""
    kind = KINDS.get(function.device)
    if kind is None:
        raise ValueError(f"{function.name}: {unknown(function.device)}")
    if len(function.disks) > kind.disks:
        raise ValueError(f"{function.name}: {function.device} takes {kind.disks} disks")
    if function.network and not kind.network:
        raise ValueError(f"{function.name}: {function.device} takes no network")


def _check_places(computer: Computer) -> None:
    """Each stands somewhere, on a bus that is there, and alone."""
    for function in computer.functions:
        _check_place(computer, function)
    places = root_places(computer)
    for place in places:
        if not _PLACE.fullmatch(place):
            raise ValueError(f"{place!r} is no place such as 00:05.0")
    buses = [FIRST_ROOT, *(root.bus for root in computer.roots)]
    for place in places:
        if place[:2] not in buses:
            raise ValueError(f"{place} is on no root bus: there are {', '.join(buses)}")
    for bridge in computer.bridges:
        if bridge.device not in BRIDGES:
            raise ValueError(f"{bridge.name}: {bridge.device} is none of {', '.join(BRIDGES)}")
    slots = [
        f"{one.slot} behind {one.bridge or one.port}"
        for one in computer.functions
        if one.bridge or one.port
    ]
    for what in (places, buses, slots):
        if twice := sorted({one for one in what if what.count(one) > 1}):
            raise ValueError(f"two stand at {twice[0]}")


def _check_place(computer: Computer, function: Function) -> None:
    given = [one for one in (function.at, function.port, function.switch, function.bridge) if one]
    named = function.switch or function.bridge
    if len(given) != 1 or not (named or _PLACE.fullmatch(given[0])):
        why = "give one of at, port, switch and bridge; a place is such as 00:05.0"
        raise ValueError(f"{function.name}: {why}")
    if not _SLOT.fullmatch(function.slot):
        raise ValueError(f"{function.name}: {function.slot!r} is no slot such as 01.0")
    if function.slot != FIRST_SLOT and not (function.bridge or function.port):
        raise ValueError(f"{function.name}: a slot is behind a port or a bridge")
    if not function.acs and not function.port:
        raise ValueError(f"{function.name}: only a port is with or without acs")
    for what, name, there in (
        ("switch", function.switch, computer.switches),
        ("bridge", function.bridge, computer.bridges),
    ):
        if name and name not in [one.name for one in there]:
            raise ValueError(f"{function.name}: there is no {what} {name}")


def root_places(computer: Computer) -> list[str]:
    """Every place on a root bus that is taken; of a port that several stand behind, once."""
    return [
        *(root.at for root in computer.roots),
        *(switch.port for switch in computer.switches),
        *(bridge.at for bridge in computer.bridges),
        *(function.at for function in computer.functions if function.at),
        *dict.fromkeys(function.port for function in computer.functions if function.port),
    ]


def mac_address(number: int) -> str:
    """What QEMU is told to give the Ethernet card that is the computer's function `number`."""
    return f"52:54:00:00:00:{number:02x}"


def root_place(place: str) -> tuple[str, str]:
    """The root bus and the slot of a place such as 00:05.0."""
    bus, _, slot = place.partition(":")
    return bus, slot
