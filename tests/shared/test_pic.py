"""Do the interrupt controllers serve lines as a pair of 8259A do?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.shared.pic import InterruptControllers

SERIAL, CLOCK = 4, 8


class Desk:
    def __init__(self, base: int = 0) -> None:
        self.levels: list[int] = []
        self.pair = InterruptControllers(self.levels.append, base)

    def unmask(self, *lines: int) -> None:
        mask = 0xFFFF & ~sum(1 << line for line in lines)
        if any(line >= 8 for line in lines):
            mask &= ~4
        self.pair.write(0x21, mask & 0xFF)
        self.pair.write(0xA1, mask >> 8)

    def end(self, line: int) -> None:
        """As Linux does, arch/alpha/kernel/irq_i8259.c: a specific end, of both."""
        if line >= 8:
            self.pair.write(0xA0, 0x60 | line - 8)
            line = 2
        self.pair.write(0x20, 0x60 | line)


def test_masked_lines_do_not_interrupt() -> None:
    desk = Desk()
    desk.pair.set_line(SERIAL, 1)
    assert desk.pair.level == 0
    desk.unmask(SERIAL)
    assert desk.pair.level == 1 and desk.levels == [1]


def test_an_edge_interrupts_once() -> None:
    desk = Desk()
    desk.unmask(SERIAL)
    desk.pair.set_line(SERIAL, 1)
    assert desk.pair.acknowledge() == SERIAL and desk.pair.level == 0
    desk.end(SERIAL)
    assert desk.pair.level == 0, "the line is still up, but there was no new edge"
    desk.pair.set_line(SERIAL, 0)
    desk.pair.set_line(SERIAL, 1)
    assert desk.pair.level == 1


def test_an_edge_that_goes_away_is_spurious() -> None:
    desk = Desk()
    desk.unmask(SERIAL)
    desk.pair.set_line(SERIAL, 1)
    desk.pair.set_line(SERIAL, 0)
    assert desk.pair.level == 0
    assert desk.pair.acknowledge() == 7
    assert desk.pair.read(0x20) == 0


def test_a_level_interrupts_until_it_falls() -> None:
    desk = Desk()
    desk.pair.write(0x4D0, 1 << 5)
    assert desk.pair.read(0x4D0) == 1 << 5
    desk.unmask(5)
    desk.pair.set_line(5, 1)
    assert desk.pair.acknowledge() == 5 and desk.pair.level == 0
    desk.end(5)
    assert desk.pair.level == 1
    desk.pair.set_line(5, 0)
    assert desk.pair.level == 0


def test_the_second_controller_comes_through_the_first() -> None:
    desk = Desk(base=0x20)
    desk.unmask(CLOCK, SERIAL)
    desk.pair.set_line(CLOCK, 1)
    desk.pair.set_line(SERIAL, 1)
    assert desk.pair.acknowledge() == 0x28, "line 2 comes before line 4"
    assert desk.pair.level == 0
    desk.end(CLOCK)
    assert desk.pair.acknowledge() == 0x24
    desk.end(SERIAL)
    assert desk.pair.level == 0


def test_two_lines_of_the_second_come_one_after_the_other() -> None:
    desk = Desk()
    desk.unmask(9, 12)
    desk.pair.set_line(12, 1)
    desk.pair.set_line(9, 1)
    assert desk.pair.acknowledge() == 9
    desk.end(9)
    assert desk.pair.level == 1 and desk.pair.acknowledge() == 12


def test_a_higher_line_interrupts_a_lower_one_in_service() -> None:
    desk = Desk()
    desk.unmask(3, SERIAL)
    desk.pair.set_line(SERIAL, 1)
    assert desk.pair.acknowledge() == SERIAL
    desk.pair.set_line(3, 1)
    assert desk.pair.level == 1 and desk.pair.acknowledge() == 3
    desk.pair.write(0x20, 0x0B)
    assert desk.pair.read(0x20) == 1 << 3 | 1 << SERIAL
    desk.pair.write(0x20, 0x20)  # an end that names nobody: the highest in service
    assert desk.pair.read(0x20) == 1 << SERIAL


def test_a_lower_line_waits() -> None:
    desk = Desk()
    desk.unmask(3, SERIAL)
    desk.pair.set_line(3, 1)
    assert desk.pair.acknowledge() == 3
    desk.pair.set_line(SERIAL, 1)
    assert desk.pair.level == 0
    desk.end(3)
    assert desk.pair.level == 1


def test_initialisation_words() -> None:
    """As a PC's firmware writes them: bases, cascade, mode; afterwards nothing is masked."""
    desk = Desk()
    for first, base, cascade in ((0x20, 0x30, 4), (0xA0, 0x38, 2)):
        desk.pair.write(first, 0x11)
        desk.pair.write(first + 1, base)
        desk.pair.write(first + 1, cascade)
        desk.pair.write(first + 1, 0x01)
    assert desk.pair.read(0x21) == desk.pair.read(0xA1) == 0
    desk.pair.set_line(CLOCK, 1)
    assert desk.pair.acknowledge() == 0x38


def test_automatic_end_leaves_nothing_in_service() -> None:
    desk = Desk()
    for port, value in ((0x20, 0x11), (0x21, 0), (0x21, 4), (0x21, 3)):
        desk.pair.write(port, value)
    desk.pair.set_line(1, 1)
    assert desk.pair.acknowledge() == 1
    desk.pair.write(0x20, 0x0B)
    assert desk.pair.read(0x20) == 0


def test_a_poll_acknowledges() -> None:
    desk = Desk()
    desk.unmask(SERIAL)
    desk.pair.set_line(SERIAL, 1)
    desk.pair.write(0x20, 0x0C)
    assert desk.pair.read(0x20) == 0x80 | SERIAL
    assert desk.pair.level == 0
    desk.pair.write(0x20, 0x0C)
    assert desk.pair.read(0x20) == 0


def test_rotation_makes_a_line_the_last() -> None:
    desk = Desk()
    desk.unmask(0, 1)
    desk.pair.write(0x20, 0xC0)  # line 0 is the lowest now
    desk.pair.set_line(0, 1)
    desk.pair.set_line(1, 1)
    assert desk.pair.acknowledge() == 1


PORTS = [0x20, 0x21, 0xA0, 0xA1, 0x4D0, 0x4D1]
steps = some.lists(
    some.one_of(
        some.tuples(some.just("write"), some.sampled_from(PORTS), some.integers(0, 255)),
        some.tuples(some.just("line"), some.integers(0, 15), some.integers(0, 1)),
        some.tuples(some.just("acknowledge"), some.just(0), some.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_whatever_is_written_the_pin_is_what_was_told(
    given_steps: list[tuple[str, int, int]],
) -> None:
    desk = Desk()
    for what, place, value in given_steps:
        if what == "write":
            desk.pair.write(place, value)
        elif what == "line":
            desk.pair.set_line(place, value)
        else:
            assert 0 <= desk.pair.acknowledge() <= 0xFF
        assert (desk.levels[-1] if desk.levels else 0) == desk.pair.level
        assert all(0 <= desk.pair.read(port) <= 0xFF for port in PORTS)
    assert all(one != two for one, two in zip(desk.levels, desk.levels[1:], strict=False))
