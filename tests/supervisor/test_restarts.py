"""Does who resets again and again wait longer and longer, and in the end stay down?"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.partitions.model import MemorySlice, Partition, Processors
from septum.state import FAILED, Ending, after
from septum.supervisor.restarts import LONGEST_DELAY, Restarts, held_down, wants_restart


def partition(**changes: object) -> Partition:
    one = Partition("blue", "/k", None, "", MemorySlice(1, 0), Processors((0,), False, 100), ())
    return one._replace(**changes)  # type: ignore[arg-type]


def lived(seconds: float, times: int, table: Partition) -> list[float | None]:
    """How long one waits before each restart that always lives so long."""
    restarts, now, waits = Restarts(), 1000.0, []
    for _ in range(times):
        started, now = now, now + seconds
        at = restarts.next(table, started, now)
        waits.append(None if at is None else at - now)
        if at is None:
            break
        now = at
    return waits


def test_who_resets_at_once_waits_longer_each_time_and_then_stays_down() -> None:
    assert lived(0, 12, partition()) == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, None]


def test_who_reboots_now_and_then_never_waits() -> None:
    assert lived(61, 100, partition()) == [0] * 100
    assert lived(3600, 50, partition(restart_within=600.0)) == [0] * 50


def test_what_it_lived_is_part_of_the_wait() -> None:
    assert lived(3, 5, partition()) == [0, 0, 1, 5, 13]


def test_the_table_says_how_often_and_within_what() -> None:
    assert lived(0, 9, partition(restart_limit=2, restart_delay=5.0)) == [5, 10, None]
    assert lived(0, 9, partition(restart_limit=0)) == [None]
    assert lived(0, 4, partition(restart_delay=0.0)) == [0, 0, 0, 0]
    assert lived(0, 3, partition(restart_delay=300.0)) == [300, 300, 300]
    assert lived(0, 9, partition(restart_limit=3, restart_within=2.0)) == [1, 2] * 4 + [1]


@pytest.mark.parametrize("delay", [math.nan, math.inf, -math.inf, -1.0, 1e300])
def test_no_delay_keeps_it_waiting_for_ever(delay: float) -> None:
    """The loop sleeps so long: a moment that never comes would end it."""
    waits = lived(0, 12, partition(restart_delay=delay, restart_within=math.nan))
    assert all(wait is not None and 0 <= wait <= 60 for wait in waits)


@given(
    some.lists(some.floats(0, 900), max_size=40),
    some.integers(0, 6),
    some.floats(0, 100),
    some.floats(0, 1000),
)
def test_never_more_restarts_in_a_time_than_the_table_allows(
    lives: list[float], limit: int, delay: float, within: float
) -> None:
    table = partition(restart_limit=limit, restart_delay=delay, restart_within=within)
    restarts, now, times = Restarts(), 0.0, []
    for life in lives:
        started, now = now, now + life
        at = restarts.next(table, started, now)
        if at is None:
            assert limit == 0 or len([one for one in times if now - one < within]) >= limit
            break
        times.append(now)
        assert at >= now and at - started <= max(life, LONGEST_DELAY, delay) + 1e-6
        now = at
    assert restarts.count == len(times)
    for one in times:
        assert len([other for other in times if one <= other < one + within]) <= limit or not within


@pytest.mark.parametrize(
    ("reason", "on_reboot", "on_crash", "again"),
    [
        ("reset", "restart", "stop", True),
        ("reset", "stop", "restart", False),
        ("shut down (triple fault)", "restart", "stop", False),
        ("shut down (triple fault)", "stop", "restart", True),
        *((reason, "restart", "restart", False) for reason in ("powered off", "failed", "stopped")),
    ],
)
def test_what_follows_an_ending(reason: str, on_reboot: str, on_crash: str, again: bool) -> None:
    table = partition(on_reboot=on_reboot, on_crash=on_crash)
    assert wants_restart(table, Ending(reason)) is again


def test_one_that_stays_down_has_failed_and_says_why() -> None:
    ending = held_down(partition(), Ending("reset"))
    assert after(ending) == FAILED and ending.reason == "restarted too often"
    assert "reset again, after 10 restarts within 10m" in ending.detail
