"""Does the far side of a wire answer as a host does, and only what it is asked?"""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as some

from septum.engine.alpha.computer.devices.timeline import Timeline
from septum.engine.alpha.computer.devices.wire import Counts, FarSide, Wire, checksum

CARD, FAR = bytes.fromhex("020000000101"), bytes.fromhex("0200000001fe")
CARD_IP, FAR_IP = bytes([10, 0, 1, 1]), bytes([10, 0, 1, 254])
EVERYBODY = b"\xff" * 6


def ethernet(kind: int, payload: bytes, to: bytes = FAR) -> bytes:
    return to + CARD + struct.pack(">H", kind) + payload


def arp(target: bytes = FAR_IP, operation: int = 1) -> bytes:
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    return ethernet(0x0806, head + CARD + CARD_IP + bytes(6) + target, EVERYBODY)


def ipv4(protocol: int, payload: bytes, to: bytes = FAR_IP, fragment: int = 0) -> bytes:
    header = bytearray(
        struct.pack(
            ">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, fragment, 9, protocol, 0, CARD_IP, to
        )
    )
    header[10:12] = checksum(header).to_bytes(2, "big")
    return ethernet(0x0800, bytes(header) + payload)


def echo(data: bytes, kind: int = 8) -> bytes:
    packet = bytearray(struct.pack(">BBHHH", kind, 0, 0, 7, 1) + data)
    packet[2:4] = checksum(packet).to_bytes(2, "big")
    return bytes(packet)


def far() -> FarSide:
    return FarSide(FAR, FAR_IP)


def test_rfc_1071_s_own_example() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


def test_arp_says_whose_the_address_is() -> None:
    (reply,) = far().answer(arp())
    assert reply[:14] == CARD + FAR + b"\x08\x06" and len(reply) == 60
    assert reply[20:22] == b"\0\x02" and reply[22:32] == FAR + FAR_IP
    assert reply[32:42] == CARD + CARD_IP


def test_arp_is_silent_about_others() -> None:
    side = far()
    assert side.answer(arp(target=bytes([10, 0, 1, 9]))) == []
    assert side.answer(arp(operation=2)) == []
    assert side.ignored == 2


def test_a_ping_comes_back() -> None:
    side = far()
    (reply,) = side.answer(ipv4(1, echo(b"0123456789" * 10)))
    assert reply[:14] == CARD + FAR + b"\x08\0"
    assert checksum(reply[14:34]) == 0 and reply[26:34] == FAR_IP + CARD_IP
    packet = reply[34:]
    assert packet[0] == 0 and checksum(packet) == 0 and packet[8:] == b"0123456789" * 10
    assert side.answered["icmp"] == 1


def test_udp_s_echo_port_returns_what_it_got() -> None:
    packet = struct.pack(">HHHH", 4000, 7, 8 + 5, 0x1234) + b"hello"
    (reply,) = far().answer(ipv4(17, packet))
    assert reply[34:47] == struct.pack(">HHHH", 7, 4000, 13, 0) + b"hello"
    assert far().answer(ipv4(17, struct.pack(">HHHH", 4000, 8, 8, 0))) == []


def test_an_experiment_is_returned() -> None:
    (reply,) = far().answer(ethernet(0x88B5, b"look" * 20, EVERYBODY))
    assert reply == CARD + FAR + b"\x88\xb5" + b"look" * 20


def test_what_is_not_sound_gets_no_answer() -> None:
    side = far()
    broken = bytearray(ipv4(1, echo(b"abcd")))
    broken[-1] ^= 1
    wrong_header = bytearray(ipv4(1, echo(b"abcd")))
    wrong_header[22] ^= 1
    for frame in (
        b"",
        b"short",
        bytes(broken),
        bytes(wrong_header),
        ipv4(1, echo(b"", kind=13)),
        ipv4(1, echo(b"abcd"), to=CARD_IP),
        ipv4(1, echo(b"abcd"), fragment=0x2000),
        ipv4(6, bytes(20)),
        ethernet(0x0800, b"\x45"),
        ethernet(0x86DD, bytes(40)),
        ethernet(0x88B5, b"not for it", to=CARD),
        ipv4(1, echo(b"abcd"))[:-2],
    ):
        assert side.answer(frame) == [], frame
    assert side.ignored == 12


@given(
    some.one_of(
        some.binary(max_size=120),
        some.binary(max_size=100).map(lambda data: ethernet(0x0800, data)),
        some.binary(max_size=100).map(lambda data: ethernet(0x0806, data)),
        some.tuples(some.sampled_from([1, 6, 17]), some.binary(max_size=60)).map(
            lambda pair: ipv4(*pair)
        ),
    )
)
def test_whatever_comes_it_answers_or_not(frame: bytes) -> None:
    assert len(far().answer(frame)) <= 1


def test_a_frame_takes_its_time_each_way() -> None:
    timeline = Timeline()
    wire = Wire(timeline, 1000, far())
    got: list[tuple[int, bytes]] = []
    wire.deliver = lambda frame: got.append((timeline.now, frame))
    wire.send(arp())
    timeline.advance(1999)
    assert not got
    timeline.advance(5000)
    assert [moment for moment, _ in got] == [2000]
    assert wire.counts == Counts(1, len(arp()), 1, 60)
    assert [(frame.cycle, frame.outward) for frame in wire.frames] == [(0, True), (2000, False)]


def test_the_far_side_may_speak_first() -> None:
    timeline = Timeline()
    wire = Wire(timeline, 10, far())
    got: list[bytes] = []
    wire.deliver = got.append
    wire.say(b"x" * 60)
    timeline.advance(10)
    assert got == [b"x" * 60]
