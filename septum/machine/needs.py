"""Which functions can the Linux of this machine not spare, and why?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from septum.layouts import sysfs
from septum.machine.consumers import functions_below
from septum.machine.files import HostFiles
from septum.machine.model import Function, HostNeed
from septum.machine.pci import DEVICES, on_the_way
from septum.machine.processors import whole

_NETWORK = "/proc/self/net"
_ROOT = "the root file system"


def host_needs(
    files: HostFiles, environ: Mapping[str, str], found: Sequence[Function]
) -> tuple[HostNeed, ...]:
    """The functions below Linux's disks, the login's network and the console; sorted,
    the root file system before others.

    `environ` is that of the command: SSH_CONNECTION tells where the login comes from.
    """
    needs: set[HostNeed] = set()
    for device, reason in (*_mounts(files), *_swaps(files), *_btrfs(files)):
        needs.update(HostNeed(at, reason) for at in functions_below(files, "block", device))
    for interface, reason in (*_login(files, environ), *_default_routes(files)):
        needs.update(HostNeed(at, reason) for at in functions_below(files, "net", interface))
    needs.update(_consoles(files, found))
    there = {item.address for item in found}
    return tuple(
        sorted(
            (need for need in needs if need.address in there),
            key=lambda need: (need.address, _ROOT not in need.reason, need.reason),
        )
    )


def _mounts(files: HostFiles) -> Iterator[tuple[str, str]]:
    """Block devices with a mounted file system. proc_pid_mountinfo(5)."""
    for line in files.read_text("/proc/self/mountinfo", "").splitlines():
        left, dash, right = line.partition(" - ")
        fields, source = left.split(), right.split()
        if not dash or len(fields) < 5 or len(source) < 2:
            continue
        where = fields[4].replace("\\040", " ")
        what = _ROOT if where == "/" else f"the file system at {where}"
        # Btrfs mounts show a number that is no device's: then the source's name must do.
        name = _block_name(files, fields[2]) or _named_device(files, source[1])
        if name:
            yield name, f"holds {what} (/dev/{name})"


def _btrfs(files: HostFiles) -> Iterator[tuple[str, str]]:
    """Mounted Btrfs file systems of several disks: a mount names but the first of them."""
    for identity in files.names("/sys/fs/btrfs"):
        for name in files.names(f"/sys/fs/btrfs/{identity}/devices"):
            yield name, f"holds a part of a Btrfs file system (/dev/{name})"


def _block_name(files: HostFiles, numbers: str) -> str:
    return files.read_link(f"/sys/dev/block/{numbers}").rpartition("/")[2]


def _named_device(files: HostFiles, path: str) -> str:
    """Linux's name of a /dev path: that of /dev/mapper/x is dm-0."""
    if not path.startswith("/dev/"):
        return ""
    return (files.read_link(path) or path).rpartition("/")[2]


def _swaps(files: HostFiles) -> Iterator[tuple[str, str]]:
    for line in files.read_text("/proc/swaps", "").splitlines()[1:]:
        words = line.split()
        name = _named_device(files, words[0]) if words else ""
        if name:
            yield name, f"holds swap space (/dev/{name})"


def _login(files: HostFiles, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    words = environ.get("SSH_CONNECTION", "").split()
    if len(words) != 4:
        return
    for interface in set(_interfaces_of(files, words[2])):
        yield interface, f"carries the login from {words[0]} ({interface})"


def _interfaces_of(files: HostFiles, address: str) -> list[str]:
    """The interfaces that have, or stand in the network of, an address of this machine."""
    import socket

    address = address.partition("%")[0].removeprefix("::ffff:")
    try:
        if ":" in address:
            wanted = socket.inet_pton(socket.AF_INET6, address).hex()
            lines = files.read_text(f"{_NETWORK}/if_inet6", "").splitlines()
            return [line.split()[-1] for line in lines if line.startswith(wanted)]
        # Linux prints the four bytes as one number of this (little-endian) machine.
        number = int.from_bytes(socket.inet_pton(socket.AF_INET, address), "little")
    except (OSError, ValueError):
        return []
    return [
        name
        for name, destination, gateway, mask in _routes(files)
        if mask and not gateway and number & mask == destination
    ]


def _routes(files: HostFiles) -> Iterator[tuple[str, int, int, int]]:
    """Interface, destination, gateway and mask of each IPv4 route that is up."""
    for line in files.read_text(f"{_NETWORK}/route", "").splitlines()[1:]:
        words = line.split()
        if len(words) < 8 or not whole(words[3], 0, 16) & sysfs.ROUTE_UP:
            continue
        numbers = [whole(words[place], -1, 16) for place in (1, 2, 7)]
        if min(numbers) >= 0:
            yield words[0], numbers[0], numbers[1], numbers[2]


def _default_routes(files: HostFiles) -> Iterator[tuple[str, str]]:
    names = {name for name, destination, _, mask in _routes(files) if not destination | mask}
    for line in files.read_text(f"{_NETWORK}/ipv6_route", "").splitlines():
        words = line.split()
        if len(words) == 10 and words[0] == sysfs.ROUTE6_ANYWHERE and not whole(words[1], 1, 16):
            names.add(words[9])
    for name in sorted(names - {"lo"}):
        yield name, f"carries the default route ({name})"


def _consoles(files: HostFiles, found: Iterable[Function]) -> Iterator[HostNeed]:
    """The serial port or the screen Linux writes its messages to. /proc/consoles."""
    lines = files.read_text("/proc/consoles", "").splitlines()
    names = {line.split()[0] for line in lines if line.split()}
    for name in sorted(names):
        if name.startswith("tty") and not name[3:].isdecimal():
            for address in on_the_way(files.read_link(f"/sys/class/tty/{name}"))[-1:]:
                yield HostNeed(address, f"is the console ({name})")
    if any(name.startswith("tty") and name[3:].isdecimal() for name in names):
        for item in found:
            if files.read_text(f"{DEVICES}/{item.address}/boot_vga", "0") == "1":
                yield HostNeed(item.address, "is the console's screen (boot VGA)")
