"""Does everything that is due happen, once, in its order and at its moment?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.engine.alpha.computer.devices.timeline import Timeline


@given(some.lists(some.integers(0, 50), max_size=20), some.lists(some.integers(0, 30), max_size=10))
def test_in_order_at_its_moment_and_once(delays: list[int], steps: list[int]) -> None:
    timeline = Timeline()
    happened: list[tuple[int, int]] = []
    for number, delay in enumerate(delays):
        timeline.after(delay, lambda number=number: happened.append((timeline.now, number)))
    for step in steps:
        timeline.advance(timeline.now + step)
    timeline.advance(1000)
    assert happened == sorted((delay, number) for number, delay in enumerate(delays))
    assert timeline.next is None and timeline.now == 1000


def test_what_happens_may_ask_for_more() -> None:
    timeline = Timeline()
    moments: list[int] = []

    def again() -> None:
        moments.append(timeline.now)
        if len(moments) < 3:
            timeline.after(10, again)

    timeline.after(10, again)
    timeline.advance(100)
    assert moments == [10, 20, 30]
