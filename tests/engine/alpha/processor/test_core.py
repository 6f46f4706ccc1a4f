"""Does the processor stop where it must, with the right word for why?"""

from __future__ import annotations

import numpy as np
import pytest

from septum.engine.alpha.processor.processor import Processor
from septum.engine.alpha.processor.state import EXECUTE, USER, Exit
from septum.engine.alpha.processor.wrapping import signed
from septum.layouts import alpha as a
from septum.layouts import hwrpb
from tests.engine.alpha.processor.assembler import (
    branch,
    call_pal,
    floating,
    jump,
    literal,
    memory,
    miscellaneous,
    operate,
)
from tests.engine.alpha.processor.bench import CODE, DATA, DATA_AT, ONES, RAM, Bench

NOP = operate(a.INTL, a.BIS, 31, 31, 31)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_budget_is_kept(bench: Bench) -> None:
    forever = branch(a.BR, 31, -1)
    assert bench.execute(forever, budget=1000) == Exit.BUDGET
    assert bench.processor.instructions == 1000
    assert bench.processor.pc == CODE
    assert bench.processor.run(0) == Exit.BUDGET
    assert bench.processor.run(-5) == Exit.BUDGET
    assert bench.processor.instructions == 1000


def test_call_pal_names_its_function_and_goes_on_after_it(bench: Bench) -> None:
    assert bench.execute(NOP, call_pal(0x83), budget=10) == Exit.CALL_PAL
    assert bench.processor.pal_function == 0x83
    assert bench.processor.pc == CODE + 8
    assert bench.processor.instructions == 2


@pytest.mark.parametrize(
    "word",
    [
        *(opcode << 26 for opcode in range(1, 8)),
        *(opcode << 26 for opcode in (a.HW_MFPR, a.HW_LD, a.HW_MTPR, a.HW_RET, a.HW_ST)),
        operate(a.INTA, 0x7F, 1, 2, 3),
        operate(a.INTL, 0x01, 1, 2, 3),
        operate(a.INTS, 0x7F, 1, 2, 3),
        operate(a.INTM, 0x7F, 1, 2, 3),
        operate(a.FPTI, 0x02, 31, 2, 3),
        operate(a.FPTI, 0x7F, 1, 31, 3),
        floating(a.ITFP, 0x7FF, 1, 2, 3),
        floating(a.FLTI, 0x03F, 1, 2, 3),
        floating(a.FLTL, 0x7FF, 1, 2, 3),
    ],
)
def test_what_does_not_exist_is_illegal(bench: Bench, word: int) -> None:
    bench[3] = 77
    assert bench.execute(NOP, word) == Exit.ILLEGAL_INSTRUCTION
    assert (bench.processor.pc, bench.processor.instruction) == (CODE + 4, word)
    assert bench[3] == 77


def test_illegal_in_user_mode_too_and_each_costs_an_instruction(bench: Bench) -> None:
    bench.processor.user_mode = True
    bench.map(CODE, 0, EXECUTE, mode=USER)
    for _ in range(3):
        assert bench.execute(a.HW_MTPR << 26, budget=100) == Exit.ILLEGAL_INSTRUCTION
    assert bench.processor.instructions == 3


LOADS = {a.LDL: 4, a.LDQ: 8, a.LDWU: 2, a.LDT: 8, a.LDS: 4, a.LDQ_L: 8, a.LDL_L: 4}
STORES = {a.STL: 4, a.STQ: 8, a.STW: 2, a.STT: 8, a.STS: 4, a.STQ_C: 8, a.STL_C: 4}


@pytest.mark.parametrize(("opcode", "size"), [*LOADS.items(), *STORES.items()])
def test_unaligned_accesses_stop_and_change_nothing(bench: Bench, opcode: int, size: int) -> None:
    bench[1], bench[2] = 5, DATA
    for offset in range(1, size):
        word = memory(opcode, 1, 2, 64 + offset)
        assert bench.execute(word) == Exit.UNALIGNED
        assert bench.processor.fault_address == DATA + 64 + offset
        assert bench.processor.fault_is_store == (opcode in STORES)
        assert (bench.processor.pc, bench.processor.instruction) == (CODE, word)
    assert bench[1] == 5 and not bench.ram[DATA_AT : DATA_AT + 256].any()
    assert bench.execute(memory(opcode, 1, 2, 64)) == Exit.BUDGET


def test_an_unaligned_quadword_access_clears_the_low_bits(bench: Bench) -> None:
    bench.set_quad(DATA_AT + 8, 0x1122334455667788)
    bench[2] = DATA
    assert bench.execute(memory(a.LDQ_U, 1, 2, 13), memory(a.STQ_U, 1, 2, 31)) == Exit.BUDGET
    assert bench[1] == bench.quad(DATA_AT + 24) == 0x1122334455667788


PREFETCHES = (a.LDL, a.LDQ, a.LDS, a.LDT, a.LDBU, a.LDWU, a.LDQ_U)


@pytest.mark.parametrize("opcode", PREFETCHES)
def test_a_prefetch_never_stops(bench: Bench, opcode: int) -> None:
    bench.processor.floating_enabled = False
    bench[2] = 0x7FFF_FFFF_FFFF_FFF3  # nothing is there, and it is not aligned
    assert bench.execute(memory(opcode, 31, 2, 0x7FFF)) == Exit.BUDGET


def test_a_locked_load_to_nowhere_is_no_prefetch(bench: Bench) -> None:
    assert bench.execute(memory(a.LDQ_L, 31, 31, 0)) == Exit.DTB_MISS


@pytest.mark.parametrize(
    ("function", "opcode", "first", "second", "result"),
    [
        (a.ADDQ_V, a.INTA, 1 << 62, 1 << 62, 1 << 63),
        (a.SUBQ_V, a.INTA, 1 << 63, 1, (1 << 63) - 1),
        (a.ADDL_V, a.INTA, 0x7FFFFFFF, 1, 0xFFFFFFFF80000000),
        (a.SUBL_V, a.INTA, 0x80000000, 1, 0x7FFFFFFF),
        (a.MULL_V, a.INTM, 0x10000, 0x8000, 0xFFFFFFFF80000000),
        (a.MULQ_V, a.INTM, 1 << 62, 2, 1 << 63),
        (a.MULQ_V, a.INTM, 1 << 63, ONES, 1 << 63),
    ],
)
def test_overflow_traps_after_the_result(
    bench: Bench, function: int, opcode: int, first: int, second: int, result: int
) -> None:
    bench[1], bench[2] = first, second
    word = operate(opcode, function, 1, 2, 3)
    assert bench.execute(NOP, word, NOP) == Exit.ARITHMETIC
    assert bench[3] == result
    assert bench.processor.pc == CODE + 8
    assert bench.processor.exception_summary == a.SUMMARY_INTEGER_OVERFLOW
    assert bench.processor.register_mask == 1 << 3
    without = word & ~(a.INTEGER_OVERFLOW_FLAG << a.FUNCTION_SHIFT)
    assert bench.execute(without) == Exit.BUDGET
    assert bench[3] == result


FLOATING_WORDS = [
    *(memory(opcode, 1, 2) for opcode in range(a.LDF, a.STT + 1)),
    *(branch(opcode, 1, 3) for opcode in (a.FBEQ, a.FBLT, a.FBLE, a.FBNE, a.FBGE, a.FBGT)),
    floating(a.ITFP, a.ITOFT, 1, 31, 2),
    floating(a.FLTV, 0x080, 1, 2, 3),
    floating(a.FLTI, 0x0A0, 1, 2, 3),
    floating(a.FLTL, a.CPYS, 1, 2, 3),
    operate(a.FPTI, a.FTOIT, 1, 31, 2),
]


@pytest.mark.parametrize("word", FLOATING_WORDS)
def test_floating_point_can_be_off(bench: Bench, word: int) -> None:
    bench.processor.floating_enabled = False
    bench[2] = DATA
    assert bench.execute(word) == Exit.FLOATING_DISABLED
    assert bench.processor.pc == CODE


def test_bytes_are_not_floating_point(bench: Bench) -> None:
    bench.processor.floating_enabled = False
    assert bench.execute(operate(a.FPTI, a.SEXTB, 31, 2, 3)) == Exit.BUDGET


def test_what_this_processor_is(bench: Bench) -> None:
    bench[2] = ONES
    amask = operate(a.INTL, a.AMASK, 31, 2, 3)
    bench.execute(amask, literal(a.INTL, a.IMPLVER, 31, 1, 4))
    assert bench[3] == ONES - 0x303
    assert bench[4] == 2


@pytest.mark.parametrize("function", [a.CTPOP, a.CTLZ, a.CTTZ])
def test_counts_are_not_there_as_amask_says(bench: Bench, function: int) -> None:
    """They came with EV67, and the HWRPB names an EV6."""
    assert hwrpb.Slot(flags=0, palcode_revision=0).type == hwrpb.PROCESSOR_EV6
    assert bench.execute(operate(a.FPTI, function, 31, 2, 3)) == Exit.ILLEGAL_INSTRUCTION


def test_the_cycle_counter_counts_what_ran_and_what_did_not(bench: Bench) -> None:
    bench.processor.cycle_offset = 0x1234
    bench.execute(NOP, miscellaneous(a.RPCC, 1), NOP, miscellaneous(a.RPCC, 2))
    assert (bench[1], bench[2]) == (0x1234_0000_0002, 0x1234_0000_0004)
    bench.processor.skip((1 << 32) - 4)
    assert bench.processor.cycles == 1 << 32
    bench.execute(miscellaneous(a.RPCC, 1))
    assert bench[1] == 0x1234_0000_0001


def test_the_interrupt_flag(bench: Bench) -> None:
    bench.execute(*(miscellaneous(a.RS, 1), miscellaneous(a.RS, 2), miscellaneous(a.RC, 3)))
    assert (bench[1], bench[2], bench[3], bench.processor.interrupt_flag) == (0, 1, 1, 0)


def test_a_jump_clears_the_low_bits_and_reads_before_it_writes(bench: Bench) -> None:
    bench[5] = CODE + 12 + 3
    bench.execute(jump(5, 5), NOP, NOP, NOP, budget=1)
    assert bench.processor.pc == CODE + 12
    assert bench[5] == CODE + 4


def test_register_31_is_zero(bench: Bench) -> None:
    bench[1] = 9
    bench.execute(
        operate(a.INTL, a.BIS, 1, 1, 31),
        operate(a.INTL, a.BIS, 31, 31, 2),
        branch(a.BSR, 31, 0),
        operate(a.INTL, a.BIS, 31, 31, 3),
        floating(a.ITFP, a.ITOFT, 1, 31, 31),
        floating(a.FLTL, a.CPYS, 31, 31, 4),
    )
    assert (bench[2], bench[3], bench[31], bench.real(4)) == (0, 0, 0, 0)


LOAD, STORE = memory(a.LDQ_L, 1, 2, 8), memory(a.STQ_C, 3, 2, 8)


def test_a_conditional_store_stores_once(bench: Bench) -> None:
    bench[2], bench[3] = DATA, 7
    bench.execute(LOAD, STORE)
    assert (bench[3], bench.quad(DATA_AT + 8)) == (1, 7)
    bench[3] = 8
    bench.execute(STORE)
    assert (bench[3], bench.quad(DATA_AT + 8)) == (0, 7)


def test_another_s_store_breaks_the_lock(bench: Bench) -> None:
    bench[2], bench[3] = DATA, 7
    bench.execute(LOAD)
    bench.set_quad(DATA_AT + 8, 1)
    bench.execute(STORE)
    assert (bench[3], bench.quad(DATA_AT + 8)) == (0, 1)


def test_a_conditional_store_elsewhere_does_not_store(bench: Bench) -> None:
    bench[2], bench[3] = DATA, 7
    bench.execute(LOAD, memory(a.STQ_C, 3, 2, 128))
    assert (bench[3], bench.quad(DATA_AT + 128), bench.processor.lock_flag) == (0, 0, 0)


def test_another_context_breaks_the_lock(bench: Bench) -> None:
    bench[2], bench[3] = DATA, 7
    bench.execute(LOAD)
    mine = bench.processor.context
    bench.processor.switch_to(bench.processor.new_context())
    bench.processor.switch_to(mine)
    bench.execute(STORE)
    assert bench[3] == 0


def test_a_fetch_outside_ram_is_told(bench: Bench) -> None:
    bench.map(0x40000, RAM, EXECUTE)
    bench.processor.pc = 0x40000
    assert bench.processor.run(5) == Exit.FETCH_OUTSIDE
    assert (bench.processor.pc, bench.processor.fault_address_physical) == (0x40000, RAM)


def test_going_on_into_the_next_page_asks_for_it(bench: Bench) -> None:
    bench.ram.view(np.uint32)[a.PAGE_SIZE // 4 - 1] = NOP
    bench.processor.pc = CODE + a.PAGE_SIZE - 4
    assert bench.processor.run(5) == Exit.ITB_MISS
    assert bench.processor.fault_address == bench.processor.pc == CODE + a.PAGE_SIZE


def test_ram_is_whole_pages() -> None:
    with pytest.raises(ValueError):
        Processor(np.zeros(a.PAGE_SIZE + 8, np.uint8))


def test_signed() -> None:
    assert (signed(ONES), signed(5), signed(-5), signed(0x80000000, 32)) == (-1, 5, -5, -(2**31))
