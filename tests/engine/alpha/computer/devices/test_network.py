"""Does the Ethernet card send, receive and lose frames as a card does?"""

from __future__ import annotations

import pytest

from septum.engine.alpha.computer.devices.network import NetworkCard
from tests.engine.alpha.computer.driver import ETHERNET, WANTED, Driver, Memory, powered

CARD, FAR = bytes.fromhex("020000000101"), bytes.fromhex("0200000001fe")
HEADER = 12
EXPERIMENT = FAR + CARD + b"\x88\xb5"


class Desk:
    """A driver of the first hose's card, running."""

    def __init__(self, features: int = 0) -> None:
        self.computer = powered()
        self.driver = Driver(self.computer, 0, ETHERNET)
        self.memory = Memory(self.computer)
        self.receive, self.transmit = self.driver.start(self.memory, WANTED | features)
        card = self.computer.hoses[0].functions[ETHERNET << 3]
        assert isinstance(card, NetworkCard)
        self.card = card
        self.places: dict[int, int] = {}

    def room(self, *sizes: int) -> None:
        head, places = self.receive.offer([], list(sizes))
        self.places[head] = places[0]
        self.driver.notify(0)

    def send(self, *parts: bytes) -> None:
        self.transmit.offer(list(parts), [])
        self.driver.notify(1)

    def received(self) -> list[bytes]:
        found = []
        for head, length in self.receive.collect():
            found.append(self.memory.get(self.places[head], length)[HEADER:])
        return found


@pytest.mark.parametrize("features", [0, 1 << 29])
def test_a_frame_goes_out_and_its_answer_comes_in(features: int) -> None:
    desk = Desk(features)
    for round_number in range(300):  # more than the rings hold
        desk.room(1526)
        frame = EXPERIMENT + bytes([round_number & 0xFF]) * 50
        desk.send(bytes(HEADER) + frame)
        desk.driver.wait(200_000)
        assert desk.received() == [CARD + FAR + frame[12:]]
        assert len(desk.transmit.collect()) == 1
        assert desk.driver.interrupt_status() == 1
    assert desk.card.cable.counts.sent == desk.card.cable.counts.received == 300


def test_a_frame_may_lie_in_pieces() -> None:
    desk = Desk()
    desk.room(HEADER, 30, 1500)
    frame = EXPERIMENT + b"0123456789" * 10
    desk.send(bytes(5), bytes(7) + frame[:1], frame[1:40], frame[40:])
    desk.driver.wait()
    first = desk.receive.collect()
    assert [length for _, length in first] == [HEADER + len(frame)]
    place = desk.places[first[0][0]]
    assert desk.memory.get(place, HEADER)[10:12] == b"\x01\x00", "num_buffers"
    assert desk.card.cable.frames[0].content == frame


def test_a_short_frame_is_filled_up() -> None:
    desk = Desk()
    desk.send(bytes(HEADER) + EXPERIMENT)
    desk.driver.wait()
    assert desk.card.cable.frames[0].content == EXPERIMENT.ljust(60, b"\0")


@pytest.mark.parametrize("length", [0, 5, 13, 1519, 100_000])
def test_what_is_not_a_frame_is_not_sent(length: int) -> None:
    desk = Desk()
    desk.send(bytes(HEADER + length))
    desk.driver.wait()
    assert desk.card.cable.counts.sent == 0
    assert len(desk.transmit.collect()) == 1, "but given back"


def test_a_frame_waits_for_a_buffer_and_sixty_five_do_not() -> None:
    desk = Desk()
    for _ in range(70):
        desk.card.cable.say(CARD + FAR + bytes(50))
    desk.driver.wait()
    assert desk.received() == [] and desk.card.lost == 6
    for _ in range(64):
        desk.room(1526)
    desk.driver.wait()
    assert len(desk.received()) == 64


def test_a_frame_that_does_not_fit_is_lost() -> None:
    desk = Desk()
    desk.room(40)
    desk.card.cable.say(CARD + FAR + bytes(50))
    desk.driver.wait()
    assert desk.receive.collect() == [(0, 0)] and desk.card.lost == 1


def test_frames_for_others_are_not_received() -> None:
    desk = Desk()
    for _ in range(3):
        desk.room(1526)
    desk.card.cable.say(FAR + FAR + bytes(50))
    desk.card.cable.say(b"\xff" * 6 + FAR + bytes(50))
    desk.driver.wait()
    assert len(desk.received()) == 1


def test_a_card_that_does_not_run_receives_nothing() -> None:
    desk = Desk()
    desk.room(1526)
    desk.driver.common(0x14, 1, 0)
    desk.card.cable.say(CARD + FAR + bytes(50))
    desk.driver.wait()
    assert desk.card.lost == 1 and desk.driver.line == 0


def test_many_notices_are_one_piece_of_work() -> None:
    desk = Desk()
    for _ in range(10):
        desk.transmit.offer([bytes(HEADER) + EXPERIMENT + bytes(50)], [])
        desk.driver.notify(1)
    desk.driver.wait(20_000)
    assert desk.card.interrupts == 1 and len(desk.transmit.collect()) == 10


def test_more_than_sixteen_frames_take_more_than_one_turn() -> None:
    desk = Desk()
    for _ in range(40):
        desk.transmit.offer([bytes(HEADER) + EXPERIMENT + bytes(50)], [])
    desk.driver.notify(1)
    turns = []
    for _ in range(4):
        desk.driver.wait(25_000)
        turns.append(len(desk.transmit.collect()))
    assert turns == [16, 16, 8, 0]


def test_long_chains_take_their_time() -> None:
    """Each access of the bus takes 250 cycles: a card is not busy with one driver for nothing."""
    moments = []
    for pieces in (1, 120):
        desk = Desk()
        for _ in range(2):
            desk.transmit.offer([bytes(HEADER), *[EXPERIMENT[:1]] * pieces], [])
            desk.driver.notify(1)
            while not desk.transmit.collect():
                desk.computer.advance(desk.computer.next_event() or 0)
        moments.append(desk.computer.now)
    assert moments[1] - moments[0] >= 2 * 119 * 250 - 20_000
