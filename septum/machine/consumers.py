"""Which disks, networks, terminals and screens did Linux make of a function?"""

from __future__ import annotations

import re

from septum.machine.chains import functions_below
from septum.machine.files import HostFiles
from septum.machine.pci import on_the_way
from septum.units import PciAddress

# Kind of consumer, Linux's class of devices, and how names worth telling begin.
_CLASSES = (
    ("net", "net", ""),
    ("block", "block", ""),
    ("tty", "tty", "tty"),
    ("screen", "drm", "card"),
    ("sound", "sound", "card"),
)
# One path to an NVMe namespace of several: hidden, the namespace's own name is "nvme0n1".
_PATH = re.compile(r"nvme\d+c\d+n\d+")


def consumers(files: HostFiles) -> dict[PciAddress, tuple[str, ...]]:
    """Per function the things Linux made of it: "net:eth0", "block:nvme0n1", "tty:ttyS4"."""
    found: dict[PciAddress, list[str]] = {}
    for kind, folder, begins in _CLASSES:
        names = files.names(f"/sys/class/{folder}")
        for name in names:
            if not name.startswith(begins) or (kind == "screen" and "-" in name):
                continue
            if kind == "tty" and name[3:].isdecimal():
                continue  # the screen's own terminals: no function of theirs
            if kind == "block" and _PATH.fullmatch(name):
                continue
            link = files.read_link(f"/sys/class/{folder}/{name}")
            if kind == "block" and link.split("/")[-2:-1] and link.split("/")[-2] in names:
                continue  # a partition: its disk is listed
            for address in _functions_of(files, folder, name, link):
                found.setdefault(address, []).append(f"{kind}:{name}")
    return {address: tuple(sorted(set(names))) for address, names in found.items()}


def _functions_of(files: HostFiles, folder: str, name: str, link: str) -> list[PciAddress]:
    """The functions a device ends at; a disk of several NVMe paths has several."""
    below = on_the_way(link)
    if below:
        return below[-1:]
    if folder == "block" and "/nvme-subsystem/" in link:
        return functions_below(files, folder, name)
    return []
