"""Do the integer operations compute what the architecture's words say, put down in Python?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from septum.engine.alpha.processor.state import Exit
from septum.layouts import alpha as a
from tests.engine.alpha.processor.assembler import literal, operate
from tests.engine.alpha.processor.bench import ONES, Bench

BENCH = Bench()
QUAD = st.one_of(
    st.integers(0, ONES),
    st.sampled_from([0, 1, ONES, 1 << 63, (1 << 63) - 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]),
    st.integers(0, 63).map(lambda bit: 1 << bit),
)
Operation = Callable[[int, int], int]


def signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


def longword(value: int) -> int:
    return signed(value, 32)


def parts(value: int, bits: int) -> list[int]:
    return [value >> place & (1 << bits) - 1 for place in range(0, 64, bits)]


def joined(values: list[int], bits: int) -> int:
    return sum((value & (1 << bits) - 1) << bits * place for place, value in enumerate(values))


def byte_mask(bits: int) -> int:
    return joined([0xFF * (bits >> place & 1) for place in range(8)], 8)


def extreme(choose: Callable[[int, int], int], bits: int, is_signed: bool) -> Operation:
    def compute(one: int, other: int) -> int:
        turn = signed if is_signed else lambda value, bits: value
        pairs = zip(parts(one, bits), parts(other, bits), strict=True)
        return joined(
            [choose(turn(first, bits), turn(second, bits)) for first, second in pairs], bits
        )

    return compute


def field(size: int, is_high: bool) -> tuple[Operation, Operation, Operation]:
    """Extract, insert, mask as AH 4.6.2 to 4.6.4 define them, on a number of 128 bits."""
    ones = (1 << 8 * size) - 1

    def extract(value: int, place: int) -> int:
        shift = 8 * (place & 7)
        moved = value << (64 - shift) % 64 if is_high else value >> shift
        return moved & ONES & ones

    def insert(value: int, place: int) -> int:
        return ((value & ones) << 8 * (place & 7)) >> (64 if is_high else 0)

    def mask(value: int, place: int) -> int:
        return value & ~((ones << 8 * (place & 7)) >> (64 if is_high else 0))

    return extract, insert, mask


ARITHMETIC: dict[tuple[int, int], Operation] = {
    (a.INTA, a.ADDQ): lambda one, other: one + other,
    (a.INTA, a.SUBQ): lambda one, other: one - other,
    (a.INTA, a.ADDL): lambda one, other: longword(one + other),
    (a.INTA, a.SUBL): lambda one, other: longword(one - other),
    (a.INTA, a.S4ADDQ): lambda one, other: 4 * one + other,
    (a.INTA, a.S8ADDQ): lambda one, other: 8 * one + other,
    (a.INTA, a.S4SUBQ): lambda one, other: 4 * one - other,
    (a.INTA, a.S8SUBQ): lambda one, other: 8 * one - other,
    (a.INTA, a.S4ADDL): lambda one, other: longword(4 * one + other),
    (a.INTA, a.S8ADDL): lambda one, other: longword(8 * one + other),
    (a.INTA, a.S4SUBL): lambda one, other: longword(4 * one - other),
    (a.INTA, a.S8SUBL): lambda one, other: longword(8 * one - other),
    (a.INTA, a.CMPEQ): lambda one, other: one == other,
    (a.INTA, a.CMPLT): lambda one, other: signed(one) < signed(other),
    (a.INTA, a.CMPLE): lambda one, other: signed(one) <= signed(other),
    (a.INTA, a.CMPULT): lambda one, other: one < other,
    (a.INTA, a.CMPULE): lambda one, other: one <= other,
    (a.INTA, a.CMPBGE): lambda one, other: joined(
        [first >= second for first, second in zip(parts(one, 8), parts(other, 8), strict=True)], 1
    ),
    (a.INTM, a.MULQ): lambda one, other: one * other,
    (a.INTM, a.MULL): lambda one, other: longword(one * other),
    (a.INTM, a.UMULH): lambda one, other: one * other >> 64,
}
LOGICAL: dict[tuple[int, int], Operation] = {
    (a.INTL, a.AND): lambda one, other: one & other,
    (a.INTL, a.BIC): lambda one, other: one & ~other,
    (a.INTL, a.BIS): lambda one, other: one | other,
    (a.INTL, a.ORNOT): lambda one, other: one | ~other,
    (a.INTL, a.XOR): lambda one, other: one ^ other,
    (a.INTL, a.EQV): lambda one, other: one ^ ~other,
    (a.INTS, a.SLL): lambda one, other: one << (other & 63),
    (a.INTS, a.SRL): lambda one, other: one >> (other & 63),
    (a.INTS, a.SRA): lambda one, other: signed(one) >> (other & 63),
    (a.INTS, a.ZAP): lambda one, other: one & ~byte_mask(other),
    (a.INTS, a.ZAPNOT): lambda one, other: one & byte_mask(other),
    (a.FPTI, a.SEXTB): lambda one, other: signed(other, 8),
    (a.FPTI, a.SEXTW): lambda one, other: signed(other, 16),
}
MULTIMEDIA: dict[tuple[int, int], Operation] = {
    (a.FPTI, a.MINUB8): extreme(min, 8, False),
    (a.FPTI, a.MINSB8): extreme(min, 8, True),
    (a.FPTI, a.MINUW4): extreme(min, 16, False),
    (a.FPTI, a.MINSW4): extreme(min, 16, True),
    (a.FPTI, a.MAXUB8): extreme(max, 8, False),
    (a.FPTI, a.MAXSB8): extreme(max, 8, True),
    (a.FPTI, a.MAXUW4): extreme(max, 16, False),
    (a.FPTI, a.MAXSW4): extreme(max, 16, True),
    (a.FPTI, a.PERR): lambda one, other: sum(
        abs(first - second) for first, second in zip(parts(one, 8), parts(other, 8), strict=True)
    ),
    (a.FPTI, a.UNPKBW): lambda one, other: joined(parts(other, 8)[:4], 16),
    (a.FPTI, a.UNPKBL): lambda one, other: joined(parts(other, 8)[:2], 32),
    (a.FPTI, a.PKWB): lambda one, other: joined(parts(other, 16), 8),
    (a.FPTI, a.PKLB): lambda one, other: joined(parts(other, 32), 8),
}
BYTES: dict[tuple[int, int], Operation] = {
    (a.INTS, function): operation
    for functions, size, is_high in (
        ((a.EXTBL, a.INSBL, a.MSKBL), 1, False),
        ((a.EXTWL, a.INSWL, a.MSKWL), 2, False),
        ((a.EXTLL, a.INSLL, a.MSKLL), 4, False),
        ((a.EXTQL, a.INSQL, a.MSKQL), 8, False),
        ((a.EXTWH, a.INSWH, a.MSKWH), 2, True),
        ((a.EXTLH, a.INSLH, a.MSKLH), 4, True),
        ((a.EXTQH, a.INSQH, a.MSKQH), 8, True),
    )
    for function, operation in zip(functions, field(size, is_high), strict=True)
}
CONDITIONS: dict[int, Callable[[int], bool]] = {
    a.CMOVEQ: lambda value: value == 0,
    a.CMOVNE: lambda value: value != 0,
    a.CMOVLT: lambda value: value < 0,
    a.CMOVGE: lambda value: value >= 0,
    a.CMOVLE: lambda value: value <= 0,
    a.CMOVGT: lambda value: value > 0,
    a.CMOVLBS: lambda value: value & 1 == 1,
    a.CMOVLBC: lambda value: value & 1 == 0,
}
OPERATIONS = {**ARITHMETIC, **LOGICAL, **MULTIMEDIA, **BYTES}


# Few examples each: random sequences against QEMU are many.
@pytest.mark.parametrize("which", OPERATIONS, ids=lambda which: f"{which[0]:02x}.{which[1]:02x}")
@settings(max_examples=25)
@given(first=QUAD, second=QUAD, short=st.integers(0, 255))
def test_results(which: tuple[int, int], first: int, second: int, short: int) -> None:
    BENCH[1], BENCH[2] = first, second
    expected = OPERATIONS[which](first, second) & ONES
    assert BENCH.execute(operate(*which, 1, 2, 3)) == Exit.BUDGET
    assert BENCH[3] == expected
    BENCH.execute(literal(*which, 1, short, 4))
    assert BENCH[4] == OPERATIONS[which](first, short) & ONES


@pytest.mark.parametrize("function", CONDITIONS)
@given(first=QUAD, second=QUAD)
def test_conditional_moves(function: int, first: int, second: int) -> None:
    BENCH[1], BENCH[2], BENCH[3] = first, second, 5
    BENCH.execute(operate(a.INTL, function, 1, 2, 3))
    assert BENCH[3] == (second if CONDITIONS[function](signed(first)) else 5)


CHECKED = {
    (a.INTA, a.ADDQ_V): (64, int.__add__),
    (a.INTA, a.SUBQ_V): (64, int.__sub__),
    (a.INTA, a.ADDL_V): (32, int.__add__),
    (a.INTA, a.SUBL_V): (32, int.__sub__),
    (a.INTM, a.MULL_V): (32, int.__mul__),
    (a.INTM, a.MULQ_V): (64, int.__mul__),
}


@pytest.mark.parametrize("which", CHECKED)
@given(first=QUAD, second=QUAD)
def test_overflow_is_found(which: tuple[int, int], first: int, second: int) -> None:
    bits, operation = CHECKED[which]
    exact = operation(signed(first, bits), signed(second, bits))
    BENCH[1], BENCH[2] = first, second
    stop = BENCH.execute(operate(*which, 1, 2, 3))
    assert BENCH[3] == signed(exact, bits) & ONES
    assert stop == (Exit.BUDGET if exact == signed(exact, bits) else Exit.ARITHMETIC)
