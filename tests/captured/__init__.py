"""Which real computers do the tests decide about?

lab()          the lab computer, as `septum scan --capture` packed it there
two_roots()    the lab computer with two root buses and a switch, likewise
cabinet()      the lab computer with a device of each kind, likewise
amd()          the lab computer with an AMD IOMMU, likewise
workstation()  two packages, five PCI roots; written from public knowledge
server()       ZFS, volumes of mirrors, bridges above bonds, disks over the network; likewise
laptop()       groups shared behind a chipset, no interrupt remapping; likewise
"""

from __future__ import annotations

import os

from septum.machine.capture import opened
from septum.machine.files import HostFiles
from tests.captured.laptop import laptop
from tests.captured.server import server
from tests.captured.workstation import workstation

LAB = os.path.join(os.path.dirname(__file__), "lab.tar.gz")
TWO_ROOTS = os.path.join(os.path.dirname(__file__), "two-roots.tar.gz")
CABINET = os.path.join(os.path.dirname(__file__), "cabinet.tar.gz")
AMD = os.path.join(os.path.dirname(__file__), "amd.tar.gz")


def lab() -> HostFiles:
    """The lab's files; a fresh copy each time."""
    return opened(LAB)


def two_roots() -> HostFiles:
    """The files of the lab with two root buses; a fresh copy each time."""
    return opened(TWO_ROOTS)


def cabinet() -> HostFiles:
    """The files of the lab with a device of each kind; a fresh copy each time."""
    return opened(CABINET)


def amd() -> HostFiles:
    """The files of the lab with an AMD IOMMU; a fresh copy each time."""
    return opened(AMD)


__all__ = [
    "AMD", "CABINET", "LAB", "TWO_ROOTS",
    "amd", "cabinet", "lab", "laptop", "server", "two_roots", "workstation",
]  # fmt: skip
