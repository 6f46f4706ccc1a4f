"""Does the interrupt table know every request of the machine, its owner, and how often it came?"""

from __future__ import annotations

from typing import Any

import pytest

from septum.engine.alpha.computer.description import load
from septum.engine.alpha.computer.inventory import machine_of
from septum.engine.alpha.vmm import show
from septum.engine.alpha.vmm.requests import drir, interrupt_table
from septum.errors import TableProblem
from septum.interrupts.table import ALL, REQUIRED, VMM, missing
from septum.layouts import alpha as a
from septum.layouts import palcode, tsunami
from septum.layouts.palcode import Call
from septum.units import PciAddress
from tests.engine.alpha.processor.assembler import memory
from tests.engine.alpha.vmm.guests import KSEG, SIZE, Bench, Guest, counting, partition
from tests.engine.alpha.vmm.test_monitor import interrupted_by_its_card, spinning, with_clock

MISC = tsunami.CCHIP.start + tsunami.Miscellaneous.offset


def counted(bench: Bench) -> dict[str, Any]:
    """The counts of what processors request, by request."""
    rows = show.interrupts(bench.monitor)
    assert missing(rows) == []
    return {str(row["request"]): row["count"] for row in rows[: len(REQUIRED)]}


def row_of(bench: Bench, device: str) -> dict[str, Any]:
    (row,) = (row for row in show.interrupts(bench.monitor) if row["device"] == device)
    return row


def test_every_request_has_its_row_and_its_owner() -> None:
    changes = {"bad": {"isa": ("serial1",)}}
    bench = Bench(interrupted_by_its_card(8), counting(1), changes=changes).start()
    rows = show.interrupts(bench.monitor)
    assert missing(rows) == []
    assert [(row["line"], row["device"], row["handled_by"], row["delivery"]) for row in rows] == [
        ("irq_h 4-5", "halt button", VMM, "deliver"),
        ("irq_h 0", "chipset", VMM, "deliver"),
        ("irq_h 2", "interval timer", VMM, "queue"),
        ("irq_h 3", "processor", VMM, "deliver"),
        ("PCTR", "processor", VMM, "deliver"),
        ("DRIR 8", "Ethernet 1", "bad", "switch"),
        ("DRIR 40", "Ethernet 2", "good", "switch"),
        ("DRIR 12", "SCSI 1", "bad", "switch"),
        ("DRIR 32", "SCSI 2", "good", "switch"),
        ("ISA 3", "serial1", "bad", "switch"),
        ("DRIR 55", "interrupt controllers", VMM, "deliver"),
        ("DRIR 62", "Pchip 0", VMM, "deliver"),
        ("DRIR 61", "Pchip 1", VMM, "deliver"),
        ("ISA, played", "played ISA devices", VMM, "deliver"),
    ]
    assert {row["instance"] for row in rows if row["handled_by"] == VMM} == {ALL}


def test_the_handler_is_what_the_system_registered_and_opened() -> None:
    bench = Bench(interrupted_by_its_card(8)).start()
    assert row_of(bench, "Ethernet 1")["handler"] == "not registered, vector 0x980, masked"
    bench.monitor.run(200_000)
    entry = bench.bad.pal.entries[palcode.Entry.INTERRUPT]
    assert entry is not None
    address = f"{entry & (1 << 64) - 1:#x}"
    assert row_of(bench, "Ethernet 1")["handler"] == f"{address}, vector 0x980"
    assert row_of(bench, "SCSI 1")["handler"] == f"{address}, vector 0x9c0, masked"


def test_a_device_s_interrupts_are_counted_also_over_a_new_start() -> None:
    bench = Bench(interrupted_by_its_card(8)).start()
    for times in (1, 2):
        bench.monitor.run(bench.monitor.now + 500_000)
        bench.computer.cchip.set_request(8, 1)
        bench.monitor.run(bench.monitor.now + 500_000)
        bench.computer.cchip.set_request(8, 0)
        assert row_of(bench, "Ethernet 1")["count"] == times
        bench.monitor.stop("bad")
        bench.monitor.start("bad")
    assert row_of(bench, "Ethernet 2")["count"] == 0


def test_who_starts_hears_of_what_asks_already() -> None:
    bench = Bench(interrupted_by_its_card(8), spinning())
    bench.monitor.start("good")
    bench.computer.cchip.set_request(8, 1)
    bench.monitor.run(500_000)
    assert row_of(bench, "Ethernet 1")["count"] == 0
    bench.monitor.start("bad")
    bench.monitor.run(2_000_000)
    assert row_of(bench, "Ethernet 1")["count"] == 1


def test_ticks_are_counted_as_they_are_delivered() -> None:
    bench = Bench(with_clock(5, 10, wait=True), with_clock(7, 10, wait=False)).run()
    delivered = sum(one.counters["interrupt clock"] for one in (bench.bad, bench.good))
    assert counted(bench)["timer"] == delivered >= 12
    assert Bench(counting(1)).run().monitor.interrupts.own("timer").count == 0


def test_slices_are_counted_that_the_cycle_counter_ended() -> None:
    """Who waits, or is interrupted, gives its turn away: that is a switch and no end of a slice."""
    bench = Bench(spinning(), spinning(), slice_cycles=100_000).start()
    bench.monitor.run(2_000_000)
    assert 15 <= counted(bench)["cycle counter"] <= 20
    waiting = Bench(with_clock(5, 10, wait=True), with_clock(5, 10, wait=True)).run()
    assert waiting.monitor.seats[0].switches >= 10
    assert counted(waiting)["cycle counter"] == 0


def test_interprocessor_requests_are_counted() -> None:
    guest = Guest()
    guest.prepared()
    for _ in range(3):
        guest.call(Call.WRIPIR)
    guest.halt()
    bench = Bench(guest).run()
    assert counted(bench)["interprocessor"] == 3


def test_what_comes_by_a_processor_s_own_wires_is_counted_once() -> None:
    bench = Bench(spinning(), spinning()).start()
    bench.monitor.run(100_000)
    before = counted(bench)
    assert (before["NMI"], before["interprocessor"]) == (0, 0)
    request = int(tsunami.Miscellaneous(0).but(interprocessor_request=1))
    bench.computer.write(MISC, 8, request)
    bench.monitor.run(500_000)
    assert counted(bench)["interprocessor"] == 1
    assert counted(bench)["NMI"] == 0
    bench.computer.cchip.pins[0] |= 1 << 5
    bench.monitor.run(1_000_000)
    assert (counted(bench)["NMI"], counted(bench)["interprocessor"]) == (1, 1)


def test_machine_checks_are_counted_as_they_are_delivered() -> None:
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + 4 * SIZE)  # memory of the machine, and none of its own
    guest.put(memory(a.LDQ, 1, 9, 0), memory(a.LDQ, 1, 9, 8))
    guest.halt()
    bench = Bench(guest).run()
    assert counted(bench)["machine check"] == bench.bad.counters["machine check"] == 2


def test_refused_dma_is_a_request_of_the_chipset_s() -> None:
    bench = Bench(counting(100_000), counting(1)).start()
    bench.monitor.run(10_000)
    bench.computer.hoses[1].pchip.write_memory(1, bench.bad.memory.start, b"mine now")
    bench.monitor.run(20_000)
    assert row_of(bench, "Pchip 1")["count"] == bench.good.rejections["DMA", "no window"] == 1
    assert row_of(bench, "Pchip 0")["count"] == 0


def test_a_device_of_nobody_is_fielded_and_reaches_nobody() -> None:
    bench = Bench(interrupted_by_its_card(8), changes={"bad": {"functions": ()}}).start()
    bench.monitor.run(500_000)
    bench.computer.cchip.set_request(8, 1)
    bench.monitor.run(1_000_000)
    row = row_of(bench, "Ethernet 1")
    assert (row["handled_by"], row["count"]) == (VMM, 1)
    assert row["handler"] == "given to no instance"
    assert bench.bad.requests.raw == 0 and bench.good.requests.raw == 0


def test_one_owner_of_a_request_line() -> None:
    clipper = load("clipper")
    machine = machine_of(clipper)
    card = PciAddress(0, 0, 1, 0)
    function = machine.function(card)
    assert function is not None
    other = function._replace(address=card._replace(function=1))
    functions = (*machine.functions, other)
    mine = partition("bad", 0, functions=(card, other.address))
    table = interrupt_table(clipper, functions, (), [mine])
    row = table.at(drir(8))
    assert row is not None and row.owner == "bad" and row.device == "Ethernet 1, Ethernet 1"
    owners = {"bad": card, "good": other.address}
    torn = [partition(name, 0, functions=(one,)) for name, one in owners.items()]
    with pytest.raises(TableProblem, match="request line DRIR 8 has two owners: bad and good"):
        interrupt_table(clipper, functions, (), torn)
