"""Which real computers do the tests decide about?

lab()          the lab computer, as `septum scan --capture` packed it there
workstation()  two packages, five PCI roots; written from public knowledge
laptop()       groups shared behind a chipset, no interrupt remapping; likewise
"""

from __future__ import annotations

import os

from septum.machine.capture import opened
from septum.machine.files import HostFiles
from tests.captured.laptop import laptop
from tests.captured.workstation import workstation

LAB = os.path.join(os.path.dirname(__file__), "lab.tar.gz")


def lab() -> HostFiles:
    """The lab's files; a fresh copy each time."""
    return opened(LAB)


__all__ = ["LAB", "lab", "laptop", "workstation"]
