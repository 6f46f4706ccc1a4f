"""Is every probe counted, and can a guest that probes everything fill the host's memory?"""

from __future__ import annotations

from septum.discovery.probes import ABSENT, EMULATED, EXPOSED, ProbeRecord
from septum.units import PciAddress


def at(device: int, function: int = 0) -> PciAddress:
    return PciAddress(0, 0, device, function)


def test_rows_say_what_was_asked_and_answered() -> None:
    record = ProbeRecord()
    record.offer(at(4), 0x1000, 0x12, EXPOSED)
    record.offer(at(0), 0x1B36, 0x8, EMULATED)
    for _ in range(3):
        record.read(at(5), ABSENT)
    record.read(at(4), EXPOSED)
    record.write(at(4), EXPOSED, 0x30, "no bit may be changed")
    record.write(at(4), EXPOSED, 0x34, "another")
    record.write(at(5), ABSENT, 0x04)
    assert record.rows() == [
        {
            "address": "0000:00:04.0",
            "answer": "exposed",
            "offered": "1000:0012",
            "reads": 1,
            "writes": 2,
            "refused": 2,
            "register": 0x30,
            "because": "no bit may be changed",
        },
        {
            "address": "0000:00:05.0",
            "answer": "absent",
            "offered": "absent",
            "reads": 3,
            "writes": 1,
            "refused": 0,
            "register": None,
            "because": "",
        },
    ]
    assert record.absent() == [at(5)]


def test_the_record_is_bounded() -> None:
    record = ProbeRecord(limit=4)
    for device in range(32):
        record.read(at(device), ABSENT)
        record.write(at(device), ABSENT, 0)
    *rows, others = record.rows()
    assert len(rows) == 4
    assert record.beyond == 56
    assert (others["address"], others["reads"]) == ("(others)", 56), "and it is said"
