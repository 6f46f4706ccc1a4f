"""Would a siege that harmed somebody be told as harmless? Its judge, and what it reads."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from septum.engine.kvm.exits import TRIPLE_FAULT
from septum.lab import siege

BEFORE = "logs 1000\nmemory 20000 kB\nmemory 30000 kB\nprocessor 1000000 500000 20\n"
AFTER = "logs 3000\nmemory 20004 kB\nmemory 30000 kB\nprocessor 3000000 1500000 50\n"
SUM = "d033f950ea8b741bb37f74158968f522"
FOUND: dict[str, Any] = {
    "seed": 25, "accesses": 8000, "kinds": siege.ALL_KINDS, "functions": ("0000:02:00.0",),
    "made": 8000, "alive": True, "reason": "powered off", "ended": "powered off", "seconds": 4.0,
    "neighbour": "running",
    "rounds": [{"pings_sent": 200, "pings_answered": 200, "read": SUM}],
    "growth": {"logs": 2000, "memory": 4096}, "share": 0.66,
    "complaints": ["DMAR: [DMA Read NO_PASID] Request device [02:00.0] fault addr 0x1000"],
    "down": "", "drivers": [["../e1000e", "."], ["../e1000e", "."]],
}  # fmt: skip


def found(**changed: Any) -> dict[str, Any]:
    return {**copy.deepcopy(FOUND), **changed}


def test_what_harmed_nobody_is_right() -> None:
    assert list(siege.failures(found(), SUM)) == []
    overwritten = found(alive=False, reason=TRIPLE_FAULT, ended=TRIPLE_FAULT, made=3000)
    assert list(siege.failures(overwritten, SUM)) == [], "its own card wrote over it"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"rounds": [{"pings_sent": 200, "pings_answered": 199, "read": SUM}]}, "199 of 200"),
        ({"rounds": [{"pings_sent": 200, "pings_answered": 200, "read": "x"}]}, "reads 'x'"),
        ({"neighbour": "failed"}, "the neighbour is failed"),
        ({"made": 0}, "no access"),
        ({"alive": True, "reason": TRIPLE_FAULT, "ended": "shut down"}, "lived, and then"),
        ({"functions": (), "complaints": [], "alive": False, "reason": TRIPLE_FAULT}, "not live"),
        ({"alive": False, "reason": "stopped"}, "did not live"),
        ({"growth": {"logs": siege.GROWTH["logs"] + 1, "memory": 0}}, "logs grew"),
        ({"growth": {"logs": 0, "memory": siege.GROWTH["memory"] + 1}}, "memory grew"),
        ({"share": 0.1}, "ran for 0.10"),
        ({"complaints": ["DMAR: [DMA Write] Request device [01:00.0]"]}, "kernel says"),
        ({"complaints": ["BUG: unable to handle page fault"]}, "kernel says"),
        ({"down": "not given back"}, "not given back"),
        ({"drivers": [["../e1000e", "."], ["."]]}, "not given back"),
    ],
)
def test_each_harm_is_told(changed: dict[str, Any], word: str) -> None:
    (failure,) = siege.failures(found(**changed), SUM)
    assert word in failure


def test_two_looks() -> None:
    assert siege.growth(BEFORE, AFTER) == {"logs": 2000, "memory": 4096}
    assert siege.share(BEFORE, AFTER) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ("", 0),
        ("random-accesses: begins\n", 0),
        ("random-accesses: so far 00000000000003e8\nrandom-accesses: so far 00000000000007d0\n",
         2000),
        ("random-accesses: so far 00000000000003e8\nrandom-accesses: so far 00", 1000),
    ],
)  # fmt: skip
def test_how_many_there_were(said: str, made: int) -> None:
    assert siege.accesses_made(said) == made


def test_an_attack_is_told_by_what_repeats_it() -> None:
    (line,) = siege.told([found()])
    assert line.startswith("seed 25: ports, mechanism 1, ECAM, window, own registers; owns 0000:02")
    assert "8,000 accesses in 4 s" in line and "200 of 200 pings" in line
