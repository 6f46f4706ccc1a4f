"""Can two instances of different tables ever own one thing?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.errors import TableProblem
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.supervisor.conflicts import refuse_conflicts
from septum.units import MiB, PciAddress

FUNCTIONS = st.frozensets(st.integers(0, 4), max_size=2)
PARTITIONS = st.builds(
    lambda name, numbers, own, devices: Partition(
        name,
        "/k",
        None,
        "",
        MemorySlice(MiB, 0),
        Processors(tuple(sorted(numbers)), own, 100),
        tuple(PciAddress(0, 0, device, 0) for device in sorted(devices)),
    ),
    st.sampled_from(["blue", "green", "red", "grey"]),
    st.frozensets(st.integers(0, 3), min_size=1, max_size=2),
    st.booleans(),
    FUNCTIONS,
)


def collide(one: Partition, other: Partition) -> bool:
    owns = one.processors.own or other.processors.own
    return (
        one.name == other.name
        or bool(set(one.functions) & set(other.functions))
        or (owns and bool(set(one.processors.numbers) & set(other.processors.numbers)))
    )


@given(st.lists(PARTITIONS, max_size=3), st.lists(PARTITIONS, max_size=3))
def test_refused_exactly_when_two_collide(wanted: list[Partition], active: list[Partition]) -> None:
    everybody = [*active, *wanted]
    expected = any(
        collide(one, everybody[place])
        for number, one in enumerate(wanted, len(active))
        for place in range(number)
    )
    try:
        refuse_conflicts(wanted, active)
    except TableProblem as refused:
        assert expected, str(refused)
        assert refused.because and refused.remedy
    else:
        assert not expected


def test_the_owner_is_named() -> None:
    memory = MemorySlice(MiB, 0)
    mine = Partition("blue", "/k", None, "", memory, Processors((1,), True, 100), ())
    other = mine._replace(name="green", processors=Processors((0, 1), False, 100))
    with pytest.raises(TableProblem) as refused:
        refuse_conflicts([other], [mine])
    assert "green cannot run on processor 1" in str(refused.value)
    assert "blue's own" in refused.value.because
