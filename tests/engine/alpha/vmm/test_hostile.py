"""Can an instance reach another, or the VMM? Programs that try, each refusal with its reason."""

from __future__ import annotations

import pytest

from septum.engine.alpha.computer.description import load
from septum.engine.alpha.computer.inventory import FIRMWARE
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.instance import Instance
from septum.errors import TableProblem
from septum.layouts import alpha as a
from septum.layouts import palcode, tsunami
from septum.layouts.palcode import Call
from septum.units import MiB, PciAddress
from tests.engine.alpha.processor.assembler import literal, memory, operate
from tests.engine.alpha.vmm.guests import (
    A0,
    A1,
    FAULTS,
    IO,
    KSEG,
    RESULTS,
    SECRET,
    SIZE,
    SP,
    TABLES,
    USER,
    ZERO,
    Bench,
    Guest,
    counting,
    jumps_to,
    mapped,
    to_user,
)

PAGE = 0x2000
ONES = (1 << 64) - 1
FOREIGN = ("memory access", "not this instance's")


def scanning(
    start: int, step: int, times: int, load: int = a.LDQ, store: int | None = None
) -> Guest:
    """Reads (and writes) at so many addresses; keeps the AND of all that was read as result 2."""
    guest = Guest()
    guest.prepared()
    guest.load(9, start)
    guest.load(10, step)
    guest.load(12, ONES)
    guest.load(13, 0)

    def body() -> None:
        guest.put(memory(load, 2, 9))
        guest.put(operate(a.INTL, a.AND, 12, 2, 12))
        guest.put(operate(a.INTL, a.BIS, 13, 2, 13))
        if store is not None:
            guest.put(memory(store, 10, 9))
        guest.put(operate(a.INTA, a.ADDQ, 9, 10, 9))

    guest.loop(11, times, body, "scan")
    guest.keep(12, 2)
    guest.keep(13, 3)
    guest.finish()
    return guest


def check_the_other_is_well(bench: Bench, before: bytes) -> None:
    assert bench.contents(bench.good)[0x3F0000 + PAGE :] == before[0x3F0000 + PAGE :]
    assert bench.good.ended == "powered off"
    assert not bench.good.rejections


def test_every_page_of_memory_by_kseg() -> None:
    """It reads ones and gets machine checks; the other's memory, and the VMM's, stay theirs."""
    pages = (256 * MiB - SIZE) // PAGE
    bench = Bench(scanning(KSEG + SIZE, PAGE, pages, store=a.STQ), counting(1000)).start()
    before, firmware = bench.contents(bench.good), bench.computer.memory[:FIRMWARE].copy()
    bench.monitor.run(400_000_000)
    assert bench.bad.ended == "powered off"
    assert bench.result(2) == ONES
    assert bench.result(0) == 2 * pages
    assert bench.bad.rejections[FOREIGN] == 2 * pages
    check_the_other_is_well(bench, before)
    assert (bench.computer.memory[:FIRMWARE] == firmware).all()


@pytest.mark.parametrize("is_open", [False, True])
def test_the_counter_case_with_kseg_open(is_open: bool) -> None:
    """With SPE set the processor translates KSEG by itself, and the same program reads the other.

    KSEG is then the machine's memory: the program has to use the machine's addresses for itself
    as well, and is started at one.
    """
    places = Bench(counting(1))
    own = places.bad.memory.start if is_open else 0
    guest = Guest()
    guest.handler(palcode.Entry.INTERRUPT, "on")
    guest.load(SP, KSEG + own + 0x3F0000)
    guest.load(9, KSEG + places.good.memory.start + 0x600000)
    guest.put(memory(a.LDQ, 2, 9))
    guest.label("on")
    guest.load(8, KSEG + own + RESULTS)
    guest.put(memory(a.STQ, 2, 8, 16))
    guest.halt()
    bench = Bench(guest).start()
    if is_open:
        registers = bench.bad.pal.st
        registers[s.DATA_SUPER_PAGE] = registers[s.INSTRUCTION_SUPER_PAGE] = a.SPE_KSEG
        registers[s.PC] += own
    bench.monitor.run(10_000_000)
    assert bench.bad.ended == "powered off"
    assert bench.result(2) == (SECRET if is_open else ONES)
    assert bool(bench.bad.rejections) is not is_open


@pytest.mark.parametrize("hose", [0, 1])
def test_every_slot_of_configuration_space(hose: int) -> None:
    """256 functions of two buses: its own two and the shared bridge answer, on its only hose."""
    start = IO + (tsunami.PCI_CONFIGURATION.start & (1 << 40) - 1) + (hose << 33)
    bench = Bench(scanning(start, 256, 512, load=a.LDL), counting(1000)).run()
    assert bench.bad.ended == "powered off"
    rows = bench.bad.responder.probes.rows()
    answered = {row["address"] for row in rows if row["answer"] != "absent"}
    if hose:
        assert rows == []
        assert bench.result(2) == ONES
        assert bench.bad.rejections["I/O space", "not this instance's"] == 512
    else:
        assert answered == {"0000:00:01.0", "0000:00:02.0", "0000:00:07.0"}
        assert len(rows) == 256
        assert bench.bad.rejections["I/O space", "not this instance's"] == 256, "there is no bus 1"
    assert not bench.good.rejections


def test_writes_to_others_configuration_are_dropped() -> None:
    """All of both hoses' configuration space is written; the other's BARs stay."""
    start = IO + (tsunami.PCI_CONFIGURATION.start & (1 << 40) - 1)
    bench = Bench(scanning(start, 4, 0x4000, load=a.LDL, store=a.STL), counting(1000)).start()
    there = tsunami.hose_address(1, tsunami.PCI_CONFIGURATION)
    before = [bench.computer.read(there + at, 4) for at in range(0, 0x2000, 4)]
    bench.monitor.run(400_000_000)
    assert [bench.computer.read(there + at, 4) for at in range(0, 0x2000, 4)] == before
    assert bench.bad.ended == "powered off"


def test_every_port() -> None:
    """The other's serial port, and the machine's own timer, do not answer."""
    bench = Bench(
        scanning(IO + 0x1FC000000, 1, 0x2000, load=a.LDBU, store=a.STB),
        counting(1000),
        changes={"good": {"isa": ("serial1",)}},
    ).start()
    machine = bench.computer.isa
    assert machine is not None
    bench.monitor.run(400_000_000)
    assert bench.bad.ended == "powered off"
    assert not machine.serial[0].sent and not machine.serial[1].sent
    assert bench.bad.rejections["I/O port", "not this instance's"] > 10_000
    assert not bench.good.rejections


@pytest.mark.parametrize("level", [1, 2, 3])
def test_forged_page_tables(level: int) -> None:
    """Entries of every level that name the other's frames: refused as memory that is not there."""
    guest = Guest()
    guest.prepared()
    guest.load(9, USER)
    guest.put(memory(a.LDQ, 12, 9))
    guest.put(memory(a.STQ, 9, 9))
    guest.keep(12, 2)
    guest.finish()
    bench = Bench(guest, counting(1000)).start()
    before = bench.contents(bench.good)
    mapped(bench, bench.bad)
    table = TABLES + (level - 1) * PAGE
    shift = (33, 23, 13)[level - 1]
    for frame in (bench.good.memory.start >> 13, (1 << 32) - 1):
        bench.write(bench.bad, table + (USER >> shift & 1023) * 8, frame << 32 | 0x3301)
        bench.monitor.run(bench.monitor.now + 1_000_000)
    assert bench.result(0) == 2
    assert bench.result(2) == ONES
    what = "memory access" if level == 3 else "page table"
    assert {key[0] for key in bench.reasons()} == {what}
    check_the_other_is_well(bench, before)


def test_dma_aimed_at_the_other() -> None:
    """Whatever is written into the host bridge, no bus address leads out of its memory."""
    bench = Bench(counting(1), counting(1)).start()
    bench.monitor.run(10_000_000)
    bench.monitor.start("bad")
    bridge = bench.bad.bridges[0]
    own = bench.bad.memory
    pchip = bench.computer.hoses[0].pchip
    other = bench.good.memory.start
    for target in (0, other, SIZE - MiB, own.start, 1 << 34):
        for base, mask in ((0x80000001, 0x7FF00000), (0x1, 0xFFF00000), (0x40000003, 0x3FF00000)):
            for offset, value in ((0x000, base), (0x100, mask), (0x200, target)):
                bridge.access(tsunami.PCHIP.start + offset, 8, value)
            bridge.access(tsunami.PCHIP.start + tsunami.PchipControl.offset, 8, 1 << 6)
            reached = [
                segment
                for start in (*range(0, 1 << 32, 1 << 24), 1 << 40, (1 << 40) + other)
                for segment in pchip.segments(1, start, PAGE, True)
                if not segment.refused
            ]
            for segment in reached:
                assert own.start <= segment.physical
                assert segment.physical + segment.length <= own.end
    assert ("DMA window", "the monster window reaches all memory") in bench.reasons()


def test_dma_that_is_refused_is_recorded_as_its_owner_s() -> None:
    """The machine's bridge tells; the reason stands with the instance, with its other refusals."""
    bench = Bench(counting(100_000), counting(1)).start()
    bench.monitor.run(10_000)
    bench.computer.hoses[0].pchip.write_memory(1, bench.good.memory.start, b"mine now")
    bench.monitor.run(20_000)
    assert bench.bad.rejections["DMA", "no window"] == 1
    assert not bench.good.rejections


def test_filling_the_vmm_s_tables_fills_only_its_own() -> None:
    """Windows of every size, opened and closed; the other still gets one. It costs its own time."""
    bench = Bench(counting(1), counting(1)).start()

    def open_window(instance: Instance, number: int, base: int, mask: int) -> None:
        for bank, value in ((0, base), (0x100, mask), (0x200, 0)):
            place = tsunami.PCHIP.start + bank + number * 0x40
            instance.bridges[0].access(place, 8, value)

    before = bench.monitor.now
    for shift in range(20, 31):
        for number in range(4):
            open_window(bench.bad, number, 0x80000003, (1 << shift) - (1 << 20))
    assert bench.monitor.now - before > 10_000_000
    open_window(bench.good, 0, 0x80000001, 0x7FF00000)
    (segment,) = bench.computer.hoses[1].pchip.segments(1, 0x80000000, 8, True)
    assert segment.physical == bench.good.memory.start


def test_on_a_divided_hose_refused_dma_is_its_slot_s_owner_s() -> None:
    each = {
        "bad": {"functions": (PciAddress(0, 0, 1, 0), PciAddress(0, 0, 2, 0))},
        "good": {"functions": (PciAddress(0, 0, 3, 0), PciAddress(0, 0, 4, 0))},
    }
    one_hose = load("one-hose")
    bench = Bench(counting(100_000), counting(100_000), changes=each, described=one_hose).start()
    bench.monitor.run(10_000)
    bench.computer.hoses[0].pchip.write_memory(3, 0x80000000, b"too soon")
    bench.monitor.run(20_000)
    assert not bench.bad.rejections
    assert bench.good.rejections["DMA", "no window"] == 1


def test_who_owns_nothing_on_a_hose_opens_no_window_of_it() -> None:
    """Its writes to the Pchip would lead the other's devices into its own memory."""
    each = {
        "bad": {"functions": ()},
        "good": {"functions": (PciAddress(0, 0, 1, 0), PciAddress(0, 0, 2, 0))},
    }
    bench = Bench(counting(1), counting(100_000), changes=each).start()
    for offset, value in ((0, 0x80000001), (0x100, 0x7FF00000), (0x200, 0)):
        bench.bad.bridges[0].access(tsunami.PCHIP.start + offset, 8, value)
    (segment,) = bench.computer.hoses[0].pchip.segments(1, 0x80000000, 8, True)
    assert segment.refused


def test_one_hose_without_requesters_windows_is_not_divided() -> None:
    each = {
        "bad": {"functions": (PciAddress(0, 0, 1, 0),)},
        "good": {"functions": (PciAddress(0, 0, 2, 0),)},
    }
    with pytest.raises(TableProblem, match="hose 0"):
        Bench(counting(1), counting(1), changes=each)


def test_its_own_table_written_over() -> None:
    """The console reads the HWRPB when it halts, and at callbacks: it may be anything by then."""
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + palcode.HWRPB)
    guest.load(1, ONES - 7)

    def body() -> None:
        guest.put(memory(a.STQ, 1, 9))
        guest.add(9, 8)

    guest.loop(11, 1024, body, "wipe")
    guest.call(palcode.CONSOLE_FIXUP)
    guest.put(memory(a.LDA, A0, ZERO, palcode.Callback.PUTS))
    guest.call(palcode.CONSOLE_DISPATCH)
    guest.halt()
    bench = Bench(guest, counting(1000)).run()
    assert bench.bad.ended == "powered off"
    assert bench.good.ended == "powered off"


@pytest.mark.parametrize("opcode", [0x19, 0x1B, 0x1D, 0x1E, 0x1F])
def test_instructions_of_palcode(opcode: int) -> None:
    """The opcodes reserved for PALcode are illegal instructions, in kernel mode too."""
    guest = Guest()
    guest.prepared()
    guest.put(memory(opcode, 1, 2, 0))
    guest.finish()
    bench = Bench(guest).run()
    assert bench.result(1) == 1
    assert bench.bad.ended == "powered off"


@pytest.mark.parametrize("address", [KSEG + SIZE, IO + 0x1A0000000, KSEG + FIRMWARE * 64, 1])
def test_jumps_into_what_is_not_its_own(address: int) -> None:
    """Others' memory, the chipset, where PALcode would lie: it stops, or is faulted; alone."""
    guest = Guest()
    guest.prepared()
    jumps_to(guest, address)
    bench = Bench(guest, counting(20_000)).run(400_000)
    assert bench.good.ended == "powered off"
    assert bench.result(2, bench.good) == 20_000
    assert bench.bad.pal.last_trap or bench.bad.counters["fault entMM"]


def test_privileged_calls_in_user_mode() -> None:
    """All of 0x00 to 0x3F are illegal instructions there."""
    guest = Guest()
    guest.prepared()
    to_user(guest, "user")
    guest.label("user")
    for function in range(0x40):
        guest.call(function)
    guest.move(FAULTS, 9)
    guest.load(1, USER + RESULTS)
    guest.put(memory(a.STQ, 9, 1, 16))
    guest.label("spin")
    guest.branch(a.BR, ZERO, "spin")
    bench = Bench(guest).start()
    mapped(bench, bench.bad)
    bench.monitor.run(400_000)
    assert bench.result(2) == 0x40
    assert bench.bad.counters["call refused"] == 0x40
    assert bench.bad.counters["call halt"] == 0
    assert bench.bad.ended is None


def test_kseg_in_user_mode_is_an_access_violation() -> None:
    guest = Guest()
    guest.prepared()
    to_user(guest, "user")
    guest.label("user")
    guest.load(1, KSEG)
    guest.put(memory(a.LDQ, 2, 1))
    guest.put(memory(a.STQ, 2, 1))
    guest.load(1, USER + RESULTS)
    guest.put(memory(a.STQ, FAULTS, 1, 16))
    guest.label("spin")
    guest.branch(a.BR, ZERO, "spin")
    bench = Bench(guest).start()
    mapped(bench, bench.bad)
    bench.monitor.run(400_000)
    assert bench.result(2) == 2


def test_the_chipset_is_its_own_copy() -> None:
    """One hose, one processor, its own memory's size; others' request lines stay masked."""
    guest = Guest()
    guest.prepared()
    cchip = IO + (tsunami.CCHIP.start & (1 << 40) - 1)
    guest.load(9, cchip)
    for number, offset in enumerate((0x000, 0x080, 0x100, 0x200, 0x300)):
        if offset == 0x200:
            guest.load(1, ONES)
            guest.put(memory(a.STQ, 1, 9, offset))
        guest.put(memory(a.LDQ, 2, 9, offset))
        guest.keep(2, 2 + number)
    guest.load(1, 0xF000)  # interprocessor requests to all
    guest.put(memory(a.STQ, 1, 9, 0x80))
    guest.finish()
    bench = Bench(guest, counting(1000)).run()
    assert bench.computer.read(tsunami.CCHIP.start, 8) & 1 << 14
    assert bench.result(2) & 1 << 14 == 0
    assert bench.result(3) & 3 == 0
    assert bench.result(4) == SIZE
    assert bench.result(5) == 1 << 8 | 1 << 12 | 1 << 55
    assert not bench.computer.read(tsunami.CCHIP.start + 0x80, 8) & 0xF00


def broken(kind: str) -> Guest:
    """Guests whose state makes no sense."""
    guest = Guest()
    if kind != "no handlers":
        guest.prepared()
    if kind == "no handlers":
        guest.load(1, KSEG + SIZE)
        guest.put(memory(a.LDQ, 2, 1))
    elif kind == "stack outside":
        guest.load(SP, KSEG + SIZE + 0x100)
        guest.call(Call.BPT)
    elif kind == "stack unaligned":
        guest.add(SP, 1)
        guest.call(Call.BPT)
    elif kind == "stack not mapped":
        guest.load(SP, 0x7000)
        guest.call(Call.BPT)
    elif kind == "rti from nowhere":
        guest.load(SP, KSEG + (1 << 38))
        guest.call(Call.RTI)
    elif kind == "process block outside":
        guest.load(A0, 1 << 30)
        guest.call(Call.SWPCTX)
    elif kind == "process block unaligned":
        guest.load(A0, 0x2001)
        guest.call(Call.SWPCTX)
    elif kind == "system call":
        guest.call(Call.CALLSYS)
    elif kind == "frame on two pages":
        guest.load(SP, KSEG + STACK_EDGE)
        guest.call(Call.BPT)
    guest.finish()
    return guest


STACK_EDGE = 0x3F2010


@pytest.mark.parametrize(
    "kind",
    [
        "no handlers",
        "stack outside",
        "stack unaligned",
        "stack not mapped",
        "rti from nowhere",
        "process block outside",
        "process block unaligned",
        "system call",
    ],
)
def test_nonsense_stops_that_instance_and_no_other(kind: str) -> None:
    bench = Bench(broken(kind), counting(1000)).run()
    assert bench.bad.ended is not None
    assert bench.bad.ended.startswith("bad stopped: "), bench.bad.ended
    assert bench.good.ended == "powered off"
    assert bench.result(2, bench.good) == 1000


def test_a_frame_over_a_page_s_end_is_no_nonsense() -> None:
    """It is pushed all the same."""
    bench = Bench(broken("frame on two pages")).run()
    assert bench.bad.ended == "powered off"
    assert bench.result(1) == 1


def test_handlers_anywhere_are_the_instance_s_own_trouble() -> None:
    """entIF, entMM at addresses that are nobody's: it goes in circles in its own time slices."""
    guest = Guest()
    guest.load(SP, KSEG + 0x3F0000)
    for entry in range(7):
        guest.load(A0, 0x123456789ABC)
        guest.put(memory(a.LDA, A1, ZERO, entry))
        guest.call(Call.WRENT)
    guest.call(Call.BPT)
    bench = Bench(guest, counting(20_000)).run(400_000)
    assert bench.good.ended == "powered off"
    assert bench.bad.ended is None or "kernel stack" in bench.bad.ended


def test_a_machine_check_in_a_machine_check_halts() -> None:
    guest = Guest()
    guest.load(SP, KSEG + 0x3F0000)
    guest.handler(palcode.Entry.INTERRUPT, "checked")
    guest.load(9, KSEG + SIZE)
    guest.label("checked")
    guest.put(memory(a.LDQ, 2, 9))
    guest.put(literal(a.INTA, a.ADDQ, 2, 0, 2))
    bench = Bench(guest).run()
    assert bench.bad.ended is not None and "machine check" in bench.bad.ended
