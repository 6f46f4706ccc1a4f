"""Does what was said arrive, whole and as it was?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.errors import HostProblem, Problem
from septum.machine.model import Machine
from septum.messages import (
    Lines,
    decode,
    encode,
    error_message,
    plain,
    raise_error,
    record,
)
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import MiB, PciAddress
from tests.machines import a_machine

ADDRESSES = st.builds(
    PciAddress,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0x1F),
    st.integers(0, 7),
)
PARTITIONS = st.builds(
    Partition,
    name=st.text(),
    kernel=st.text(),
    initrd=st.none() | st.text(),
    command_line=st.text(),
    memory=st.builds(MemorySlice, st.integers(0), st.integers(0)),
    processors=st.builds(
        Processors,
        st.lists(st.integers(0, 4096)).map(tuple),
        st.booleans(),
        st.integers(1, 10000),
    ),
    functions=st.lists(ADDRESSES).map(tuple),
    without_reset=st.lists(ADDRESSES).map(tuple),
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
