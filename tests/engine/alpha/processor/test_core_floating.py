"""Is floating point rounded as it must be, and does it trap when it must?

Results are compared with exact fractions, rounded here by other means than in the processor.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from septum.engine.alpha.processor.state import Exit
from septum.layouts import alpha as a
from tests.engine.alpha.processor.assembler import branch, floating, memory, operate
from tests.engine.alpha.processor.bench import CODE, DATA, DATA_AT, ONES, Bench

BENCH = Bench()
SIGN = 1 << 63
INFINITY, NAN, QUIET, LOUD = 0x7FF << 52, 0xFFF8 << 48, 0x7FF8_0000_0000_1234, 0x7FF0_0000_0000_0001
SMALL = 1  # the smallest denormal number
CHOPPED, MINUS, NORMAL, DYNAMIC = (number << 6 for number in range(4))
U, S = 0x100, 0x400
SUI = S | U | 0x200
DISABLED = {
    "invalid": 1 << 49,
    "zero": 1 << 50,
    "overflow": 1 << 51,
    "underflow": 1 << 61,
    "inexact": 1 << 62,
}
ALL_DISABLED = sum(DISABLED.values())
DNOD, DNZ, UNDZ = 1 << 47, 1 << 48, 1 << 60
STATUS = {"INV": 52, "DZE": 53, "OVF": 54, "UNF": 55, "INE": 56, "IOV": 57}
NUMBER = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: number == 0 or abs(number) >= 2.0**-1022
)


def bits(number: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", number))[0])


def number(of: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", of))[0])


def do(function: int, first: int, second: int, *, fpcr: int = 0, opcode: int = a.FLTI) -> Exit:
    """One operation of f1 and f2 to f3, which held 77."""
    BENCH.set_real(1, first)
    BENCH.set_real(2, second)
    BENCH.set_real(3, 77)
    BENCH.processor.fpcr = fpcr
    return BENCH.execute(floating(opcode, function, 1, 2, 3))


def status() -> set[str]:
    fpcr = BENCH.processor.fpcr
    found = {name for name, bit in STATUS.items() if fpcr >> bit & 1}
    assert (fpcr < 0) == bool(found), "the summary bit"
    return found


def exponent_of(exact: Fraction) -> int:
    """The power of two at or below its magnitude."""
    guess = exact.numerator.bit_length() - exact.denominator.bit_length()
    return guess if abs(exact) >= Fraction(2) ** guess else guess - 1


def rounded(exact: Fraction, precision: int, lowest: int, rounding: int) -> Fraction:
    """The multiple of the unit in the last place that the rounding says."""
    if exact == 0:
        return exact
    unit = Fraction(2) ** (max(exponent_of(exact), lowest) - precision + 1)
    to_whole = {CHOPPED: math.trunc, MINUS: math.floor, NORMAL: round, DYNAMIC: math.ceil}
    return unit * to_whole[rounding](exact / unit)


EXACT = {
    a.ADDS: Fraction.__add__,
    a.SUBS: Fraction.__sub__,
    a.MULS: Fraction.__mul__,
    a.DIVS: Fraction.__truediv__,
}


@pytest.mark.parametrize("rounding", [CHOPPED, MINUS, NORMAL, DYNAMIC])
@pytest.mark.parametrize("code", EXACT)
@settings(max_examples=40)
@given(first=NUMBER, second=NUMBER)
def test_arithmetic_is_exact_and_rounded_once(
    code: int, rounding: int, first: float, second: float
) -> None:
    assume(code != a.DIVS or second)
    exact = EXACT[code](Fraction(first), Fraction(second))
    right = rounded(exact, 53, -1022, rounding)
    assume(Fraction(2) ** -1022 <= abs(right) < Fraction(2) ** 1024)
    function = code | a.SOURCE_FORMAT | rounding | SUI
    assert do(function, bits(first), bits(second), fpcr=ALL_DISABLED | 3 << 58) == Exit.BUDGET
    assert Fraction(number(BENCH.real(3))) == right
    assert status() == ({"INE"} if right != exact else set())


@pytest.mark.parametrize("rounding", [CHOPPED, MINUS, NORMAL, DYNAMIC])
@pytest.mark.parametrize("code", EXACT)
@settings(max_examples=40)
@given(first=st.floats(width=32), second=st.floats(width=32))
def test_single_arithmetic(code: int, rounding: int, first: float, second: float) -> None:
    for one in (first, second):
        assume(math.isfinite(one) and (one == 0 or abs(one) >= 2.0**-126))
    assume(code != a.DIVS or second)
    exact = EXACT[code](Fraction(first), Fraction(second))
    right = rounded(exact, 24, -126, rounding)
    assume(Fraction(2) ** -126 <= abs(right) < Fraction(2) ** 128)
    do(code | rounding | SUI, bits(first), bits(second), fpcr=ALL_DISABLED | 3 << 58)
    assert Fraction(number(BENCH.real(3))) == right


@given(NUMBER.map(abs))
@example(2.0)
@example(4.0)
def test_square_roots(square: float) -> None:
    do(a.SQRTT | NORMAL | SUI, 0, bits(square), fpcr=ALL_DISABLED, opcode=a.ITFP)
    assert number(BENCH.real(3)) == math.sqrt(square)
    do(a.SQRTT | CHOPPED, 0, bits(square), opcode=a.ITFP)
    root = Fraction(number(BENCH.real(3)))
    above = Fraction(math.nextafter(number(BENCH.real(3)), math.inf))
    assert root * root <= Fraction(square) < above * above


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_integers_become_numbers(value: int) -> None:
    do(a.CVTQT | NORMAL, 0, value & ONES)
    assert number(BENCH.real(3)) == float(value)
    do(a.CVTQT | MINUS, 0, value & ONES)
    assert Fraction(number(BENCH.real(3))) == rounded(Fraction(value), 53, -1022, MINUS)


@given(st.floats(-(2.0**63), 2.0**63 - 1024))
def test_numbers_become_integers(value: float) -> None:
    assume(value == 0 or abs(value) >= 2.0**-1022)
    for rounding, whole in ((CHOPPED, math.trunc), (MINUS, math.floor), (NORMAL, round)):
        assert do(a.CVTTQ | rounding | U, 0, bits(value)) == Exit.BUDGET
        assert BENCH.real(3) == whole(value) & ONES


@pytest.mark.parametrize("value", [2.0**63, -(2.0**63) - 2048, 2.0**64, 1e300])
def test_an_integer_too_large_keeps_its_low_bits_and_traps_with_v(value: float) -> None:
    assert do(a.CVTTQ, 0, bits(value)) == Exit.BUDGET
    assert BENCH.real(3) == int(value) & ONES
    assert status() == {"IOV", "INE"}
    assert do(a.CVTTQ | U, 0, bits(value)) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == a.SUMMARY_INTEGER_OVERFLOW


ONE, TWO, LARGEST, LEAST = (bits(one) for one in (1.0, 2.0, math.ldexp(2 - 2**-52, 1023), 2**-1022))
ADDT, MULT, DIVT, CVTTS = (code | NORMAL for code in (a.ADDT, a.MULT, a.DIVT, a.CVTTS))
TRAPS = [
    (DIVT, ONE, 0, "zero", a.SUMMARY_DIVISION_BY_ZERO, INFINITY),
    (DIVT, 0, 0, "invalid", a.SUMMARY_INVALID, NAN),
    (MULT, LARGEST, TWO, "overflow", a.SUMMARY_OVERFLOW, INFINITY),
    (CVTTS, 0, LARGEST, "overflow", a.SUMMARY_OVERFLOW, INFINITY),
]


@pytest.mark.parametrize(("function", "first", "second", "name", "summary", "result"), TRAPS)
def test_what_always_traps_without_s(
    function: int, first: int, second: int, name: str, summary: int, result: int
) -> None:
    assert do(function, first, second, fpcr=ALL_DISABLED) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == summary
    assert BENCH.processor.register_mask == 1 << 32 + 3
    assert BENCH.processor.pc == CODE + 4
    assert BENCH.real(3) == 77


@pytest.mark.parametrize(("function", "first", "second", "name", "summary", "result"), TRAPS)
def test_what_can_be_disabled_with_s(
    function: int, first: int, second: int, name: str, summary: int, result: int
) -> None:
    others = ALL_DISABLED & ~DISABLED[name]
    assert do(function | S | U, first, second, fpcr=others) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == summary | a.SUMMARY_SOFTWARE_COMPLETION
    assert BENCH.real(3) == 77
    assert do(function | S | U, first, second, fpcr=DISABLED[name]) == Exit.BUDGET
    assert BENCH.real(3) == result


def test_underflow() -> None:
    half = bits(0.5)
    assert do(MULT, LEAST, half) == Exit.BUDGET
    assert BENCH.real(3) == 0
    assert do(MULT | U, LEAST | SIGN, half) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == a.SUMMARY_UNDERFLOW
    assert do(MULT | S | U, LEAST, half, fpcr=DISABLED["underflow"]) == Exit.BUDGET
    assert BENCH.real(3) == 1 << 51 and status() == set()  # exact
    do(MULT | S | U, LEAST | 1, half, fpcr=DISABLED["underflow"])
    assert BENCH.real(3) == 1 << 51 and "UNF" in status()
    do(MULT | S | U, LEAST | SIGN, half, fpcr=DISABLED["underflow"] | UNDZ)
    assert BENCH.real(3) == SIGN and "UNF" in status()


def test_too_small_is_what_is_so_after_rounding() -> None:
    below = LEAST - 1  # times a little more than one, which rounds to LEAST
    do(MULT | S | U, below, ONE + 1, fpcr=ALL_DISABLED | DNOD | UNDZ)
    assert BENCH.real(3) == LEAST and status() == set()
    do(MULT | SUI, below, ONE + 1, fpcr=ALL_DISABLED | DNOD | UNDZ)
    assert status() == {"INE"}
    do(a.MULT | CHOPPED | S | U, below, ONE + 1, fpcr=ALL_DISABLED | DNOD | UNDZ)
    assert BENCH.real(3) == 0


def test_inexact_traps_only_when_asked() -> None:
    third = bits(3.0)
    assert do(DIVT, ONE, third) == Exit.BUDGET and "INE" in status()
    assert do(DIVT | SUI, ONE, third, fpcr=DISABLED["inexact"]) == Exit.BUDGET
    assert do(DIVT | SUI, ONE, third) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == (a.SUMMARY_INEXACT | a.SUMMARY_SOFTWARE_COMPLETION)


@pytest.mark.parametrize("operand", [INFINITY, QUIET, LOUD, SMALL, SIGN | SMALL])
def test_without_s_only_ordinary_operands_are_taken(operand: int) -> None:
    for pair in ((operand, ONE), (ONE, operand)):
        assert do(ADDT, *pair) == Exit.ARITHMETIC
        assert BENCH.processor.exception_summary == a.SUMMARY_INVALID
        assert status() == {"INV"} and BENCH.real(3) == 77
    compare = do(a.CMPTLT | NORMAL, ONE, operand)
    assert compare == (Exit.BUDGET if operand == INFINITY else Exit.ARITHMETIC)


def test_denormal_operands_with_s() -> None:
    assert do(ADDT | S | U, SMALL, ONE, fpcr=ALL_DISABLED) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == (a.SUMMARY_INVALID | a.SUMMARY_SOFTWARE_COMPLETION)
    do(ADDT | S | U, SMALL, SMALL, fpcr=ALL_DISABLED | DNOD)
    assert BENCH.real(3) == 2 * SMALL
    do(ADDT | S | U, SMALL | SIGN, SMALL | SIGN, fpcr=ALL_DISABLED | DNZ)
    assert BENCH.real(3) == SIGN


@pytest.mark.parametrize(
    ("first", "second", "result", "flags"),
    [
        (QUIET, ONE, QUIET, set()),
        (ONE, QUIET, QUIET, set()),
        (QUIET, QUIET + 1, QUIET + 1, set()),  # Fb's
        (LOUD, QUIET, QUIET, {"INV"}),
        (QUIET, LOUD, LOUD | 1 << 51, {"INV"}),
        (INFINITY, INFINITY | SIGN, NAN, {"INV"}),
    ],
)
def test_what_is_no_number(first: int, second: int, result: int, flags: set[str]) -> None:
    assert do(ADDT | S | U, first, second, fpcr=ALL_DISABLED) == Exit.BUDGET
    assert BENCH.real(3) == result
    assert status() == flags


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (MULT, 0, INFINITY),
        (MULT, INFINITY, SIGN),
        (DIVT, INFINITY, INFINITY | SIGN),
        (DIVT, SIGN, 0),
        (a.SUBT | NORMAL, INFINITY, INFINITY),
    ],
)
def test_operations_without_a_result(function: int, first: int, second: int) -> None:
    assert do(function | S | U, first, second, fpcr=ALL_DISABLED) == Exit.BUDGET
    assert BENCH.real(3) == NAN and status() == {"INV"}


def test_the_root_of_a_negative_number() -> None:
    assert do(a.SQRTT | NORMAL, 0, ONE | SIGN, opcode=a.ITFP) == Exit.ARITHMETIC
    do(a.SQRTT | NORMAL | S | U, 0, ONE | SIGN, fpcr=ALL_DISABLED, opcode=a.ITFP)
    assert BENCH.real(3) == NAN
    do(a.SQRTT | NORMAL, 0, SIGN, opcode=a.ITFP)
    assert BENCH.real(3) == SIGN  # -0


@pytest.mark.parametrize(
    ("code", "is_loud"), [(a.CMPTUN, False), (a.CMPTEQ, False), (a.CMPTLT, True), (a.CMPTLE, True)]
)
def test_comparisons_with_what_is_no_number(code: int, is_loud: bool) -> None:
    do(code | NORMAL | S | U, QUIET, ONE, fpcr=ALL_DISABLED)
    assert BENCH.real(3) == (TWO if code == a.CMPTUN else 0)
    assert status() == ({"INV"} if is_loud else set())


def test_the_control_register_keeps_what_it_has() -> None:
    BENCH.set_real(1, ONES)
    BENCH.execute(floating(a.FLTL, a.MT_FPCR, 1, 1, 1), floating(a.FLTL, a.MF_FPCR, 2, 2, 2))
    assert BENCH.real(2) == ONES >> 47 << 47
    BENCH.set_real(1, SIGN | 3 << 58)
    BENCH.execute(floating(a.FLTL, a.MT_FPCR, 1, 1, 1), floating(a.FLTL, a.MF_FPCR, 2, 2, 2))
    assert BENCH.real(2) == 3 << 58  # nothing to sum up
    BENCH.processor.fpcr = 0


@pytest.mark.parametrize("value", [0, ONE, ONE | SIGN, SIGN, QUIET, SMALL, SIGN | INFINITY])
def test_branches(value: int) -> None:
    zero = value in (0, SIGN)
    negative = value >> 63 == 1 and not zero
    for opcode, is_taken in (
        *((a.FBEQ, zero), (a.FBNE, not zero), (a.FBLT, negative), (a.FBGE, not negative)),
        *((a.FBLE, negative or zero), (a.FBGT, not negative and not zero)),
    ):
        BENCH.set_real(1, value)
        BENCH.execute(branch(opcode, 1, 5))
        assert BENCH.processor.pc == CODE + (24 if is_taken else 4)


def test_a_longword_in_a_floating_register() -> None:
    for value in (0, 1, -1, 0x7FFFFFFF, -0x80000000, 0x12345678):
        assert do(a.CVTQL_V, 0, value & ONES, opcode=a.FLTL) == Exit.BUDGET
        placed = BENCH.real(3)
        assert placed == (value & 0xC0000000) << 32 | (value & 0x3FFFFFFF) << 29
        do(a.CVTLQ, 0, placed, opcode=a.FLTL)
        assert BENCH.real(3) == value & ONES
    assert do(a.CVTQL_V, 0, 1 << 31, opcode=a.FLTL) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == a.SUMMARY_INTEGER_OVERFLOW
    assert do(a.CVTQL, 0, 1 << 31, opcode=a.FLTL) == Exit.BUDGET


def f_floating(value: float) -> int:
    """32 bits as the VAX has them in memory: 0.1f, excess 128, words exchanged. AH 2.2.4.1"""
    if value == 0:
        return 0
    fraction, exponent = math.frexp(abs(value))
    word = (value < 0) << 31 | exponent + 128 << 23 | int(fraction * 2**24) & 0x7FFFFF
    return word >> 16 | (word & 0xFFFF) << 16


def g_register(value: float) -> int:
    """64 bits of a register: 0.1f, excess 1024. AH 2.2.4.2"""
    if value == 0:
        return 0
    fraction, exponent = math.frexp(abs(value))
    return (value < 0) << 63 | exponent + 1024 << 52 | int(fraction * 2**53) & (1 << 52) - 1


SHORT = st.integers(-(2**24) + 1, 2**24 - 1).flatmap(
    lambda whole: st.integers(-100, 80).map(lambda power: math.ldexp(whole, power))
)


@given(SHORT)
def test_the_formats_of_the_vax_in_memory(value: float) -> None:
    BENCH[2] = DATA
    word = f_floating(value)
    BENCH.set_quad(DATA_AT, word)
    load, store = memory(a.LDF, 1, 2), memory(a.STF, 1, 2, 4)
    BENCH.execute(load, store, memory(a.STG, 1, 2, 8), memory(a.LDG, 3, 2, 8))
    assert BENCH.real(1) == BENCH.real(3) == g_register(value)
    assert BENCH.quad(DATA_AT) == word << 32 | word
    words = [g_register(value) >> place & 0xFFFF for place in (48, 32, 16, 0)]
    assert BENCH.quad(DATA_AT + 8) == sum(part << 16 * at for at, part in enumerate(words))
    BENCH[1] = word >> 16 | (word & 0xFFFF) << 16  # which exchanges no words. AH 4.10.17
    BENCH.execute(floating(a.ITFP, a.ITOFF, 1, 31, 4))
    assert BENCH.real(4) == g_register(value)


def half_up(exact: Fraction, precision: int) -> Fraction:
    """The VAX's rounding: halves away from zero."""
    if exact == 0:
        return exact
    unit = Fraction(2) ** (exponent_of(exact) - precision + 1)
    size = math.floor(abs(exact) / unit + Fraction(1, 2)) * unit
    return size if exact > 0 else -size


@pytest.mark.parametrize(("form", "precision"), [(0, 24), (a.SOURCE_FORMAT, 53)])
@pytest.mark.parametrize("code", EXACT)
@settings(max_examples=40)
@given(first=SHORT, second=SHORT)
def test_arithmetic_of_the_vax(
    form: int, precision: int, code: int, first: float, second: float
) -> None:
    assume(code != a.DIVS or second)
    exact = EXACT[code](Fraction(first), Fraction(second))
    assume(exact == 0 or Fraction(2) ** -127 < abs(exact) < Fraction(2) ** 125)
    right = half_up(exact, precision)
    stop = do(code | form | NORMAL, g_register(first), g_register(second), opcode=a.FLTV)
    assert stop == Exit.BUDGET
    assert BENCH.real(3) == g_register(float(right))
    assert status() == set()


@pytest.mark.parametrize("bad", [SIGN, 1, SIGN | 1])
def test_what_is_no_number_to_the_vax(bad: int) -> None:
    assert do(a.ADDG | NORMAL, g_register(1.0), bad, opcode=a.FLTV) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == a.SUMMARY_INVALID
    assert BENCH.processor.register_mask == 1 << 35
    assert BENCH.real(3) == 77


def test_traps_of_the_vax() -> None:
    one, large, least = g_register(1.0), 0x7FFF << 48, 1 << 52
    assert do(a.DIVG | NORMAL, one, 0, opcode=a.FLTV) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == a.SUMMARY_DIVISION_BY_ZERO
    assert do(a.MULG | NORMAL, large, large, opcode=a.FLTV) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == a.SUMMARY_OVERFLOW
    assert do(a.MULG | NORMAL, least, least, opcode=a.FLTV) == Exit.BUDGET
    assert BENCH.real(3) == 0
    assert do(a.MULG | NORMAL | U | S, least, least, opcode=a.FLTV) == Exit.ARITHMETIC
    assert BENCH.processor.exception_summary == (
        a.SUMMARY_UNDERFLOW | a.SUMMARY_SOFTWARE_COMPLETION
    )


def test_comparisons_and_conversions_of_the_vax() -> None:
    one, two = g_register(1.0), g_register(-2.5)
    for code, expected in ((a.CMPGEQ, 0), (a.CMPGLT, 0), (a.CMPGLE, 0)):
        do(code | NORMAL, one, two, opcode=a.FLTV)
        assert BENCH.real(3) == expected
    for code, expected in ((a.CMPGEQ, 0), (a.CMPGLT, TWO), (a.CMPGLE, TWO)):
        do(code | NORMAL, two, one, opcode=a.FLTV)
        assert BENCH.real(3) == expected
    do(a.CMPGLE | NORMAL, one, one, opcode=a.FLTV)
    assert BENCH.real(3) == TWO
    do(a.CVTGQ | NORMAL, 0, two, opcode=a.FLTV)
    assert BENCH.real(3) == -3 & ONES  # a half, away from zero
    do(a.CVTGQ | CHOPPED, 0, two, opcode=a.FLTV)
    assert BENCH.real(3) == -2 & ONES
    do(a.CVTQG | NORMAL, 0, -7 & ONES, opcode=a.FLTV)
    assert BENCH.real(3) == g_register(-7.0)
    do(a.CVTGF | NORMAL, 0, g_register(1 + 2**-24), opcode=a.FLTV)
    assert BENCH.real(3) == g_register(1 + 2**-23)
    do(a.SQRTG | NORMAL, 0, g_register(6.25), opcode=a.ITFP)
    assert BENCH.real(3) == g_register(2.5)
    for function in (a.CVTDG, a.CVTGD):
        assert do(function | NORMAL, 0, one, opcode=a.FLTV) == Exit.ILLEGAL_INSTRUCTION


def test_moves_between_the_register_files() -> None:
    BENCH[1] = 0xFFFF_FFFF_C020_0000
    BENCH.execute(floating(a.ITFP, a.ITOFS, 1, 31, 2), operate(a.FPTI, a.FTOIS, 2, 31, 3))
    assert (number(BENCH.real(2)), BENCH[3]) == (-2.5, BENCH[1])
    BENCH.execute(floating(a.ITFP, a.ITOFT, 1, 31, 2), operate(a.FPTI, a.FTOIT, 2, 31, 3))
    assert BENCH.real(2) == BENCH[3] == BENCH[1]
