"""What is a processor to the VMM? Registers, translations, and a reason each time it stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from septum.engine.alpha.processor import compiled, core
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.access import ALIGNMENT, converted
from septum.engine.alpha.processor.buffer import TranslationBuffer
from septum.engine.alpha.processor.state import Exit
from septum.engine.alpha.processor.wrapping import signed as signed
from septum.layouts import alpha as a


def prepare(say: Callable[[str], None]) -> None:
    """Compile the processor if no earlier run did, saying so; seconds once, then nothing."""
    if compiled.is_kept():
        return
    say("compiling the processor, once: about 20 seconds")
    Processor(np.zeros(a.PAGE_SIZE, np.uint8)).run(1)
    TranslationBuffer(a.PAGE_SIZE).set_asn(0)
    converted(a.LDT, 0)
    compiled.set_kept()


class Context:
    """Everything an instance has in a processor, translations included."""

    def __init__(self, memory_size: int) -> None:
        self.registers: NDArray[np.int64] = np.zeros(32, np.int64)
        self.floating: NDArray[np.int64] = np.zeros(32, np.int64)
        self.state: NDArray[np.int64] = np.zeros(s.STATE_SIZE, np.int64)
        self.buffer = TranslationBuffer(memory_size)


class _State:
    """A property of the processor that is one number of its context's state."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __get__(self, processor: Processor, owner: type | None = None) -> int:
        return int(processor.state[self.place])

    def __set__(self, processor: Processor, value: int) -> None:
        processor.state[self.place] = signed(value)


class Processor:
    """One EV6. `memory` is the machine's RAM: a physical address is an index.

    The arrays `registers`, `floating`, `state` and the translations belong to the context that
    it runs; switch_to() changes all at once and copies nothing. RAM is whole pages.
    """

    mode = _State(s.MODE)
    lock_flag = _State(s.LOCK_FLAG)
    fpcr = _State(s.FPCR)
    cycle_offset = _State(s.CYCLE_OFFSET)
    interrupt_flag = _State(s.INTERRUPT_FLAG)
    data_super_page = _State(s.DATA_SUPER_PAGE)
    instruction_super_page = _State(s.INSTRUCTION_SUPER_PAGE)
    fault_address = _State(s.FAULT_ADDRESS)
    fault_address_physical = _State(s.FAULT_PHYSICAL)
    instruction = _State(s.INSTRUCTION)
    pal_function = _State(s.PAL_FUNCTION)
    exception_summary = _State(s.EXCEPTION_SUMMARY)
    register_mask = _State(s.REGISTER_MASK)

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        if memory.size % a.PAGE_SIZE or memory.dtype != np.uint8:
            raise ValueError("RAM is bytes, in whole pages")
        self.memory = memory
        self.counters: NDArray[np.int64] = np.zeros(s.COUNTERS_SIZE, np.int64)
        self.switch_to(Context(memory.size))

    def new_context(self) -> Context:
        """An empty context that this processor can run."""
        return Context(self.memory.size)

    def switch_to(self, context: Context) -> Context | None:
        """Run another context from now on; the one that ran, which stays as it is.

        The lock flag of neither survives: another was here.
        """
        before = getattr(self, "context", None)
        self.context = context
        self.registers = context.registers
        self.floating = context.floating
        self.state = context.state
        self.buffer = context.buffer
        self.state[s.LOCK_FLAG] = 0
        return before

    def run(self, budget: int) -> Exit:
        """Execute at most `budget` instructions (none if it is 0 or less); why it stopped."""
        return _EXITS[
            core.run(
                self.registers,
                self.floating,
                self.state,
                self.counters,
                self.buffer.entries,
                self.memory,
                budget,
            )
        ]

    @property
    def pc(self) -> int:
        """The address of the next instruction, signed; bits 1:0 are zero."""
        return int(self.state[s.PC])

    @pc.setter
    def pc(self, address: int) -> None:
        self.state[s.PC] = signed(address) & ~3

    @property
    def user_mode(self) -> bool:
        return bool(self.state[s.MODE])

    @user_mode.setter
    def user_mode(self, is_user: bool) -> None:
        self.state[s.MODE] = s.USER if is_user else s.KERNEL

    @property
    def floating_enabled(self) -> bool:
        return bool(self.state[s.FLOATING_ENABLED])

    @floating_enabled.setter
    def floating_enabled(self, is_enabled: bool) -> None:
        self.state[s.FLOATING_ENABLED] = is_enabled

    @property
    def fault_is_store(self) -> bool:
        return bool(self.state[s.FAULT_IS_STORE])

    @property
    def asn(self) -> int:
        """The address space, 0..255."""
        return int(self.state[s.ASN])

    @asn.setter
    def asn(self, number: int) -> None:
        if number != self.state[s.ASN]:
            self.state[s.ASN] = number & a.ASN_HIGHEST
            self.buffer.set_asn(number)

    @property
    def instructions(self) -> int:
        """How many were executed, whoever ran. An exit counts the instruction that made it."""
        return int(self.counters[s.INSTRUCTIONS])

    @property
    def cycles(self) -> int:
        """What RPCC counts: instructions, and cycles in which nothing ran."""
        return int(self.counters[s.INSTRUCTIONS] + self.counters[s.SKIPPED])

    def skip(self, cycles: int) -> None:
        """Let time pass in which nothing runs."""
        self.counters[s.SKIPPED] += cycles

    def fill(self, **entry: Any) -> None:
        """Enter one translation; see TranslationBuffer.fill()."""
        self.buffer.fill(**entry)

    def flush_all(self) -> None:
        self.buffer.flush_all()

    def flush_process(self) -> None:
        self.buffer.flush_process()

    def flush_address(self, virtual: int, instruction: bool = True, data: bool = True) -> None:
        self.buffer.flush_address(virtual, instruction=instruction, data=data)

    def flush_physical(self, first_page: int, count: int) -> int:
        """Of the running context only: a revocation asks the buffers of the others too."""
        return self.buffer.flush_physical(first_page, count)

    def complete_load(self, value: int) -> None:
        """End an access the bus answered (or the VMM emulated): the register gets the value."""
        register = self.instruction >> a.RA_SHIFT & a.REGISTER_MASK
        opcode = self.instruction >> a.OPCODE_SHIFT
        if opcode in (a.LDL, a.LDL_L):
            value = signed(value & a.LONG_MASK, 32)
        if a.LDF <= opcode <= a.LDT:
            self.floating[register] = converted(opcode, signed(value))
        elif register != a.ZERO_REGISTER:
            self.registers[register] = signed(value)
        self.state[s.PC] += a.INSTRUCTION_SIZE

    def complete_store(self) -> None:
        """End a store the bus took (or the VMM emulated)."""
        if self.instruction >> a.OPCODE_SHIFT in (a.STL_C, a.STQ_C):
            register = self.instruction >> a.RA_SHIFT & a.REGISTER_MASK
            self.registers[register] = register != a.ZERO_REGISTER
        self.state[s.PC] += a.INSTRUCTION_SIZE


_EXITS = tuple(Exit)


def access_size(instruction: int) -> int:
    """How many bytes a load or store moves."""
    opcode = instruction >> a.OPCODE_SHIFT
    if opcode in (a.LDQ_U, a.STQ_U):
        return 8
    return int(ALIGNMENT[opcode]) + 1


def store_value(processor: Processor) -> int:
    """What the store that stopped the processor stores, not negative, of its size."""
    register = processor.instruction >> a.RA_SHIFT & a.REGISTER_MASK
    size, opcode = access_size(processor.instruction), processor.instruction >> a.OPCODE_SHIFT
    value = int(processor.registers[register])
    if a.STF <= opcode <= a.STT:
        value = int(converted(opcode, int(processor.floating[register])))
    return value & (1 << 8 * size) - 1
