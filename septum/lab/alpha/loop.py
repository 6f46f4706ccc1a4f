"""How quick is the processor itself? A loop of loads, stores and arithmetic, and a clock.

The loop of one round: ldq, addq, stq, subq, and, s8addq, lda, bne; each load and store goes
through the translation buffer, as in kernel mode with KSEG closed.
"""

from __future__ import annotations

import time

import numpy as np

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.processor import Processor
from septum.layouts import alpha as a

CODE, DATA = 0, a.PAGE_SIZE  # physical, and virtual too
ROUNDS = 1 << 40
WARM_UP = 5_000_000  # instructions
MEASURED = 20_000_000
_SUM, _TURN, _COUNT, _BASE, _PART = 1, 2, 3, 4, 5


def memory_operation(opcode: int, register: int, base: int, displacement: int) -> int:
    return (
        opcode << a.OPCODE_SHIFT | register << a.RA_SHIFT | base << a.RB_SHIFT
    ) | displacement % (1 << a.RB_SHIFT)


def operation(opcode: int, function: int, first: int, second: int, result: int) -> int:
    words = first << a.RA_SHIFT | second << a.RB_SHIFT | function << a.FUNCTION_SHIFT
    return opcode << a.OPCODE_SHIFT | words | result


def loop() -> list[int]:
    """The instruction words."""
    body = [
        memory_operation(a.LDQ, _TURN, _BASE, 64),
        operation(a.INTA, a.ADDQ, _SUM, _TURN, _SUM),
        memory_operation(a.STQ, _SUM, _BASE, 64),
        operation(a.INTA, a.SUBQ, _SUM, _COUNT, _PART),
        operation(a.INTL, a.AND, _PART, _SUM, _PART),
        operation(a.INTA, a.S8ADDQ, _PART, _TURN, _PART),
        memory_operation(a.LDA, _COUNT, _COUNT, -1),
    ]
    back = -(len(body) + 1) % (1 << a.RA_SHIFT)
    return [*body, a.BNE << a.OPCODE_SHIFT | _COUNT << a.RA_SHIFT | back]


def integer_loop_mips() -> float:
    """Millions of instructions a second of this thread's own time: others may be busy too."""
    memory = np.zeros(2 * a.PAGE_SIZE, np.uint8)
    words = np.array(loop(), np.uint32).view(np.uint8)
    memory[: len(words)] = words
    processor = Processor(memory)
    context = processor.context
    for kind, address in ((s.EXECUTE, CODE), (s.READ, DATA), (s.WRITE, DATA)):
        context.buffer.fill(mode=s.KERNEL, kind=kind, virtual=address, physical=address)
    context.state[s.PC] = CODE
    context.registers[_COUNT] = ROUNDS
    context.registers[_BASE] = DATA
    processor.run(WARM_UP)
    before = processor.instructions
    began = time.thread_time()
    processor.run(MEASURED)
    seconds = time.thread_time() - began
    done = processor.instructions - before
    if done != MEASURED:
        raise AssertionError(f"the loop stopped after {done} instructions")
    return done / seconds / 1e6
