"""How does the processor go from one instruction to the next?"""

from __future__ import annotations

import numpy as np
from numba import int64, uint32, uint64
from numpy.typing import NDArray

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.access import Views, floating_access, found, load, store, views
from septum.engine.alpha.processor.bytewise import count_group
from septum.engine.alpha.processor.compiled import entered, inlined
from septum.engine.alpha.processor.floating import floating_is_taken, floating_operation
from septum.engine.alpha.processor.integer import operate
from septum.engine.alpha.processor.palcalls import call
from septum.engine.alpha.processor.wrapping import minus, plus
from septum.layouts import alpha as a

NOWHERE = 1  # the base of no page


@entered
def run(
    registers: NDArray[np.int64],
    floating: NDArray[np.int64],
    state: NDArray[np.int64],
    counters: NDArray[np.int64],
    entries: NDArray[np.int64],
    ram: NDArray[np.uint8],
    budget: int,
) -> int:
    """Execute at most `budget` instructions; why it ended, one of state's exits."""
    memory = views(ram)
    pc = state[s.PC]
    page, distance = int64(NOWHERE), int64(0)  # where pc's page lies: found once a page
    count = int64(0)
    stop = int64(s.BUDGET)
    while count < budget:
        count += 1
        if pc & a.PAGE_BASE != page:
            physical = found(state, entries, ram.size, s.EXECUTE, pc, 0)
            if physical < 0:
                stop = -physical
                break
            page, distance = pc & a.PAGE_BASE, minus(physical, pc)
        instruction = int64(memory.longs[uint64(plus(pc, distance)) >> uint64(2)])
        registers[a.ZERO_REGISTER] = 0
        opcode = instruction >> a.OPCODE_SHIFT
        following = plus(pc, a.INSTRUCTION_SIZE)
        if opcode >= a.BR:
            stop, following = branch(opcode, instruction, following, registers, floating, state)
        elif a.INTA <= opcode <= a.INTM:
            stop = operate_registers(opcode, instruction, registers, state)
        elif opcode == a.JMP:
            target = registers[field(instruction, a.RB_SHIFT)] & ~3
            registers[field(instruction, a.RA_SHIFT)] = following
            following = target
        elif opcode == a.MISC:
            now = counters[s.INSTRUCTIONS] + counters[s.SKIPPED] + count
            stop = miscellaneous(instruction, registers, state, now)
        elif is_floating(opcode, instruction):
            stop = floating_format(opcode, instruction, registers, floating, state, entries, memory)
        else:
            stop = memory_format(opcode, instruction, registers, state, entries, memory)
        if stop != 0:
            state[s.INSTRUCTION] = instruction
            if stop == s.CALL_PAL or stop == s.ARITHMETIC or stop == s.INTERRUPT:
                pc = following
            break
        pc = following
    registers[a.ZERO_REGISTER] = 0
    state[s.PC] = pc
    counters[s.INSTRUCTIONS] += count
    return stop


@inlined
def field(instruction: int, shift: int) -> int:
    """The number of a register, as an index that is never negative."""
    result: int = uint64(instruction >> shift & a.REGISTER_MASK)
    return result


@inlined
def branch(
    opcode: int,
    instruction: int,
    following: int,
    registers: NDArray[np.int64],
    floating: NDArray[np.int64],
    state: NDArray[np.int64],
) -> tuple[int, int]:
    """An exit, or 0, and where a branch goes. AH 4.3, 4.9"""
    register = field(instruction, a.RA_SHIFT)
    target = plus(following, instruction << a.BRANCH_LEFT >> a.BRANCH_RIGHT)
    if opcode == a.BR or opcode == a.BSR:
        registers[register] = following
        return 0, target
    if opcode >= a.BLBC:
        return 0, target if is_taken(opcode, registers[register]) else following
    if state[s.FLOATING_ENABLED] == 0:
        return s.FLOATING_DISABLED, following
    return 0, target if floating_is_taken(opcode, floating[register]) else following


@inlined
def is_taken(opcode: int, value: int) -> bool:
    """Is this a value to branch on?"""
    if opcode == a.BEQ:
        return value == 0
    if opcode == a.BNE:
        return value != 0
    if opcode == a.BLT:
        return value < 0
    if opcode == a.BGE:
        return value >= 0
    if opcode == a.BLE:
        return value <= 0
    if opcode == a.BGT:
        return value > 0
    return (value & 1 != 0) == (opcode == a.BLBS)


@inlined
def operand(instruction: int, registers: NDArray[np.int64]) -> int:
    """The second operand of an integer operation: a literal or Rb."""
    if instruction & a.LITERAL_FLAG != 0:
        return instruction >> a.LITERAL_SHIFT & a.LITERAL_MASK
    value: int = registers[field(instruction, a.RB_SHIFT)]
    return value


@inlined
def operate_registers(
    opcode: int, instruction: int, registers: NDArray[np.int64], state: NDArray[np.int64]
) -> int:
    """An integer operation on registers: an exit, or 0."""
    place = uint64(instruction & a.REGISTER_MASK)
    result, outcome = operate(
        opcode,
        instruction >> a.FUNCTION_SHIFT & a.FUNCTION_MASK,
        registers[field(instruction, a.RA_SHIFT)],
        operand(instruction, registers),
        registers[place],
    )
    if outcome == s.NO_SUCH:
        return s.ILLEGAL_INSTRUCTION
    registers[place] = result
    if outcome == s.INTEGER_OVERFLOW:
        state[s.EXCEPTION_SUMMARY] = a.SUMMARY_INTEGER_OVERFLOW
        state[s.REGISTER_MASK] = int64(1) << int64(place)
        return s.ARITHMETIC
    return 0


@inlined
def memory_format(
    opcode: int,
    instruction: int,
    registers: NDArray[np.int64],
    state: NDArray[np.int64],
    entries: NDArray[np.int64],
    memory: Views,
) -> int:
    """Loads, stores, address arithmetic and the rarer ones: an exit, or 0."""
    register = field(instruction, a.RA_SHIFT)
    base = registers[field(instruction, a.RB_SHIFT)]
    displacement = instruction << a.DISPLACEMENT_LEFT >> a.DISPLACEMENT_LEFT
    if opcode == a.LDA:
        registers[register] = plus(base, displacement)
        return 0
    if opcode == a.LDAH:
        registers[register] = plus(base, displacement << 16)
        return 0
    if opcode >= a.LDL or a.LDBU <= opcode <= a.STQ_U:
        address = plus(base, displacement)
        if opcode >= a.STL or a.STW <= opcode <= a.STQ_U:
            return store(opcode, register, address, registers, state, entries, memory)
        return load(opcode, register, address, registers, state, entries, memory)
    if opcode == a.CALL_PAL:
        state[s.PAL_FUNCTION] = instruction & a.PAL_FUNCTION_MASK
        return call(instruction & a.PAL_FUNCTION_MASK, registers, state)
    if opcode == a.FPTI:
        return count_operation(instruction, registers)
    return s.ILLEGAL_INSTRUCTION


@inlined
def is_floating(opcode: int, instruction: int) -> bool:
    """Has it to do with floating-point registers? Asked of what is not a branch."""
    if opcode == a.FPTI:
        return instruction & a.FROM_FLOATING_FLAG != 0
    return a.ITFP <= opcode <= a.FLTL or a.LDF <= opcode <= a.STT


@inlined
def floating_format(
    opcode: int,
    instruction: int,
    registers: NDArray[np.int64],
    floating: NDArray[np.int64],
    state: NDArray[np.int64],
    entries: NDArray[np.int64],
    memory: Views,
) -> int:
    """Operations, loads and stores of floating-point registers: an exit, or 0."""
    register = field(instruction, a.RA_SHIFT)
    if a.LDF <= opcode <= a.LDT and register == a.ZERO_REGISTER:
        return 0  # a prefetch
    if state[s.FLOATING_ENABLED] == 0:
        return s.FLOATING_DISABLED
    floating[a.ZERO_REGISTER] = 0
    if opcode < a.LDF:
        return floating_operation(opcode, instruction, registers, floating, state)
    displacement = instruction << a.DISPLACEMENT_LEFT >> a.DISPLACEMENT_LEFT
    address = plus(registers[field(instruction, a.RB_SHIFT)], displacement)
    return floating_access(opcode, register, address, floating, state, entries, memory)


@inlined
def count_operation(instruction: int, registers: NDArray[np.int64]) -> int:
    """Counts, sign extensions, multimedia: an exit, or 0."""
    result, outcome = count_group(
        instruction >> a.FUNCTION_SHIFT & a.FUNCTION_MASK,
        registers[field(instruction, a.RA_SHIFT)],
        operand(instruction, registers),
    )
    if outcome == s.NO_SUCH:
        return s.ILLEGAL_INSTRUCTION
    registers[uint64(instruction & a.REGISTER_MASK)] = result
    return 0


@inlined
def miscellaneous(
    instruction: int, registers: NDArray[np.int64], state: NDArray[np.int64], now: int
) -> int:
    """Opcode 18: barriers and hints are nothing here, memory being in order. AH 4.11"""
    function = instruction & a.MEMORY_FUNCTION_MASK
    register = field(instruction, a.RA_SHIFT)
    if function == a.RPCC:
        registers[register] = state[s.CYCLE_OFFSET] << 32 | int64(uint32(now))
    elif function == a.RC or function == a.RS:
        registers[register] = state[s.INTERRUPT_FLAG]
        state[s.INTERRUPT_FLAG] = int64(function == a.RS)
    return 0
