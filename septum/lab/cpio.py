"""How is an initramfs packed?

The "newc" form that Linux unpacks: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import stat
from typing import NamedTuple

MAGIC = "070701"
TRAILER = "TRAILER!!!"


class Entry(NamedTuple):
    """One thing in the archive: its path without a leading slash, its mode, its content."""

    path: str
    mode: int
    content: bytes = b""


def folder(path: str) -> Entry:
    return Entry(path, stat.S_IFDIR | 0o755)


def file(path: str, content: bytes, permissions: int = 0o644) -> Entry:
    return Entry(path, stat.S_IFREG | permissions, content)


def link(path: str, target: str) -> Entry:
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def packed(entries: list[Entry]) -> bytes:
    """The archive, with the folders that the entries need and do not name."""
    every: dict[str, Entry] = {}
    for entry in entries:
        parts = entry.path.split("/")
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            every.setdefault(above, folder(above))
        every[entry.path] = entry
    records = [_record(number, entry) for number, entry in enumerate(every.values(), 1)]
    return b"".join([*records, _record(0, Entry(TRAILER, 0))])


def _record(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    # inode, mode, uid, gid, links, time, size, four device numbers, name's size, checksum
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    header = MAGIC + "".join(f"{field:08x}" for field in fields)
    return _aligned(header.encode() + name) + _aligned(entry.content)


def _aligned(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
