"""A processor on a bench: a few pages of RAM, mapped for the kernel, and words to execute."""

from __future__ import annotations

import numpy as np

from septum.engine.alpha.processor.processor import Processor, signed
from septum.engine.alpha.processor.state import EXECUTE, KERNEL, READ, WRITE, Exit
from septum.layouts import alpha as a

CODE, DATA = 0x10000, 0x20000  # virtual
CODE_AT, DATA_AT = 0, a.PAGE_SIZE  # physical
RAM = 8 * a.PAGE_SIZE
ONES = (1 << 64) - 1


class Bench:
    """`processor` in kernel mode with floating point on, one page of code, one of data."""

    def __init__(self) -> None:
        self.ram = np.zeros(RAM, np.uint8)
        self.processor = Processor(self.ram)
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
