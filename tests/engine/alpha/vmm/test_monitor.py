"""Do instances run, take turns, get their interrupts and end? Small guests on the whole machine."""

from __future__ import annotations

import pytest

from septum.engine.alpha.computer.description import load
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm import show
from septum.errors import GuestProblem
from septum.layouts import alpha as a
from septum.layouts import hwrpb, palcode, tsunami
from septum.layouts.palcode import Call
from septum.partitions.model import Processors
from septum.units import PciAddress, Span
from tests.engine.alpha.processor.assembler import literal, memory, operate
from tests.engine.alpha.vmm.guests import (
    A0,
    IO,
    KSEG,
    RESULTS,
    SIZE,
    SLOTS,
    SP,
    V0,
    ZERO,
    Bench,
    Guest,
    counting,
    mapped,
)

CONFIGURATION = IO + (tsunami.PCI_CONFIGURATION.start & (1 << 40) - 1)
RTC = IO + 0x1FC000070
PAGE = 0x2000


def spinning() -> Guest:
    guest = Guest()
    guest.load(9, 1)
    guest.label("spin")
    guest.add(9, 1)
    guest.branch(a.BR, ZERO, "spin")
    return guest


def with_clock(ticks: int, rate: int, *, wait: bool) -> Guest:
    """Sets the clock's periodic interrupt and counts so many of its ticks; wtint or a busy loop."""
    guest = Guest()
    guest.load(SP, KSEG + 0x3F0000)
    guest.load(13, 0)
    guest.handler(palcode.Entry.INTERRUPT, "tick")
    guest.load(9, RTC)
    for register, value in ((0x0A, 0x20 | rate), (0x0B, 0x42)):
        guest.put(memory(a.LDA, 1, ZERO, register), memory(a.STB, 1, 9, 0))
        guest.put(memory(a.LDA, 1, ZERO, value), memory(a.STB, 1, 9, 1))
    guest.label("again")
    if wait:
        guest.put(memory(a.LDA, A0, ZERO, 7))
        guest.call(Call.SWPIPL)
        guest.call(Call.WTINT)
    guest.put(memory(a.LDA, A0, ZERO, 0))
    guest.call(Call.SWPIPL)
    guest.put(literal(a.INTA, a.CMPULT, 13, ticks, 1))
    guest.branch(a.BNE, 1, "again")
    guest.keep(13, 2)
    guest.keep(12, 3)
    guest.halt()
    guest.label("tick")
    guest.add(13, 1)
    guest.move(A0, 12)
    guest.call(Call.RTI)
    return guest


def test_two_run_and_power_off() -> None:
    bench = Bench(counting(500), counting(700)).run()
    assert (bench.bad.ended, bench.good.ended) == ("powered off", "powered off")
    assert (bench.result(2), bench.result(2, bench.good)) == (500, 700)
    assert bench.bad.memory.start != bench.good.memory.start


def test_both_find_the_first_hose() -> None:
    """Green's devices stand on hose 1, and are found on hose 0 at hose 0's addresses [0048]."""

    def looking(slot: int) -> Guest:
        guest = Guest()
        guest.prepared()
        guest.load(9, CONFIGURATION + (slot << 11))
        guest.put(memory(a.LDL, 2, 9, 0), memory(a.LDL, 3, 9, 16))
        guest.load(10, IO + (tsunami.PCI_MEMORY.start & (1 << 40) - 1))
        guest.put(operate(a.INTA, a.ADDQ, 10, 3, 10), memory(a.LDL, 4, 10, 0))
        for number in range(2, 5):
            guest.keep(number, number)
        guest.finish()
        return guest

    bench = Bench(looking(SLOTS[0][0]), looking(SLOTS[1][0])).run()
    first, second = (
        [bench.result(number, one) for number in range(2, 5)] for one in (bench.bad, bench.good)
    )
    assert first[0] == 0x10411AF4 and second[0] == 0x10481AF4, "an Ethernet, a SCSI controller"
    assert first[1:] == second[1:]
    assert not bench.bad.rejections and not bench.good.rejections
    rows = show.translations(bench.good)
    bars = [row for row in rows if row["to"] == "0001:00:03.0 BAR 0"]
    assert bars and bars[0]["verdict"] == "modify"
    rows = show.translations(bench.bad)
    assert {row["verdict"] for row in rows if row["to"] == "0000:00:01.0 BAR 0"} == {"accept"}
    assert bench.good.counters["bus"] == 1


def test_device_registers_do_not_trap_after_the_first_touch() -> None:
    guest = Guest()
    guest.prepared()
    guest.load(9, CONFIGURATION + (1 << 11))
    guest.put(memory(a.LDL, 3, 9, 16))
    guest.load(10, IO + (tsunami.PCI_MEMORY.start & (1 << 40) - 1))
    guest.put(operate(a.INTA, a.ADDQ, 10, 3, 10))
    guest.loop(11, 100, lambda: guest.put(memory(a.LDL, 4, 10, 0)), "touch")
    guest.finish()
    bench = Bench(guest).run()
    assert bench.bad.counters["bus"] == 100
    assert bench.bad.counters["exit data miss"] < 10


def test_revoking_a_bar_traps_again_and_is_granted_again() -> None:
    guest = Guest()
    guest.prepared()
    guest.load(9, CONFIGURATION + (1 << 11))
    guest.put(memory(a.LDL, 3, 9, 16))
    guest.load(10, IO + (tsunami.PCI_MEMORY.start & (1 << 40) - 1))
    guest.put(operate(a.INTA, a.ADDQ, 10, 3, 10))
    guest.label("touch")
    guest.put(memory(a.LDL, 4, 10, 0))
    guest.branch(a.BR, ZERO, "touch")
    bench = Bench(guest, counting(1)).start()
    bench.monitor.run(100_000)
    misses = bench.bad.counters["exit data miss"]
    bench.monitor.run(150_000)
    assert bench.bad.counters["exit data miss"] == misses
    (taken,) = bench.bad.revoke_bar(PciAddress(0, 0, 1, 0), 0)
    assert taken.owner == "0000:00:01.0 BAR 0"
    bench.monitor.run(200_000)
    assert bench.bad.counters["exit data miss"] == misses + 1
    assert not bench.bad.rejections


def test_a_revoked_page_is_refused_from_then_on() -> None:
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + 0x600000)
    guest.label("touch")
    guest.put(memory(a.LDQ, 4, 9, 0))
    guest.keep(4, 2)
    guest.branch(a.BR, ZERO, "touch")
    bench = Bench(guest, counting(1)).start()
    bench.monitor.run(500_000)
    assert not bench.bad.rejections
    assert bench.bad.revoke(Span(0x600000, 1 << 13))
    bench.monitor.run(600_000)
    assert bench.bad.rejections["memory access", "revoked"]
    assert bench.result(2) == (1 << 64) - 1
    bench.bad.pal.physical.let_go(Span(0x600000, 1 << 13))
    bench.monitor.run(700_000)
    assert bench.result(2) != (1 << 64) - 1


def test_a_spinning_instance_starves_nobody() -> None:
    bench = Bench(spinning(), counting(200_000)).run(20_000_000)
    assert bench.good.ended == "powered off"
    assert bench.bad.ended is None


def test_time_goes_by_weight() -> None:
    weights = {
        name: {"processors": Processors((0,), own=False, weight=weight)}
        for name, weight in (("bad", 100), ("good", 300))
    }
    bench = Bench(spinning(), spinning(), changes=weights).run(20_000_000)
    queue = bench.monitor.seats[0].queue
    assert queue.used("good") / queue.used("bad") == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("wait", [False, True])
def test_ticks_of_the_clock(wait: bool) -> None:
    """64 a second, as entInt type 1; each is delivered, also those owed from another's slice."""
    bench = Bench(with_clock(20, 10, wait=wait), counting(300_000)).run()
    assert bench.bad.ended == "powered off"
    assert bench.result(2) == 20
    assert bench.result(3) == palcode.InterruptKind.CLOCK
    assert bench.monitor.now == pytest.approx(20 * 500_000_000 / 64, rel=0.1)


def test_waiting_gives_the_slice_away() -> None:
    """While one waits for its clock the other has the processor; when both wait time jumps."""
    bench = Bench(with_clock(5, 10, wait=True), counting(100_000)).run()
    seat = bench.monitor.seats[0]
    assert seat.idle > 0.9 * bench.monitor.now
    assert bench.bad.counters["call wtint"] < 20


def interrupted_by_its_card(bit: int) -> Guest:
    """Opens one request line and counts device interrupts; keeps the vector."""
    guest = Guest()
    guest.load(SP, KSEG + 0x3F0000)
    guest.load(13, 0)
    guest.handler(palcode.Entry.INTERRUPT, "asked")
    guest.load(9, IO + (tsunami.CCHIP.start & (1 << 40) - 1))
    guest.load(1, 1 << bit)
    guest.put(memory(a.STQ, 1, 9, 0x200))
    guest.put(memory(a.LDA, A0, ZERO, 0))
    guest.call(Call.SWPIPL)
    guest.label("spin")
    guest.add(10, 1)
    guest.branch(a.BR, ZERO, "spin")
    guest.label("asked")
    guest.put(memory(a.STQ, ZERO, 9, 0x200))
    guest.keep(A0, 2)
    guest.keep(17, 3)
    guest.add(13, 1)
    guest.keep(13, 4)
    guest.call(Call.RTI)
    return guest


@pytest.mark.parametrize("way", ["switch", "queue"])
def test_a_device_asks_while_another_runs(way: str) -> None:
    """At once, or when its turn comes: the latency tells."""
    bench = Bench(
        interrupted_by_its_card(8),
        spinning(),
        changes={"bad": {"interrupts": way}},
        slice_cycles=1_000_000,
    ).start()
    bench.monitor.run(1_500_000)  # good is in the midst of its slice
    seat = bench.monitor.seats[0]
    assert seat.processor.context is bench.good.pal.context
    bench.computer.cchip.set_request(8, 1)
    bench.monitor.run(5_000_000)
    assert bench.result(4) == 1
    assert bench.result(2) == palcode.InterruptKind.DEVICE
    assert bench.result(3) == 0x900 + 16 * 8
    latency = bench.bad.interrupts.lines[8].longest
    if way == "switch":
        assert latency < 1_000
        assert bench.bad.counters["interrupt switched"] == 1
    else:
        assert latency > 100_000
        assert bench.bad.counters["interrupt queued"] == 1


def test_a_line_of_the_second_hose_is_seen_as_the_first_s() -> None:
    bench = Bench(counting(1), interrupted_by_its_card(16)).start()
    bench.monitor.run(500_000)
    bench.computer.cchip.set_request(8, 1)  # bad's own card: nothing to good
    bench.monitor.run(800_000)
    assert bench.result(4, bench.good) == 0
    bench.computer.cchip.set_request(32, 1)
    bench.monitor.run(1_200_000)
    assert bench.result(3, bench.good) == 0x900 + 16 * 16


def test_the_interrupt_table_is_the_patent_s() -> None:
    bench = Bench(interrupted_by_its_card(8), interrupted_by_its_card(8)).start()
    bench.monitor.run(500_000)
    rows = show.interrupts(bench.monitor)
    assert [(row["request"], row["handled_by"]) for row in rows[:5]] == [
        (name, "VMM")
        for name in ("NMI", "machine check", "timer", "interprocessor", "cycle counter")
    ]
    assert [(row["device"], row["handled_by"]) for row in rows[5:9]] == [
        ("Ethernet 1", "bad"),
        ("Ethernet 2", "good"),
        ("SCSI 1", "bad"),
        ("SCSI 2", "good"),
    ]
    entry = bench.bad.pal.entries[palcode.Entry.INTERRUPT]
    assert entry is not None
    assert str(rows[5]["handler"]).startswith(f"{entry & (1 << 64) - 1:#x}, vector 0x980")


def test_two_processors_each_with_an_instance() -> None:
    own = {
        name: {"processors": Processors((number,), own=True, weight=100)}
        for number, name in enumerate(("bad", "good"))
    }
    bench = Bench(
        counting(100_000), counting(100_000), changes=own, described=load("two-processors")
    ).run()
    assert (bench.bad.ended, bench.good.ended) == ("powered off", "powered off")
    alone = Bench(counting(100_000)).run()
    assert bench.monitor.now < 1.5 * alone.monitor.now
    assert [seat.switches for seat in bench.monitor.seats] == [1, 1]


def test_one_hose_for_two() -> None:
    """Each finds its own slots; the windows of one requester do not reach for the other."""
    each = {
        "bad": {"functions": (PciAddress(0, 0, 1, 0), PciAddress(0, 0, 2, 0))},
        "good": {"functions": (PciAddress(0, 0, 3, 0), PciAddress(0, 0, 4, 0))},
    }
    bench = Bench(counting(1), counting(1), changes=each, described=load("one-hose")).start()
    pchip = bench.computer.hoses[0].pchip
    for instance in (bench.bad, bench.good):
        bridge = instance.bridges[0]
        for offset, value in ((0, 0x80000001), (0x100, 0x7FF00000), (0x200, 0)):
            bridge.access(tsunami.PCHIP.start + offset, 8, value)
    for slot, instance in ((1, bench.bad), (2, bench.bad), (3, bench.good), (4, bench.good)):
        (segment,) = pchip.segments(slot, 0x80000000 + 0x600000, 8, False)
        assert segment.physical == instance.memory.start + 0x600000


def test_ends_and_new_starts() -> None:
    """The flags of its slot say what a halt means."""

    def restarting() -> Guest:
        guest = Guest()
        guest.prepared()
        head = hwrpb.Hwrpb.offset_of("processor_offset")
        guest.load(9, KSEG + palcode.HWRPB)
        guest.put(memory(a.LDQ, 10, 9, head), operate(a.INTA, a.ADDQ, 9, 10, 9))
        guest.load(1, palcode.HALT_COLD_BOOT)
        guest.put(memory(a.STQ, 1, 9, hwrpb.SLOT_FLAGS))
        guest.halt()
        return guest

    bench = Bench(restarting()).run()
    assert bench.bad.ended == "asked to be restarted"
    again = Bench(restarting(), changes={"bad": {"on_reboot": "restart"}}).start()
    again.monitor.run(20_000_000)
    assert again.bad.ended is None
    assert 2 < again.bad.starts < 6
    again.monitor.stop("bad")
    assert again.bad.ended == "stopped"


def test_an_ended_instance_s_devices_reach_nothing() -> None:
    bench = Bench(spinning(), counting(1)).start()
    bridge = bench.bad.bridges[0]
    for offset, value in ((0, 0x80000001), (0x100, 0x7FF00000), (0x200, 0)):
        bridge.access(tsunami.PCHIP.start + offset, 8, value)
    pchip = bench.computer.hoses[0].pchip
    (segment,) = pchip.segments(1, 0x80000000, 8, True)
    assert not segment.refused
    bench.monitor.stop("bad")
    (segment,) = pchip.segments(1, 0x80000000, 8, True)
    assert segment.refused


def test_console_output_and_callbacks() -> None:
    """PUTS of the console routine, and a byte to the played serial port."""
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + RESULTS + 0x100)
    guest.load(1, int.from_bytes(b"hello\n\0\0", "little"))
    guest.put(memory(a.STQ, 1, 9))
    guest.put(memory(a.LDA, 16, ZERO, palcode.Callback.PUTS), memory(a.LDA, 17, ZERO, 0))
    guest.move(9, 18)
    guest.put(memory(a.LDA, 19, ZERO, 6))
    guest.call(palcode.CONSOLE_DISPATCH)
    guest.keep(V0, 2)
    guest.load(9, IO + 0x1FC0003F8)
    guest.put(memory(a.LDA, 1, ZERO, ord("!")), memory(a.STB, 1, 9))
    guest.finish()
    bench = Bench(guest).start()
    said = bytearray()
    bench.bad.output = said.extend
    bench.monitor.run(1_000_000)
    assert bytes(said) == b"hello\n!"
    assert bench.result(2) == 6


def test_page_table_permissions_become_the_os_s_faults() -> None:
    """TNV, ACV, FOR, FOW in the architecture's order. ARM II-B, 3.7."""
    for entry, is_store, code in (
        (0x0000, False, palcode.MemoryFault.NOT_VALID),
        (0x0006, False, palcode.MemoryFault.NOT_VALID),
        (0x2203, False, palcode.MemoryFault.ACCESS_VIOLATION),
        (0x1103, False, palcode.MemoryFault.FAULT_ON_READ),
        (0x1105, True, palcode.MemoryFault.FAULT_ON_WRITE),
        (0x0101, True, palcode.MemoryFault.ACCESS_VIOLATION),
    ):
        guest = Guest()
        guest.load(SP, KSEG + 0x3F0000)
        guest.handler(palcode.Entry.MEMORY_MANAGEMENT, "fault")
        guest.load(9, 0x40000000)
        guest.put(memory(a.STQ if is_store else a.LDQ, 2, 9))
        guest.halt()
        guest.label("fault")
        for number, register in enumerate((16, 17, 18)):
            guest.keep(register, 2 + number)
        guest.halt()
        bench = Bench(guest).start()
        mapped(bench, bench.bad, entry)
        bench.monitor.run(1_000_000)
        assert [bench.result(number) for number in (2, 3, 4)] == [0x40000000, code, int(is_store)]


def test_an_image_that_does_not_fit_is_refused() -> None:
    guest = counting(1)
    image = guest.image()
    segment = image.kernel.segments[0]._replace(size=SIZE)
    bench = Bench(guest)
    bench.bad.image = image._replace(kernel=image.kernel._replace(segments=(segment,)))
    with pytest.raises(GuestProblem):
        bench.monitor.start("bad")


def test_rows_for_septum_show() -> None:
    bench = Bench(counting(1)).run()
    assert [row["answers"] for row in show.devices(bench.bad)][:3] == [
        "itself",
        "itself",
        "VMM (ISA bridge)",
    ]
    assert sum(int(str(row["bytes"])) for row in show.memory(bench.bad)) == SIZE
    assert {row["by"] for row in show.exits(bench.bad)} >= {"exit", "call", "verdict", "lease"}
    assert isinstance(show.last_words(bench.bad)["pc"], str)
    assert bench.bad.pal.st[s.DATA_SUPER_PAGE] == bench.bad.pal.st[s.INSTRUCTION_SUPER_PAGE] == 0



def test_a_scatter_gather_table_is_followed() -> None:
    """Stores to the instance's own table reach the VMM's copy, with the machine's pages."""
    table, page = 0x700000, 0x600000 >> 13
    pchip = IO + (tsunami.PCHIP.start & (1 << 40) - 1)
    guest = Guest()
    guest.prepared()
    guest.load(9, pchip)
    for offset, value in ((0x200, table), (0x100, 0x700000), (0x000, 0x800003)):
        guest.load(1, value)
        guest.load(2, pchip + offset)
        guest.put(memory(a.STQ, 1, 2))
    guest.load(9, KSEG + table)
    guest.load(1, page << 1 | 1)
    guest.put(memory(a.STQ, 1, 9, 8))
    guest.load(2, (SIZE >> 13) << 1 | 1)  # the page after its memory
    guest.put(memory(a.STQ, 2, 9, 16))
    guest.put(memory(a.STL, ZERO, 9, 24), memory(a.LDQ, 3, 9, 8))
    guest.keep(3, 2)
    guest.label("wait")
    guest.branch(a.BR, ZERO, "wait")
    bench = Bench(guest).start()
    bench.monitor.run(100_000)
    (segment,) = bench.computer.hoses[0].pchip.segments(1, 0x800000 + PAGE, 8, True)
    assert segment.physical == bench.bad.memory.start + 0x600000
    for number in (0, 2, 3):
        (segment,) = bench.computer.hoses[0].pchip.segments(1, 0x800000 + number * PAGE, 8, True)
        assert segment.refused
    assert bench.result(2) == page << 1 | 1
    assert bench.bad.counters["store watched"] == 3


def test_isa_devices_are_read_from_its_own_table() -> None:
    bench = Bench(counting(1), changes={"bad": {"isa": ("serial1",)}}).run()
    here = [row["name"] for row in show.devices(bench.bad) if "name" in row]
    there = [row["name"] for row in show.devices(bench.good) if "name" in row]
    assert "serial1" in here and "serial0" in here
    assert "serial1" not in there and "serial0" in there


def test_a_dedicated_serial_port() -> None:
    """Its registers are the machine's; its interrupt comes as ISA line 3."""
    guest = Guest()
    guest.load(SP, KSEG + 0x3F0000)
    guest.handler(palcode.Entry.INTERRUPT, "asked")
    for port, value in ((0x21, 0xF7), (0x2FC, 8), (0x2F9, 1)):  # unmask; OUT2; received data
        guest.load(9, IO + 0x1FC000000 + port)
        guest.put(memory(a.LDA, 1, ZERO, value), memory(a.STB, 1, 9))
    guest.load(9, IO + (tsunami.CCHIP.start & (1 << 40) - 1))
    guest.load(1, 1 << tsunami.ISA_REQUEST)
    guest.put(memory(a.STQ, 1, 9, 0x200), memory(a.LDA, A0, ZERO, 0))
    guest.call(Call.SWPIPL)
    guest.label("spin")
    guest.branch(a.BR, ZERO, "spin")
    guest.label("asked")
    guest.keep(17, 2)
    guest.load(9, IO + 0x1FC0002F8)
    guest.put(memory(a.LDBU, 1, 9))
    guest.keep(1, 3)
    guest.halt()
    bench = Bench(guest, spinning(), changes={"bad": {"isa": ("serial1",)}}).start()
    bench.monitor.run(100_000)
    assert bench.computer.isa is not None
    bench.computer.isa.serial[1].type(b"x")
    bench.monitor.run(1_000_000)
    assert bench.bad.ended == "powered off"
    assert bench.result(2) == 0x800 + 3 * 16
    assert bench.result(3) == ord("x")
    counts = {row["device"]: row["count"] for row in show.interrupts(bench.monitor)}
    assert (counts["serial1"], counts["interrupt controllers"]) == (1, 1)
    assert counts["played ISA devices"] == 0


def test_trapping_costs_its_own_time() -> None:
    """A guest that only traps gets no more exits in a slice than its answers are worth."""
    guest = Guest()
    guest.load(9, CONFIGURATION)
    guest.label("trap")
    guest.put(memory(a.LDL, 1, 9))
    guest.branch(a.BR, ZERO, "trap")
    bench = Bench(guest, spinning()).start()
    bench.monitor.run(4_000_000)
    queue = bench.monitor.seats[0].queue
    assert queue.used("bad") == pytest.approx(queue.used("good"), rel=0.1)
    assert bench.bad.counters["exit data miss"] < 15_000


def test_who_waits_for_nothing_is_left_waiting() -> None:
    guest = Guest()
    guest.label("wait")
    guest.call(Call.WTINT)
    guest.branch(a.BR, ZERO, "wait")
    bench = Bench(guest, counting(10)).start()
    bench.monitor.run()
    assert bench.monitor.idle
    assert bench.bad.ended is None
    assert bench.good.ended == "powered off"


def test_a_floating_point_access_to_a_register_is_refused() -> None:
    """Played pages and a function's own alike; integer registers are left alone."""
    guest = Guest()
    guest.prepared()
    guest.load(9, CONFIGURATION + (1 << 11))
    guest.put(memory(a.LDL, 3, 9, 16))
    guest.load(10, IO + (tsunami.PCI_MEMORY.start & (1 << 40) - 1))
    guest.put(operate(a.INTA, a.ADDQ, 10, 3, 10))
    guest.put(memory(a.LDA, 5, ZERO, 77))
    for base in (9, 10):
        guest.put(memory(a.LDT, 5, base), memory(a.STT, 5, base))
    guest.keep(5, 2)
    guest.finish()
    bench = Bench(guest).run()
    assert bench.result(2) == 77
    assert bench.bad.rejections["I/O space", "a floating-point access to a register"] == 4
