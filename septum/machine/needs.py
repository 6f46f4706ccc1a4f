"""Which functions can the Linux of this machine not spare, and why? What would it miss?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from septum.layouts import pci
from septum.machine import network, screens, storage
from septum.machine.chains import chains
from septum.machine.files import HostFiles
from septum.machine.model import Function, HostNeed
from septum.machine.pci import on_the_way

_ROOT = "the root file system"


class Linux(NamedTuple):
    """What the machine's own Linux does with functions; both sorted, the root file system first."""

    needs: tuple[HostNeed, ...]  # it cannot spare these
    uses: tuple[HostNeed, ...]  # it would miss these
    unknown: tuple[str, ...]  # what nobody here can tell


def linux(
    files: HostFiles, environ: Mapping[str, str], found: Sequence[Function]
) -> Linux:
    """What stands on its disks, the login's network and the console; each reason tells the way.

    `environ` is that of the login: see session.py.
    """
    mounted = tuple(storage.mounts(files))
    disks = storage.uses(files, mounted)
    needs = [*_storage(files, disks), *screens.consoles(files, found), *_seat(files, environ)]
    needs += _below(files, "net", network.carried(files, environ, mounted))
    uses = [*_members(files, disks), *_below(files, "net", network.joined(files))]
    uses += [*screens.monitors(files), *_elsewhere(found)]
    for keyboard in screens.keyboards(files):
        uses += keyboard.below
    return Linux(_sorted(needs, found), _sorted(uses, found), tuple(_unknown(files, disks)))


def _unknown(files: HostFiles, disks: Iterable[storage.Use]) -> Iterator[str]:
    """Pools that nobody here can tell the disks of, and what only root may see."""
    told = " ".join(use.what for use in disks)
    for pool in storage.pools(files):
        if f"ZFS pool {pool}" not in told:
            yield f"the disks of the ZFS pool {pool}: udev does not know them"
    if "1" in files.names("/proc") and not files.read_link("/proc/1/ns/mnt"):
        yield "what other processes have mounted for themselves: only root may look"


def _members(files: HostFiles, disks: Iterable[storage.Use]) -> Iterator[HostNeed]:
    members = storage.members(files, {use.device for use in disks})
    return _below(files, "block", members)


def _sorted(needs: Iterable[HostNeed], found: Sequence[Function]) -> tuple[HostNeed, ...]:
    there = {item.address for item in found}
    return tuple(
        sorted(
            {need for need in needs if need.address in there},
            key=lambda need: (need.address, _ROOT not in need.reason, need.reason),
        )
    )


def _below(
    files: HostFiles, folder: str, uses: Iterable[tuple[str, str]]
) -> Iterator[HostNeed]:
    for name, what in uses:
        for chain in chains(files, folder, name):
            yield HostNeed(chain.address, f"{what} ({chain})")


def _storage(files: HostFiles, disks: Iterable[storage.Use]) -> Iterator[HostNeed]:
    told: set[str] = set()
    for use in disks:
        for chain in chains(files, "block", use.device):
            # A disk at the other end of a network is carried, not held.
            what = use.what.replace("holds", "carries", 1) if chain.is_remote else use.what
            yield HostNeed(chain.address, f"{what} ({chain})")
        told.add(use.device)
        told |= _all_below(files, use.device)
    yield from _below(files, "block", storage.held(files, told))


def _all_below(files: HostFiles, device: str) -> set[str]:
    """Linux's names of what a block device stands on."""
    found: set[str] = set()
    ahead = [device]
    while ahead:
        for name in files.names(f"/sys/class/block/{ahead.pop()}/slaves"):
            if name not in found:
                found.add(name)
                ahead.append(name)
    return found


def _seat(files: HostFiles, environ: Mapping[str, str]) -> Iterator[HostNeed]:
    """What somebody types on who sits at this machine: its keyboards, or a serial terminal."""
    terminal = environ.get("TTY", "")
    if terminal:
        link = files.read_link(f"/sys/class/tty/{terminal}")
        for address in on_the_way(link)[-1:]:
            yield HostNeed(address, f"carries the login at {terminal}")
    if not environ.get("XDG_SEAT") or environ.get("SSH_CONNECTION"):
        return
    keyboards = screens.keyboards(files)
    if all(keyboard.below for keyboard in keyboards):  # none is the board's own
        places = {need.address for keyboard in keyboards for need in keyboard.below}
        for keyboard in keyboards if len(places) == 1 else ():
            yield from keyboard.below


def _elsewhere(found: Sequence[Function]) -> Iterator[HostNeed]:
    """Network cards with a driver and no interface: sysfs shows those of our namespace only."""
    for item in found:
        is_network = item.class_code >> pci.BASE_CLASS_SHIFT == pci.BaseClass.NETWORK
        is_shown = any(consumer.startswith("net:") for consumer in item.consumers)
        if is_network and item.driver not in (None, "vfio-pci") and not is_shown:
            yield HostNeed(
                item.address, "has no interface here: it may be in another network namespace"
            )
