"""What may Septum's processes ask and tell each other, and with which fields?

Everything is declared here, once: who sends makes its message of it, who receives checks what came
against it, and a Problem names the field. A message is one object on one line (messages.py).

Asked of the supervisor (SUPERVISOR), at control:
    up         → events of each instance, then done
    take back  on that connection: stop what it started → more events, then done
    down, reboot  → events, then done
    list       → rows
Asked of an instance (INSTANCE), at NAME/control: → rows; of press, the power button, one that says
whether the OS listens for it: "heard"
Reported by an instance to its supervisor: REPORTS, by "event"
Answers: an event, with "instance" and an event's fields; done, with "gone" (started instances were
taken back) and rows; rows alone; or {"error": {"what", "because", "remedy"}}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from septum import settings
from septum.errors import Problem
from septum.machine.model import Machine
from septum.messages import Message, raise_error, record
from septum.partitions.model import Partition
from septum.state import FOLLOWS, RUNNING
from septum.units import LONGEST_DURATION, PciAddress

LONGEST_TEXT = 8 << 10  # characters of what people are to read
MOST_AT_ONCE = 64  # instances in one question
_BARS = range(6)  # PCI 3.0, 6.2.5.1: an endpoint has six
_ADDRESS_BITS = 52  # of memory: no x86 processor and no Alpha has more


class Field(NamedTuple):
    """What a field must be, in words and as a test; one that may be left out has a default."""

    shape: str
    fits: Callable[[Any], bool]
    is_optional: bool = False


Fields = Mapping[str, Field]


def optional(field: Field) -> Field:
    """The same, where None, and no field at all, are well too."""
    fits = field.fits
    return Field(f"{field.shape}, or nothing", lambda one: one is None or fits(one), True)


def one_of(*words: str) -> Field:
    return Field(" or ".join(words), lambda one: one in words)


def each(field: Field, most: int, least: int = 0) -> Field:
    """A list of so many."""

    def fits(value: Any) -> bool:
        is_list = isinstance(value, list | tuple) and least <= len(value) <= most
        return is_list and all(field.fits(one) for one in value)

    return Field(f"a list of {least} to {most}, each {field.shape}", fits)


def number(least: float, most: float) -> Field:
    def fits(value: Any) -> bool:
        return type(value) in (int, float) and least <= value <= most  # NaN is not

    return Field(f"a number from {least:g} to {most:g}", fits)


TEXT = Field(
    f"a text of at most {LONGEST_TEXT} characters",
    lambda one: isinstance(one, str) and len(one) <= LONGEST_TEXT,
)
NAME = Field(
    "an instance's name (1 to 32 of a to z, 0 to 9 and -)",
    lambda one: (
        isinstance(one, str)
        and bool(settings.INSTANCE_NAME.fullmatch(one))
        and one not in settings.RESERVED_NAMES
    ),
)
FLAG = Field("true or false", lambda one: isinstance(one, bool))
OBJECT = Field("an object", lambda one: isinstance(one, dict))
ROWS = Field(
    "a list of objects",
    lambda one: isinstance(one, list) and all(isinstance(row, dict) for row in one),
)
STATE = one_of(*FOLLOWS)
BAR = Field("a BAR's number, 0 to 5", lambda one: type(one) is int and one in _BARS)

# Seconds a system has after its power button; 0: the plug, at once; None: what is usual
WITHIN = optional(number(0, LONGEST_DURATION))._replace(is_optional=False)

SUPERVISOR: Mapping[str, Fields] = {
    "up": {
        "platform": one_of(*settings.PLATFORM_NAMES),
        "partitions": each(OBJECT, MOST_AT_ONCE, 1),
        "machine": OBJECT,
    },
    "take back": {},
    "down": {"names": optional(each(NAME, 1000)), "within": WITHIN},
    "reboot": {"names": each(NAME, 1000, 1), "within": WITHIN},
    "list": {},
}
INSTANCE: Mapping[str, Fields] = {
    "stop": {},
    "press": {},
    "revoke": {"function": TEXT, "bar": optional(BAR), "hold": optional(number(0, 3600))},
    **{
        subject: {}
        for subject in ("devices", "memory", "interrupts", "probes", "translations", "exits")
    },
}
REPORTS: Mapping[str, Fields] = {
    "stage": {"text": TEXT},
    "state": {"state": one_of(RUNNING)},
    "ending": {"reason": TEXT, "detail": TEXT},
}
EVENTS: Mapping[str, Fields] = {
    "stage": {"instance": NAME, "text": TEXT},
    "state": {
        "instance": NAME,
        "state": STATE,
        "reason": optional(TEXT),
        "detail": optional(TEXT),
    },
}
# What every row about an instance has at least: the supervisor makes it, commands rely on it.
_STRING = Field("a text", lambda one: isinstance(one, str))
ROW: Fields = {
    "name": NAME,
    "state": STATE,
    "pid": optional(number(0, 1 << 31)),
    "processors": each(number(0, 1 << 16), 1 << 16),
    "memory": optional(number(0, 1 << 63)),
    "functions": each(_STRING, 1 << 16),
    "uptime": optional(number(0, 1 << 40)),
    "restarts": optional(number(0, 1 << 63)),
    "starts_in": optional(number(0, 1 << 40)),
    "ending": _STRING,
    "kept": each(_STRING, 1 << 16),
    "reason": _STRING,
    "detail": _STRING,
}
DONE: Fields = {"done": FLAG, "gone": FLAG, "rows": ROWS}


# ---- who sends


def question(word: str, declared: Mapping[str, Fields] = SUPERVISOR, **fields: object) -> Message:
    """What is asked, as a message. Problem, naming the field, when it cannot be asked so."""
    return _checked({"ask": word, **fields}, "ask", declared[word])


def report(event: str, fields: Mapping[str, object]) -> Message:
    """What an instance reports, as a message; its texts are made readable."""
    return _checked({"event": event, **_readable(fields)}, "event", REPORTS[event])


def event(name: str, instance: str, fields: Mapping[str, object]) -> Message:
    """What whoever asked about an instance is told of it; texts are made readable."""
    whole = {"event": name, "instance": instance, **_readable(fields)}
    return _checked(whole, "event", EVENTS[name])


def readable(text: str) -> str:
    """A text that may have come from anybody, as a terminal may show it; cut when it is long."""
    if len(text) > LONGEST_TEXT:
        more = f"... ({len(text)} characters)"
        text = text[: LONGEST_TEXT - len(more)] + more
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in text)


def _readable(fields: Mapping[str, object]) -> Message:
    return {key: readable(one) if isinstance(one, str) else one for key, one in fields.items()}


# ---- who receives


def asked(message: Message, declared: Mapping[str, Fields], who: str) -> str:
    """The word that is asked; Problem when nobody knows it, or a field is not as declared."""
    word = message.get("ask")
    if not isinstance(word, str) or word not in declared:
        raise Problem(
            f"{who} cannot be asked {_shown(word)}", because=f"it knows {', '.join(declared)}"
        )
    _checked(message, "ask", declared[word])
    return word


def reported(message: Message) -> str:
    """The event that an instance reports; Problem when there is none such, or a field is wrong."""
    event = message.get("event")
    if not isinstance(event, str) or event not in REPORTS:
        raise Problem(
            f"no instance reports {_shown(event)}", because=f"it may report {', '.join(REPORTS)}"
        )
    _checked(message, "event", REPORTS[event])
    return event


def answered(message: Message | None) -> Message | None:
    """An event, or done, as declared; the Problem it carries, or one when it makes no sense."""
    if message is None:
        return None
    raise_error(message)
    if "done" in message:
        _checked(message, "", DONE)
        instances_of(message)
        return message
    if "event" in message:
        event = message["event"]
        fields = EVENTS.get(event) if isinstance(event, str) else None
        if fields is None:
            raise Problem("an answer makes no sense", because=f"its event is {_shown(event)}")
        return _checked(message, "event", fields)
    raise Problem("an answer makes no sense", because="it is no event, and not done either")


def rows_of(message: Message) -> list[Message]:
    """The rows of an answer, or the Problem it carries."""
    raise_error(message)
    _checked(message, "", {"rows": ROWS})
    return list(message["rows"])


def instances_of(message: Message) -> list[Message]:
    """The rows of an answer about instances, each with what it must have; or its Problem."""
    rows = rows_of({"rows": message["rows"]} if "rows" in message else message)
    for row in rows:
        _checked({key: row[key] for key in ROW if key in row}, "", ROW)
    return rows


def _checked(message: Message, word: str, fields: Fields) -> Message:
    what = f"a message ({word} {message[word]})" if word else "an answer"
    for name, field in fields.items():
        if name not in message and not field.is_optional:
            raise Problem(f"{what} lacks a field", because=f"{name} is missing: {field.shape}")
        if name in message and not field.fits(message[name]):
            raise Problem(
                f"{what} has a wrong field",
                because=f"{name} is {_shown(message[name])}, not {field.shape}",
            )
    for name in message:
        if name not in fields and name != word:
            raise Problem(
                f"{what} has a field too many",
                because=f"{_shown(name)} is none of {', '.join(fields) or 'no fields at all'}",
                remedy="end the supervisor that an older Septum left: septum down",
            )
    return message


def _shown(value: object) -> str:
    """Something unexpected, in a few characters; Python refuses to write huge numbers out."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    try:
        text = repr(value)
    except ValueError:
        return "a huge number"
    return text if len(text) <= 60 else f"{text[:60]}..."


# ---- records


def partitions_of(message: Message) -> list[Partition]:
    """The partitions of a question; Problem, naming the field, when one could not be a table's."""
    found = [
        record(Partition, fields, f"partitions[{at}]")
        for at, fields in enumerate(message["partitions"])
    ]
    for at, partition in enumerate(found):
        for name, why in _wrong(partition):
            raise Problem("a partition makes no sense", because=f"partitions[{at}].{name}: {why}")
    names = [partition.name for partition in found]
    if len(set(names)) < len(names):
        raise Problem("a partition makes no sense", because="two have the same name")
    return found


def machine_of(message: Message) -> Machine:
    """The machine of a question; Problem, naming the field, when it is none."""
    return record(Machine, message["machine"], "machine")


def _wrong(partition: Partition) -> list[tuple[str, str]]:
    """What no table could say: fields, and why."""
    wrong = []
    if not NAME.fits(partition.name):
        wrong.append(("name", f"{partition.name!r:.40} is not {NAME.shape}"))
    processors, memory = partition.processors, partition.memory
    values = {
        **{("instance", name): value for name, value in partition._asdict().items()},
        ("processors", "weight"): processors.weight,
        ("processors", "count"): processors.count,
    }
    for (section, name), value in values.items():
        item = settings.section(section).get(name)
        if item is None or value == item.default or isinstance(value, tuple):
            continue
        try:
            item.shape.read(value)  # as the table's reader reads it
        except ValueError as error:
            wrong.append((name, str(error)))
    if not processors.numbers or min(processors.numbers) < 0:
        wrong.append(("processors.numbers", f"{processors.numbers!r:.40} are not processors"))
    parts = (memory.base, memory.float, memory.at or 0)
    if min(parts) < 0 or not 0 < memory.total <= 1 << _ADDRESS_BITS:
        wrong.append(("memory", f"{memory.base} and {memory.float} bytes are no memory"))
    for address in (*partition.functions, *partition.without_reset):
        if not _is_address(address):
            wrong.append(("functions", f"{address!r:.80} is no function's address"))
    return wrong


def _is_address(address: PciAddress) -> bool:
    try:
        return min(address) >= 0 and PciAddress.parse(str(address)) == address
    except ValueError:
        return False
