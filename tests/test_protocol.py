"""Is everything that is asked, reported and answered checked against its declaration?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum import protocol, settings
from septum.errors import Problem
from septum.messages import Message, decode, encode, plain
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import MiB, PciAddress
from tests.machines import a_machine
from tests.test_messages import JSON

DECLARED = [protocol.SUPERVISOR, protocol.INSTANCE]
NAMES = sorted({name for table in DECLARED for fields in table.values() for name in fields})
ODD = JSON | st.sampled_from([float("inf"), float("nan"), 10**400, -1, 2**64, "\ud800", "\0"])
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "ask": st.sampled_from([*protocol.SUPERVISOR, *protocol.INSTANCE]) | ODD,
        "event": st.sampled_from([*protocol.REPORTS, *protocol.EVENTS]) | ODD,
        **{name: ODD for name in (*NAMES, "text", "state", "reason", "detail", "rows", "done")},
    },
)


def a_partition(**changes: Any) -> Partition:
    memory, processors = MemorySlice(64 * MiB, 0), Processors((0,), False, 100)
    one = Partition("blue", "/k", None, "", memory, processors, (PciAddress(0, 1, 0, 0),))
    return one._replace(**changes)


@given(MESSAGES)
def test_whatever_is_said_it_is_as_declared_or_a_problem(message: Message) -> None:
    for check in (
        lambda: protocol.asked(message, protocol.SUPERVISOR, "the supervisor"),
        lambda: protocol.asked(message, protocol.INSTANCE, "blue"),
        lambda: protocol.reported(message),
        lambda: protocol.answered(message),
        lambda: protocol.rows_of(message),
    ):
        try:
            check()
        except Problem as problem:
            assert str(problem).isprintable() or "\n" in str(problem)
            assert len(str(problem)) < 100_000


@given(st.lists(ODD, max_size=3), ODD)
def test_whatever_up_carries_it_is_partitions_or_a_problem(partitions: list[Any], odd: Any) -> None:
    good = plain(a_partition())
    damaged = [{**good, name: odd} for name in good]
    for one in (*partitions, *damaged):
        try:
            found = protocol.partitions_of({"partitions": [one]})
        except Problem as problem:
            assert "partition" in str(problem).lower()
        else:
            assert protocol.NAME.fits(found[0].name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("within", float("inf")),
        ("within", float("nan")),
        ("within", 3_000_000),
        ("within", -1),
        ("within", "20"),
        ("within", True),
        ("within", 10**400),
        ("names", "blue"),
        ("names", ["../blue"]),
        ("names", [1]),
        ("names", ["blue"] * 1001),
    ],
)
def test_a_wrong_field_of_down_is_named(field: str, value: object) -> None:
    good: Message = {"ask": "down", "names": ["blue"], "within": 20.0}
    assert protocol.asked(good, protocol.SUPERVISOR, "it") == "down"
    with pytest.raises(Problem, match=f"{field} is "):
        protocol.asked({**good, field: value}, protocol.SUPERVISOR, "it")
    with pytest.raises(Problem, match=f"{field} is "):
        protocol.question("down", **{"names": None, "within": 1, field: value})


def test_what_lacks_and_what_is_too_much_is_named() -> None:
    with pytest.raises(Problem, match="within is missing"):
        protocol.asked({"ask": "down"}, protocol.SUPERVISOR, "it")
    with pytest.raises(Problem, match="'color' is none of"):
        protocol.asked({"ask": "list", "color": "blue"}, protocol.SUPERVISOR, "it")
    with pytest.raises(Problem, match="cannot be asked 'dance'"):
        protocol.asked({"ask": "dance"}, protocol.SUPERVISOR, "it")
    with pytest.raises(Problem, match="no instance reports a list of 0"):
        protocol.reported({"event": []})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": "../../etc"}, "name"),
        ({"name": "x" * 33}, "name"),
        ({"name": "supervisor"}, "name"),
        ({"name": "--help"}, "name"),
        ({"on_reboot": "explode"}, "on_reboot"),
        ({"interrupts": "never"}, "interrupts"),
        ({"kernel": ""}, "kernel"),
        ({"memory": MemorySlice(0, 0)}, "memory"),
        ({"memory": MemorySlice(-MiB, 2 * MiB)}, "memory"),
        ({"memory": MemorySlice(1 << 53, 0)}, "memory"),
        ({"processors": Processors((), False, 100)}, "processors.numbers"),
        ({"processors": Processors((-1,), False, 100)}, "processors.numbers"),
        ({"processors": Processors((0,), False, 0)}, "weight"),
        ({"processors": Processors((0,), False, 100, -2)}, "count"),
        ({"functions": (PciAddress(0, 1, 77, 0),)}, "functions"),
        ({"functions": (PciAddress(-1, 1, 0, 0),)}, "functions"),
        ({"log_size": 1}, "log_size"),
        ({"log_count": 0}, "log_count"),
    ],
)
def test_a_partition_that_no_table_could_say_is_refused(
    changes: dict[str, Any], named: str
) -> None:
    assert protocol.partitions_of({"partitions": [plain(a_partition())]}) == [a_partition()]
    with pytest.raises(Problem, match=named):
        protocol.partitions_of({"partitions": [plain(a_partition(**changes))]})


def test_one_name_twice_is_refused() -> None:
    twice = [plain(a_partition()), plain(a_partition())]
    with pytest.raises(Problem, match="same name"):
        protocol.partitions_of({"partitions": twice})


def test_what_is_asked_arrives() -> None:
    machine = a_machine()
    question = protocol.question(
        "up",
        platform=settings.PLATFORM_NAMES[0],
        partitions=[plain(a_partition())],
        machine=plain(machine),
    )
    arrived = decode(encode(question))
    assert protocol.asked(arrived, protocol.SUPERVISOR, "it") == "up"
    assert protocol.partitions_of(arrived) == [a_partition()]
    assert protocol.machine_of(arrived) == machine


def test_texts_are_cut_and_made_readable_on_their_way() -> None:
    told = protocol.report("stage", {"text": "\x1b[2J" + "x" * 100_000})["text"]
    assert told.startswith("?[2Jxxx") and told.endswith("(100004 characters)")
    assert len(told) == protocol.LONGEST_TEXT
    assert protocol.reported({"event": "stage", "text": told}) == "stage"
    state = protocol.event("state", "blue", {"state": "failed", "detail": "a\n\tb\ud800"})
    assert state["detail"] == "a\n\tb?"
    assert protocol.answered(state) == state


@pytest.mark.parametrize(
    "answer",
    [
        {"rows": "many"},
        {"rows": [1]},
        {"done": True, "rows": []},
        {"event": "state", "instance": "blue", "state": "confused"},
        {"event": ["stage"]},
        {},
    ],
)
def test_an_answer_that_makes_no_sense_is_a_problem(answer: Message) -> None:
    with pytest.raises(Problem, match=r"answer|message"):
        protocol.answered(answer)


@pytest.mark.parametrize("error", [7, {}, {"what": 3}, {"what": "no", "because": None}, [1]])
def test_an_error_is_raised_whatever_it_looks_like(error: object) -> None:
    with pytest.raises(Problem):
        protocol.answered({"error": error})
