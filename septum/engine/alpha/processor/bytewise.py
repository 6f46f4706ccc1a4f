"""What do the operations on the bytes of a quadword compute? Opcode 12, and counts of 1C."""

from __future__ import annotations

from numba import int8, int16, int64, uint64

from septum.engine.alpha.processor.compiled import called, inlined
from septum.engine.alpha.processor.state import DONE, NO_SUCH
from septum.engine.alpha.processor.wrapping import minus, times
from septum.layouts import alpha as a


@inlined
def shift_right(value: int, count: int) -> int:
    """A logical shift: zeros come in. Count 0..63."""
    result: int = int64(uint64(value) >> uint64(count))
    return result


@inlined
def shift_group(function: int, first: int, second: int) -> tuple[int, int]:
    """Opcode 12. AH 4.5.3, 4.6"""
    if function == a.SLL:
        return first << (second & 63), DONE
    if function == a.SRL:
        return shift_right(first, second & 63), DONE
    if function == a.SRA:
        return first >> (second & 63), DONE
    if function == a.ZAPNOT:
        return first & spread(second), DONE
    if function == a.ZAP:
        return first & ~spread(second), DONE
    shift = (second & 7) * 8
    if function & a.BYTE_HIGH_FLAG != 0:
        return high_bytes(function, first, shift)
    return low_bytes(function, first, shift)


@inlined
def low_bytes(function: int, value: int, shift: int) -> tuple[int, int]:
    """Extract, insert and mask, the part in the first quadword. AH 4.6.2 to 4.6.4"""
    if function == a.EXTBL:
        return shift_right(value, shift) & a.BYTE_MASK, DONE
    if function == a.EXTWL:
        return shift_right(value, shift) & a.WORD_MASK, DONE
    if function == a.EXTLL:
        return shift_right(value, shift) & a.LONG_MASK, DONE
    if function == a.EXTQL:
        return shift_right(value, shift), DONE
    if function == a.INSBL:
        return (value & a.BYTE_MASK) << shift, DONE
    if function == a.INSWL:
        return (value & a.WORD_MASK) << shift, DONE
    if function == a.INSLL:
        return (value & a.LONG_MASK) << shift, DONE
    if function == a.INSQL:
        return value << shift, DONE
    if function == a.MSKBL:
        return value & ~(a.BYTE_MASK << shift), DONE
    if function == a.MSKWL:
        return value & ~(a.WORD_MASK << shift), DONE
    if function == a.MSKLL:
        return value & ~(a.LONG_MASK << shift), DONE
    if function == a.MSKQL:
        return value & ~(int64(-1) << shift), DONE
    return 0, NO_SUCH


@inlined
def high_bytes(function: int, value: int, shift: int) -> tuple[int, int]:
    """Extract, insert and mask, the part in the second quadword. AH 4.6.2 to 4.6.4"""
    rest = (64 - shift) & 63
    if function == a.EXTWH:
        return value << rest & a.WORD_MASK, DONE
    if function == a.EXTLH:
        return value << rest & a.LONG_MASK, DONE
    if function == a.EXTQH:
        return value << rest, DONE
    if function == a.INSWH:
        return spilled(value & a.WORD_MASK, shift), DONE
    if function == a.INSLH:
        return spilled(value & a.LONG_MASK, shift), DONE
    if function == a.INSQH:
        return spilled(value, shift), DONE
    if function == a.MSKWH:
        return value & ~spilled(a.WORD_MASK, shift), DONE
    if function == a.MSKLH:
        return value & ~spilled(a.LONG_MASK, shift), DONE
    if function == a.MSKQH:
        return value & ~spilled(-1, shift), DONE
    return 0, NO_SUCH


@inlined
def spilled(value: int, shift: int) -> int:
    """What a shift to the left pushes out of the quadword; nothing when it is none."""
    return shift_right(shift_right(value, 1), 63 - shift)


@inlined
def spread(bits: int) -> int:
    """Each of the low eight bits becomes a byte of ones."""
    doubled = bits & a.BYTE_MASK
    doubled = (doubled | doubled << 28) & a.SPREAD_4
    doubled = (doubled | doubled << 14) & a.SPREAD_2
    doubled = (doubled | doubled << 7) & a.SPREAD_1
    return times(doubled, a.BYTE_MASK)


@called
def compare_bytes(first: int, second: int) -> int:
    """One bit a byte: is the first's not below the second's? AH 4.6.1"""
    result = int64(0)
    for place in range(8):
        is_not_below = shift_right(first, 8 * place) & a.BYTE_MASK >= (
            shift_right(second, 8 * place) & a.BYTE_MASK
        )
        result |= int64(is_not_below) << place
    return result


@called
def count_group(function: int, first: int, second: int) -> tuple[int, int]:
    """Opcode 1C but for the moves of floating registers. AH 4.4, 4.6, 4.13"""
    if function == a.SEXTB:
        return int64(int8(second)), DONE
    if function == a.SEXTW:
        return int64(int16(second)), DONE
    if function == a.CTPOP:
        return population(second), DONE
    if function == a.CTLZ:
        return leading_zeros(second), DONE
    if function == a.CTTZ:
        return 64 if second == 0 else population(minus(second & minus(0, second), 1)), DONE
    if function == a.PERR:
        return pixel_error(first, second), DONE
    if function == a.UNPKBW:
        return spaced(second, 4, 16), DONE
    if function == a.UNPKBL:
        return spaced(second, 2, 32), DONE
    if function == a.PKWB:
        return packed(second, 4, 16), DONE
    if function == a.PKLB:
        return packed(second, 2, 32), DONE
    if a.MINSB8 <= function <= a.MAXSW4:
        return extremes(function, first, second), DONE
    return 0, NO_SUCH


@inlined
def population(value: int) -> int:
    """How many ones."""
    left, count = uint64(value), int64(0)
    while left != 0:
        left &= left - uint64(1)
        count += 1
    return count


@inlined
def leading_zeros(value: int) -> int:
    """How many zeros above the highest one; 64 of zero."""
    count, step, left = int64(64), int64(32), uint64(value)
    while step != 0:
        upper = left >> uint64(step)
        if upper != 0:
            count -= step
            left = upper
        step >>= 1
    return count - int64(left)


@inlined
def pixel_error(first: int, second: int) -> int:
    """The sum of the differences of the bytes. AH 4.13.2"""
    total = int64(0)
    for place in range(0, 64, 8):
        total += abs(
            (shift_right(first, place) & a.BYTE_MASK) - (shift_right(second, place) & a.BYTE_MASK)
        )
    return total


@inlined
def spaced(value: int, count: int, distance: int) -> int:
    """The low bytes, each at the bottom of a wider part."""
    result = int64(0)
    for place in range(count):
        result |= (shift_right(value, 8 * place) & a.BYTE_MASK) << distance * place
    return result


@inlined
def packed(value: int, count: int, distance: int) -> int:
    """The lowest byte of each part, side by side."""
    result = int64(0)
    for place in range(count):
        result |= (shift_right(value, distance * place) & a.BYTE_MASK) << 8 * place
    return result


@inlined
def extremes(function: int, first: int, second: int) -> int:
    """Part by part the smaller or the larger. AH 4.13.1"""
    width = 16 if function & 1 != 0 else 8
    takes_larger = function >= a.MAXUB8
    is_signed = function <= a.MINSW4 or function >= a.MAXSB8
    mask = a.WORD_MASK if width == 16 else a.BYTE_MASK
    # With its sign bit turned over, a signed part orders as an unsigned one.
    turn = (mask + 1) >> 1 if is_signed else 0
    result = int64(0)
    for place in range(0, 64, width):
        one = shift_right(first, place) & mask
        other = shift_right(second, place) & mask
        chosen = one if (one ^ turn > other ^ turn) == takes_larger else other
        result |= chosen << place
    return result
