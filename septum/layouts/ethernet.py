"""What is in an Ethernet frame? IEEE 802.3; ARP: RFC 826; IPv4: RFC 791; ICMP: RFC 792."""

from __future__ import annotations

import struct

HEADER = struct.Struct(">6s6sH")  # destination, source, type
LEAST_FRAME = 60  # without the check sequence
LARGEST_FRAME = 1518  # with a VLAN tag, without the check sequence
BROADCAST = b"\xff" * 6
GROUP = 0x01  # bit of the first byte of an address

IPV4, ARP = 0x0800, 0x0806
EXPERIMENT = 0x88B5  # for local experiments. IEEE 802, table 10

ARP_PACKET = struct.Struct(">HHBBH6s4s6s4s")  # ..., operation, sender, sender, target, target
ARP_ETHERNET_IPV4 = (1, IPV4, 6, 4)
ARP_REQUEST, ARP_REPLY = 1, 2

IPV4_HEADER = struct.Struct(">BBHHHBBH4s4s")
IPV4_VERSION = 4
IPV4_WORD = 4  # the header's length is in units of it
IPV4_LENGTH_BITS = 0xF
IPV4_FRAGMENT = 0x3FFF  # more fragments, and the offset
IPV4_CHECKSUM_AT, IPV4_SOURCE_AT, IPV4_DESTINATION_AT = 10, 12, 16
TIME_TO_LIVE_AT = 8
TIME_TO_LIVE = 64
ICMP, UDP = 1, 17

ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY = 8, 0
ICMP_HEADER_SIZE = 8
ICMP_CHECKSUM_AT = 2

UDP_HEADER = struct.Struct(">HHHH")  # source, destination, length, checksum
UDP_CHECKSUM_AT = 6
ECHO_PORT = 7  # RFC 862

SIXTEEN_BITS = 0xFFFF
