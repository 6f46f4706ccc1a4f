"""How is a load or store done that the processor may not do itself? Decoded, answered, ended.

`player(physical, size, value)` answers for a page: value None for a load.
"""

from __future__ import annotations

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode.registers import Palcode, signed
from septum.layouts import alpha as a
from septum.translation.physical import Access
from septum.translation.verdict import all_ones

# Bytes an opcode moves; what is not listed does not go to I/O space.
SIZES = {
    a.LDBU: 1, a.STB: 1, a.LDWU: 2, a.STW: 2, a.LDL: 4, a.STL: 4, a.LDQ: 8, a.STQ: 8,
    a.LDQ_U: 8, a.STQ_U: 8, a.LDL_L: 4, a.STL_C: 4, a.LDQ_L: 8, a.STQ_C: 8,
    a.LDS: 4, a.STS: 4, a.LDT: 8, a.STT: 8, a.LDF: 4, a.STF: 4, a.LDG: 8, a.STG: 8,
}
# No driver uses these there, and formats in registers are not those in memory.
FLOATING = frozenset((a.LDS, a.STS, a.LDT, a.STT, a.LDF, a.STF, a.LDG, a.STG))
NO_FLOATING = "a floating-point access to a register"
_LONG_SIGN = 1 << 31
_CONDITIONAL = (a.STL_C, a.STQ_C)


def access(pal: Palcode, physical: int, player: Access) -> None:
    """Do the access the processor stopped at, and go on after it."""
    st = pal.st
    word = st[s.INSTRUCTION]
    opcode = word >> a.OPCODE_SHIFT
    size = SIZES[opcode]
    pal.counters["verdict emulate"] += 1
    if opcode in FLOATING:
        absent(pal, physical, NO_FLOATING)
        return
    if st[s.FAULT_IS_STORE]:
        value = pal.r[word >> a.RA_SHIFT & a.REGISTER_MASK] & (1 << 8 * size) - 1
        player(physical, size, value)
        done(pal, opcode, word, 0)
    else:
        done(pal, opcode, word, player(physical, size, None))


def done(pal: Palcode, opcode: int, word: int, value: int) -> None:
    """End the instruction: a load's register gets the value."""
    st = pal.st
    register = word >> a.RA_SHIFT & a.REGISTER_MASK
    if st[s.FAULT_IS_STORE]:
        if opcode in _CONDITIONAL and register != a.ZERO_REGISTER:
            pal.r[register] = 1
    elif register != a.ZERO_REGISTER:
        if SIZES[opcode] == 4:  # LDL and LDL_L extend the sign
            value = (value & a.LONG_MASK ^ _LONG_SIGN) - _LONG_SIGN
        pal.r[register] = signed(value)
    st[s.PC] += a.INSTRUCTION_SIZE


def absent(pal: Palcode, physical: int, why: str) -> None:
    """Nobody answers in I/O space: a master abort. Loads see all ones, stores are dropped.

    The chipset reports such a cycle only where PERRMASK asks for it; firmware leaves it off, since
    operating systems look for devices this way. 21272 HRM, PERRMASK.
    """
    word = pal.st[s.INSTRUCTION]
    opcode = word >> a.OPCODE_SHIFT
    pal.reject("I/O space", why)
    pal.last_trap = f"I/O at {physical:#x}: {why}"
    if opcode in FLOATING:
        if not pal.st[s.FAULT_IS_STORE]:
            pal.context.floating[word >> a.RA_SHIFT & a.REGISTER_MASK] = -1
            pal.context.floating[a.ZERO_REGISTER] = 0
        pal.st[s.PC] += a.INSTRUCTION_SIZE
        return
    done(pal, opcode, word, all_ones(SIZES[opcode]))
