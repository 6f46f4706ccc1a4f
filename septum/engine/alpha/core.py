"""How does the processor go from one instruction to the next?"""

from __future__ import annotations

import numpy as np
from numba import int64, uint32, uint64
from numpy.typing import NDArray

from septum.engine.alpha import state as s
from septum.engine.alpha.access import Views, found, load, store, views
from septum.engine.alpha.bytewise import count_group
from septum.engine.alpha.compiled import entered, inlined
from septum.engine.alpha.integer import operate
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
            page, distance = pc & a.PAGE_BASE, physical - pc
        instruction = int64(memory.longs[uint64(pc + distance) >> uint64(2)])
        registers[a.ZERO_REGISTER] = 0
        opcode = instruction >> a.OPCODE_SHIFT
        following = pc + a.INSTRUCTION_SIZE
        if opcode >= a.BR:
            following = branch(opcode, instruction, following, registers)
        elif a.INTA <= opcode <= a.INTM:
            stop = operate_registers(opcode, instruction, registers, state)
        elif opcode == a.JMP:
            target = registers[field(instruction, a.RB_SHIFT)] & ~3
            registers[field(instruction, a.RA_SHIFT)] = following
            following = target
        elif opcode == a.MISC:
            now = counters[s.INSTRUCTIONS] + counters[s.SKIPPED] + count
            stop = miscellaneous(instruction, registers, state, now)
        else:
            stop = memory_format(opcode, instruction, registers, state, entries, memory)
        if stop != 0:
            state[s.INSTRUCTION] = instruction
            if stop == s.CALL_PAL or stop == s.ARITHMETIC:
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
def branch(opcode: int, instruction: int, following: int, registers: NDArray[np.int64]) -> int:
    """Where an integer branch goes. AH 4.3"""
    value = registers[field(instruction, a.RA_SHIFT)]
    target = following + (instruction << a.BRANCH_LEFT >> a.BRANCH_RIGHT)
    if opcode == a.BR or opcode == a.BSR:
        registers[field(instruction, a.RA_SHIFT)] = following
        return target
    return target if is_taken(opcode, value) else following


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
    """Loads, stores, address arithmetic and the rare ones: an exit, or 0."""
    register = field(instruction, a.RA_SHIFT)
    base = registers[field(instruction, a.RB_SHIFT)]
    displacement = instruction << a.DISPLACEMENT_LEFT >> a.DISPLACEMENT_LEFT
    if opcode == a.LDA:
        registers[register] = base + displacement
        return 0
    if opcode == a.LDAH:
        registers[register] = base + (displacement << 16)
        return 0
    if opcode >= a.LDL or a.LDBU <= opcode <= a.STQ_U:
        address = base + displacement
        if opcode >= a.STL or a.STW <= opcode <= a.STQ_U:
            return store(opcode, register, address, registers, state, entries, memory)
        return load(opcode, register, address, registers, state, entries, memory)
    if opcode == a.CALL_PAL:
        state[s.PAL_FUNCTION] = instruction & a.PAL_FUNCTION_MASK
        return s.CALL_PAL
    if opcode == a.FPTI:
        result, outcome = count_group(
            instruction >> a.FUNCTION_SHIFT & a.FUNCTION_MASK,
            registers[register],
            operand(instruction, registers),
        )
        if outcome == s.NO_SUCH:
            return s.ILLEGAL_INSTRUCTION
        registers[uint64(instruction & a.REGISTER_MASK)] = result
        return 0
    return s.ILLEGAL_INSTRUCTION


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
