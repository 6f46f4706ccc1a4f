"""How do Septum's processes speak to each other? One JSON object a line, and records as JSON.

A record (NamedTuple) becomes an object of its fields; the reader names the type it expects, so
this module knows none of them. Bytes become hexadecimal text. What may be said is declared in
protocol.py. Whoever sends may be hostile: whatever arrives is a message, or a Problem.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from septum.errors import Problem

Message = dict[str, Any]
Report = Callable[[str, Mapping[str, object]], None]  # an instance tells of an event
LONGEST_LINE = 16 << 20  # bytes; the configuration space of 1,000 functions fits
MOST_VALUES = 500_000  # in one message; each takes some 60 bytes once it is read
_64_BITS = range(-(1 << 63), 1 << 64)

Record = TypeVar("Record")


def encode(message: Mapping[str, object]) -> bytes:
    """One message as a line."""
    import json

    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line; Problem when it is none, or too deep, or has too much in it."""
    import json

    values = line.count(b",") + line.count(b"[") + line.count(b"{")
    if values > MOST_VALUES:
        raise Problem(
            "a message has too much in it", because=f"{values} values are over {MOST_VALUES}"
        )
    try:
        message = json.loads(line.decode(), parse_constant=_no_number)
    except RecursionError as error:
        raise Problem("a message is not JSON", because="it is nested too deep") from error
    except ValueError as error:
        raise Problem("a message is not JSON", because=str(error)) from error
    if not isinstance(message, dict):
        raise Problem("a message is not an object", because=f"it is {type(message).__name__}")
    return message


def _no_number(word: str) -> float:
    """What Python takes for numbers and JSON does not."""
    raise ValueError(f"{word} is not a number")


class Lines:
    """Cuts what a stream brings into messages; none is longer than `longest` bytes."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self.longest = longest
        self.rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are whole now; Problem for one that is none or has no end."""
        # Only what is new is looked through: a line may come in very many pieces.
        end = data.rfind(b"\n") + 1
        if not end:
            self.rest += data
            self._refuse_endless(self.rest)
            return []
        whole = (bytes(self.rest) + data[:end]).split(b"\n")
        self.rest = bytearray(data[end:])
        for line in whole:
            self._refuse_endless(line)
        self._refuse_endless(self.rest)
        return [decode(line) for line in whole if line.strip()]

    def _refuse_endless(self, line: bytes | bytearray) -> None:
        if len(line) > self.longest:
            self.rest = bytearray()
            raise Problem("a message has no end", because=f"it has more than {self.longest} bytes")


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


def record(kind: type[Record], value: Any, where: str = "") -> Record:
    """The record of a type that plain() was given; Problem, naming the field, when it is none.

    `where` says which field of the message it was. Numbers have 64 bits, and texts are such as
    Linux takes for a path or an argument.
    """
    try:
        made: Record = rebuilt(kind, value, where or kind.__name__)
    except (TypeError, ValueError) as error:
        raise Problem(
            f"a message does not carry a {kind.__name__}",
            because=str(error),
            remedy="end the supervisor that an older Septum left: septum down",
        ) from error
    return made


def rebuilt(kind: Any, value: Any, where: str) -> Any:
    """A value as a type has it; TypeError or ValueError, which name the field."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        return rebuilt(next(k for k in get_args(kind) if k is not type(None)), value, where)
    if origin is tuple:
        return _tuple(get_args(kind), value, where)
    if hasattr(kind, "_fields"):
        return _record(kind, value, where)
    if kind is bytes:
        if not isinstance(value, str):
            raise TypeError(f"{where} is {_shown(value)}, not bytes in hexadecimal")
        try:
            return bytes.fromhex(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    if type(value) is not kind:
        raise TypeError(f"{where} is {_shown(value)}, not {kind.__name__}")
    if kind is int and value not in _64_BITS:
        raise ValueError(f"{where} is a number of more than 64 bits")
    if kind is str and not is_text(value):
        raise ValueError(f"{where} has a character that no path and no argument can have")
    return value


def _tuple(elements: tuple[Any, ...], value: Any, where: str) -> Any:
    if not isinstance(value, list):
        raise TypeError(f"{where} is {_shown(value)}, not a list")
    if elements[-1:] == (Ellipsis,):
        return tuple(rebuilt(elements[0], one, f"{where}[{at}]") for at, one in enumerate(value))
    if len(value) != len(elements):
        raise TypeError(f"{where} has {len(value)} elements, not {len(elements)}")
    pairs = enumerate(zip(elements, value, strict=True))
    return tuple(rebuilt(kind, one, f"{where}[{at}]") for at, (kind, one) in pairs)


def _record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{where} is {_shown(value)}, not an object")
    hints = type_hints(kind)
    missing = [name for name in hints if name not in value and name not in kind._field_defaults]
    unknown = [name for name in value if name not in hints]
    if missing:
        raise TypeError(f"{where}.{missing[0]} is missing")
    if unknown:
        raise TypeError(f"{where} has no {unknown[0]!r:.40}")
    made = {name: rebuilt(hints[name], one, f"{where}.{name}") for name, one in value.items()}
    return kind(**made)


def is_text(value: str) -> bool:
    """Can Linux take it for a path or an argument? Bytes that are not UTF-8 are as Python's."""
    if "\0" in value:
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    """What stands in a message where something else should, in a few characters."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    # An integer of thousands of digits may not even be converted.
    return "a huge number" if type(value) is int and value not in _64_BITS else f"{value!r:.40}"


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
    if error is None:
        return message
    told = error if isinstance(error, dict) else {"what": error}
    words = {key: str(told.get(key, "")) for key in ("what", "because", "remedy")}
    raise Problem(words["what"] or "refused", because=words["because"], remedy=words["remedy"])
