"""How do floating-point numbers compare, and how do they change their format?

Registers' bits in, registers' bits and exceptions (bits of EXC_SUM) out.
"""

from __future__ import annotations

from numba import int32, int64

from septum.engine.alpha.processor.compiled import inlined
from septum.engine.alpha.processor.number import (
    FINITE,
    TOP,
    ZERO,
    Number,
    finite,
    is_nan,
    rounded,
    shifted,
    special,
)
from septum.engine.alpha.processor.wrapping import minus
from septum.layouts import alpha as a


@inlined
def ordered(bits: int) -> int:
    """A number that orders as the floating-point number does; both zeros are one."""
    if bits >= 0:
        return bits
    return -(bits & a.WITHOUT_SIGN)


@inlined
def not_a_number(first: int, second: int) -> tuple[int, int]:
    """The result if an operand is none: Fb's, else Fa's, made quiet. AH 4.7.10.4"""
    chosen = second if is_nan(second) else first
    is_loud = is_signalling(first) or is_signalling(second)
    return chosen | a.QUIET_BIT, int64(a.SUMMARY_INVALID if is_loud else 0)


@inlined
def is_signalling(bits: int) -> bool:
    """Is it not a number, and says so loudly?"""
    return is_nan(bits) and bits & a.QUIET_BIT == 0


@inlined
def compared(code: int, first: int, second: int) -> tuple[int, int]:
    """CMPTUN, CMPTEQ, CMPTLT, CMPTLE. AH 4.10.4"""
    if is_nan(first) or is_nan(second):
        loud = is_signalling(first) or is_signalling(second)
        loud = loud or code == a.CMPTLT or code == a.CMPTLE
        flags = int64(a.SUMMARY_INVALID if loud else 0)
        return int64(a.TRUE if code == a.CMPTUN else 0), flags
    one, other = ordered(first), ordered(second)
    if code == a.CMPTEQ:
        is_so = one == other
    elif code == a.CMPTLT:
        is_so = one < other
    else:
        is_so = code == a.CMPTLE and one <= other
    return int64(a.TRUE if is_so else 0), int64(0)


@inlined
def from_integer(value: int) -> Number:
    """CVTQS, CVTQT, CVTQF, CVTQG. AH 4.10.7"""
    if value == 0:
        return special(ZERO, 0)
    sign = value >> 63 & 1
    if value == a.SIGN:
        return finite(1, 63, int64(1) << TOP)
    return finite(sign, TOP, -value if sign != 0 else value)


@inlined
def to_integer(number: Number, rounding: int) -> tuple[int, int]:
    """CVTTQ, CVTGQ: the low 64 bits of the whole number. AH 4.10.6"""
    if number.kind == ZERO:
        return int64(0), int64(0)
    if number.kind != FINITE:
        return int64(0), int64(a.SUMMARY_INVALID)
    sign, exponent, significand = number.sign, number.exponent, number.significand
    if exponent >= TOP:
        up = exponent - TOP
        result = significand << up if up < 64 else int64(0)
        is_least = exponent == 63 and sign != 0 and significand == int64(1) << TOP
        fits = exponent < 63 or is_least
        flags = int64(0 if fits else a.SUMMARY_INTEGER_OVERFLOW | a.SUMMARY_INEXACT)
        return minus(0, result) if sign != 0 else result, flags
    drop = min(TOP - exponent, TOP + 1)
    result, is_inexact = rounded(sign, shifted(significand, TOP - exponent - drop), drop, rounding)
    flags = int64(a.SUMMARY_INEXACT if is_inexact else 0)
    return minus(0, result) if sign != 0 else result, flags


@inlined
def to_longword(bits: int) -> tuple[int, int]:
    """CVTQL: 32 bits, placed as STS will write them. AH 4.10.5"""
    long = int64(int32(bits))
    flags = int64(0 if long == bits else a.SUMMARY_INTEGER_OVERFLOW | a.SUMMARY_INEXACT)
    return placed(bits), flags


@inlined
def placed(long: int) -> int:
    """A longword where a floating-point register keeps one: bits 63:62 and 58:29."""
    return (long & a.SINGLE_TOP) << 32 | (long & a.SINGLE_REST) << a.SINGLE_DROPPED


@inlined
def from_longword(bits: int) -> int:
    """CVTLQ: the same back, with its sign."""
    word = bits >> 32 & a.SINGLE_TOP | bits >> a.SINGLE_DROPPED & a.SINGLE_REST
    return int64(int32(word))
