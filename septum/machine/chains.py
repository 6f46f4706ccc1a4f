"""On which PCI functions does a disk or a network interface of Linux stand, and through what?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from septum.machine.files import HostFiles
from septum.machine.pci import on_the_way
from septum.machine.routes import interfaces_to
from septum.units import PciAddress

_MOST_LAYERS = 10  # a partition in a volume in a mirror in ... and so on
_SESSION = re.compile(r"/session(\d+)/")
_FABRIC = re.compile(r"/nvme-fabrics/ctl/(nvme\d+)")
_TARGET = re.compile(r"\btraddr=([^,\s]+)")


class Chain(NamedTuple):
    """From something Linux uses down to a function: the names on the way, from the top."""

    address: PciAddress
    names: tuple[str, ...]
    is_remote: bool = False  # a disk, by way of a network

    def __str__(self) -> str:
        return " above ".join(self.names)


def chains(files: HostFiles, folder: str, name: str) -> list[Chain]:
    """All ways of a network interface ("net") or block device ("block") down to functions.

    Looks through bridges, bonds and VLANs, through volumes, mirrors and encryption, and over
    the network where a disk is at its other end.
    """
    return list(dict.fromkeys(_down(files, folder, name, ())))


def functions_below(files: HostFiles, folder: str, name: str) -> list[PciAddress]:
    """The functions that these ways end at."""
    return list(dict.fromkeys(chain.address for chain in chains(files, folder, name)))


def _down(
    files: HostFiles, folder: str, name: str, above: tuple[str, ...], is_remote: bool = False
) -> Iterator[Chain]:
    link = files.read_link(f"/sys/class/{folder}/{name}")
    if not link or len(above) >= _MOST_LAYERS:
        return
    names = (*above, _title(files, folder, name, is_top=not above))
    ends = on_the_way(link)[-1:]
    if not ends and "/nvme-subsystem/" in link:
        ends = _nvme_paths(files, link)
    if ends:
        yield from (Chain(address, names, is_remote) for address in ends)
        return
    lower = _below_interface(files, name) if folder == "net" else _below_disk(files, name, link)
    for other in lower:
        yield from _down(files, folder, other, names, is_remote)
    for kind, server in _servers(files, link):
        for interface in interfaces_to(files, server):
            yield from _down(files, "net", interface, (*names, f"{kind} {server}"), True)


def _title(files: HostFiles, folder: str, name: str, *, is_top: bool) -> str:
    """What an administrator calls it: "bridge br0", "/dev/mapper/vg-root", "sda2"."""
    if folder == "net":
        for line in files.read_text(f"/sys/class/net/{name}/uevent", "").splitlines():
            if line.startswith("DEVTYPE="):
                return f"{line.partition('=')[2]} {name}"
        return name
    mapped = files.read_text(f"/sys/class/block/{name}/dm/name", "")
    if mapped:
        return f"/dev/mapper/{mapped}"
    return f"/dev/{name}" if is_top else name


def _below_interface(files: HostFiles, name: str) -> list[str]:
    """What a bridge, bond or VLAN has below it; for a port of a virtual switch, the others."""
    here = f"/sys/class/net/{name}"
    lower = [other[6:] for other in files.names(here) if other.startswith("lower_")]
    if lower:
        return lower
    # Open vSwitch: the interface with the address is a port of the switch, as the cards are.
    master = files.read_link(f"{here}/master").rpartition("/")[2]
    if not master:
        return []
    ports = files.names(f"/sys/class/net/{master}")
    return [other[6:] for other in ports if other.startswith("lower_") and other[6:] != name]


def _below_disk(files: HostFiles, name: str, link: str) -> list[str]:
    here = f"/sys/class/block/{name}"
    lower = set(files.names(f"{here}/slaves"))
    parent = link.split("/")[-2] if "/" in link else ""
    if files.exists(f"/sys/class/block/{parent}"):
        lower.add(parent)  # a partition of something virtual
    for told in (f"{here}/loop/backing_file", f"{here}/backing_dev"):
        path = files.read_text(told, "")
        if path.startswith("/dev/"):
            lower.add(named(files, path))
    return sorted(lower - {name, ""})


def named(files: HostFiles, path: str) -> str:
    """Linux's name of a /dev path: that of /dev/mapper/x is dm-0; "" for another path."""
    if not path.startswith("/dev/"):
        return ""
    return (files.read_link(path) or path).rpartition("/")[2]


def _servers(files: HostFiles, link: str) -> Iterator[tuple[str, str]]:
    """Who has a disk that is reached over the network: the protocol, and an address."""
    session = _SESSION.search(link)
    if session:
        folder = "/sys/class/iscsi_connection"
        for name in files.names(folder):
            if name.startswith(f"connection{session[1]}:"):
                address = files.read_text(f"{folder}/{name}/address", "")
                yield "iSCSI", address or files.read_text(f"{folder}/{name}/persistent_address", "")
    fabric = _FABRIC.search(link)
    names = [fabric[1]] if fabric else []
    if "/nvme-subsystem/" in link:
        names = _controllers(files, link)
    for name in names:
        target = _TARGET.search(files.read_text(f"/sys/class/nvme/{name}/address", ""))
        if target:
            yield "NVMe", target[1]


def _controllers(files: HostFiles, link: str) -> list[str]:
    after = link.partition("/nvme-subsystem/")[2].partition("/")[0]
    names = files.names(f"/sys/class/nvme-subsystem/{after}")
    return [name for name in names if name.startswith("nvme") and name[4:].isdecimal()]


def _nvme_paths(files: HostFiles, link: str) -> list[PciAddress]:
    """A namespace that several controllers reach hangs below its subsystem instead of one."""
    found = []
    for name in _controllers(files, link):
        found.extend(on_the_way(files.read_link(f"/sys/class/nvme/{name}"))[-1:])
    return found
