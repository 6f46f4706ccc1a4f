"""Does every address lead only where its translation says, and to RAM or the bus?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.engine.alpha.processor.buffer import RUN, TranslationBuffer
from septum.engine.alpha.processor.state import (
    ASN,
    EXECUTE,
    KERNEL,
    KINDS,
    MODE,
    READ,
    TABLE_ENTRIES,
    TABLES,
    USER,
    WRITE,
    Exit,
)
from septum.engine.alpha.processor.wrapping import signed
from septum.layouts import alpha as a
from tests.engine.alpha.processor.assembler import memory
from tests.engine.alpha.processor.bench import CODE, DATA, DATA_AT, ONES, RAM, Bench, BenchProcessor

PAGE = a.PAGE_SIZE
AWAY = 0x50000
LOAD, STORE = memory(a.LDQ, 1, 2), memory(a.STQ, 1, 2)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def reaches(bench: Bench, address: int, word: int = LOAD) -> Exit:
    bench[2] = address
    return bench.execute(word)


def test_each_kind_of_access_has_its_entry(bench: Bench) -> None:
    bench.map(AWAY, PAGE, READ)
    assert reaches(bench, AWAY) == Exit.BUDGET
    assert reaches(bench, AWAY, STORE) == Exit.DTB_MISS
    assert bench.processor.fault_is_store and bench.processor.fault_address == AWAY
    bench.processor.pc = AWAY
    assert bench.processor.run(1) == Exit.ITB_MISS
    bench.map(AWAY, PAGE, WRITE)
    assert reaches(bench, AWAY, STORE) == Exit.BUDGET


def test_each_mode_has_its_entries(bench: Bench) -> None:
    bench.processor.user_mode = True
    bench.processor.pc = CODE
    assert bench.processor.run(1) == Exit.ITB_MISS
    bench.map(CODE, 0, EXECUTE, mode=USER)
    assert reaches(bench, DATA) == Exit.DTB_MISS
    bench.map(DATA, DATA_AT, READ, mode=USER)
    assert reaches(bench, DATA) == Exit.BUDGET
    bench.processor.user_mode = False
    assert reaches(bench, DATA, STORE) == Exit.BUDGET


def test_addresses_that_share_an_entry_are_not_confused(bench: Bench) -> None:
    far = DATA + TABLE_ENTRIES * PAGE
    bench.set_quad(DATA_AT, 111)
    assert reaches(bench, far) == Exit.DTB_MISS
    bench.map(far, 2 * PAGE, READ)
    assert reaches(bench, far) == Exit.BUDGET and bench[1] == 0
    assert reaches(bench, DATA) == Exit.DTB_MISS  # it gave its place


@given(st.integers(0, ONES), st.integers(1, RAM // PAGE - 1))
def test_a_page_leads_to_its_page(address: int, page: int) -> None:
    bench = Bench()
    where = signed(address & ~7)
    bench.map(where, page * PAGE, READ)
    physical = page * PAGE | where & PAGE - 8
    bench.set_quad(physical, 0xABCDEF)
    expected = bench.quad(physical)
    assert reaches(bench, where) == Exit.BUDGET
    assert bench[1] == expected
    assert reaches(bench, signed(where ^ PAGE)) == (
        Exit.BUDGET if signed(where ^ PAGE) & a.PAGE_BASE == DATA else Exit.DTB_MISS
    )


def test_address_spaces(bench: Bench) -> None:
    bench.map(AWAY, 2 * PAGE, READ)
    bench.processor.fill(mode=KERNEL, kind=EXECUTE, virtual=CODE, physical=0, every_asn=True)
    bench.processor.asn = 7
    assert reaches(bench, AWAY) == Exit.DTB_MISS
    bench.processor.fill(mode=KERNEL, kind=READ, virtual=DATA, physical=3 * PAGE, every_asn=True)
    bench.processor.asn = 255
    assert reaches(bench, DATA) == Exit.BUDGET  # of every address space
    bench.processor.asn = 0
    assert reaches(bench, AWAY) == Exit.BUDGET  # still there
    bench.processor.fill(mode=KERNEL, kind=READ, virtual=AWAY, physical=0, asn=9)
    assert reaches(bench, AWAY) == Exit.DTB_MISS
    bench.processor.asn = 9
    assert reaches(bench, AWAY) == Exit.BUDGET


def test_an_entry_may_be_of_every_space_of_one_and_of_every_again(bench: Bench) -> None:
    for every_asn in (True, False, True):
        bench.processor.asn = 5
        bench.processor.fill(mode=KERNEL, kind=EXECUTE, virtual=CODE, physical=0, every_asn=True)
        bench.processor.fill(mode=KERNEL, kind=READ, virtual=AWAY, physical=0, every_asn=every_asn)
        bench.processor.asn = 6
        assert reaches(bench, AWAY) == (Exit.BUDGET if every_asn else Exit.DTB_MISS)


def test_an_entry_of_every_space_filled_for_another_number_holds(bench: Bench) -> None:
    bench.processor.fill(mode=KERNEL, kind=READ, virtual=AWAY, physical=0, asn=9, every_asn=True)
    assert reaches(bench, AWAY) == Exit.BUDGET


def test_flushes(bench: Bench) -> None:
    processor = bench.processor
    processor.fill(mode=KERNEL, kind=EXECUTE, virtual=CODE, physical=0, every_asn=True)
    processor.flush_process()
    assert reaches(bench, DATA) == Exit.DTB_MISS
    bench.map(DATA, DATA_AT, READ, WRITE)
    processor.flush_address(CODE, instruction=False)
    processor.flush_address(DATA, data=False)
    assert reaches(bench, DATA + 40) == Exit.BUDGET
    processor.flush_address(DATA + 17)
    assert reaches(bench, DATA) == Exit.DTB_MISS
    processor.flush_address(DATA + TABLE_ENTRIES * PAGE)
    assert processor.buffer.held()
    processor.flush_all()
    assert not processor.buffer.held()
    processor.pc = CODE
    assert processor.run(1) == Exit.ITB_MISS


def test_a_page_is_taken_back(bench: Bench) -> None:
    for number in range(4):
        bench.map(AWAY + number * PAGE, (number + 2) * PAGE, READ, WRITE)
    assert bench.processor.flush_physical(3, 2) == 4
    expected = [Exit.BUDGET, Exit.DTB_MISS, Exit.DTB_MISS, Exit.BUDGET]
    assert [reaches(bench, AWAY + number * PAGE) for number in range(4)] == expected


def test_pages_of_the_bus_are_taken_back_too(bench: Bench) -> None:
    bench.map(AWAY, a.PHYSICAL_IO, READ)
    assert reaches(bench, AWAY) == Exit.BUS
    assert bench.processor.flush_physical(a.PHYSICAL_IO // PAGE, 1) == 1
    assert reaches(bench, AWAY) == Exit.DTB_MISS


def test_held_tells_what_is_held(bench: Bench) -> None:
    kseg = a.KSEG_BASE + 5 * PAGE
    bench.processor.flush_all()
    bench.processor.asn = 3
    bench.processor.fill(mode=KERNEL, kind=WRITE, virtual=kseg + 9, physical=5 * PAGE + 1)
    bench.processor.fill(mode=USER, kind=EXECUTE, virtual=AWAY, physical=1 << 43, every_asn=True)
    assert bench.processor.buffer.held() == [
        (KERNEL, WRITE, kseg, 5 * PAGE, 3),
        (USER, EXECUTE, AWAY, 1 << 43, None),
    ]


@pytest.mark.parametrize(
    "physical", [RAM, RAM + PAGE, a.PHYSICAL_IO, a.PHYSICAL_IO | 0x1_FC00_2000]
)
def test_outside_ram_is_the_bus(bench: Bench, physical: int) -> None:
    bench.map(AWAY, physical, READ, WRITE)
    assert reaches(bench, AWAY + 8, memory(a.LDL, 1, 2)) == Exit.BUS
    assert bench.processor.fault_address_physical == physical + 8
    assert not bench.processor.fault_is_store
    assert reaches(bench, AWAY + 3, memory(a.STB, 1, 2)) == Exit.BUS
    assert bench.processor.fault_is_store and bench.processor.pc == CODE
    assert reaches(bench, AWAY + 2, memory(a.LDQ, 1, 2)) == Exit.UNALIGNED


def kseg(physical: int) -> int:
    return a.KSEG_BASE + physical


def test_closed_kseg_is_translated_like_all(bench: Bench) -> None:
    bench.processor.data_super_page = a.SPE_48_BIT | a.SPE_1_GIGABYTE
    assert reaches(bench, kseg(PAGE)) == Exit.DTB_MISS
    bench.map(kseg(PAGE), 3 * PAGE, READ)
    bench.set_quad(3 * PAGE, 33)
    assert reaches(bench, kseg(PAGE)) == Exit.BUDGET and bench[1] == 33


def test_open_kseg_reaches_everything_without_translation(bench: Bench) -> None:
    bench.processor.data_super_page = a.SPE_KSEG
    for page in range(RAM // PAGE):
        bench.set_quad(page * PAGE + 8, page + 100)
        assert reaches(bench, kseg(page * PAGE + 8)) == Exit.BUDGET and bench[1] == page + 100
    assert reaches(bench, kseg(RAM)) == Exit.BUS
    assert reaches(bench, kseg(1 << 40 | 0x1_FC00_0000)) == Exit.BUS
    assert bench.processor.fault_address_physical == a.PHYSICAL_IO | 0x1_FC00_0000
    assert reaches(bench, kseg(9)) == Exit.UNALIGNED
    bench.processor.data_super_page = 0
    assert reaches(bench, kseg(PAGE)) == Exit.DTB_MISS


def test_kseg_for_data_does_not_open_it_for_instructions(bench: Bench) -> None:
    bench.processor.data_super_page = a.SPE_KSEG
    bench.processor.pc = kseg(0)
    assert bench.processor.run(1) == Exit.ITB_MISS
    bench.processor.instruction_super_page = a.SPE_KSEG
    bench.ram[:4] = 0
    assert bench.processor.run(1) == Exit.CALL_PAL
    bench.processor.pc = kseg(RAM)
    assert bench.processor.run(1) == Exit.FETCH_OUTSIDE
    bench.processor.pc = kseg(RAM - 4)
    bench.ram.view(np.uint32)[RAM // 4 - 1] = memory(a.LDA, 1, 31, 4)
    assert bench.processor.run(10) == Exit.FETCH_OUTSIDE
    assert bench[1] == 4


def test_kseg_is_the_kernel_s(bench: Bench) -> None:
    bench.processor.data_super_page = bench.processor.instruction_super_page = a.SPE_KSEG
    bench.processor.user_mode = True
    bench.map(CODE, 0, EXECUTE, mode=USER)
    assert reaches(bench, kseg(PAGE)) == Exit.DTB_MISS
    bench.processor.pc = kseg(PAGE)
    assert bench.processor.run(1) == Exit.ITB_MISS


@given(
    st.sampled_from([a.LDQ, a.LDL, a.LDWU, a.LDBU, a.LDQ_U, a.STQ, a.STB, a.STT, a.LDS, a.STQ_C]),
    st.one_of(
        st.integers(0, ONES),
        st.integers(-RAM, 2 * RAM).map(lambda offset: kseg(offset) & ONES),
        st.integers(0, 1 << 41).map(lambda offset: kseg(offset) & ONES),
    ),
    st.integers(-(1 << 15), (1 << 15) - 1),
)
def test_no_address_leads_outside_ram(opcode: int, base: int, displacement: int) -> None:
    """RAM stands between two walls, KSEG is open: nothing is written to either."""
    walled = np.full(RAM + 2 * PAGE, 0xEE, np.uint8)
    processor = BenchProcessor(walled[PAGE:-PAGE])
    processor.floating_enabled = True
    processor.instruction_super_page = processor.data_super_page = a.SPE_KSEG
    walled[PAGE : PAGE + 4] = list(memory(opcode, 1, 2, displacement).to_bytes(4, "little"))
    processor.registers[2] = signed(base)
    processor.pc = kseg(0)
    stop = processor.run(1)
    assert stop in (Exit.BUDGET, Exit.BUS, Exit.DTB_MISS, Exit.UNALIGNED)
    assert (walled[:PAGE] == 0xEE).all() and (walled[-PAGE:] == 0xEE).all()


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
def test_no_mode_and_no_address_space_leads_outside_ram(mode: int, asn: int) -> None:
    """Whatever stands in the state, a page of the bus is not taken for RAM."""
    bench = Bench()
    bench.map(AWAY, a.PHYSICAL_IO, WRITE)
    bench.map(AWAY, a.PHYSICAL_IO, WRITE, mode=USER)
    bench.map(CODE, 0, EXECUTE, mode=USER)
    bench.processor.state[MODE], bench.processor.state[ASN] = mode, asn
    assert reaches(bench, AWAY, STORE) == (Exit.ITB_MISS if asn & 255 else Exit.BUS)


def test_a_context_is_everything(bench: Bench) -> None:
    processor = bench.processor
    other = processor.new_context()
    bench[5], bench.processor.fpcr = 55, 1 << 58
    bench.set_real(6, 66)
    processor.asn, processor.user_mode = 12, False
    mine = processor.context
    instructions = processor.instructions
    assert processor.switch_to(other) is mine
    assert (bench[5], bench.real(6), processor.asn, processor.fpcr) == (0, 0, 0, 0)
    assert not processor.buffer.held() and processor.instructions == instructions
    processor.floating_enabled = True
    bench.map(CODE, 0, EXECUTE)
    assert reaches(bench, DATA) == Exit.DTB_MISS
    processor.switch_to(mine)
    assert (bench[5], bench.real(6), processor.asn, processor.fpcr) == (55, 66, 12, 1 << 58)
    assert processor.buffer.held() and processor.pc == 0


def test_a_context_s_pages_are_taken_back_while_it_waits(bench: Bench) -> None:
    mine = bench.processor.context
    bench.processor.switch_to(bench.processor.new_context())
    assert bench.processor.flush_physical(DATA_AT // PAGE, 1) == 0
    assert mine.buffer.flush_physical(DATA_AT // PAGE, 1) == 2
    bench.processor.switch_to(mine)
    assert reaches(bench, DATA) == Exit.DTB_MISS


def test_two_processors_share_memory(bench: Bench) -> None:
    other = BenchProcessor(bench.ram)
    other.fill(mode=KERNEL, kind=READ, virtual=DATA, physical=DATA_AT)
    other.fill(mode=KERNEL, kind=EXECUTE, virtual=CODE, physical=0)
    bench[1] = 99
    assert reaches(bench, DATA, STORE) == Exit.BUDGET
    bench.ram.view(np.uint32)[0] = LOAD
    other.registers[2], other.pc = DATA, CODE
    assert other.run(1) == Exit.BUDGET and other.registers[1] == 99
    assert bench.processor.instructions == other.instructions == 1


@given(
    st.lists(
        st.tuples(
            st.integers(0, TABLES - 1),
            st.integers(-(1 << 50), (1 << 51) - 1),
            st.integers(0, (1 << 31) - 1),
            st.booleans(),
            st.integers(0, 255),
        ),
        max_size=8,
    ),
    st.integers(0, 255),
)
def test_held_is_what_was_filled(entries: list[tuple[int, int, int, bool, int]], asn: int) -> None:
    buffer = TranslationBuffer(RAM)
    expected = {}
    for table, page, frame, every_asn, number in entries:
        mode, kind = divmod(table, KINDS)
        buffer.fill(
            mode=mode,
            kind=kind,
            virtual=page * PAGE,
            physical=frame * PAGE,
            every_asn=every_asn,
            asn=number,
        )
        place = (mode, kind, page % TABLE_ENTRIES)
        expected[place] = (
            *(mode, kind, signed(page * PAGE), frame * PAGE),
            None if every_asn else number,
        )
    buffer.set_asn(asn)
    assert sorted(buffer.held(), key=str) == sorted(expected.values(), key=str)


def test_a_run_is_entered_at_once(bench: Bench) -> None:
    """As page by page, in the current address space and after a change of it."""
    buffer = bench.processor.buffer
    bench.processor.flush_all()
    bench.processor.asn = 7
    start = a.KSEG_BASE + 5 * RUN * PAGE
    buffer.fill_run(kind=READ, virtual=start, physical=2 * PAGE)
    expected = [
        (KERNEL, READ, start + at * PAGE, (2 + at) * PAGE, None) for at in range(RUN)
    ]
    assert sorted(buffer.held()) == sorted(expected)
    bench.processor.asn = 9
    bench.processor.fill(mode=KERNEL, kind=EXECUTE, virtual=CODE, physical=0, every_asn=True)
    assert reaches(bench, start) == Exit.BUDGET
    buffer.forget(KERNEL, READ, start)
    assert reaches(bench, start) == Exit.DTB_MISS
    assert len(buffer.held()) == RUN
