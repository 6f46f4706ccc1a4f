"""What do the operations on the bytes of a quadword compute? Opcodes 12 and 1C."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int8, int16, int64, uint64
from numpy.typing import NDArray

from septum.engine.alpha.processor import kinds as k
from septum.engine.alpha.processor.compiled import called, inlined
from septum.engine.alpha.processor.state import DONE, NO_SUCH
from septum.engine.alpha.processor.wrapping import times
from septum.layouts import alpha as a


@inlined
def shift_right(value: int, count: int) -> int:
    """A logical shift: zeros come in. Count 0..63."""
    result: int = int64(uint64(value) >> uint64(count))
    return result


class Word(NamedTuple):
    """An integer operation's instruction, and the registers it works on."""

    instruction: int
    registers: NDArray[np.int64]


@inlined
def one(word: Word) -> int:
    """The first operand, Ra."""
    value: int = word.registers[uint64(word.instruction >> a.RA_SHIFT & a.REGISTER_MASK)]
    return value


@inlined
def other(word: Word) -> int:
    """The second operand: a literal or Rb."""
    value: int = word.registers[uint64(word.instruction >> a.RB_SHIFT & a.REGISTER_MASK)]
    literal = word.instruction >> a.LITERAL_SHIFT & a.LITERAL_MASK
    return literal if word.instruction & a.LITERAL_FLAG != 0 else value


@inlined
def kept(word: Word) -> int:
    """What Rc holds, which stays where a condition is not so."""
    value: int = word.registers[uint64(word.instruction & a.REGISTER_MASK)]
    return value


@inlined
def put(word: Word, result: int) -> int:
    """A result into Rc."""
    word.registers[uint64(word.instruction & a.REGISTER_MASK)] = result
    return DONE


@inlined
def shift_group(kind: int, word: Word) -> int:
    """Opcode 12. AH 4.5.3, 4.6"""
    if kind == k.SLL:
        return put(word, one(word) << (other(word) & 63))
    if kind == k.SRL:
        return put(word, shift_right(one(word), other(word) & 63))
    if kind == k.SRA:
        return put(word, one(word) >> (other(word) & 63))
    if kind == k.ZAPNOT:
        return put(word, one(word) & spread(other(word)))
    if kind == k.ZAP:
        return put(word, one(word) & ~spread(other(word)))
    return low_bytes(kind, word)


@inlined
def bits_of(byte: int) -> int:
    """How far a byte's place is from the bottom, in bits."""
    return (byte & 7) << 3


@inlined
def rest_of(byte: int) -> int:
    """How far it is from the top; none when it is at the bottom."""
    return -bits_of(byte) & 63


@inlined
def low_bytes(kind: int, word: Word) -> int:
    """Extract, insert and mask, the part in the first quadword. AH 4.6.2 to 4.6.4"""
    if kind == k.EXTBL:
        return put(word, shift_right(one(word), bits_of(other(word))) & a.BYTE_MASK)
    if kind == k.EXTWL:
        return put(word, shift_right(one(word), bits_of(other(word))) & a.WORD_MASK)
    if kind == k.EXTLL:
        return put(word, shift_right(one(word), bits_of(other(word))) & a.LONG_MASK)
    if kind == k.EXTQL:
        return put(word, shift_right(one(word), bits_of(other(word))))
    if kind == k.INSBL:
        return put(word, (one(word) & a.BYTE_MASK) << bits_of(other(word)))
    if kind == k.INSWL:
        return put(word, (one(word) & a.WORD_MASK) << bits_of(other(word)))
    if kind == k.INSLL:
        return put(word, (one(word) & a.LONG_MASK) << bits_of(other(word)))
    if kind == k.INSQL:
        return put(word, one(word) << bits_of(other(word)))
    if kind == k.MSKBL:
        return put(word, one(word) & ~(a.BYTE_MASK << bits_of(other(word))))
    if kind == k.MSKWL:
        return put(word, one(word) & ~(a.WORD_MASK << bits_of(other(word))))
    if kind == k.MSKLL:
        return put(word, one(word) & ~(a.LONG_MASK << bits_of(other(word))))
    if kind == k.MSKQL:
        return put(word, one(word) & ~(int64(-1) << bits_of(other(word))))
    return high_bytes(kind, word)


@inlined
def high_bytes(kind: int, word: Word) -> int:
    """Extract, insert and mask, the part in the second quadword. AH 4.6.2 to 4.6.4"""
    if kind == k.EXTWH:
        return put(word, one(word) << rest_of(other(word)) & a.WORD_MASK)
    if kind == k.EXTLH:
        return put(word, one(word) << rest_of(other(word)) & a.LONG_MASK)
    if kind == k.EXTQH:
        return put(word, one(word) << rest_of(other(word)))
    if kind == k.INSWH:
        return put(word, spilled(one(word) & a.WORD_MASK, bits_of(other(word))))
    if kind == k.INSLH:
        return put(word, spilled(one(word) & a.LONG_MASK, bits_of(other(word))))
    if kind == k.INSQH:
        return put(word, spilled(one(word), bits_of(other(word))))
    if kind == k.MSKWH:
        return put(word, one(word) & ~spilled(a.WORD_MASK, bits_of(other(word))))
    if kind == k.MSKLH:
        return put(word, one(word) & ~spilled(a.LONG_MASK, bits_of(other(word))))
    return put(word, one(word) & ~spilled(-1, bits_of(other(word))))  # MSKQH, the last there is


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
def multimedia_group(function: int, first: int, second: int) -> tuple[int, int]:
    """Opcode 1C but for the moves of floating registers, and counts: EV6 has none. AH 4.6, 4.13"""
    if function == a.SEXTB:
        return int64(int8(second)), DONE
    if function == a.SEXTW:
        return int64(int16(second)), DONE
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
