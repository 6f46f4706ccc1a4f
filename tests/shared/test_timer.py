"""Does the interval timer count as an 8254 does, and port B show it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.layouts import pit
from septum.shared.timer import IntervalTimer

HZ = pit.HZ  # one cycle, one tick


class Desk:
    """A timer whose clock is turned by hand."""

    def __init__(self) -> None:
        self.now = 0
        self.timer = IntervalTimer(lambda: self.now, HZ)

    def start(self, counter: int, mode: int, count: int) -> None:
        self.timer.write(3, counter << 6 | 3 << 4 | mode << 1)
        self.timer.write(counter, count & 0xFF)
        self.timer.write(counter, count >> 8)

    def count(self, counter: int) -> int:
        self.timer.write(3, counter << 6)
        low = self.timer.read(counter)
        return low | self.timer.read(counter) << 8

    @property
    def output(self) -> bool:
        return bool(self.timer.read_port_b() & 0x20)


def test_linux_measures_with_it() -> None:
    """arch/alpha/kernel/time.c, calibrate_cc_with_pit: mode 0, then port B until bit 5."""
    desk = Desk()
    desk.timer.write_port_b(desk.timer.read_port_b() & ~2 | 1)
    desk.timer.write(3, 0xB0)
    desk.timer.write(2, 0xFF)
    desk.timer.write(2, 0xFF)
    desk.now = 0xFFFE
    assert not desk.output
    desk.now = 0xFFFF
    assert desk.output
    desk.now = 1 << 40
    assert desk.output, "it stays up"


def test_another_clock_is_another_number_of_cycles() -> None:
    now = [0]
    timer = IntervalTimer(lambda: now[0], 500_000_000)
    timer.write_port_b(1)
    for port, value in ((3, 0xB0), (2, 0x00), (2, 0x80)):
        timer.write(port, value)
    due = 0x8000 * 500_000_000 / HZ
    now[0] = int(due) - 1000
    assert not timer.read_port_b() & 0x20
    now[0] = int(due) + 1000
    assert timer.read_port_b() & 0x20


def test_a_closed_gate_stops_it() -> None:
    desk = Desk()
    desk.timer.write_port_b(1)
    desk.start(2, pit.TERMINAL_COUNT, 100)
    desk.now = 30
    desk.timer.write_port_b(0)
    desk.now = 1000
    assert desk.count(2) == 70 and not desk.output
    desk.timer.write_port_b(1)
    desk.now = 1069
    assert not desk.output
    desk.now = 1070
    assert desk.output


def test_a_gate_s_edge_begins_a_one_shot_anew() -> None:
    desk = Desk()
    desk.timer.write_port_b(1)
    desk.start(2, pit.ONE_SHOT, 100)
    desk.now = 90
    desk.timer.write_port_b(0)
    desk.timer.write_port_b(1)
    desk.now = 180
    assert not desk.output
    desk.now = 190
    assert desk.output


def test_a_square_wave_is_up_half_of_the_time() -> None:
    desk = Desk()
    desk.timer.write_port_b(1)
    desk.start(2, pit.SQUARE_WAVE, 10)
    levels = []
    for desk.now in range(20):
        levels.append(desk.output)
    assert levels == ([True] * 5 + [False] * 5) * 2


def test_a_rate_is_down_for_one_tick() -> None:
    desk = Desk()
    desk.timer.write_port_b(1)
    desk.start(2, pit.RATE, 5)
    levels = []
    for desk.now in range(10):
        levels.append(desk.output)
    assert levels == [True, True, True, True, False] * 2


@pytest.mark.parametrize("count", [1, 2, 1000, 0xFFFF, 0])
def test_what_is_latched_stays(count: int) -> None:
    desk = Desk()
    desk.start(0, pit.RATE, count)
    assert desk.count(0) == count
    desk.timer.write(3, 0)
    desk.now = 7
    low = desk.timer.read(0)
    assert low | desk.timer.read(0) << 8 == count


def test_one_byte_at_a_time() -> None:
    desk = Desk()
    desk.timer.write(3, pit.HIGH << 4 | pit.RATE << 1)
    desk.timer.write(0, 0x12)
    assert desk.timer.read(0) == 0x12
    desk.timer.write(3, pit.LOW << 4 | pit.RATE << 1)
    desk.timer.write(0, 0x34)
    assert desk.timer.read(0) == 0x34


def test_decimal_counts() -> None:
    desk = Desk()
    desk.timer.write(3, 3 << 4 | pit.TERMINAL_COUNT << 1 | 1)
    desk.timer.write(0, 0x00)
    desk.timer.write(0, 0x10)  # 1000
    desk.now = 1
    assert desk.count(0) == 0x0999


def test_read_back_tells_status_then_count() -> None:
    desk = Desk()
    desk.start(1, pit.RATE, 500)
    desk.timer.write(3, 3 << 6 | 1 << 2)  # counter 1, both
    assert desk.timer.read(1) == 0x80 | 3 << 4 | 2 << 1
    assert desk.timer.read(1) | desk.timer.read(1) << 8 == 500


def test_refresh_turns() -> None:
    desk = Desk()
    seen = set()
    for desk.now in range(0, 100, 9):
        seen.add(desk.timer.read_port_b() & 0x10)
    assert seen == {0, 0x10}


steps = some.lists(
    some.tuples(some.integers(0, 4), some.integers(0, 255), some.integers(0, 100_000)), max_size=40
)


@given(steps)
def test_whatever_is_written_every_port_answers(given_steps: list[tuple[int, int, int]]) -> None:
    desk = Desk()
    for port, value, later in given_steps:
        if port == 4:
            desk.timer.write_port_b(value)
        else:
            desk.timer.write(port, value)
        desk.now += later
        assert all(0 <= desk.timer.read(number) <= 0xFF for number in range(4))
        assert 0 <= desk.timer.read_port_b() <= 0xFF
