"""Who answers a probe, and is each counted as what it was?"""

from __future__ import annotations

from septum.discovery.responder import Responder
from septum.discovery.view import view
from septum.machine.inventory import inventory
from septum.partitions.present import Numbering
from septum.settings import PciBus
from septum.translation.pci_emulated import played
from septum.units import PciAddress
from tests.captured import two_roots
from tests.discovery.test_view import a_partition

PRESENT = ((PciBus(0, 0x80), PciBus(0, 0)),)
SEEN, BRIDGE, HOST = PciAddress(0, 1, 0, 0), PciAddress(0, 0, 1, 0), PciAddress(0, 0, 0, 0)
ON_THE_MACHINE = PciAddress(0, 0x81, 0, 0)


class Card:
    """An owned function's space."""

    def read(self, offset: int, width: int) -> int:
        return 0x10D38086 if not offset else 7

    def write(self, offset: int, width: int, value: int) -> str:
        return "" if offset == 4 else "not the owner's"


def responder() -> Responder:
    partition = a_partition("81:00.0")._replace(present=PRESENT)
    seen = view(inventory(two_roots()), partition)
    return Responder(seen, {SEEN: Card()}, played(seen))


def test_each_answers_where_it_is_seen() -> None:
    asked = responder()
    assert asked.read(SEEN, 0, 4) == 0x10D38086
    assert asked.read(BRIDGE, 0, 4) == 0x000C1B36
    assert asked.read(BRIDGE, 0x18, 4) & 0xFFFFFF == 0x010100, "it leads from bus 0 to bus 1"
    assert asked.read(HOST, 0x0A, 2) == 0x0600
    assert asked.read(ON_THE_MACHINE, 0, 4) == 0xFFFFFFFF, "not at the machine's own number"
    assert asked.read(PciAddress(0, 2, 0, 0), 0, 2) == 0xFFFF


def test_each_is_counted_as_what_it_is() -> None:
    asked = responder()
    for address in (SEEN, BRIDGE, ON_THE_MACHINE):
        asked.read(address, 0, 4)
        asked.write(address, 0, 4, 0)
        asked.write(address, 4, 2, 6)
    rows = {row["address"]: row for row in asked.probes.rows()}
    assert [rows[str(one)]["answer"] for one in (SEEN, BRIDGE, ON_THE_MACHINE)] == [
        "exposed", "emulated", "absent",
    ]  # fmt: skip
    assert rows[str(SEEN)]["refused"] == 1 and rows[str(SEEN)]["because"] == "not the owner's"
    assert rows[str(BRIDGE)]["offered"] == "1b36:000c"
    assert rows[str(ON_THE_MACHINE)]["because"] == "nothing is there"
    assert all((row["reads"], row["writes"]) == (1, 2) for row in rows.values())


def test_numbers_lead_back() -> None:
    numbers = Numbering({PciBus(0, 0x81): PciBus(0, 1)})
    assert numbers.address(ON_THE_MACHINE) == SEEN
    assert numbers.machine(SEEN) == ON_THE_MACHINE
    assert numbers.machine(HOST) == HOST


def test_an_answer_that_changes_is_told() -> None:
    """An own function that was once answered as absent must not pass for one that never was."""
    asked = responder()
    asked.read(SEEN, 0, 4)
    asked.probes.read(SEEN, "absent")
    asked.probes.read(SEEN, "absent")
    asked.read(SEEN, 0, 4)
    (row,) = asked.probes.rows()
    assert row["answer"] == "exposed, absent" and row["reads"] == 4
    assert asked.probes.absent() == [SEEN]
