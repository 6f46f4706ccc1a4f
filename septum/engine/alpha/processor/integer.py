"""What do the integer operations compute? Opcodes 10 to 13, by their kinds (see `kinds`).

Each takes the kind and two operands of 64 bits, puts the result in a register's place, and returns
how it went: state.DONE, or state.INTEGER_OVERFLOW (for the /V forms; the result stands).
"""

from __future__ import annotations

from numba import int32, int64, uint32, uint64

from septum.engine.alpha.processor import kinds as k
from septum.engine.alpha.processor.bytewise import (
    Word,
    compare_bytes,
    kept,
    one,
    other,
    put,
    shift_group,
)
from septum.engine.alpha.processor.compiled import inlined
from septum.engine.alpha.processor.state import DONE, INTEGER_OVERFLOW
from septum.engine.alpha.processor.wrapping import minus, plus, times
from septum.layouts import alpha as a


@inlined
def operate(kind: int, word: Word) -> int:
    """One operation."""
    if kind == k.ADDQ:
        return put(word, plus(one(word), other(word)))
    if kind == k.SUBQ:
        return put(word, minus(one(word), other(word)))
    if kind == k.ADDL:
        return put(word, int64(int32(plus(one(word), other(word)))))
    if kind == k.SUBL:
        return put(word, int64(int32(minus(one(word), other(word)))))
    if kind == k.CMPEQ:
        return put(word, int64(one(word) == other(word)))
    if kind == k.CMPLT:
        return put(word, int64(one(word) < other(word)))
    if kind == k.CMPLE:
        return put(word, int64(one(word) <= other(word)))
    if kind == k.CMPULT:
        return put(word, int64(uint64(one(word)) < uint64(other(word))))
    if kind == k.CMPULE:
        return put(word, int64(uint64(one(word)) <= uint64(other(word))))
    if kind == k.CMPBGE:
        return put(word, compare_bytes(one(word), other(word)))
    return scaled(kind, word)


@inlined
def scaled(kind: int, word: Word) -> int:
    """Additions and subtractions of four or eight times the first. AH 4.4.2, 4.4.15"""
    if kind == k.S4ADDQ:
        return put(word, plus(one(word) << 2, other(word)))
    if kind == k.S8ADDQ:
        return put(word, plus(one(word) << 3, other(word)))
    if kind == k.S4SUBQ:
        return put(word, minus(one(word) << 2, other(word)))
    if kind == k.S8SUBQ:
        return put(word, minus(one(word) << 3, other(word)))
    if kind == k.S4ADDL:
        return put(word, int64(int32(plus(one(word) << 2, other(word)))))
    if kind == k.S8ADDL:
        return put(word, int64(int32(plus(one(word) << 3, other(word)))))
    if kind == k.S4SUBL:
        return put(word, int64(int32(minus(one(word) << 2, other(word)))))
    if kind == k.S8SUBL:
        return put(word, int64(int32(minus(one(word) << 3, other(word)))))
    return add_checked(kind, word)


@inlined
def add_checked(kind: int, word: Word) -> int:
    """The /V forms. AH 4.4.1, 4.4.14"""
    if kind == k.ADDQ_V:
        result = plus(one(word), other(word))
        return put_checked(word, result, (one(word) ^ result) & (other(word) ^ result) < 0)
    if kind == k.SUBQ_V:
        result = minus(one(word), other(word))
        return put_checked(word, result, (one(word) ^ other(word)) & (one(word) ^ result) < 0)
    if kind == k.ADDL_V:
        return put_long(word, int64(int32(one(word))) + int64(int32(other(word))))
    if kind == k.SUBL_V:
        return put_long(word, int64(int32(one(word))) - int64(int32(other(word))))
    return logical_group(kind, word)


@inlined
def put_checked(word: Word, result: int, is_lost: bool) -> int:
    """A result of which something may be lost: it stands all the same."""
    put(word, result)
    return INTEGER_OVERFLOW if is_lost else DONE


@inlined
def put_long(word: Word, exact: int) -> int:
    """A longword result, of which something may be lost."""
    result = int64(int32(exact))
    return put_checked(word, result, result != exact)


@inlined
def logical_group(kind: int, word: Word) -> int:
    """Opcode 11. AH 4.5"""
    if kind == k.BIS:
        return put(word, one(word) | other(word))
    if kind == k.AND:
        return put(word, one(word) & other(word))
    if kind == k.BIC:
        return put(word, one(word) & ~other(word))
    if kind == k.XOR:
        return put(word, one(word) ^ other(word))
    if kind == k.ORNOT:
        return put(word, one(word) | ~other(word))
    if kind == k.EQV:
        return put(word, one(word) ^ ~other(word))
    if kind == k.AMASK:
        return put(word, other(word) & ~a.FEATURES)
    if kind == k.IMPLVER:
        return put(word, a.IMPLEMENTATION_EV6)
    return conditional_move(kind, word)


@inlined
def conditional_move(kind: int, word: Word) -> int:
    """The second if the first is so, else what was there. AH 4.5.2"""
    if kind == k.CMOVEQ:
        return put(word, other(word) if one(word) == 0 else kept(word))
    if kind == k.CMOVNE:
        return put(word, other(word) if one(word) != 0 else kept(word))
    if kind == k.CMOVLT:
        return put(word, other(word) if one(word) < 0 else kept(word))
    if kind == k.CMOVGE:
        return put(word, other(word) if one(word) >= 0 else kept(word))
    if kind == k.CMOVLE:
        return put(word, other(word) if one(word) <= 0 else kept(word))
    if kind == k.CMOVGT:
        return put(word, other(word) if one(word) > 0 else kept(word))
    if kind == k.CMOVLBS:
        return put(word, other(word) if one(word) & 1 != 0 else kept(word))
    if kind == k.CMOVLBC:
        return put(word, other(word) if one(word) & 1 == 0 else kept(word))
    return multiply_group(kind, word)


@inlined
def multiply_group(kind: int, word: Word) -> int:
    """Opcode 13. AH 4.4.11, 4.4.12, 4.4.17"""
    if kind == k.MULQ:
        return put(word, times(one(word), other(word)))
    if kind == k.MULL:
        return put(word, int64(int32(times(one(word), other(word)))))
    if kind == k.UMULH:
        return put(word, upper_half(one(word), other(word)))
    if kind == k.MULL_V:
        return put_long(word, int64(int32(one(word))) * int64(int32(other(word))))
    if kind == k.MULQ_V:
        result = times(one(word), other(word))
        is_lost = signed_upper_half(one(word), other(word)) != result >> 63
        return put_checked(word, result, is_lost)
    return shift_group(kind, word)


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
