"""What do Septum's processes say to each other? One JSON object a line, and records as JSON.

A record (NamedTuple) becomes an object of its fields; the reader names the type it expects, so
this module knows none of them. Bytes become hexadecimal text.

Supervisor, at control:
    {"ask": "up", "platform": name, "partitions": [...], "machine": {...}}
        → events of each instance, then done
    {"ask": "take back"}  on that connection: stop what it started → more events, then done
    Done: {"done": true, "gone": started instances were taken back, "rows": [...]}
    {"ask": "down", "names": [...], "within": seconds}  → events, then done
    {"ask": "list"}  → {"rows": [...]}
An event: {"instance", "event": "stage" | "state", "text" | "state", "reason", "detail"}
Instance, at NAME/control: {"ask": "stop" | "interrupts" | ...} → {"rows": [...]} or an error
Either may answer {"error": {"what", "because", "remedy"}}.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from septum.errors import Problem

Message = dict[str, Any]
Report = Callable[[str, Mapping[str, object]], None]  # an instance tells of an event
LONGEST_LINE = 64 << 20  # bytes; a whole machine's configuration space fits many times

Record = TypeVar("Record")


def encode(message: Mapping[str, object]) -> bytes:
    """One message as a line."""
    import json

    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line; Problem when it is none."""
    import json

    try:
        message = json.loads(line)
    except ValueError as error:
        raise Problem("a message is not JSON", because=str(error)) from error
    if not isinstance(message, dict):
        raise Problem("a message is not an object", because=f"it is {type(message).__name__}")
    return message


class Lines:
    """Cuts what a stream brings into messages."""

    def __init__(self) -> None:
        self.rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole now; Problem for one that is none or has no end."""
        self.rest += data
        *whole, rest = self.rest.split(b"\n")
        self.rest = rest
        if len(rest) > LONGEST_LINE:
            raise Problem("a message has no end", because=f"{len(rest)} bytes without a new line")
        return [decode(bytes(line)) for line in whole if line.strip()]


def plain(value: Any) -> Any:
    """A record as JSON can carry it."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(field) for name, field in zip(value._fields, value, strict=True)}
    if isinstance(value, tuple | list):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {key: plain(element) for key, element in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return value


def record(kind: type[Record], value: Any) -> Record:
    """The record of a type that plain() was given; Problem when it does not fit."""
    try:
        made: Record = rebuilt(kind, value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Problem(
            f"a message does not carry a {kind.__name__}",
            because=f"{type(error).__name__}: {error}",
            remedy="end the supervisor that an older Septum left: septum down",
        ) from error
    return made


def rebuilt(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return rebuilt(next(k for k in get_args(kind) if k is not type(None)), value)
    if origin is tuple:
        elements = get_args(kind)
        if elements[-1:] == (Ellipsis,):
            return tuple(rebuilt(elements[0], element) for element in value)
        return tuple(rebuilt(k, element) for k, element in zip(elements, value, strict=True))
    if hasattr(kind, "_fields"):
        hints = type_hints(kind)
        return kind(**{name: rebuilt(hints[name], field) for name, field in value.items()})
    if kind is bytes:
        return bytes.fromhex(value)
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value


HINTS: dict[Any, dict[str, Any]] = {}


def type_hints(kind: Any) -> dict[str, Any]:
    """The types of a record's fields; asked of typing once for each type."""
    if kind not in HINTS:
        HINTS[kind] = get_type_hints(kind)
    return HINTS[kind]


def error_message(problem: Problem) -> Message:
    """A problem as a message."""
    error = {"what": problem.what, "because": problem.because, "remedy": problem.remedy}
    return {"error": error}


def raise_error(message: Message) -> Message:
    """The message itself, or the Problem it carries."""
    error = message.get("error")
    if error is not None:
        raise Problem(
            str(error.get("what", "refused")),
            because=str(error.get("because", "")),
            remedy=str(error.get("remedy", "")),
        )
    return message
