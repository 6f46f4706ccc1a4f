"""What is a running instance made of? The parts boot.py joins, and how it ends."""

from __future__ import annotations

import threading
from typing import NamedTuple

from septum import state
from septum.discovery.routing import Routing
from septum.discovery.view import View
from septum.engine.kvm.machine import VirtualMachine
from septum.host.memory import GuestMemory
from septum.instance.address_space import AddressSpace
from septum.instance.processors import Processors
from septum.interrupts.table import InterruptTable
from septum.machine.model import Machine, MemoryRange
from septum.memory.slices import Slice
from septum.partitions.model import Partition
from septum.shared.power import POWER_OFF, RESET, PowerManagement
from septum.sockets.console import Console
from septum.sockets.link import Link
from septum.state import Ending

_ENDINGS = {POWER_OFF: state.POWERED_OFF, RESET: state.RESET}


class Plan(NamedTuple):
    """What is decided about an instance before anything is taken from the machine for it."""

    partition: Partition
    machine: Machine
    seen: View
    memory: Slice
    memory_map: tuple[MemoryRange, ...]
    routing: Routing
    interrupts: InterruptTable


class Outcome:
    """How it ends: the first reason given counts."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self.ending = Ending("failed", "it ended without a reason")

    def end(self, reason: str, detail: str = "") -> None:
        if not self._ended.is_set():
            self.ending = Ending(_ENDINGS.get(reason, reason), detail)
            self._ended.set()

    def wait(self) -> Ending:
        self._ended.wait()
        return self.ending


class Body(NamedTuple):
    """The parts of one instance; its functions join them in hand_over()."""

    plan: Plan
    memory: GuestMemory
    guest: VirtualMachine
    space: AddressSpace
    processors: Processors
    console: Console
    power: PowerManagement
    link: Link
    outcome: Outcome
