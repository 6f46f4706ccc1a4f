"""What is a software Alpha computer made of? Its machine file, read and checked.

load("clipper")        one that comes with Septum
load("./mine.toml")    a file
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from septum.errors import MachineProblem
from septum.layouts import cmos, pic, pit, tsunami, uart
from septum.settings import nearest, shown
from septum.units import MiB, Span, parse_size, size_text

ETHERNET, SCSI, ISA_BRIDGE = "ethernet", "scsi", "isa-bridge"
DEVICES = (ETHERNET, SCSI, ISA_BRIDGE)
SERIAL_0, SERIAL_1, CLOCK, TIMER, CONTROLLERS = (
    "serial0",
    "serial1",
    "clock",
    "timer",
    "controllers",
)
FOLDER = os.path.join(os.path.dirname(__file__), "machines")

_LEAST_MEMORY = 32 * MiB  # a kernel of this architecture does not start in less
_MOST_MEMORY = 2 << 30  # what a direct window takes
_SECTOR = 512
_REQUIRED = object()
_ETHERNET_ADDRESS = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.I)
_GROUP = 1  # the bit of an Ethernet address that says it is of a group
_INTERRUPTS_A_SECOND = 1024
_LATENCY = 20_000
_LATENCIES = (1_000, 1 << 40)  # less, and a device would be faster than its processor


class Latencies(NamedTuple):
    """Cycles: from a driver's notice to the work; on the wire, one way."""

    ethernet: int
    disk: int
    wire: int


class FunctionDescription(NamedTuple):
    """One PCI function. What its device does not use is empty."""

    slot: int
    device: str
    name: str
    address: bytes  # of the Ethernet card
    far_address: bytes  # of what stands at the other end of its wire
    far_ip: bytes
    disk_size: int  # bytes; 0 when it is a file
    disk_file: str


class HoseDescription(NamedTuple):
    """One PCI bus."""

    number: int
    functions: tuple[FunctionDescription, ...]
    requester_windows: bool  # its Pchip has DMA windows for each slot


class IsaPart(NamedTuple):
    """One device behind the ISA bridge: its (first) ports and its interrupt line, -1 none."""

    name: str
    ports: Span
    line: int


ISA_PARTS = (
    IsaPart(SERIAL_0, uart.SERIAL_1, uart.SERIAL_1_IRQ),
    IsaPart(SERIAL_1, uart.SERIAL_2, uart.SERIAL_2_IRQ),
    IsaPart(CLOCK, cmos.PORTS, cmos.IRQ),
    IsaPart(TIMER, pit.PORTS, -1),
    IsaPart(CONTROLLERS, pic.FIRST, pic.CASCADE),
)


class ComputerDescription(NamedTuple):
    """One computer."""

    name: str
    processors: int
    frequency: int  # cycles a second
    memory: int  # bytes
    hoses: tuple[HoseDescription, ...]
    latencies: Latencies
    isa: tuple[IsaPart, ...]

    @property
    def has_isa(self) -> bool:
        """Is there an ISA bridge, and what stands behind it?"""
        return any(f.device == ISA_BRIDGE for hose in self.hoses for f in hose.functions)

    def function(self, hose: int, slot: int) -> FunctionDescription | None:
        """What is in a slot, or None."""
        for one in self.hoses[hose : hose + 1]:
            for function in one.functions:
                if function.slot == slot:
                    return function
        return None


def names() -> list[str]:
    """The machine files that come with Septum, by name."""
    return sorted(
        name.removesuffix(".toml") for name in os.listdir(FOLDER) if name.endswith(".toml")
    )


def load(name: str) -> ComputerDescription:
    """A machine file by its name or its path; MachineProblem when it cannot be had or is wrong."""
    is_path = os.sep in name or name.endswith(".toml")
    if not is_path and name not in names():
        raise MachineProblem(
            f"there is no computer {name}",
            because=f"Septum has {', '.join(names())}",
            remedy="name one of these, or a machine file by its path: ./mine.toml",
        )
    path = name if is_path else os.path.join(FOLDER, f"{name}.toml")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        because = getattr(error, "strerror", None) or str(error)
        raise MachineProblem(f"{path} cannot be read", because=because) from error
    return parse(text, path)


def parse(text: str, path: str) -> ComputerDescription:
    """The text of a machine file; MachineProblem says which key is wrong and why."""
    import tomllib

    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MachineProblem(f"{path} is not TOML", because=str(error)) from error
    return _Reader(path).computer(raw)


class _Reader:
    """Reads one file; raises at the first thing that is wrong."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.folder = os.path.dirname(os.path.abspath(path))

    def computer(self, raw: dict[str, Any]) -> ComputerDescription:
        values = self.section(
            raw,
            "",
            name=(_text, _REQUIRED),
            processors=(_between(1, tsunami.PROCESSORS), 1),
            frequency=(_between(_INTERRUPTS_A_SECOND, 1 << 40), 500_000_000),
            memory=(_memory, _REQUIRED),
            latencies=(_table, {}),
            hoses=(_tables, _REQUIRED),
            isa=(_isa, None),
        )
        hoses = values["hoses"]
        if not 1 <= len(hoses) <= tsunami.HOSES:
            self.wrong("hoses", f"there are {len(hoses)}", f"write 1 to {tsunami.HOSES} of them")
        latencies = self.section(
            values["latencies"],
            "latencies.",
            **{key: (_between(*_LATENCIES), _LATENCY) for key in Latencies._fields},
        )
        made = ComputerDescription(
            values["name"],
            values["processors"],
            values["frequency"],
            values["memory"],
            tuple(self.hose(number, hose) for number, hose in enumerate(hoses)),
            Latencies(**latencies),
            (),
        )
        if values["isa"] and not made.has_isa:
            self.wrong("isa", "there is no ISA bridge", f"add one in slot {tsunami.ISA_SLOT}")
        parts = ISA_PARTS if values["isa"] is None else values["isa"]
        return made._replace(isa=parts if made.has_isa else ())

    def hose(self, number: int, raw: dict[str, Any]) -> HoseDescription:
        key = f"hoses[{number}]."
        values = self.section(
            raw, key, functions=(_tables, []), requester_windows=(_boolean, False)
        )
        functions: dict[int, FunctionDescription] = {}
        for at, one in enumerate(values["functions"]):
            function = self.function(number, f"{key}functions[{at}].", one)
            if function.slot in functions:
                other = functions[function.slot].name
                what = f"slot {function.slot} has two: {other} and {function.name}"
                self.wrong(f"{key}functions[{at}].slot", what, "move one of them")
            functions[function.slot] = function
        ordered = tuple(function for _, function in sorted(functions.items()))
        return HoseDescription(number, ordered, values["requester_windows"])

    def function(self, hose: int, key: str, raw: dict[str, Any]) -> FunctionDescription:
        device = raw.get("device")
        if device not in DEVICES:
            self.wrong(f"{key}device", f"it is {shown(device)}", f"write one of {DEVICES}")
        own: dict[str, Any] = {}
        if device == ETHERNET:
            own = {
                "address": (_ethernet_address, _REQUIRED),
                "far_address": (_ethernet_address, _REQUIRED),
                "far_ip": (_ip_address, _REQUIRED),
            }
        elif device == SCSI:
            own = {"disk": (_disk, _REQUIRED)}
        slots = (tsunami.ISA_SLOT, tsunami.ISA_SLOT)
        if device != ISA_BRIDGE:
            slots = (tsunami.SLOTS.start, tsunami.SLOTS.stop - 1)
        elif hose:
            self.wrong(f"{key}device", "an ISA bridge stands on hose 0", "move it there")
        common = {"device": (_text, ""), "name": (_text, device)}
        values = self.section(raw, key, slot=(_between(*slots), _REQUIRED), **common, **own)
        disk = values.get("disk", 0)
        is_file = isinstance(disk, str)
        return FunctionDescription(
            values["slot"],
            values["device"],
            values["name"],
            values.get("address", b""),
            values.get("far_address", b""),
            values.get("far_ip", b""),
            0 if is_file else disk,
            os.path.normpath(os.path.join(self.folder, disk)) if is_file else "",
        )

    def section(
        self, raw: dict[str, Any], prefix: str, **known: tuple[Callable[[Any], Any], Any]
    ) -> dict[str, Any]:
        """The values of a table: read as its keys say, or their defaults."""
        for key in raw:
            if key not in known:
                meant = nearest(key, tuple(known))
                remedy = f"did you mean {meant}?" if meant else f"known are {', '.join(known)}"
                self.wrong(prefix + key, "it is not a known key", remedy)
        values = {}
        for key, (read, default) in known.items():
            if key not in raw:
                if default is _REQUIRED:
                    self.wrong(prefix + key, "it is missing and has no default", "add it")
                values[key] = default
                continue
            try:
                values[key] = read(raw[key])
            except ValueError as error:
                self.wrong(prefix + key, str(error))
        return values

    def wrong(self, key: str, because: str, remedy: str = "") -> None:
        raise MachineProblem(f"{self.path}: {key} is wrong", because=because, remedy=remedy)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(f"{shown(value)} is not a text in quotes")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is neither true nor false")
    return value


def _between(least: int, most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"{shown(value)} is not a number from {least} to {most}")
        return value

    return read


def _table(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} stands where a table is expected")
    return value


def _tables(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{shown(value)} stands where tables are expected")
    return value


def _isa(value: object) -> tuple[IsaPart, ...]:
    known = [part.name for part in ISA_PARTS]
    if not isinstance(value, list) or not all(name in known for name in value):
        raise ValueError(f"{shown(value)} is not a list of some of {', '.join(known)}")
    return tuple(part for part in ISA_PARTS if part.name in value)


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{shown(value)} is not a size such as 192M")
    return parse_size(value)


def _memory(value: object) -> int:
    size = _size(value)
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY or size % MiB:
        least, most = size_text(_LEAST_MEMORY), size_text(_MOST_MEMORY)
        raise ValueError(f"{shown(value)} is not whole mebibytes from {least} to {most}")
    return size


def _disk(value: object) -> int | str:
    try:
        size = _size(value)
    except ValueError:
        return _text(value)
    if not size or size % _SECTOR or size > _MOST_MEMORY:
        raise ValueError(f"{shown(value)} is not whole sectors of {_SECTOR} up to 2G")
    return size


def _ethernet_address(value: object) -> bytes:
    text = _text(value)
    if not _ETHERNET_ADDRESS.fullmatch(text):
        raise ValueError(f"{shown(value)} is not an address such as 02:00:00:00:01:01")
    address = bytes.fromhex(text.replace(":", ""))
    if address[0] & _GROUP:
        raise ValueError(f"{text} is the address of a group, not of a card")
    return address


def _ip_address(value: object) -> bytes:
    parts = _text(value).split(".")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) < 1 << 8 for part in parts):
        raise ValueError(f"{shown(value)} is not an address such as 10.0.1.254")
    return bytes(int(part) for part in parts)
