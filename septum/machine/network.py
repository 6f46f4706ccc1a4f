"""Which network interfaces can the Linux of this machine not spare, and what is on the others?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from septum.machine.chains import chains
from septum.machine.files import HostFiles
from septum.machine.routes import (
    default_interfaces,
    interfaces_of,
    interfaces_to,
    tunnel_interfaces,
)
from septum.machine.storage import Mounted, file_system

_LOGIN = "SSH_CONNECTION"


class Carried(NamedTuple):
    """Something that comes over an interface; `what` as in "carries the default route"."""

    interface: str
    what: str


def carried(
    files: HostFiles, environ: Mapping[str, str], mounted: Mounted
) -> Iterator[Carried]:
    """The login's connection, default routes, and file systems that stand on other computers."""
    found = [*_login(files, environ)]
    found += [Carried(name, "carries the default route") for name in default_interfaces(files)]
    for one in (*found, *_file_systems(files, mounted)):
        if chains(files, "net", one.interface):
            yield one
        else:
            for other in tunnel_interfaces(files, one.interface):
                yield Carried(other, f"{one.what} by the tunnel {one.interface}")


def _login(files: HostFiles, environ: Mapping[str, str]) -> Iterator[Carried]:
    words = environ.get(_LOGIN, "").split()
    if len(words) != 4:
        return
    names = {*interfaces_of(files, words[2]), *interfaces_to(files, words[0])}
    if "%" in words[2]:  # a link-local address stands on one interface, which it names
        names = {words[2].partition("%")[2]} & names or names
    for interface in sorted(names - {"lo"}):
        yield Carried(interface, f"carries the login from {words[0]}")


def _file_systems(files: HostFiles, mounted: Mounted) -> Iterator[Carried]:
    """NFS, CIFS and others that say who serves them. nfs(5), mount.cifs(8)"""
    for mount, _ in mounted:
        for option in mount.options.split(","):
            key, _, server = option.partition("=")
            if key != "addr":
                continue
            for interface in interfaces_to(files, server):
                what = f"carries {file_system(mount)}, {mount.kind} of {server}"
                yield Carried(interface, what)


def joined(files: HostFiles) -> Iterator[Carried]:
    """Interfaces that are a part of a bridge, a bond or the like, or have addresses of VLANs."""
    for name in files.names("/sys/class/net"):
        upper = [
            other[6:] for other in files.names(f"/sys/class/net/{name}") if other[:6] == "upper_"
        ]
        if upper:
            yield Carried(name, f"is below {', '.join(upper)}")
