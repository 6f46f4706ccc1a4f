"""Are the rows of several instances listed as one table, and what is everybody's once?"""

from __future__ import annotations

from septum.admin.cli.show import listing, merged
from septum.interrupts.table import ALL, REQUIRED, VMM, InterruptTable, Own, missing
from septum.messages import Message
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import MiB


def rows(name: str, ticks: int) -> list[Message]:
    """The interrupt table as one instance tells it, after so many ticks."""
    memory, processors = MemorySlice(64 * MiB, 0), Processors((0,), False, 100)
    owner = Partition(name, "/k", None, "", memory, processors, (), isa=(name,))
    own = {request: Own("processor", "Linux's", request) for request in REQUIRED}
    table = InterruptTable((owner,), (), own)
    table.wire("ISA", name, f"ISA line of {name}")
    table.keep("GSI 4", Own("serial 1", "played", is_counted=False), name)
    for _ in range(ticks):
        table.fielded("timer")
    return [{"instance": name, **row} for row in table.rows()]


def test_what_is_everybody_s_is_listed_once_and_first() -> None:
    table = merged([*rows("blue", 5), *rows("green", 7)])
    assert missing(table) == []
    assert [row["instance"] for row in table] == [ALL] * 5 + ["blue"] * 2 + ["green"] * 2
    counts = {row["request"]: row["count"] for row in table if row["instance"] == ALL}
    assert counts["timer"] == 7, "as the last one told it"
    assert [row["handled_by"] for row in table[5:]] == ["blue", VMM, "green", VMM]


def test_other_subjects_stay_as_they_are() -> None:
    told: list[Message] = [
        {"instance": "blue", "guest": "0x0"},
        {"instance": "green", "guest": "0x0"},
    ]
    assert merged(told) == told


def test_both_platforms_have_the_same_columns() -> None:
    heading = listing(merged(rows("blue", 1))).splitlines()[0]
    words = ("INSTANCE", "REQUEST", "LINE", "DEVICE", "HANDLED BY", "DELIVERY", "HANDLER", "COUNT")
    assert heading.split() == " ".join(words).split()
