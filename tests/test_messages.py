"""Does what was said arrive, whole and as it was?"""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.errors import HostProblem, Problem
from septum.machine.model import Machine
from septum.messages import (
    LONGEST_LINE,
    Lines,
    decode,
    encode,
    error_message,
    plain,
    raise_error,
    record,
)
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.settings import PciBus
from septum.units import MiB, PciAddress
from tests.machines import a_machine

ADDRESSES = st.builds(
    PciAddress,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)
TEXTS = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
SIZES = st.integers(0, 1 << 63)
BUSES = st.builds(PciBus, st.integers(0, 0xFFFF), st.integers(0, 0xFF))
PARTITIONS = st.builds(
    Partition,
    name=TEXTS,
    kernel=TEXTS,
    initrd=st.none() | TEXTS,
    command_line=TEXTS,
    on_crash=TEXTS,
    restart_delay=st.floats(0, 600),
    restart_limit=st.integers(0, 1 << 32),
    restart_within=st.floats(0, 600),
    memory=st.builds(MemorySlice, SIZES, SIZES, st.none() | SIZES),
    processors=st.builds(
        Processors,
        st.lists(st.integers(0, 4096)).map(tuple),
        st.booleans(),
        st.integers(1, 10000),
        st.integers(0, 64),
    ),
    functions=st.lists(ADDRESSES).map(tuple),
    without_reset=st.lists(ADDRESSES).map(tuple),
    on_reboot=TEXTS,
    isa=st.lists(TEXTS).map(tuple),
    present=st.lists(st.tuples(BUSES, BUSES)).map(tuple),
    interrupts=TEXTS,
    log_size=SIZES,
    log_count=SIZES,
)


def carried(value: Any) -> Any:
    return decode(encode({"value": plain(value)}))["value"]


@given(PARTITIONS)
def test_a_partition_arrives_as_it_was(partition: Partition) -> None:
    assert record(Partition, carried(partition)) == partition


def test_a_machine_arrives_as_it_was() -> None:
    machine = a_machine()
    arrived = record(Machine, carried(machine))
    assert arrived == machine
    assert isinstance(arrived.functions[0].address, PciAddress)
    assert isinstance(arrived.functions[0].configuration, bytes)


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text())), st.lists(st.integers(1, 9)))
def test_messages_arrive_in_whatever_pieces(messages: list[Any], pieces: list[int]) -> None:
    stream = b"".join(encode(message) for message in messages)
    lines, arrived = Lines(), []
    for length in [*pieces, len(stream)]:
        arrived += lines.feed(stream[:length])
        stream = stream[length:]
    assert arrived == messages


@pytest.mark.parametrize("line", [b"{", b"[1]", b"7", b"\xff"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(Problem, match="a message is not"):
        decode(line)


@pytest.mark.parametrize(
    "damage",
    [
        {"name": 5},
        {"memory": {"base": MiB}},
        {"functions": ["0000:01:00.0"]},
        {"surprise": 1},
        {"processors": None},
    ],
)
def test_a_damaged_record_is_refused(damage: dict[str, Any]) -> None:
    partition = Partition(
        "blue", "/k", None, "", MemorySlice(MiB, 0), Processors((0,), False, 100), ()
    )
    with pytest.raises(Problem, match="does not carry a Partition"):
        record(Partition, {**plain(partition), **damage})


def test_a_problem_travels() -> None:
    problem = HostProblem("no", because="why", remedy="try")
    with pytest.raises(Problem) as raised:
        raise_error(error_message(problem))
    assert str(raised.value) == str(problem)
    assert raise_error({"rows": []}) == {"rows": []}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_whatever_bytes_come_they_are_messages_or_a_problem(pieces: list[bytes]) -> None:
    lines = Lines(100)
    for piece in pieces:
        try:
            assert all(isinstance(message, dict) for message in lines.feed(piece))
        except Problem as problem:
            assert problem.because
        assert len(lines.rest) <= 100


@given(JSON, st.sampled_from([Partition, Machine]))
def test_whatever_a_message_carries_it_is_a_record_or_a_problem(value: Any, kind: Any) -> None:
    for one in (value, {**plain(a_machine()), "processors": value}):
        try:
            assert isinstance(record(kind, one), kind)
        except Problem as problem:
            assert kind.__name__ in str(problem)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "is not a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"a": "\xff"}', "utf-8"),
        (b'{"a": [' + b"[]," * 600_000 + b"1]}", "values are over"),
    ],
)
def test_what_is_too_much_is_refused(line: bytes, why: str) -> None:
    with pytest.raises(Problem, match=why):
        decode(line)


def test_a_line_without_an_end_is_looked_through_once() -> None:
    """Cut anew at each piece, 16 MiB took many seconds."""
    lines, piece = Lines(), b"x" * (1 << 16)
    began = time.process_time()
    with pytest.raises(Problem, match="has no end"):
        for _ in range(1 + (LONGEST_LINE >> 16)):
            lines.feed(piece)
    assert time.process_time() - began < 2.0
    assert not lines.rest, "nothing of it is kept"
    assert lines.feed(b"\n{}\n") == [{}]


def test_what_stands_where_is_named() -> None:
    fields = plain(a_machine())
    fields["functions"][2]["address"]["bus"] = "three"
    with pytest.raises(Problem, match=r"machine.functions\[2\].address.bus is 'three', not int"):
        record(Machine, fields, "machine")
    fields["functions"][2]["address"]["bus"] = True
    with pytest.raises(Problem, match="is True, not int"):
        record(Machine, fields, "machine")
