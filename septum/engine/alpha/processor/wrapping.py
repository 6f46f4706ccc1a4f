"""How do numbers of 64 bits go round when a result does not fit?

Numba tells LLVM that signed arithmetic never overflows, and LLVM draws conclusions. So whatever
a guest chose is added, subtracted and multiplied here: unsigned, where going round is defined.
"""

from __future__ import annotations

from numba import int64, uint64

from septum.engine.alpha.processor.compiled import inlined


@inlined
def plus(one: int, other: int) -> int:
    """The low 64 bits of the sum, signed."""
    return int64(uint64(one) + uint64(other))


@inlined
def minus(one: int, other: int) -> int:
    """The low 64 bits of the difference, signed."""
    return int64(uint64(one) - uint64(other))


@inlined
def times(one: int, other: int) -> int:
    """The low 64 bits of the product, signed."""
    return int64(uint64(one) * uint64(other))


def signed(value: int, bits: int = 64) -> int:
    """The number whose lowest bits these are, in two's complement: for Python's own integers."""
    half = 1 << bits - 1
    return (value + half & 2 * half - 1) - half
