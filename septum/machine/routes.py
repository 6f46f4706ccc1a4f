"""Which network interface leads where?"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

from septum.layouts import sysfs
from septum.machine.files import HostFiles
from septum.machine.processors import whole

_NETWORK = "/proc/self/net"


class Route(NamedTuple):
    """One route of this Linux that is up; destination and next hop as bytes of an address."""

    interface: str
    destination: bytes
    prefix: int  # bits of the destination that count
    gateway: bytes  # all zeros: the network is the interface's own

    def covers(self, address: bytes) -> bool:
        """Whether it leads to an address."""
        if len(address) != len(self.destination):
            return False
        rest = 8 * len(address) - self.prefix
        number, here = int.from_bytes(address, "big"), int.from_bytes(self.destination, "big")
        return number >> rest == here >> rest


def routes(files: HostFiles) -> list[Route]:
    """All of the main table, IPv4 and IPv6. proc_pid_net(5); Linux, net/ipv6/route.c."""
    return [*_routes4(files), *_routes6(files)]


def _routes4(files: HostFiles) -> Iterator[Route]:
    for line in files.read_text(f"{_NETWORK}/route", "").splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or not whole(words[3], 0, 16) & sysfs.ROUTE_UP:
            continue
        numbers = [whole(words[place], -1, 16) for place in (1, 2, 7)]
        if min(numbers) < 0 or max(numbers) >> 32:
            continue
        # Linux prints the four bytes as one number of this (little-endian) machine.
        destination, gateway, mask = (number.to_bytes(4, "little") for number in numbers)
        prefix = int.from_bytes(mask, "big").bit_count()
        yield Route(words[0], destination, prefix, gateway)


def _routes6(files: HostFiles) -> Iterator[Route]:
    for line in files.read_text(f"{_NETWORK}/ipv6_route", "").splitlines():
        words = line.split()
        if len(words) != 10 or words[9] == "lo":
            continue
        prefix, flags = whole(words[1], -1, 16), whole(words[8], -1, 16)
        if not 0 <= prefix <= 128 or flags < 0 or flags & sysfs.ROUTE6_REJECT:
            continue
        try:
            destination, gateway = bytes.fromhex(words[0]), bytes.fromhex(words[4])
        except ValueError:
            continue
        if len(destination) == len(gateway) == 16:
            yield Route(words[9], destination, prefix, gateway)


def packed(address: str) -> bytes:
    """An address as bytes, with or without its zone; empty when it is none."""
    address = address.partition("%")[0].removeprefix("::ffff:")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_pton(family, address)
    except (OSError, ValueError):
        return b""


def default_interfaces(files: HostFiles) -> list[str]:
    """Those that a default route leads to."""
    found = {one.interface for one in routes(files) if not one.prefix and not any(one.destination)}
    return sorted(found - {"lo"})


def tunnel_interfaces(files: HostFiles, name: str) -> list[str]:
    """Through which of the others a tunnel's own packets go, or may go, at the worst."""
    lines = files.read_text(f"{_NETWORK}/pppoe", "").splitlines()[1:]
    ports = {line.split()[-1] for line in lines if line.split()}
    if name.startswith("ppp") and ports:
        return sorted(ports)
    known = routes(files)
    found = {one.interface for one in known if any(one.gateway)} - {name, "lo"}
    return sorted(found or {one.interface for one in known} - {name, "lo"})


def interfaces_to(files: HostFiles, address: str) -> list[str]:
    """Those that the most exact routes to an address lead through."""
    wanted = packed(address)
    found = [one for one in routes(files) if one.covers(wanted)] if wanted else []
    best = max((one.prefix for one in found), default=0)
    return sorted({one.interface for one in found if one.prefix == best})


def interfaces_of(files: HostFiles, address: str) -> list[str]:
    """Those that have, or stand in the network of, an address of this machine."""
    wanted = packed(address)
    if len(wanted) == 16:
        lines = files.read_text(f"{_NETWORK}/if_inet6", "").splitlines()
        return sorted({line.split()[-1] for line in lines if line.startswith(wanted.hex())})
    return sorted(
        {
            one.interface
            for one in routes(files)
            if wanted and one.prefix and not any(one.gateway) and one.covers(wanted)
        }
    )
