"""How does the processor go from one instruction to the next?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, uint32, uint64
from numpy.typing import NDArray

from septum.engine.alpha.processor import kinds as k
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.access import (
    Data,
    data_of,
    floating_access,
    found,
    load_byte,
    load_locked,
    load_long,
    load_quad,
    load_word,
    store_byte,
    store_conditional,
    store_long,
    store_quad,
    store_word,
    views,
)
from septum.engine.alpha.processor.bytewise import Word, multimedia_group, one, other, put
from septum.engine.alpha.processor.compiled import entered, inlined
from septum.engine.alpha.processor.floating import floating_is_taken, floating_operation
from septum.engine.alpha.processor.integer import operate
from septum.engine.alpha.processor.palcalls import call
from septum.engine.alpha.processor.wrapping import minus, plus
from septum.layouts import alpha as a

NOWHERE = 1  # the base of no page


class Machine(NamedTuple):
    """What instructions work on."""

    registers: NDArray[np.int64]
    floating: NDArray[np.int64]
    state: NDArray[np.int64]
    counters: NDArray[np.int64]
    data: Data


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
    machine = Machine(registers, floating, state, counters, data_of(state, entries, memory))
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
        stop, following = execute(
            kind_of(instruction), instruction, plus(pc, a.INSTRUCTION_SIZE), count, machine
        )
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
def kind_of(instruction: int) -> int:
    """One of kinds."""
    place = instruction >> k.OPCODE_SHIFT & k.OPCODES
    return int64(k.KINDS[uint64(place | instruction >> a.FUNCTION_SHIFT & a.FUNCTION_MASK)])


@inlined
def field(instruction: int, shift: int) -> int:
    """The number of a register, as an index that is never negative."""
    result: int = uint64(instruction >> shift & a.REGISTER_MASK)
    return result


@inlined
def in_ra(instruction: int, machine: Machine) -> int:
    """What Ra holds."""
    value: int = machine.registers[field(instruction, a.RA_SHIFT)]
    return value


@inlined
def address_of(instruction: int, machine: Machine) -> int:
    """Rb and the displacement."""
    displacement = instruction << a.DISPLACEMENT_LEFT >> a.DISPLACEMENT_LEFT
    return plus(machine.registers[field(instruction, a.RB_SHIFT)], displacement)


@inlined
def target(instruction: int, following: int) -> int:
    """Where a branch goes. AH 4.3"""
    return plus(following, instruction << a.BRANCH_LEFT >> a.BRANCH_RIGHT)


# What follows is one chain of questions about the kind, and nothing between them: so it becomes
# a jump through a table. LLVM makes it two (kinds up to IMPLVER, and the rest): its order, and that
# operands are fetched where they are used, was measured. One table for all was slower.


@inlined
def execute(
    kind: int, instruction: int, following: int, count: int, machine: Machine
) -> tuple[int, int]:
    """One instruction: an exit, or 0, and where to go on."""
    registers = machine.registers
    if kind == k.LDA:
        registers[field(instruction, a.RA_SHIFT)] = address_of(instruction, machine)
        return 0, following
    if kind == k.LDAH:
        high = instruction << a.DISPLACEMENT_LEFT >> a.DISPLACEMENT_LEFT - 16
        base = registers[field(instruction, a.RB_SHIFT)]
        registers[field(instruction, a.RA_SHIFT)] = plus(base, high)
        return 0, following
    if kind == k.JMP:
        goal = registers[field(instruction, a.RB_SHIFT)] & ~3
        registers[field(instruction, a.RA_SHIFT)] = following
        return 0, goal
    if kind == k.MISC:
        now = machine.counters[s.INSTRUCTIONS] + machine.counters[s.SKIPPED] + count
        return miscellaneous(instruction, registers, machine.state, now), following
    if kind == k.CALL_PAL:
        function = instruction & a.PAL_FUNCTION_MASK
        machine.state[s.PAL_FUNCTION] = function
        return call(function, registers, machine.state), following
    if kind == k.MULTIMEDIA:
        return multimedia(Word(instruction, registers)), following
    if kind == k.FLOATING:
        return floating_format(instruction, machine), following
    if kind == k.FLOATING_BRANCH:
        return floating_branch(instruction, following, machine)
    if kind == k.ILLEGAL:
        return s.ILLEGAL_INSTRUCTION, following
    return branch(kind, instruction, following, machine)


@inlined
def branch(kind: int, instruction: int, following: int, machine: Machine) -> tuple[int, int]:
    """AH 4.3"""
    if kind == k.BEQ:
        return 0, target(instruction, following) if in_ra(instruction, machine) == 0 else following
    if kind == k.BNE:
        return 0, target(instruction, following) if in_ra(instruction, machine) != 0 else following
    if kind == k.BLT:
        return 0, target(instruction, following) if in_ra(instruction, machine) < 0 else following
    if kind == k.BGE:
        return 0, target(instruction, following) if in_ra(instruction, machine) >= 0 else following
    if kind == k.BLE:
        return 0, target(instruction, following) if in_ra(instruction, machine) <= 0 else following
    if kind == k.BGT:
        return 0, target(instruction, following) if in_ra(instruction, machine) > 0 else following
    if kind == k.BLBC:
        odd = in_ra(instruction, machine) & 1
        return 0, target(instruction, following) if odd == 0 else following
    if kind == k.BLBS:
        odd = in_ra(instruction, machine) & 1
        return 0, target(instruction, following) if odd != 0 else following
    if kind == k.BR:
        machine.registers[field(instruction, a.RA_SHIFT)] = following
        return 0, target(instruction, following)
    return memory_format(kind, instruction, machine), following


@inlined
def memory_format(kind: int, instruction: int, machine: Machine) -> int:
    """Loads: an exit, or 0. AH 4.2"""
    registers, data = machine.registers, machine.data
    if kind == k.LDQ:
        register = field(instruction, a.RA_SHIFT)
        return load_quad(registers, register, address_of(instruction, machine), data)
    if kind == k.LDL:
        register = field(instruction, a.RA_SHIFT)
        return load_long(registers, register, address_of(instruction, machine), data)
    if kind == k.LDWU:
        register = field(instruction, a.RA_SHIFT)
        return load_word(registers, register, address_of(instruction, machine), data)
    if kind == k.LDBU:
        register = field(instruction, a.RA_SHIFT)
        return load_byte(registers, register, address_of(instruction, machine), data)
    if kind == k.LDQ_U:
        register = field(instruction, a.RA_SHIFT)
        if register == a.ZERO_REGISTER:
            return 0  # UNOP
        return load_quad(registers, register, address_of(instruction, machine) & ~7, data)
    if kind == k.LOCKED_LOAD:
        opcode, register = instruction >> a.OPCODE_SHIFT, field(instruction, a.RA_SHIFT)
        address = address_of(instruction, machine)
        return load_locked(opcode, registers, register, address, data)
    return store(kind, instruction, machine)


@inlined
def store(kind: int, instruction: int, machine: Machine) -> int:
    """Stores: an exit, or 0. AH 4.2"""
    if kind == k.STQ:
        value = in_ra(instruction, machine)
        return store_quad(value, address_of(instruction, machine), machine.data)
    if kind == k.STL:
        value = in_ra(instruction, machine)
        return store_long(value, address_of(instruction, machine), machine.data)
    if kind == k.STW:
        value = in_ra(instruction, machine)
        return store_word(value, address_of(instruction, machine), machine.data)
    if kind == k.STB:
        value = in_ra(instruction, machine)
        return store_byte(value, address_of(instruction, machine), machine.data)
    if kind == k.STQ_U:
        value = in_ra(instruction, machine)
        return store_quad(value, address_of(instruction, machine) & ~7, machine.data)
    if kind == k.CONDITIONAL_STORE:
        opcode, register = instruction >> a.OPCODE_SHIFT, field(instruction, a.RA_SHIFT)
        address = address_of(instruction, machine)
        return store_conditional(opcode, machine.registers, register, address, machine.data)
    return operate_format(kind, instruction, machine)


@inlined
def operate_format(kind: int, instruction: int, machine: Machine) -> int:
    """An integer operation on registers: an exit, or 0."""
    if operate(kind, Word(instruction, machine.registers)) == s.INTEGER_OVERFLOW:
        machine.state[s.EXCEPTION_SUMMARY] = a.SUMMARY_INTEGER_OVERFLOW
        machine.state[s.REGISTER_MASK] = int64(1) << int64(field(instruction, 0))
        return s.ARITHMETIC
    return 0


@inlined
def floating_branch(instruction: int, following: int, machine: Machine) -> tuple[int, int]:
    """An exit, or 0, and where a branch goes. AH 4.9"""
    if machine.state[s.FLOATING_ENABLED] == 0:
        return s.FLOATING_DISABLED, following
    value = machine.floating[field(instruction, a.RA_SHIFT)]
    if floating_is_taken(instruction >> a.OPCODE_SHIFT, value):
        return 0, target(instruction, following)
    return 0, following


@inlined
def floating_format(instruction: int, machine: Machine) -> int:
    """Operations, loads and stores of floating-point registers: an exit, or 0."""
    opcode, register = instruction >> a.OPCODE_SHIFT, field(instruction, a.RA_SHIFT)
    floating, state, data = machine.floating, machine.state, machine.data
    if a.LDF <= opcode <= a.LDT and register == a.ZERO_REGISTER:
        return 0  # a prefetch
    if state[s.FLOATING_ENABLED] == 0:
        return s.FLOATING_DISABLED
    floating[a.ZERO_REGISTER] = 0
    if opcode < a.LDF:
        return floating_operation(opcode, instruction, machine.registers, floating, state)
    address = address_of(instruction, machine)
    return floating_access(opcode, register, address, floating, state, data.entries, data.memory)


@inlined
def multimedia(word: Word) -> int:
    """Sign extensions and parts of a quadword: an exit, or 0."""
    function = word.instruction >> a.FUNCTION_SHIFT & a.FUNCTION_MASK
    result, outcome = multimedia_group(function, one(word), other(word))
    if outcome == s.NO_SUCH:
        return s.ILLEGAL_INSTRUCTION
    return put(word, result)


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
