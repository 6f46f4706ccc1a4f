"""What are the sum, product, quotient and square root of two floating-point numbers?

The exact result is formed with integers, or enough of it to round it once; see `number`.
"""

from __future__ import annotations

from numba import int64, uint64

from septum.engine.alpha.processor.compiled import inlined
from septum.engine.alpha.processor.integer import upper_half
from septum.engine.alpha.processor.number import (
    DIVIDED,
    INFINITE,
    INVALID,
    TOP,
    ZERO,
    Number,
    finite,
    shifted,
    special,
)
from septum.engine.alpha.processor.wrapping import times
from septum.layouts import alpha as a

QUOTIENT_BITS = 55  # formed behind the point: 53 of the result, one to round, and those of 11


@inlined
def added(one: Number, other: Number, rounding: int) -> Number:
    """The sum."""
    if one.kind == INFINITE or other.kind == INFINITE:
        if one.kind == other.kind and one.sign != other.sign:
            return special(INVALID, 0)
        return special(INFINITE, one.sign if one.kind == INFINITE else other.sign)
    down = rounding == a.ROUND_MINUS
    if one.kind == ZERO and other.kind == ZERO:
        return special(ZERO, one.sign | other.sign if down else one.sign & other.sign)
    if one.kind == ZERO:
        return other
    if other.kind == ZERO:
        return one
    if one.exponent > other.exponent or (
        one.exponent == other.exponent and one.significand >= other.significand
    ):
        return added_smaller(one, other, down)
    return added_smaller(other, one, down)


@inlined
def added_smaller(one: Number, other: Number, down: bool) -> Number:
    """The sum of two finite numbers, the second not larger than the first in magnitude."""
    significand = shifted(other.significand, one.exponent - other.exponent)
    if one.sign == other.sign:
        return finite(one.sign, one.exponent, one.significand + significand)
    if one.significand == significand:
        return special(ZERO, int64(down))
    return finite(one.sign, one.exponent, one.significand - significand)


@inlined
def negated(number: Number) -> Number:
    """The number with the other sign."""
    return Number(number.kind, number.sign ^ 1, number.exponent, number.significand)


@inlined
def multiplied(one: Number, other: Number) -> Number:
    """The product."""
    sign = one.sign ^ other.sign
    if one.kind == ZERO or other.kind == ZERO:
        is_invalid = one.kind == INFINITE or other.kind == INFINITE
        return special(INVALID if is_invalid else ZERO, sign)
    if one.kind == INFINITE or other.kind == INFINITE:
        return special(INFINITE, sign)
    # Each moved up by one: the product of 1.f's is then the upper half over 2**60.
    first, second = one.significand << 1, other.significand << 1
    significand = upper_half(first, second) << 1 | int64(times(first, second) != 0)
    return finite(sign, one.exponent + other.exponent, significand)


@inlined
def divided(one: Number, other: Number) -> Number:
    """The quotient: 11 bits at a time, as many as fit above a divisor of 53."""
    sign = one.sign ^ other.sign
    if one.kind == other.kind and (one.kind == ZERO or one.kind == INFINITE):
        return special(INVALID, sign)
    if one.kind == INFINITE or other.kind == INFINITE:
        return special(INFINITE if one.kind == INFINITE else ZERO, sign)
    if one.kind == ZERO or other.kind == ZERO:
        return special(ZERO if one.kind == ZERO else DIVIDED, sign)
    spare = uint64(TOP - a.FRACTION_BITS)
    divisor, rest = uint64(other.significand) >> spare, uint64(one.significand) >> spare
    quotient = rest // divisor
    rest -= quotient * divisor
    for _ in range(QUOTIENT_BITS // 11):
        rest <<= uint64(11)
        digit = rest // divisor
        rest -= digit * divisor
        quotient = quotient << uint64(11) | digit
    significand = int64(quotient) << TOP - QUOTIENT_BITS | int64(rest != 0)
    return finite(sign, one.exponent - other.exponent, significand)


@inlined
def square_root(number: Number) -> Number:
    """The root, a bit at a time."""
    if number.kind == ZERO:
        return number
    if number.sign != 0:
        return special(INVALID, 0)
    if number.kind == INFINITE:
        return number
    odd = number.exponent & 1
    # The digits of 1.f or of twice that, two bits at a time from the top of `left`.
    left, rest, root = uint64(number.significand) << uint64(odd + 1), uint64(0), uint64(0)
    for _ in range(QUOTIENT_BITS + 1):
        rest = rest << uint64(2) | left >> uint64(62)
        left <<= uint64(2)
        trial = root << uint64(2) | uint64(1)
        root <<= uint64(1)
        if rest >= trial:
            rest -= trial
            root |= uint64(1)
    significand = int64(root) << TOP - QUOTIENT_BITS | int64(rest != 0)
    return finite(0, number.exponent - odd >> 1, significand)
