"""Does an owner find its hose under the number that it is presented as, with all of it? [0048]"""

from __future__ import annotations

from septum.layouts import alpha as a
from septum.layouts import tsunami
from septum.settings import PciBus
from septum.translation.leases import PROCESSOR
from septum.translation.verdict import Modify
from septum.units import PciAddress, Span
from tests.engine.alpha.processor.assembler import memory
from tests.engine.alpha.vmm.guests import IO, Bench, Guest, counting
from tests.engine.alpha.vmm.test_hostile import ONES, scanning

FIRST_AS_SECOND = {"bad": {"present": ((PciBus(0, 0), PciBus(1, 0)),)}}
SLOT = 1 << tsunami.CONFIGURATION_DEVICE_SHIFT
OWN = PciAddress(0, 0, 1, 0)


def spaces(hose: int) -> int:
    """Where a processor finds a hose's configuration space."""
    return IO + (tsunami.hose_address(hose, tsunami.PCI_CONFIGURATION) & (1 << 40) - 1)


def test_the_first_hose_as_the_second() -> None:
    bench = Bench(scanning(spaces(1), SLOT, 32, load=a.LDL), counting(1), changes=FIRST_AS_SECOND)
    bench.run()
    rows = bench.bad.responder.probes.rows()
    answered = {row["address"] for row in rows if row["answer"] == "exposed"}
    assert answered == {"0001:00:01.0", "0001:00:02.0"} and len(rows) == 32
    assert bench.bad.hoses == (0, 0), "the first is there, and has nothing of anybody's"
    assert {str(at) for at in bench.bad.owned} == {"0000:00:01.0", "0000:00:02.0"}


def test_the_first_number_is_left_to_the_shared_bridge() -> None:
    bench = Bench(scanning(spaces(0), SLOT, 32, load=a.LDL), counting(1), changes=FIRST_AS_SECOND)
    bench.run()
    rows = bench.bad.responder.probes.rows()
    assert [row["address"] for row in rows if row["answer"] != "absent"] == ["0000:00:07.0"]
    assert bench.result(2) != ONES


def test_the_chipset_says_that_there_are_two() -> None:
    guest = Guest()
    guest.prepared()
    guest.load(9, IO + (tsunami.CCHIP.start & (1 << 40) - 1))
    guest.put(memory(a.LDQ, 2, 9))
    guest.keep(2, 2)
    guest.finish()
    bench = Bench(guest, counting(1), changes=FIRST_AS_SECOND).run()
    assert tsunami.SystemConfiguration(bench.result(2)).pchip_1_present
    assert not tsunami.SystemConfiguration(Bench(guest).run().result(2)).pchip_1_present


def test_registers_and_requests_are_where_that_hose_has_them() -> None:
    bench = Bench(counting(1), counting(1), changes=FIRST_AS_SECOND).start()
    one = bench.bad
    region = next(one for one in one.pal.physical.regions if one.owner == f"{OWN} BAR 0")
    memory_1 = tsunami.hose_address(1, tsunami.PCI_MEMORY)
    assert memory_1 <= region.span.start < memory_1 + tsunami.PCI_MEMORY.size
    verdict = one.pal.judge(region.span.start >> a.PAGE_SHIFT)[0]
    assert isinstance(verdict, Modify)
    memory_0 = tsunami.hose_address(0, tsunami.PCI_MEMORY)
    assert verdict.value - memory_0 == region.span.start - memory_1
    assert one.pal.leases.covers(region.span.start, PROCESSOR)
    bit = tsunami.request_bit(0, 1, 1)
    (wire,) = [wire for wire in one.interrupts.wires if wire.machine_bit == bit]
    assert wire.bit == tsunami.request_bit(1, 1, 1)


def test_a_revoke_takes_both_sides() -> None:
    """What a device was let reach by a window ends with the processor's lease of the same page."""
    bench = Bench(counting(1), counting(1)).start()
    one, pchip = bench.bad, bench.computer.hoses[0].pchip
    for bank, value in ((0, 0x80000001), (0x100, 0x7FF00000), (0x200, 0)):
        one.bridges[0].access(tsunami.PCHIP.start + bank, 8, value)
    span = Span(0x600000, a.PAGE_SIZE)
    (segment,) = pchip.segments(1, 0x80600000, 8, True)
    assert segment.physical == one.memory.start + 0x600000
    one.pal.judge(span.start >> a.PAGE_SHIFT)
    assert [lease.side for lease in one.pal.leases.held()] == ["processor", "devices"]
    assert one.revoke(span)
    (segment,) = pchip.segments(1, 0x80600000, 8, True)
    assert segment.refused
    assert not any(lease.span.overlaps(span) for lease in one.pal.leases.held())
    (segment,) = pchip.segments(1, 0x80600000 - a.PAGE_SIZE, 8, True)
    assert segment.physical == one.memory.start + 0x600000 - a.PAGE_SIZE
    one.end("stopped")
    assert one.pal.leases.held("devices") == ()
