"""What does an operation in the formats of the VAX do? Opcode 15, and square roots of 14.

F and G have neither infinities nor denormal numbers: what does not fit traps, and so does an
operand that is no number. Halves are rounded away from zero. CVTDG and CVTGD, of a format that
nothing else here knows, are left out: they are illegal instructions.
"""

from __future__ import annotations

import numpy as np
from numba import int64, uint64
from numpy.typing import NDArray

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.arithmetic import (
    added,
    divided,
    multiplied,
    negated,
    square_root,
)
from septum.engine.alpha.processor.compiled import called, inlined
from septum.engine.alpha.processor.convert import from_integer, ordered, to_integer
from septum.engine.alpha.processor.number import (
    ROUND_HALF_UP,
    UNDEFINED,
    F,
    G,
    Number,
    packed,
    special,
    unpacked,
)
from septum.layouts import alpha as a


@called
def vax(instruction: int, floating: NDArray[np.int64], state: NDArray[np.int64]) -> int:
    """An exit, or 0. AH 4.10"""
    function = instruction >> a.FUNCTION_SHIFT & a.FLOATING_FUNCTION_MASK
    code = function & a.FLOATING_CODE_MASK
    first = floating[uint64(instruction >> a.RA_SHIFT & a.REGISTER_MASK)]
    second = floating[uint64(instruction >> a.RB_SHIFT & a.REGISTER_MASK)]
    is_from_integer = code == a.CVTQF or code == a.CVTQG
    if code > a.CMPGLE or code == a.SQRTF:
        first = int64(0)
    if not is_from_integer and (is_reserved(first) or is_reserved(second)):
        return refused(instruction, function, a.SUMMARY_INVALID, state)
    is_chopped = function >> a.ROUNDING_SHIFT & a.ROUNDING_MASK == a.ROUND_CHOPPED
    rounding = int64(a.ROUND_CHOPPED if is_chopped else ROUND_HALF_UP)
    if a.CMPGEQ <= code <= a.CMPGLE:
        result, flags = compared(code, first, second), int64(0)
    elif code == a.CVTGQ:
        result, flags = to_integer(unpacked(second, G), rounding)
    else:
        form = F if code & a.SOURCE_FORMAT == 0 else G
        one, other = unpacked(first, form), unpacked(second, form)
        number = from_integer(second) if is_from_integer else combined(code, one, other)
        if number.kind == UNDEFINED:
            return s.ILLEGAL_INSTRUCTION
        is_short = form == F or code == a.CVTGF or code == a.CVTQF
        result, flags = packed(number, F if is_short else G, rounding, True)
    wanted = a.SUMMARY_INVALID | a.SUMMARY_DIVISION_BY_ZERO | a.SUMMARY_OVERFLOW
    if function & a.QUALIFIER_UNDERFLOW != 0:
        wanted |= a.SUMMARY_UNDERFLOW | a.SUMMARY_INTEGER_OVERFLOW
    if flags & wanted != 0:
        return refused(instruction, function, flags & wanted, state)
    floating[uint64(instruction & a.REGISTER_MASK)] = result
    return 0


@inlined
def is_reserved(bits: int) -> bool:
    """Is it a reserved operand or a dirty zero? AH 2.2.4, 4.7.4"""
    return bits & a.INFINITY == 0 and bits != 0


@inlined
def compared(code: int, first: int, second: int) -> int:
    """CMPGEQ, CMPGLT, CMPGLE."""
    one, other = ordered(first), ordered(second)
    is_so = one == other if code == a.CMPGEQ else one < other if code == a.CMPGLT else one <= other
    return int64(a.TRUE if is_so else 0)


@inlined
def combined(code: int, one: Number, other: Number) -> Number:
    """The exact result of an operation on numbers."""
    operation = code & ~a.SOURCE_FORMAT
    if operation == a.ADDF:
        return added(one, other, a.ROUND_NORMAL)
    if operation == a.SUBF:
        return added(one, negated(other), a.ROUND_NORMAL)
    if operation == a.MULF:
        return multiplied(one, other)
    if operation == a.DIVF:
        return divided(one, other)
    if operation == a.SQRTF:
        return square_root(other)
    if code == a.CVTGF:
        return other
    return special(UNDEFINED, 0)


@inlined
def refused(instruction: int, function: int, flags: int, state: NDArray[np.int64]) -> int:
    """The trap; the result's register stays as it was."""
    software = function & a.QUALIFIER_SOFTWARE != 0
    state[s.EXCEPTION_SUMMARY] = flags | (a.SUMMARY_SOFTWARE_COMPLETION if software else 0)
    state[s.REGISTER_MASK] = int64(1) << a.MASK_FLOATING_SHIFT + (instruction & a.REGISTER_MASK)
    return s.ARITHMETIC
