"""A processor on a bench: a few pages of RAM, mapped for the kernel, and words to execute."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.buffer import TranslationBuffer
from septum.engine.alpha.processor.processor import Processor
from septum.engine.alpha.processor.state import EXECUTE, KERNEL, READ, WRITE, Exit
from septum.engine.alpha.processor.wrapping import signed
from septum.layouts import alpha as a

CODE, DATA = 0x10000, 0x20000  # virtual
CODE_AT, DATA_AT = 0, a.PAGE_SIZE  # physical
RAM = 8 * a.PAGE_SIZE
ONES = (1 << 64) - 1


class _State:
    """A property of the processor that is one number of its context's state."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __get__(self, processor: BenchProcessor, owner: type | None = None) -> int:
        return int(processor.state[self.place])

    def __set__(self, processor: BenchProcessor, value: int) -> None:
        processor.state[self.place] = signed(value)


class BenchProcessor(Processor):
    """A processor whose context is read and written by names."""

    user_mode = _State(s.MODE)
    floating_enabled = _State(s.FLOATING_ENABLED)
    lock_flag = _State(s.LOCK_FLAG)
    fpcr = _State(s.FPCR)
    cycle_offset = _State(s.CYCLE_OFFSET)
    interrupt_flag = _State(s.INTERRUPT_FLAG)
    data_super_page = _State(s.DATA_SUPER_PAGE)
    instruction_super_page = _State(s.INSTRUCTION_SUPER_PAGE)
    fault_address = _State(s.FAULT_ADDRESS)
    fault_address_physical = _State(s.FAULT_PHYSICAL)
    fault_is_store = _State(s.FAULT_IS_STORE)
    instruction = _State(s.INSTRUCTION)
    pal_function = _State(s.PAL_FUNCTION)
    exception_summary = _State(s.EXCEPTION_SUMMARY)
    register_mask = _State(s.REGISTER_MASK)

    @property
    def registers(self) -> NDArray[np.int64]:
        return self.context.registers

    @property
    def floating(self) -> NDArray[np.int64]:
        return self.context.floating

    @property
    def state(self) -> NDArray[np.int64]:
        return self.context.state

    @property
    def buffer(self) -> TranslationBuffer:
        return self.context.buffer

    def fill(self, **entry: Any) -> None:
        self.buffer.fill(**entry)

    def flush_all(self) -> None:
        self.buffer.flush_all()

    def flush_process(self) -> None:
        self.buffer.flush_process()

    def flush_address(self, virtual: int, instruction: bool = True, data: bool = True) -> None:
        self.buffer.flush_address(virtual, instruction=instruction, data=data)

    def flush_physical(self, first_page: int, count: int) -> int:
        return self.buffer.flush_physical(first_page, count)

    @property
    def pc(self) -> int:
        return int(self.state[s.PC])

    @pc.setter
    def pc(self, address: int) -> None:
        self.state[s.PC] = signed(address) & ~3

    @property
    def asn(self) -> int:
        return int(self.state[s.ASN])

    @asn.setter
    def asn(self, number: int) -> None:
        """As the VMM does it: the buffer is told only of a change."""
        if number != self.state[s.ASN]:
            self.state[s.ASN] = number & a.ASN_HIGHEST
            self.buffer.set_asn(number)


class Bench:
    """`processor` in kernel mode with floating point on, one page of code, one of data."""

    def __init__(self) -> None:
        self.ram = np.zeros(RAM, np.uint8)
        self.processor = BenchProcessor(self.ram)
        self.processor.floating_enabled = True
        self.map(CODE, CODE_AT, EXECUTE)
        self.map(DATA, DATA_AT, READ, WRITE)

    def map(self, virtual: int, physical: int, *kinds: int, mode: int = KERNEL) -> None:
        for kind in kinds:
            self.processor.fill(mode=mode, kind=kind, virtual=virtual, physical=physical)

    def execute(self, *words: int, budget: int | None = None) -> Exit:
        """Run the words from the beginning of the page of code."""
        self.ram.view(np.uint32)[CODE_AT // 4 : CODE_AT // 4 + len(words)] = words
        self.processor.pc = CODE
        return self.processor.run(len(words) if budget is None else budget)

    def __getitem__(self, register: int) -> int:
        """An integer register, not negative."""
        return int(self.processor.registers[register]) & ONES

    def __setitem__(self, register: int, value: int) -> None:
        self.processor.registers[register] = signed(value)

    def real(self, register: int) -> int:
        """A floating-point register's bits, not negative."""
        return int(self.processor.floating[register]) & ONES

    def set_real(self, register: int, bits: int) -> None:
        self.processor.floating[register] = signed(bits)

    def quad(self, physical: int) -> int:
        return int(self.ram.view(np.uint64)[physical // 8])

    def set_quad(self, physical: int, value: int) -> None:
        self.ram.view(np.uint64)[physical // 8] = value & ONES


Bench().execute(0)  # compiles, or loads what is compiled: not in the time of one test
