"""What do the integer operations compute? Opcodes 10 to 13, without the bytes.

Each takes the function code and two operands of 64 bits, and returns the result and how it went:
state.DONE, state.NO_SUCH, or state.INTEGER_OVERFLOW (for the /V forms; the result stands).
"""

from __future__ import annotations

from numba import int32, int64, uint32, uint64

from septum.engine.alpha.processor.bytewise import compare_bytes, shift_group
from septum.engine.alpha.processor.compiled import inlined
from septum.engine.alpha.processor.state import DONE, INTEGER_OVERFLOW, NO_SUCH
from septum.engine.alpha.processor.wrapping import minus, plus, times
from septum.layouts import alpha as a


@inlined
def operate(opcode: int, function: int, first: int, second: int, old: int) -> tuple[int, int]:
    """One operation; `old` is what the result's register holds (for conditional moves)."""
    if opcode == a.INTA:
        return arithmetic_group(function, first, second)
    if opcode == a.INTL:
        return logical_group(function, first, second, old)
    if opcode == a.INTS:
        return shift_group(function, first, second)
    return multiply_group(function, first, second)


@inlined
def arithmetic_group(function: int, first: int, second: int) -> tuple[int, int]:
    """Opcode 10. AH 4.4"""
    if function == a.ADDQ:
        return plus(first, second), DONE
    if function == a.SUBQ:
        return minus(first, second), DONE
    if function == a.ADDL:
        return int64(int32(plus(first, second))), DONE
    if function == a.SUBL:
        return int64(int32(minus(first, second))), DONE
    if function == a.CMPEQ:
        return int64(first == second), DONE
    if function == a.CMPLT:
        return int64(first < second), DONE
    if function == a.CMPLE:
        return int64(first <= second), DONE
    if function == a.CMPULT:
        return int64(uint64(first) < uint64(second)), DONE
    if function == a.CMPULE:
        return int64(uint64(first) <= uint64(second)), DONE
    if function == a.CMPBGE:
        return compare_bytes(first, second), DONE
    if function & a.INTEGER_OVERFLOW_FLAG != 0:
        return add_checked(function, first, second)
    return scaled(function, first, second)


@inlined
def scaled(function: int, first: int, second: int) -> tuple[int, int]:
    """Additions and subtractions of four or eight times the first. AH 4.4.2, 4.4.15"""
    if function == a.S4ADDQ:
        return plus(first << 2, second), DONE
    if function == a.S8ADDQ:
        return plus(first << 3, second), DONE
    if function == a.S4SUBQ:
        return minus(first << 2, second), DONE
    if function == a.S8SUBQ:
        return minus(first << 3, second), DONE
    if function == a.S4ADDL:
        return int64(int32(plus(first << 2, second))), DONE
    if function == a.S8ADDL:
        return int64(int32(plus(first << 3, second))), DONE
    if function == a.S4SUBL:
        return int64(int32(minus(first << 2, second))), DONE
    if function == a.S8SUBL:
        return int64(int32(minus(first << 3, second))), DONE
    return 0, NO_SUCH


@inlined
def add_checked(function: int, first: int, second: int) -> tuple[int, int]:
    """The /V forms. AH 4.4.1, 4.4.14"""
    if function == a.ADDQ_V:
        result = plus(first, second)
        return result, overflow((first ^ result) & (second ^ result) < 0)
    if function == a.SUBQ_V:
        result = minus(first, second)
        return result, overflow((first ^ second) & (first ^ result) < 0)
    if function == a.ADDL_V:
        return fit_long(int64(int32(first)) + int64(int32(second)))
    if function == a.SUBL_V:
        return fit_long(int64(int32(first)) - int64(int32(second)))
    return 0, NO_SUCH


@inlined
def overflow(happened: bool) -> int:
    """How a checked operation went."""
    return INTEGER_OVERFLOW if happened else DONE


@inlined
def fit_long(exact: int) -> tuple[int, int]:
    """A longword result and whether it lost anything."""
    result = int64(int32(exact))
    return result, overflow(result != exact)


@inlined
def logical_group(function: int, first: int, second: int, old: int) -> tuple[int, int]:
    """Opcode 11. AH 4.5"""
    if function == a.BIS:
        return first | second, DONE
    if function == a.AND:
        return first & second, DONE
    if function == a.BIC:
        return first & ~second, DONE
    if function == a.XOR:
        return first ^ second, DONE
    if function == a.ORNOT:
        return first | ~second, DONE
    if function == a.EQV:
        return first ^ ~second, DONE
    if function == a.AMASK:
        return second & ~a.FEATURES, DONE
    if function == a.IMPLVER:
        return a.IMPLEMENTATION_EV6, DONE
    return conditional_move(function, first, second, old)


@inlined
def conditional_move(function: int, first: int, second: int, old: int) -> tuple[int, int]:
    """The second if the first is so, else what was there. AH 4.5.2"""
    if function == a.CMOVEQ:
        return second if first == 0 else old, DONE
    if function == a.CMOVNE:
        return second if first != 0 else old, DONE
    if function == a.CMOVLT:
        return second if first < 0 else old, DONE
    if function == a.CMOVGE:
        return second if first >= 0 else old, DONE
    if function == a.CMOVLE:
        return second if first <= 0 else old, DONE
    if function == a.CMOVGT:
        return second if first > 0 else old, DONE
    if function == a.CMOVLBS:
        return second if first & 1 != 0 else old, DONE
    if function == a.CMOVLBC:
        return second if first & 1 == 0 else old, DONE
    return 0, NO_SUCH


@inlined
def multiply_group(function: int, first: int, second: int) -> tuple[int, int]:
    """Opcode 13. AH 4.4.11, 4.4.12, 4.4.17"""
    if function == a.MULQ:
        return times(first, second), DONE
    if function == a.MULL:
        return int64(int32(times(first, second))), DONE
    if function == a.UMULH:
        return upper_half(first, second), DONE
    if function == a.MULL_V:
        return fit_long(int64(int32(first)) * int64(int32(second)))
    if function == a.MULQ_V:
        result = times(first, second)
        return result, overflow(signed_upper_half(first, second) != result >> 63)
    return 0, NO_SUCH


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
