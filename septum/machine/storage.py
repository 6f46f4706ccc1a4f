"""Which disks does the Linux of this machine use, and for what?

A disk is used when a file system of it is mounted in any mount namespace, when it is swap space,
and when something else holds it: a volume, a mirror, a pool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from septum.layouts import sysfs
from septum.machine.chains import named
from septum.machine.files import HostFiles

_ESCAPED = re.compile(r"\\([0-7]{3})")
_OTHER_DEVICES = ("logdev=", "rtdev=", "journal_path=")  # xfs(5), ext4(5)
_POOLS = "/proc/spl/kstat/zfs"
_UDEV = "/run/udev/data"
# What udev says of a part of something bigger. util-linux, libblkid
_MEMBERS = {
    "LVM2_member": "an LVM volume group",
    "linux_raid_member": "a RAID",
    "zfs_member": "a ZFS pool",
    "bcache": "a bcache",
    "ddf_raid_member": "a RAID",
    "isw_raid_member": "a RAID",
}


class Use(NamedTuple):
    """One use of a block device; `what` as in "holds the root file system"."""

    device: str  # Linux's name: "dm-0"
    what: str


class Mount(NamedTuple):
    """One line of a mountinfo that may name block devices."""

    numbers: str  # "259:2"
    where: str
    kind: str
    source: str
    options: str


# All mounts, and of which process the mount namespace is; "" for our own.
Mounted = Sequence[tuple[Mount, str]]


def uses(files: HostFiles, mounted: Mounted) -> list[Use]:
    """All uses of block devices, the telling ones first; a device may have several."""
    found = [*_mounts(files, mounted), *_swaps(files), *_btrfs(files), *_bcachefs(files)]
    return [*found, *_pools(files, mounted, {use.device for use in found})]


def held(files: HostFiles, told: set[str]) -> list[Use]:
    """Block devices that another holds, or that are assembled, and that nothing told of uses."""
    found = []
    for name in files.names("/sys/class/block"):
        if name in told:
            continue
        holders = files.names(f"/sys/class/block/{name}/holders")
        if holders and not told & set(holders):
            words = ", ".join(_called(files, holder) for holder in holders)
            found.append(Use(name, f"holds a part of {words}"))
    return found


def members(files: HostFiles, told: set[str]) -> list[Use]:
    """What belongs to something bigger that is not in use now."""
    found = []
    for name in files.names("/sys/class/block"):
        if name not in told:
            kind = _udev(files, name).get("ID_FS_TYPE", "")
            if kind in _MEMBERS:
                found.append(Use(name, f"has a part of {_MEMBERS[kind]} on it"))
    return found


def mounts(files: HostFiles) -> Iterator[tuple[Mount, str]]:
    """Each mount of each mount namespace, and of which process the namespace is; "" for ours."""
    seen = {files.read_link("/proc/self/ns/mnt")}
    for mount in _mountinfo(files, "self"):
        yield mount, ""
    for number in files.names("/proc"):
        if not number.isdecimal():
            continue
        space = files.read_link(f"/proc/{number}/ns/mnt")
        if not space or space in seen:
            continue
        seen.add(space)
        for mount in _mountinfo(files, number):
            yield mount, number


def _mountinfo(files: HostFiles, process: str) -> Iterator[Mount]:
    """proc_pid_mountinfo(5)."""
    for line in files.read_text(f"/proc/{process}/mountinfo", "").splitlines():
        left, dash, right = line.partition(" - ")
        fields, rest = left.split(), right.split()
        if dash and len(fields) >= 5 and len(rest) >= 2:
            yield Mount(fields[2], _plain(fields[4]), rest[0], _plain(rest[1]), rest[-1])


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def _mounts(files: HostFiles, mounted: Mounted) -> Iterator[Use]:
    """Block devices with a mounted file system, and those that a mount names besides."""
    told: set[str] = set()
    for mount, process in mounted:
        names = list(_devices(files, mount))
        if not process:
            told.update(names)
        for name in names:
            if not process:
                yield Use(name, f"holds {file_system(mount)}")
            elif name not in told:
                told.add(name)
                yield Use(name, f"holds a file system that process {process} has mounted")


def _devices(files: HostFiles, mount: Mount) -> Iterator[str]:
    # Btrfs mounts show a number that is no device's: then the source's name must do.
    name = files.read_link(f"/sys/dev/block/{mount.numbers}").rpartition("/")[2]
    if name:
        yield name
    else:
        yield from filter(None, (named(files, path) for path in mount.source.split(":")))
    for option in mount.options.split(","):
        if option.startswith(_OTHER_DEVICES) and (name := named(files, option.partition("=")[2])):
            yield name


def file_system(mount: Mount) -> str:
    """What an administrator calls it."""
    return "the root file system" if mount.where == "/" else f"the file system at {mount.where}"


def _swaps(files: HostFiles) -> Iterator[Use]:
    for line in files.read_text("/proc/swaps", "").splitlines()[1:]:
        words = line.split()
        name = named(files, words[0]) if words else ""
        if name:
            yield Use(name, "holds swap space")


def _btrfs(files: HostFiles) -> Iterator[Use]:
    """Mounted Btrfs file systems of several disks: a mount names but the first of them."""
    for identity in files.names("/sys/fs/btrfs"):
        for name in files.names(f"/sys/fs/btrfs/{identity}/devices"):
            yield Use(name, "holds a part of a Btrfs file system")


def _bcachefs(files: HostFiles) -> Iterator[Use]:
    for identity in files.names("/sys/fs/bcachefs"):
        for member in files.names(f"/sys/fs/bcachefs/{identity}"):
            link = files.read_link(f"/sys/fs/bcachefs/{identity}/{member}/block")
            if member.startswith("dev-") and link:
                yield Use(link.rpartition("/")[2], "holds a part of a bcachefs file system")


def pools(files: HostFiles) -> list[str]:
    """ZFS pools that are imported."""
    return [name for name in files.names(_POOLS) if files.exists(f"{_POOLS}/{name}/state")]


def _pools(files: HostFiles, mounted: Mounted, told: set[str]) -> Iterator[Use]:
    """The disks of imported ZFS pools. ZFS tells nobody in sysfs: udev knows, by their labels."""
    imported = pools(files)
    if not imported:
        return
    roots = {mount.source.partition("/")[0] for mount, _ in mounted
             if mount.kind == "zfs" and mount.where == "/"}  # fmt: skip
    for name in files.names("/sys/class/block"):
        said = _udev(files, name)
        pool = said.get("ID_FS_LABEL", "")
        is_member = said.get("ID_FS_TYPE") == "zfs_member"
        is_typed = said.get("ID_PART_ENTRY_TYPE", "").lower() == sysfs.ZFS_PARTITION
        is_unknown = not pool if is_member else is_typed and "ID_FS_TYPE" not in said
        if is_member and pool in imported:
            what = "the root file system, " if pool in roots else ""
            yield Use(name, f"holds {what}a part of the ZFS pool {pool}")
        elif is_unknown and name not in told:
            # Caches and logs have no label; what a partition's table says is all there is.
            yield Use(name, f"may hold a part of a ZFS pool ({', '.join(imported)})")


def _udev(files: HostFiles, name: str) -> dict[str, str]:
    """What udev's data base says of a block device. systemd, sd_device."""
    numbers = files.read_text(f"/sys/class/block/{name}/dev", "")
    lines = files.read_text(f"{_UDEV}/b{numbers}", "").splitlines() if numbers else []
    pairs = (line[2:].partition("=") for line in lines if line.startswith("E:"))
    return {key: value for key, _, value in pairs}


def _called(files: HostFiles, name: str) -> str:
    mapped = files.read_text(f"/sys/class/block/{name}/dm/name", "")
    return f"/dev/mapper/{mapped}" if mapped else f"/dev/{name}"
