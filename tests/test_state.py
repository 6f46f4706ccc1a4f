"""Can an instance only become what may follow?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum import state
from septum.errors import Problem

STATES = st.sampled_from(sorted(state.FOLLOWS))


def test_the_usual_life() -> None:
    now = state.DEFINED
    for following in (
        state.STARTING,
        state.RUNNING,
        state.STOPPING,
        state.STOPPED,
        state.STARTING,
        state.FAILED,
        state.STARTING,
    ):
        now = state.moved("blue", now, following)
    assert now == state.STARTING


@given(STATES, STATES)
def test_nothing_else(now: str, to: str) -> None:
    if to in state.FOLLOWS[now]:
        assert state.moved("blue", now, to) == to
    else:
        with pytest.raises(Problem) as refused:
            state.moved("blue", now, to)
        assert f"it is {now}" in str(refused.value)


@given(STATES)
def test_only_a_start_makes_an_instance_active(now: str) -> None:
    becomes_active = [to for to in state.FOLLOWS[now] if to in state.ACTIVE]
    if now not in state.ACTIVE:
        assert becomes_active == [state.STARTING]


@pytest.mark.parametrize(
    ("reason", "left"),
    [
        ("powered off", state.STOPPED),
        ("reset", state.STOPPED),
        ("stopped", state.STOPPED),
        ("failed", state.FAILED),
        ("shut down (triple fault)", state.FAILED),
    ],
)
def test_an_ending_leaves_a_state(reason: str, left: str) -> None:
    assert state.after(state.Ending(reason)) == left
