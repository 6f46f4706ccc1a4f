"""What is at the other end of an Ethernet card's cable? A wire, and a small host that answers.

The far side answers ARP for its one IPv4 address, ICMP echo requests, UDP to the echo port, and
frames of the local experiment's type, which it returns as they came. Whatever else arrives is
counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from septum.engine.alpha.computer.devices.timeline import Timeline
from septum.layouts import ethernet as net

_KEPT = 64  # frames a report may show


class Frame(NamedTuple):
    """One frame that was on the wire."""

    cycle: int
    outward: bool  # from the card
    content: bytes


class Counts(NamedTuple):
    """Frames and bytes, from the card and to it."""

    sent: int
    sent_bytes: int
    received: int
    received_bytes: int


class FarSide:
    """One host with one card: `answer` gives the frames it sends for one that came."""

    def __init__(self, address: bytes, ip: bytes) -> None:
        self.address = address
        self.ip = ip
        self.answered: dict[str, int] = {"arp": 0, "icmp": 0, "udp": 0, "experiment": 0}
        self.ignored = 0

    def answer(self, frame: bytes) -> list[bytes]:
        """Frames in reply; none for what is not for it, or not sound."""
        if len(frame) >= net.HEADER.size:
            destination, source, kind = net.HEADER.unpack_from(frame)
            payload = frame[net.HEADER.size :]
            if destination in (self.address, net.BROADCAST):
                named = {
                    net.ARP: self._arp,
                    net.IPV4: self._ipv4,
                    net.EXPERIMENT: self._experiment,
                }.get(kind)
                reply = named(payload) if named else None
                if reply is not None:
                    whole = net.HEADER.pack(source, self.address, kind) + reply
                    return [whole.ljust(net.LEAST_FRAME, b"\0")]
        self.ignored += 1
        return []

    def _experiment(self, payload: bytes) -> bytes:
        self.answered["experiment"] += 1
        return payload

    def _arp(self, payload: bytes) -> bytes | None:
        if len(payload) < net.ARP_PACKET.size:
            return None
        *kinds, operation, sender, sender_ip, _, target_ip = net.ARP_PACKET.unpack_from(payload)
        if tuple(kinds) != net.ARP_ETHERNET_IPV4 or operation != net.ARP_REQUEST:
            return None
        if target_ip != self.ip:
            return None
        self.answered["arp"] += 1
        return net.ARP_PACKET.pack(
            *kinds, net.ARP_REPLY, self.address, self.ip, sender, sender_ip
        )

    def _ipv4(self, payload: bytes) -> bytes | None:
        if len(payload) < net.IPV4_HEADER.size:
            return None
        first, _, length, _, fragment, _, protocol, _, source, target = (
            net.IPV4_HEADER.unpack_from(payload)
        )
        size = (first & net.IPV4_LENGTH_BITS) * net.IPV4_WORD
        is_sound = first >> 4 == net.IPV4_VERSION and net.IPV4_HEADER.size <= size <= length
        if not is_sound or length > len(payload) or checksum(payload[:size]):
            return None
        if target != self.ip or fragment & net.IPV4_FRAGMENT:
            return None
        handler = {net.ICMP: self._icmp, net.UDP: self._udp}.get(protocol)
        answer = handler(payload[size:length]) if handler else None
        if answer is None:
            return None
        header = bytearray(payload[: net.IPV4_HEADER.size])
        header[0] = net.IPV4_VERSION << 4 | net.IPV4_HEADER.size // net.IPV4_WORD
        header[2:4] = (len(header) + len(answer)).to_bytes(2, "big")
        header[net.TIME_TO_LIVE_AT] = net.TIME_TO_LIVE
        header[net.IPV4_SOURCE_AT : net.IPV4_DESTINATION_AT + 4] = target + source
        return _summed(header, net.IPV4_CHECKSUM_AT) + answer

    def _icmp(self, packet: bytes) -> bytes | None:
        if len(packet) < net.ICMP_HEADER_SIZE or checksum(packet):
            return None
        if packet[0] != net.ICMP_ECHO_REQUEST or packet[1]:
            return None
        self.answered["icmp"] += 1
        reply = bytearray(packet)
        reply[0] = net.ICMP_ECHO_REPLY
        return _summed(reply, net.ICMP_CHECKSUM_AT)

    def _udp(self, packet: bytes) -> bytes | None:
        if len(packet) < net.UDP_HEADER.size:
            return None
        source, target, length, _ = net.UDP_HEADER.unpack_from(packet)
        if target != net.ECHO_PORT or not net.UDP_HEADER.size <= length <= len(packet):
            return None
        self.answered["udp"] += 1
        # A checksum of zero says that there is none. RFC 768
        return net.UDP_HEADER.pack(target, source, length, 0) + packet[net.UDP_HEADER.size : length]


def checksum(data: bytes | bytearray) -> int:
    """The Internet's: 0 over data that has its sum in it. RFC 1071."""
    padded = bytes(data) + b"\0" * (len(data) & 1)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total > net.SIXTEEN_BITS:
        total = (total & net.SIXTEEN_BITS) + (total >> 16)
    return ~total & net.SIXTEEN_BITS


def _summed(packet: bytearray, at: int) -> bytes:
    packet[at : at + 2] = bytes(2)
    packet[at : at + 2] = checksum(packet).to_bytes(2, "big")
    return bytes(packet)


class Wire:
    """A cable: each frame takes `latency` cycles. `deliver` is the card's receiver."""

    def __init__(self, timeline: Timeline, latency: int, far_side: FarSide) -> None:
        self.far_side = far_side
        self.deliver: Callable[[bytes], None] = lambda frame: None
        self.frames: deque[Frame] = deque(maxlen=_KEPT)
        self._timeline = timeline
        self._latency = latency
        self._counted = [0] * len(Counts._fields)

    @property
    def counts(self) -> Counts:
        """What went over it so far."""
        return Counts(*self._counted)

    def send(self, frame: bytes) -> None:
        """A frame leaves the card."""
        self._note(frame, True)
        self._timeline.after(self._latency, lambda: self._arrived(frame))

    def _arrived(self, frame: bytes) -> None:
        for reply in self.far_side.answer(frame):
            self.say(reply)

    def say(self, frame: bytes) -> None:
        """A frame leaves the far side."""
        self._timeline.after(self._latency, lambda: self._delivered(frame))

    def _delivered(self, frame: bytes) -> None:
        self._note(frame, False)
        self.deliver(frame)

    def _note(self, frame: bytes, outward: bool) -> None:
        self.frames.append(Frame(self._timeline.now, outward, frame))
        at = 0 if outward else 2
        self._counted[at] += 1
        self._counted[at + 1] += len(frame)
