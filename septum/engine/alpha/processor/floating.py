"""What does a floating-point instruction do, and when does it trap?

The operations are in `arithmetic` and `convert`; here are operands, qualifiers, the control
register and traps. A trap leaves the destination as it was: software completion finds its
operands. Each function returns an exit, or 0.
"""

from __future__ import annotations

import numpy as np
from numba import int32, int64, uint64
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
from septum.engine.alpha.processor.convert import (
    compared,
    from_integer,
    from_longword,
    not_a_number,
    to_integer,
    to_longword,
)
from septum.engine.alpha.processor.number import (
    UNDEFINED,
    Number,
    S,
    T,
    as_single,
    from_single,
    from_vax_single,
    halves_swapped,
    has_denormal,
    is_nan,
    packed,
    special,
    to_single,
    unpacked,
)
from septum.engine.alpha.processor.vax import vax
from septum.layouts import alpha as a

NO_SUCH = -1  # in place of exceptions: there is no such function


@called
def floating_operation(
    opcode: int,
    instruction: int,
    registers: NDArray[np.int64],
    floating: NDArray[np.int64],
    state: NDArray[np.int64],
) -> int:
    """Opcodes 14 to 17, and the moves of 1C."""
    if opcode == a.FLTI:
        return ieee(instruction, floating, state)
    if opcode == a.FLTL:
        return any_format(instruction, floating, state)
    if opcode == a.ITFP:
        return from_registers(instruction, registers, floating, state)
    if opcode == a.FPTI:
        return to_registers(instruction, registers, floating)
    return vax(instruction, floating, state)


@inlined
def from_registers(
    instruction: int,
    registers: NDArray[np.int64],
    floating: NDArray[np.int64],
    state: NDArray[np.int64],
) -> int:
    """Opcode 14: moves from integer registers, and square roots. AH 4.10.17, 4.10.13"""
    function = instruction >> a.FUNCTION_SHIFT & a.FLOATING_FUNCTION_MASK
    place = uint64(instruction & a.REGISTER_MASK)
    value = registers[uint64(instruction >> a.RA_SHIFT & a.REGISTER_MASK)]
    if function == a.ITOFT:
        floating[place] = value
    elif function == a.ITOFS:
        floating[place] = from_single(value)
    elif function == a.ITOFF:
        floating[place] = from_vax_single(halves_swapped(value))
    else:
        code = function & a.FLOATING_CODE_MASK
        if code == a.SQRTS or code == a.SQRTT:
            return ieee(instruction, floating, state)
        if code == a.SQRTF or code == a.SQRTG:
            return vax(instruction, floating, state)
        return s.ILLEGAL_INSTRUCTION
    return 0


@inlined
def to_registers(
    instruction: int, registers: NDArray[np.int64], floating: NDArray[np.int64]
) -> int:
    """FTOIT and FTOIS of opcode 1C. AH 4.10.16"""
    function = instruction >> a.FUNCTION_SHIFT & a.FUNCTION_MASK
    place = uint64(instruction & a.REGISTER_MASK)
    bits = floating[uint64(instruction >> a.RA_SHIFT & a.REGISTER_MASK)]
    if function == a.FTOIT:
        registers[place] = bits
    elif function == a.FTOIS:
        registers[place] = int64(int32(to_single(bits)))
    else:
        return s.ILLEGAL_INSTRUCTION
    return 0


@inlined
def floating_is_taken(opcode: int, bits: int) -> bool:
    """Is this a value to branch on? AH 4.9"""
    if opcode == a.FBEQ:
        return is_so(0, bits)
    if opcode == a.FBNE:
        return is_so(1, bits)
    if opcode == a.FBLT:
        return is_so(2, bits)
    if opcode == a.FBGE:
        return is_so(3, bits)
    if opcode == a.FBLE:
        return is_so(4, bits)
    return is_so(5, bits)


@called
def ieee(instruction: int, floating: NDArray[np.int64], state: NDArray[np.int64]) -> int:
    """Opcode 16, and the square roots of 14. AH 4.10"""
    function = instruction >> a.FUNCTION_SHIFT & a.FLOATING_FUNCTION_MASK
    first = floating[uint64(instruction >> a.RA_SHIFT & a.REGISTER_MASK)]
    second = floating[uint64(instruction >> a.RB_SHIFT & a.REGISTER_MASK)]
    code = function & a.FLOATING_CODE_MASK
    if not takes_two(code):
        first = int64(0)
    if is_single(function, code) and code != a.CVTQS:
        first, second = as_single(first), as_single(second)
    if code == a.CVTQS or code == a.CVTQT:
        pass  # any integer will do
    elif is_refused(function, code, first, state) or is_refused(function, code, second, state):
        return trapped(instruction, function, a.SUMMARY_INVALID, state)
    elif state[s.FPCR] & a.FPCR_DENORMALS_ZERO != 0:
        first, second = without_denormal(first), without_denormal(second)
    result, flags = computed(function, code, first, second, state)
    if flags == NO_SUCH:
        return s.ILLEGAL_INSTRUCTION
    return ended(instruction, function, result, flags, floating, state)


@inlined
def takes_two(code: int) -> bool:
    """Has the operation two operands?"""
    return code & ~a.TWO_OPERAND_CODES == 0


@inlined
def is_single(function: int, code: int) -> bool:
    """Are the operands S numbers?"""
    is_conversion = function == a.CVTST or function == a.CVTST_S
    return is_conversion or code & a.SOURCE_FORMAT == 0


@inlined
def is_refused(function: int, code: int, bits: int, state: NDArray[np.int64]) -> bool:
    """Does the operand alone make the operation trap? AH 4.7.6.1, 4.7.10.4

    Without /S everything but a finite number with its hidden bit (comparisons take infinities);
    with /S a denormal number, unless the control register says what to do with it.
    """
    if function & a.QUALIFIER_SOFTWARE != 0:
        handled = a.FPCR_DENORMALS_ZERO | a.FPCR_DENORMAL_DISABLE
        return has_denormal(bits) and state[s.FPCR] & handled == 0
    if has_denormal(bits) or is_nan(bits):
        return True
    return bits & a.INFINITY == a.INFINITY and not is_comparison(code)


@inlined
def is_comparison(code: int) -> bool:
    """CMPTUN, CMPTEQ, CMPTLT or CMPTLE?"""
    return a.CMPTUN <= code <= a.CMPTLE


@inlined
def without_denormal(bits: int) -> int:
    """A zero of the same sign in its place."""
    return bits & a.SIGN if has_denormal(bits) else bits


@inlined
def computed(
    function: int, code: int, first: int, second: int, state: NDArray[np.int64]
) -> tuple[int, int]:
    """The result and its exceptions, whether they are wanted or not."""
    if is_comparison(code):
        return compared(code, first, second)
    rounding = rounding_of(function, state)
    if code == a.CVTQS or code == a.CVTQT:
        number = from_integer(second)
    elif is_nan(first) or is_nan(second):
        if code == a.CVTTQ:
            return int64(0), int64(a.SUMMARY_INVALID)
        result, flags = not_a_number(first, second)
        return (result & a.SINGLE_IN_REGISTER if code == a.CVTTS else result), flags
    else:
        source = S if is_single(function, code) else T
        one, other = unpacked(first, source), unpacked(second, source)
        if code == a.CVTTQ:
            return to_integer(other, rounding)
        number = combined(code, one, other, rounding)
    if number.kind == UNDEFINED:
        return int64(0), int64(NO_SUCH)
    gives_double = function == a.CVTST or function == a.CVTST_S or code == a.CVTQT
    gives_double = gives_double or (code & a.SOURCE_FORMAT != 0 and code < a.CVTTS)
    return packed(number, T if gives_double else S, rounding, flushes(function, state))


@inlined
def combined(code: int, one: Number, other: Number, rounding: int) -> Number:
    """The exact result of an operation on numbers."""
    operation = code & ~a.SOURCE_FORMAT
    if operation == a.ADDS:
        return added(one, other, rounding)
    if operation == a.SUBS:
        return added(one, negated(other), rounding)
    if operation == a.MULS:
        return multiplied(one, other)
    if operation == a.DIVS:
        return divided(one, other)
    if operation == a.SQRTS:
        return square_root(other)
    if code == a.CVTTS:
        return other  # CVTST too
    return special(UNDEFINED, 0)


@inlined
def rounding_of(function: int, state: NDArray[np.int64]) -> int:
    """The rounding an instruction asks for, dynamic resolved. AH 4.7.9"""
    rounding = function >> a.ROUNDING_SHIFT & a.ROUNDING_MASK
    if rounding == a.ROUND_DYNAMIC:
        rounding = state[s.FPCR] >> a.FPCR_ROUNDING_SHIFT & a.ROUNDING_MASK
    return rounding


@inlined
def flushes(function: int, state: NDArray[np.int64]) -> bool:
    """Does what is too small become zero? Without /U, and if the control register says so."""
    if function & a.QUALIFIER_UNDERFLOW == 0:
        return True
    if function & a.QUALIFIER_SOFTWARE == 0:
        return True
    both = a.FPCR_UNDERFLOW_DISABLE | a.FPCR_UNDERFLOW_ZERO
    return state[s.FPCR] & both == both


@inlined
def ended(
    instruction: int,
    function: int,
    result: int,
    flags: int,
    floating: NDArray[np.int64],
    state: NDArray[np.int64],
) -> int:
    """Record the exceptions, then trap or write the result. AH 4.7.7, 4.7.8"""
    if flags == 0:
        floating[uint64(instruction & a.REGISTER_MASK)] = result
        return 0
    wanted = int64(a.SUMMARY_INVALID | a.SUMMARY_DIVISION_BY_ZERO | a.SUMMARY_OVERFLOW)
    if function & a.QUALIFIER_UNDERFLOW != 0:
        wanted |= a.SUMMARY_UNDERFLOW | a.SUMMARY_INTEGER_OVERFLOW
    if function & a.QUALIFIER_INEXACT != 0:
        wanted |= a.SUMMARY_INEXACT
    if function & a.QUALIFIER_SOFTWARE != 0:
        record(flags & wanted, state)
        wanted &= ~disabled(state[s.FPCR])
    else:
        record(flags, state)
    if flags & wanted != 0:
        return trapped(instruction, function, flags & wanted, state)
    floating[uint64(instruction & a.REGISTER_MASK)] = result
    return 0


@inlined
def record(flags: int, state: NDArray[np.int64]) -> None:
    """Set status bits of the control register; they stay until software clears them."""
    if flags != 0:
        state[s.FPCR] |= flags << a.FPCR_STATUS_SHIFT | a.FPCR_SUMMARY


@inlined
def disabled(fpcr: int) -> int:
    """The exceptions that the control register keeps from trapping, as bits of EXC_SUM."""
    flags = int64(0)
    if fpcr & a.FPCR_INVALID_DISABLE != 0:
        flags |= a.SUMMARY_INVALID
    if fpcr & a.FPCR_DIVISION_BY_ZERO_DISABLE != 0:
        flags |= a.SUMMARY_DIVISION_BY_ZERO
    if fpcr & a.FPCR_OVERFLOW_DISABLE != 0:
        flags |= a.SUMMARY_OVERFLOW
    if fpcr & a.FPCR_UNDERFLOW_DISABLE != 0:
        flags |= a.SUMMARY_UNDERFLOW
    if fpcr & a.FPCR_INEXACT_DISABLE != 0:
        flags |= a.SUMMARY_INEXACT
    return flags


@inlined
def trapped(instruction: int, function: int, flags: int, state: NDArray[np.int64]) -> int:
    """Say what happened to which register."""
    software = function & a.QUALIFIER_SOFTWARE != 0
    state[s.EXCEPTION_SUMMARY] = flags | (a.SUMMARY_SOFTWARE_COMPLETION if software else 0)
    state[s.REGISTER_MASK] = int64(1) << a.MASK_FLOATING_SHIFT + (instruction & a.REGISTER_MASK)
    record(flags, state)
    return s.ARITHMETIC


@called
def any_format(instruction: int, floating: NDArray[np.int64], state: NDArray[np.int64]) -> int:
    """Opcode 17: copies, conditional moves, the control register. AH 4.10"""
    function = instruction >> a.FUNCTION_SHIFT & a.FLOATING_FUNCTION_MASK
    place = uint64(instruction & a.REGISTER_MASK)
    first = floating[uint64(instruction >> a.RA_SHIFT & a.REGISTER_MASK)]
    second = floating[uint64(instruction >> a.RB_SHIFT & a.REGISTER_MASK)]
    if function == a.CPYS:
        floating[place] = first & a.SIGN | second & a.WITHOUT_SIGN
    elif function == a.CPYSN:
        floating[place] = ~first & a.SIGN | second & a.WITHOUT_SIGN
    elif function == a.CPYSE:
        kept = a.SIGN | a.INFINITY
        floating[place] = first & kept | second & a.FRACTION_MASK
    elif function == a.MT_FPCR:
        value = first & a.FPCR_IMPLEMENTED & a.WITHOUT_SIGN
        state[s.FPCR] = value | (a.FPCR_SUMMARY if value & a.FPCR_STATUS != 0 else 0)
    elif function == a.MF_FPCR:
        floating[uint64(instruction >> a.RA_SHIFT & a.REGISTER_MASK)] = state[s.FPCR]
    elif a.FCMOVEQ <= function <= a.FCMOVGT:
        if is_so(function - a.FCMOVEQ, first):
            floating[place] = second
    elif function == a.CVTLQ:
        floating[place] = from_longword(second)
    elif function == a.CVTQL or function == a.CVTQL_V or function == a.CVTQL_SV:
        result, flags = to_longword(second)
        return ended(instruction, function, result, flags, floating, state)
    else:
        return s.ILLEGAL_INSTRUCTION
    return 0


@inlined
def is_so(condition: int, bits: int) -> bool:
    """Equal, not equal, less, not less, not greater, greater: to zero. AH 4.9, 4.10.3"""
    is_zero = bits & a.WITHOUT_SIGN == 0
    if condition == 0:
        return is_zero
    if condition == 1:
        return not is_zero
    if condition == 2:
        return bits < 0 and not is_zero
    if condition == 3:
        return bits >= 0 or is_zero
    if condition == 4:
        return bits < 0 or is_zero
    return bits > 0
