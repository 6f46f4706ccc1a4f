"""How is an Alpha instruction written? As the word it is: enough of an assembler for tests."""

from __future__ import annotations

from septum.layouts import alpha as a


def memory(opcode: int, ra: int, rb: int = 31, displacement: int = 0) -> int:
    """Loads, stores, LDA, LDAH; displacement in bytes, signed 16 bits."""
    return opcode << 26 | ra << 21 | rb << 16 | displacement & 0xFFFF


def operate(opcode: int, function: int, ra: int, rb: int, rc: int) -> int:
    """An operation on three integer registers."""
    return opcode << 26 | ra << 21 | rb << 16 | function << 5 | rc


def literal(opcode: int, function: int, ra: int, value: int, rc: int) -> int:
    """An operation whose second operand is 0..255."""
    return opcode << 26 | ra << 21 | value << 13 | a.LITERAL_FLAG | function << 5 | rc


def floating(opcode: int, function: int, fa: int, fb: int, fc: int) -> int:
    """An operation on three floating-point registers; the function has 11 bits."""
    return opcode << 26 | fa << 21 | fb << 16 | function << 5 | fc


def branch(opcode: int, ra: int, instructions: int) -> int:
    """A branch over so many instructions, counted from the next one; may be negative."""
    return opcode << 26 | ra << 21 | instructions & 0x1FFFFF


def miscellaneous(function: int, ra: int = 31, rb: int = 31) -> int:
    """Barriers, RPCC and the like."""
    return a.MISC << 26 | ra << 21 | rb << 16 | function


def jump(ra: int, rb: int) -> int:
    """JMP, JSR, RET: the target is in rb."""
    return a.JMP << 26 | ra << 21 | rb << 16


def call_pal(function: int) -> int:
    return function
