"""Can a guest make Septum's memory, or what it says, grow without end?"""

from __future__ import annotations

import gc
import random
import threading
import tracemalloc
from contextlib import ExitStack
from typing import Any

import pytest

from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.probes import ABSENT
from septum.discovery.responder import Responder
from septum.discovery.view import View
from septum.instance.answers import exit_rows, translation_rows
from septum.instance.boot import limited
from septum.instance.processors import Processors
from septum.machine.model import Ecam
from septum.rate_limit import MOST, MOST_KINDS
from septum.translation.physical import played
from septum.units import KiB, MiB, Span
from tests.instance.fakes import (
    FUNCTION,
    MEMORY,
    MSI,
    MSIX,
    PORTS,
    RAM,
    TABLE,
    TABLE_BAR,
    Owner,
)

ACCESSES = 100_000
ECAM = Ecam(0, 0, 255, Span(0xE0000000, 256 * MiB))


class Hostile:
    """A guest that owns one function, and does to it, and to all that is not there, what it can."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.owner = Owner(with_devices=True)
        self.said: list[str] = []
        self.held = ExitStack()
        self.owner.space.say = limited(self.said.append, self.held)
        self.owner.interrupts.routes.say = self.owner.space.say
        seen = View("blue", (FUNCTION,), (), (), (), (), (ECAM,))
        self.responder = Responder(seen, {FUNCTION.address: self.owner.function}, {})
        mechanism = ConfigurationMechanism(self.responder, (ECAM,))
        self.owner.space.memory.place(played(ECAM.span, "ECAM", mechanism.ecam_access))

    def configure(self) -> None:
        """A register of its own function: BARs over memory, decoding, capabilities, nonsense."""
        chance = self.chance
        at = chance.choice((4, 4, 0x10, 0x10, 0x14, 0x18, MSI + 2, MSI + 4, MSIX + 2, 0x3C, 0xF0))
        width = chance.choice((1, 2, 4))
        values = (chance.getrandbits(32), 0, 7, RAM.start + (chance.getrandbits(12) << 12), MEMORY)
        self.owner.configure(at & ~(width - 1), width, chance.choice(values) % (1 << 8 * width))

    def probe(self) -> None:
        self.owner.load(ECAM.span.start + (self.chance.getrandbits(28) & ~3))

    def touch(self) -> None:
        base = self.chance.choice((MEMORY, TABLE_BAR + TABLE, TABLE_BAR, 0xFEC00000, 0))
        address = (base or self.chance.getrandbits(40)) + (self.chance.getrandbits(12) & ~3)
        if not RAM.contains(address):
            self.owner.store(address, self.chance.getrandbits(32))

    def port(self) -> None:
        first = self.chance.choice((PORTS, 0, 0xCF8, 0x3F8))
        self.owner.port(first + self.chance.getrandbits(4), 1)

    def go_on(self, times: int) -> None:
        kinds = (self.configure, self.configure, self.probe, self.touch, self.port)
        for _ in range(times):
            self.chance.choice(kinds)()
            self.owner.device.reads.clear()  # the fake's own notes
            self.owner.device.writes.clear()


@pytest.mark.parametrize("seed", [25])
def test_a_hundred_thousand_accesses_leave_nothing_behind(seed: int) -> None:
    guest = Hostile(seed)
    guest.go_on(ACCESSES // 2)
    gc.collect()
    tracemalloc.start()
    guest.go_on(ACCESSES // 2)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rows = translation_rows(guest.owner.space)
    counted = exit_rows(Counted(guest.owner.stop), guest.owner.space)
    probes = guest.responder.probes.rows()
    guest.owner.interrupts.close()
    guest.held.close()
    assert grown < 100 * KiB
    assert len(rows) < 100 and len(counted) < 100
    assert len(probes) <= 256 * 32 + 1 and probes[-1]["answer"] == ABSENT
    assert guest.said, "it was said"
    assert len(guest.said) <= (MOST + 1) * (MOST_KINDS + 1) * 2
    assert any("more like it" in line for line in guest.said), "and how often"


def Counted(stop: Any) -> Any:
    processors: Any = Processors.__new__(Processors)
    processors._stops = [stop]
    return processors


def test_two_thousand_bar_writes_are_a_few_messages() -> None:
    said: list[str] = []
    with ExitStack() as held:
        owner = Owner()
        owner.space.say = limited(said.append, held)
        owner.command(2)
        for number in range(2000):
            owner.configure(0x10, 4, RAM.start + (number % 64 << 17))
        owner.interrupts.close()
        assert len(said) == MOST
    assert said[-1].startswith(f"... and {2000 - MOST:,} more like it")


def test_a_processor_that_may_not_run_ends_its_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its thread alone: the instance would be said to run, and stand still."""
    ended: list[tuple[str, str]] = []
    processors = Processors.__new__(Processors)
    processors.name, processors.numbers, processors.lock = "blue", (4000,), threading.Lock()
    processors.on_end = lambda reason, detail: ended.append((reason, detail))
    owner = Owner()
    monkeypatch.setattr("septum.instance.processors.set_name", lambda name: None)
    thread = threading.Thread(target=processors._loop, args=(owner.stop,))
    thread.start()
    thread.join()
    owner.interrupts.close()
    ((reason, detail),) = ended
    assert reason == "failed" and detail.startswith("it cannot run on processors 4000: ")
