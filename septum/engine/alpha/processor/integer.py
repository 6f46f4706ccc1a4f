"""What do the integer operations compute? Opcodes 10 to 13, by their kinds (see `kinds`).

Each takes the kind and two operands of 64 bits, puts the result in a register's place, and returns
how it went: state.DONE, or state.INTEGER_OVERFLOW (for the /V forms; the result stands).
"""

from __future__ import annotations

import numpy as np
from numba import int32, int64, uint32, uint64
from numpy.typing import NDArray

from septum.engine.alpha.processor import kinds as k
from septum.engine.alpha.processor.bytewise import compare_bytes, put, shift_group
from septum.engine.alpha.processor.compiled import inlined
from septum.engine.alpha.processor.state import DONE, INTEGER_OVERFLOW
from septum.engine.alpha.processor.wrapping import minus, plus, times
from septum.layouts import alpha as a


@inlined
def operate(
    kind: int, first: int, second: int, registers: NDArray[np.int64], place: int
) -> int:
    """One operation."""
    if kind == k.ADDQ:
        return put(registers, place, plus(first, second))
    if kind == k.SUBQ:
        return put(registers, place, minus(first, second))
    if kind == k.ADDL:
        return put(registers, place, int64(int32(plus(first, second))))
    if kind == k.SUBL:
        return put(registers, place, int64(int32(minus(first, second))))
    if kind == k.CMPEQ:
        return put(registers, place, int64(first == second))
    if kind == k.CMPLT:
        return put(registers, place, int64(first < second))
    if kind == k.CMPLE:
        return put(registers, place, int64(first <= second))
    if kind == k.CMPULT:
        return put(registers, place, int64(uint64(first) < uint64(second)))
    if kind == k.CMPULE:
        return put(registers, place, int64(uint64(first) <= uint64(second)))
    if kind == k.CMPBGE:
        return put(registers, place, compare_bytes(first, second))
    return scaled(kind, first, second, registers, place)


@inlined
def scaled(
    kind: int, first: int, second: int, registers: NDArray[np.int64], place: int
) -> int:
    """Additions and subtractions of four or eight times the first. AH 4.4.2, 4.4.15"""
    if kind == k.S4ADDQ:
        return put(registers, place, plus(first << 2, second))
    if kind == k.S8ADDQ:
        return put(registers, place, plus(first << 3, second))
    if kind == k.S4SUBQ:
        return put(registers, place, minus(first << 2, second))
    if kind == k.S8SUBQ:
        return put(registers, place, minus(first << 3, second))
    if kind == k.S4ADDL:
        return put(registers, place, int64(int32(plus(first << 2, second))))
    if kind == k.S8ADDL:
        return put(registers, place, int64(int32(plus(first << 3, second))))
    if kind == k.S4SUBL:
        return put(registers, place, int64(int32(minus(first << 2, second))))
    if kind == k.S8SUBL:
        return put(registers, place, int64(int32(minus(first << 3, second))))
    return add_checked(kind, first, second, registers, place)


@inlined
def add_checked(
    kind: int, first: int, second: int, registers: NDArray[np.int64], place: int
) -> int:
    """The /V forms. AH 4.4.1, 4.4.14"""
    if kind == k.ADDQ_V:
        result = plus(first, second)
        return put_checked(registers, place, result, (first ^ result) & (second ^ result) < 0)
    if kind == k.SUBQ_V:
        result = minus(first, second)
        return put_checked(registers, place, result, (first ^ second) & (first ^ result) < 0)
    if kind == k.ADDL_V:
        return put_long(registers, place, int64(int32(first)) + int64(int32(second)))
    if kind == k.SUBL_V:
        return put_long(registers, place, int64(int32(first)) - int64(int32(second)))
    return logical_group(kind, first, second, registers, place)


@inlined
def put_checked(
    registers: NDArray[np.int64], place: int, result: int, is_lost: bool
) -> int:
    """A result of which something may be lost: it stands all the same."""
    registers[place] = result
    return INTEGER_OVERFLOW if is_lost else DONE


@inlined
def put_long(registers: NDArray[np.int64], place: int, exact: int) -> int:
    """A longword result, of which something may be lost."""
    result = int64(int32(exact))
    return put_checked(registers, place, result, result != exact)


@inlined
def logical_group(
    kind: int, first: int, second: int, registers: NDArray[np.int64], place: int
) -> int:
    """Opcode 11. AH 4.5"""
    if kind == k.BIS:
        return put(registers, place, first | second)
    if kind == k.AND:
        return put(registers, place, first & second)
    if kind == k.BIC:
        return put(registers, place, first & ~second)
    if kind == k.XOR:
        return put(registers, place, first ^ second)
    if kind == k.ORNOT:
        return put(registers, place, first | ~second)
    if kind == k.EQV:
        return put(registers, place, first ^ ~second)
    if kind == k.AMASK:
        return put(registers, place, second & ~a.FEATURES)
    if kind == k.IMPLVER:
        return put(registers, place, a.IMPLEMENTATION_EV6)
    return conditional_move(kind, first, second, registers, place)


@inlined
def conditional_move(
    kind: int, first: int, second: int, registers: NDArray[np.int64], place: int
) -> int:
    """The second if the first is so, else what was there. AH 4.5.2"""
    if kind == k.CMOVEQ:
        return put(registers, place, second if first == 0 else registers[place])
    if kind == k.CMOVNE:
        return put(registers, place, second if first != 0 else registers[place])
    if kind == k.CMOVLT:
        return put(registers, place, second if first < 0 else registers[place])
    if kind == k.CMOVGE:
        return put(registers, place, second if first >= 0 else registers[place])
    if kind == k.CMOVLE:
        return put(registers, place, second if first <= 0 else registers[place])
    if kind == k.CMOVGT:
        return put(registers, place, second if first > 0 else registers[place])
    if kind == k.CMOVLBS:
        return put(registers, place, second if first & 1 != 0 else registers[place])
    if kind == k.CMOVLBC:
        return put(registers, place, second if first & 1 == 0 else registers[place])
    return multiply_group(kind, first, second, registers, place)


@inlined
def multiply_group(
    kind: int, first: int, second: int, registers: NDArray[np.int64], place: int
) -> int:
    """Opcode 13. AH 4.4.11, 4.4.12, 4.4.17"""
    if kind == k.MULQ:
        return put(registers, place, times(first, second))
    if kind == k.MULL:
        return put(registers, place, int64(int32(times(first, second))))
    if kind == k.UMULH:
        return put(registers, place, upper_half(first, second))
    if kind == k.MULL_V:
        return put_long(registers, place, int64(int32(first)) * int64(int32(second)))
    if kind == k.MULQ_V:
        result = times(first, second)
        is_lost = signed_upper_half(first, second) != result >> 63
        return put_checked(registers, place, result, is_lost)
    return shift_group(kind, first, second, registers, place)


@inlined
def upper_half(first: int, second: int) -> int:
    """Bits 127:64 of an unsigned product, from four products of halves."""
    half = uint64(32)
    first_low, first_high = uint64(uint32(first)), uint64(first) >> half
    second_low, second_high = uint64(uint32(second)), uint64(second) >> half
    middle = first_high * second_low + (first_low * second_low >> half)
    other = first_low * second_high + uint64(uint32(middle))
    result: int = int64(first_high * second_high + (middle >> half) + (other >> half))
    return result


@inlined
def signed_upper_half(first: int, second: int) -> int:
    """Bits 127:64 of a signed product: the unsigned one, less what the signs added."""
    result = upper_half(first, second)
    if first < 0:
        result = minus(result, second)
    if second < 0:
        result = minus(result, first)
    return result
