"""Where does an address lead, and what do loads and stores do there?

No physical address gets past this module that is not inside RAM: entries of the translation
buffer were checked when they were filled, and KSEG addresses are checked here. Array indexes
are not checked again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int32, int64, uint8, uint16, uint32, uint64
from numpy.typing import NDArray

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.compiled import called, inlined
from septum.engine.alpha.processor.number import (
    from_single,
    from_vax_single,
    halves_swapped,
    to_single,
    words_reversed,
)
from septum.engine.alpha.processor.wrapping import plus
from septum.layouts import alpha as a

# The address bits that must be zero, by opcode. LDQ_U and STQ_U clear them.
ALIGNMENT = np.zeros(64, np.int64)
ALIGNMENT[[a.LDWU, a.STW]] = 1
ALIGNMENT[[a.LDL, a.LDL_L, a.STL, a.STL_C, a.LDS, a.LDF, a.STS, a.STF]] = 3
ALIGNMENT[[a.LDQ, a.LDQ_L, a.STQ, a.STQ_C, a.LDT, a.LDG, a.STT, a.STG]] = 7


class Views(NamedTuple):
    """RAM as bytes, words, longwords and quadwords."""

    bytes: NDArray[np.uint8]
    words: NDArray[np.uint16]
    longs: NDArray[np.uint32]
    quads: NDArray[np.int64]


@inlined
def views(memory: NDArray[np.uint8]) -> Views:
    """RAM, ready for accesses of all sizes."""
    return Views(memory, memory.view(np.uint16), memory.view(np.uint32), memory.view(np.int64))


@inlined
def table_of(state: NDArray[np.int64], kind: int) -> int:
    """The number of the table for this kind of access in the current mode; no other number."""
    return kind + (s.KINDS if state[s.MODE] != s.KERNEL else 0)


@inlined
def asn_tag(state: NDArray[np.int64]) -> int:
    """The current address space in a tag; no other bit of it."""
    return (state[s.ASN] & a.ASN_HIGHEST) << s.ASN_SHIFT


@inlined
def looked_up(
    entries: NDArray[np.int64], table: int, address: int, alignment: int, asn_tag: int
) -> int:
    """The physical address if the buffer has it and nothing is special; else negative."""
    place = table << s.TABLE_SHIFT | address >> a.PAGE_SHIFT & s.TABLE_ENTRIES - 1
    if entries[uint64(2 * place)] != address & (a.PAGE_BASE | alignment) | asn_tag:
        return -1
    return plus(address, entries[uint64(2 * place + 1)])


@called
def searched(
    state: NDArray[np.int64],
    entries: NDArray[np.int64],
    size: int,
    kind: int,
    address: int,
    alignment: int,
) -> int:
    """The same for everything special: a physical address in RAM, or an exit made negative."""
    state[s.FAULT_ADDRESS] = address
    state[s.FAULT_IS_STORE] = int64(kind == s.WRITE)
    if address & alignment != 0:
        return -s.UNALIGNED
    physical = super_page(state, kind, address)
    if physical < 0:
        tag = s.TAG_BUS | asn_tag(state)
        physical = looked_up(entries, table_of(state, kind), address, 0, tag)
    if physical < 0:
        return -s.ITB_MISS if kind == s.EXECUTE else -s.DTB_MISS
    if physical < size:
        return physical
    state[s.FAULT_PHYSICAL] = physical
    return -s.FETCH_OUTSIDE if kind == s.EXECUTE else -s.BUS


@inlined
def super_page(state: NDArray[np.int64], kind: int, address: int) -> int:
    """The physical address KSEG gives without translation, negative if it gives none.

    HRM 5.2.15 (I_CTL), 5.3.9 (M_CTL): kernel mode only, and only while SPE is set.
    """
    enabled = state[s.INSTRUCTION_SUPER_PAGE if kind == s.EXECUTE else s.DATA_SUPER_PAGE]
    if enabled & a.SPE_KSEG == 0 or state[s.MODE] != s.KERNEL:
        return -1
    if address >> a.KSEG_SHIFT != a.KSEG_SELECT:
        return -1
    if address & a.KSEG_IO != 0:
        return address & a.KSEG_MEMORY_OFFSET | a.PHYSICAL_IO
    return address & a.KSEG_MEMORY_OFFSET


@inlined
def found(
    state: NDArray[np.int64],
    entries: NDArray[np.int64],
    size: int,
    kind: int,
    address: int,
    alignment: int,
) -> int:
    """A physical address in RAM, or an exit made negative."""
    table = table_of(state, kind)
    physical = looked_up(entries, table, address, alignment, asn_tag(state))
    if physical < 0:
        physical = searched(state, entries, size, kind, address, alignment)
    return physical


class Data(NamedTuple):
    """What loads and stores go through. The last three hold until run() returns."""

    state: NDArray[np.int64]
    entries: NDArray[np.int64]
    memory: Views
    reads: int  # the first entry's place in the table of loads in this mode
    writes: int
    tag: int  # the address space in a tag


@inlined
def data_of(state: NDArray[np.int64], entries: NDArray[np.int64], memory: Views) -> Data:
    """For the mode and the address space of now."""
    reads, writes = table_of(state, s.READ), table_of(state, s.WRITE)
    places = reads << s.TABLE_SHIFT, writes << s.TABLE_SHIFT
    return Data(state, entries, memory, places[0], places[1], asn_tag(state))


@inlined
def readable(data: Data, address: int, alignment: int) -> int:
    """Where in RAM a load is from, or an exit made negative."""
    place = data.reads | address >> a.PAGE_SHIFT & s.TABLE_ENTRIES - 1
    if data.entries[uint64(2 * place)] == address & (a.PAGE_BASE | alignment) | data.tag:
        return plus(address, data.entries[uint64(2 * place + 1)])
    size = data.memory.bytes.size
    return searched(data.state, data.entries, size, s.READ, address, alignment)


@inlined
def writable(data: Data, address: int, alignment: int) -> int:
    """Where in RAM a store goes to, or an exit made negative."""
    place = data.writes | address >> a.PAGE_SHIFT & s.TABLE_ENTRIES - 1
    if data.entries[uint64(2 * place)] == address & (a.PAGE_BASE | alignment) | data.tag:
        return plus(address, data.entries[uint64(2 * place + 1)])
    size = data.memory.bytes.size
    return searched(data.state, data.entries, size, s.WRITE, address, alignment)


@inlined
def unless_prefetch(register: int, physical: int) -> int:
    """The exit of a load that found nothing: none, where R31 says it is a prefetch. AH 4.11.8"""
    return 0 if register == a.ZERO_REGISTER else -physical


@inlined
def load_quad(registers: NDArray[np.int64], register: int, address: int, data: Data) -> int:
    """LDQ, as all loads here: an exit, or 0."""
    at = readable(data, address, 7)
    if at < 0:
        return unless_prefetch(register, at)
    registers[register] = data.memory.quads[uint64(at) >> uint64(3)]
    return 0


@inlined
def load_long(registers: NDArray[np.int64], register: int, address: int, data: Data) -> int:
    """LDL"""
    at = readable(data, address, 3)
    if at < 0:
        return unless_prefetch(register, at)
    registers[register] = int64(int32(data.memory.longs[uint64(at) >> uint64(2)]))
    return 0


@inlined
def load_word(registers: NDArray[np.int64], register: int, address: int, data: Data) -> int:
    """LDWU"""
    at = readable(data, address, 1)
    if at < 0:
        return unless_prefetch(register, at)
    registers[register] = int64(data.memory.words[uint64(at) >> uint64(1)])
    return 0


@inlined
def load_byte(registers: NDArray[np.int64], register: int, address: int, data: Data) -> int:
    """LDBU"""
    at = readable(data, address, 0)
    if at < 0:
        return unless_prefetch(register, at)
    registers[register] = int64(data.memory.bytes[uint64(at)])
    return 0


@inlined
def store_quad(value: int, address: int, data: Data) -> int:
    """STQ, as all stores here: an exit, or 0."""
    at = writable(data, address, 7)
    if at < 0:
        return -at
    data.memory.quads[uint64(at) >> uint64(3)] = value
    return 0


@inlined
def store_long(value: int, address: int, data: Data) -> int:
    """STL"""
    at = writable(data, address, 3)
    if at < 0:
        return -at
    data.memory.longs[uint64(at) >> uint64(2)] = uint32(value)
    return 0


@inlined
def store_word(value: int, address: int, data: Data) -> int:
    """STW"""
    at = writable(data, address, 1)
    if at < 0:
        return -at
    data.memory.words[uint64(at) >> uint64(1)] = uint16(value)
    return 0


@inlined
def store_byte(value: int, address: int, data: Data) -> int:
    """STB"""
    at = writable(data, address, 0)
    if at < 0:
        return -at
    data.memory.bytes[uint64(at)] = uint8(value)
    return 0


@inlined
def load_locked(
    opcode: int, registers: NDArray[np.int64], register: int, address: int, data: Data
) -> int:
    """LDL_L and LDQ_L, which are never a prefetch: an exit, or 0. AH 4.2.4"""
    at = readable(data, address, ALIGNMENT[uint64(opcode)])
    if at < 0:
        return -at
    state, quad = data.state, data.memory.quads[uint64(at) >> uint64(3)]
    state[s.LOCK_FLAG] = 1
    state[s.LOCK_ADDRESS] = at & ~7
    state[s.LOCK_VALUE] = quad
    if opcode == a.LDL_L:
        quad = int64(int32(data.memory.longs[uint64(at) >> uint64(2)]))
    registers[register] = quad
    return 0


@inlined
def store_conditional(
    opcode: int, registers: NDArray[np.int64], register: int, address: int, data: Data
) -> int:
    """STL_C and STQ_C: an exit, or 0. AH 4.2.5"""
    at = writable(data, address, ALIGNMENT[uint64(opcode)])
    if at < 0:
        return -at
    is_locked = still_locked(data.state, data.memory, at)
    if is_locked:
        if opcode == a.STL_C:
            data.memory.longs[uint64(at) >> uint64(2)] = uint32(registers[register])
        else:
            data.memory.quads[uint64(at) >> uint64(3)] = registers[register]
    registers[register] = int64(is_locked)
    return 0


@inlined
def still_locked(state: NDArray[np.int64], memory: Views, physical: int) -> bool:
    """May a store-conditional store? Either way it takes the lock flag. AH 4.2.5

    Whoever lets others store meanwhile takes the flag (Processor.unlock); a value that changed is
    seen besides. A store outside the quadword that was locked fails, which the architecture leaves
    open.
    """
    is_locked = state[s.LOCK_FLAG] != 0 and state[s.LOCK_ADDRESS] == physical & ~7
    state[s.LOCK_FLAG] = 0
    return is_locked and state[s.LOCK_VALUE] == memory.quads[uint64(physical) >> uint64(3)]


@called
def floating_access(
    opcode: int,
    register: int,
    address: int,
    floating: NDArray[np.int64],
    state: NDArray[np.int64],
    entries: NDArray[np.int64],
    memory: Views,
) -> int:
    """Loads and stores of floating-point registers: an exit, or 0. AH 4.8"""
    kind = s.WRITE if opcode >= a.STF else s.READ
    alignment = ALIGNMENT[uint64(opcode)]
    physical = found(state, entries, memory.bytes.size, kind, address, alignment)
    if physical < 0:
        return -physical
    if alignment == 3:
        place = uint64(physical) >> uint64(2)
        if kind == s.READ:
            floating[register] = in_register(opcode, int64(memory.longs[place]))
        else:
            memory.longs[place] = uint32(in_memory(opcode, floating[register]))
    else:
        place = uint64(physical) >> uint64(3)
        if kind == s.READ:
            floating[register] = in_register(opcode, memory.quads[place])
        else:
            memory.quads[place] = in_memory(opcode, floating[register])
    return 0


@inlined
def in_register(opcode: int, value: int) -> int:
    """What a register holds of what a floating-point load found."""
    if opcode == a.LDS:
        return from_single(value)
    if opcode == a.LDF:
        return from_vax_single(value)
    return words_reversed(value) if opcode == a.LDG else value


@inlined
def in_memory(opcode: int, bits: int) -> int:
    """What a floating-point store writes of a register."""
    if opcode == a.STS:
        return to_single(bits)
    if opcode == a.STF:
        return halves_swapped(to_single(bits))
    return words_reversed(bits) if opcode == a.STG else bits
