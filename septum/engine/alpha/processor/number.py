"""Which number do the bits of a floating-point register stand for, and which bits for it?

Taken apart, a number is its kind, its sign (0 or 1), an exponent, and a significand:
value = significand / 2**TOP * 2**exponent. That of an operand has its first one at bit TOP; that
of a result may have it anywhere. Bits that do not fit below are kept as one: bit 0 says that
something was lost.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import int64

from septum.engine.alpha.processor.bytewise import leading_zeros, shift_right
from septum.engine.alpha.processor.compiled import called, inlined
from septum.layouts import alpha as a

TOP = 61  # two bits are left above: the sign's and a sum's

# Kinds.
ZERO = 0
FINITE = 1
INFINITE = 2
INVALID = 3  # as a result: there is none. As an operand: not a number
DIVIDED = 4  # as a result: infinite, by a division by zero
UNDEFINED = 5  # as a result: no such operation

# Formats.
S = 0
T = 1
F = 2
G = 3

ROUND_HALF_UP = 4  # of the VAX, in magnitude


class Number(NamedTuple):
    """A number taken apart."""

    kind: int
    sign: int
    exponent: int
    significand: int


@inlined
def finite(sign: int, exponent: int, significand: int) -> Number:
    """A number, which may still turn out to be too large or too small."""
    return Number(int64(FINITE), int64(sign), int64(exponent), int64(significand))


@inlined
def special(kind: int, sign: int) -> Number:
    """A number of one of the other kinds."""
    return Number(int64(kind), int64(sign), int64(0), int64(0))


@inlined
def has_denormal(bits: int) -> bool:
    """Is it an IEEE number too small to have the hidden bit?"""
    return bits & a.WITHOUT_SIGN != 0 and bits & a.INFINITY == 0


@inlined
def is_nan(bits: int) -> bool:
    """Is it not a number?"""
    return bits & a.WITHOUT_SIGN > a.INFINITY


@inlined
def is_vax(form: int) -> bool:
    """Is this format one of the VAX?"""
    return form >= F


@inlined
def lowest(form: int) -> int:
    """The exponent of the smallest number with a hidden bit."""
    if form == S:
        return a.SINGLE_LOWEST
    if form == T:
        return a.DOUBLE_LOWEST
    return a.F_LOWEST if form == F else a.G_LOWEST


@inlined
def highest(form: int) -> int:
    """The exponent of the largest number."""
    if form == S:
        return a.SINGLE_HIGHEST
    if form == T:
        return a.DOUBLE_HIGHEST
    return a.F_HIGHEST if form == F else a.G_HIGHEST


@inlined
def as_single(bits: int) -> int:
    """What an S operand is if the register holds none: what STS and LDS would make of it."""
    return from_single(to_single(bits))


@inlined
def to_single(bits: int) -> int:
    """A register's S number as 32 bits. AH 4.8.7 (STS)"""
    return (
        shift_right(bits, 32) & a.SINGLE_TOP | shift_right(bits, a.SINGLE_DROPPED) & a.SINGLE_REST
    )


@inlined
def from_single(word: int) -> int:
    """32 bits of an S number as a register holds them. AH 2.2.6.1, Table 2-2"""
    exponent = word >> a.SINGLE_EXPONENT_SHIFT & a.SINGLE_EXPONENT_MASK
    if exponent == a.SINGLE_EXPONENT_MASK:
        exponent = int64(a.EXPONENT_MASK)
    elif exponent != 0:
        exponent += a.SINGLE_REBIAS
    return (
        (word >> 31 & 1) << 63
        | exponent << a.FRACTION_BITS
        | (word & a.SINGLE_FRACTION_MASK) << a.SINGLE_DROPPED
    )


@inlined
def from_vax_single(word: int) -> int:
    """32 bits of an F number in memory as a register holds them. AH 2.2.4.1, Table 2-1"""
    turned = halves_swapped(word)
    exponent = turned >> a.SINGLE_EXPONENT_SHIFT & a.SINGLE_EXPONENT_MASK
    if exponent != 0:
        exponent += a.SINGLE_REBIAS
    return (
        (turned >> 31 & 1) << 63
        | exponent << a.FRACTION_BITS
        | (turned & a.SINGLE_FRACTION_MASK) << a.SINGLE_DROPPED
    )


@inlined
def halves_swapped(word: int) -> int:
    """32 bits with their words exchanged, as the VAX has them in memory."""
    return (word & a.WORD_MASK) << 16 | word >> 16 & a.WORD_MASK


@inlined
def words_reversed(quad: int) -> int:
    """64 bits with their words in the other order."""
    upper, lower = halves_swapped(quad >> 32 & a.LONG_MASK), halves_swapped(quad & a.LONG_MASK)
    return lower << 32 | upper


@called
def unpacked(bits: int, form: int) -> Number:
    """What a register in one of the formats stands for."""
    sign = bits >> 63 & 1
    exponent = bits >> a.FRACTION_BITS & a.EXPONENT_MASK
    fraction = bits & a.FRACTION_MASK
    significand = (fraction | a.HIDDEN_BIT) << TOP - a.FRACTION_BITS
    if is_vax(form):
        if exponent == 0:
            return special(ZERO, 0)
        return finite(sign, exponent - a.VAX_BIAS, significand)
    if exponent == a.EXPONENT_MASK:
        return special(INFINITE if fraction == 0 else INVALID, sign)
    if exponent != 0:
        return finite(sign, exponent - a.IEEE_BIAS, significand)
    if fraction == 0:
        return special(ZERO, sign)
    shift = leading_zeros(fraction) - (63 - TOP)
    return finite(sign, lowest(form) + TOP - a.FRACTION_BITS - shift, fraction << shift)


@inlined
def shifted(significand: int, count: int) -> int:
    """To the right; whatever falls out leaves a one in bit 0."""
    if count > 62:
        return int64(significand != 0)
    kept = significand >> count
    return kept | int64(kept << count != significand)


@inlined
def rounded(sign: int, significand: int, drop: int, rounding: int) -> tuple[int, bool]:
    """The significand without its lowest `drop` bits, and whether they were anything."""
    half = int64(1) << drop - 1
    kept, rest = significand >> drop, significand & 2 * half - 1
    if rounding == a.ROUND_NORMAL:
        grows = rest > half or (rest == half and kept & 1 != 0)
    elif rounding == a.ROUND_PLUS:
        grows = rest != 0 and sign == 0
    elif rounding == a.ROUND_MINUS:
        grows = rest != 0 and sign != 0
    else:
        grows = rounding == ROUND_HALF_UP and rest >= half
    return kept + int64(grows), rest != 0


@called
def packed(number: Number, form: int, rounding: int, flush: bool) -> tuple[int, int]:
    """A register's bits, and the exceptions as bits of EXC_SUM."""
    sign = number.sign << 63
    if number.kind == FINITE:
        return fitted(number, form, rounding, flush)
    if number.kind == ZERO:
        return (int64(0) if is_vax(form) else sign), int64(0)
    if number.kind == INFINITE:
        return sign | a.INFINITY, int64(0)
    if number.kind == DIVIDED:
        return sign | a.INFINITY, int64(a.SUMMARY_DIVISION_BY_ZERO)
    return int64(a.CANONICAL_NAN), int64(a.SUMMARY_INVALID)


@inlined
def fitted(number: Number, form: int, rounding: int, flush: bool) -> tuple[int, int]:
    """The same of a finite number, whose significand is not zero.

    `flush`: what is too small becomes zero. Too small is what still is after rounding as if the
    exponent had no limit. AH 4.7.5.3
    """
    sign, exponent, significand = number.sign, number.exponent, number.significand
    shift = leading_zeros(significand) - (63 - TOP)
    significand = shifted(significand, 1) if shift < 0 else significand << shift
    exponent -= shift
    precision = a.PRECISION_SINGLE if form in (S, F) else a.PRECISION_DOUBLE
    drop = TOP + 1 - precision
    result, is_inexact = rounded(sign, significand, drop, rounding)
    carry = result >> precision
    if exponent + carry > highest(form):
        return overflowed(sign, form, rounding), int64(a.SUMMARY_OVERFLOW | a.SUMMARY_INEXACT)
    flags = int64(0)
    low = lowest(form)
    if exponent + carry < low:
        if flush or is_vax(form):
            zero = int64(0) if is_vax(form) else sign << 63
            return zero, int64(a.SUMMARY_UNDERFLOW | a.SUMMARY_INEXACT)
        result, is_inexact = rounded(sign, shifted(significand, low - exponent), drop, rounding)
        exponent, carry = low, int64(0)
        flags = int64(a.SUMMARY_UNDERFLOW if is_inexact else 0)
    if is_inexact:
        flags |= a.SUMMARY_INEXACT
    return assembled(sign, exponent + carry, result >> carry, form, precision), flags


@inlined
def assembled(sign: int, exponent: int, result: int, form: int, precision: int) -> int:
    """A register's bits; a result without its highest bit is a denormal number."""
    fraction = result << a.PRECISION_DOUBLE - precision & a.FRACTION_MASK
    if result >> precision - 1 == 0:
        return sign << 63 | fraction
    bias = a.VAX_BIAS if is_vax(form) else a.IEEE_BIAS
    return sign << 63 | exponent + bias << a.FRACTION_BITS | fraction


@inlined
def overflowed(sign: int, form: int, rounding: int) -> int:
    """Infinity, or the largest number when rounding leads towards zero. AH 4.7.5.2"""
    if is_vax(form):
        return int64(0)
    goes_on = rounding == a.ROUND_NORMAL or rounding == (
        a.ROUND_MINUS if sign != 0 else a.ROUND_PLUS
    )
    if goes_on:
        return sign << 63 | a.INFINITY
    precision = a.PRECISION_SINGLE if form == S else a.PRECISION_DOUBLE
    return assembled(sign, highest(form), (int64(1) << precision) - 1, form, precision)
