"""What is a processor to the VMM? Registers, translations, and a reason each time it stops."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from septum.engine.alpha.processor import compiled, core
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.buffer import TranslationBuffer
from septum.engine.alpha.processor.state import Exit
from septum.layouts import alpha as a


def prepare(say: Callable[[str], None]) -> None:
    """Compile the processor if no earlier run did, saying so: seconds once; then load it."""
    is_kept = compiled.is_kept()
    if not is_kept:
        say("compiling the processor, once: about 20 seconds")
    Processor(np.zeros(a.PAGE_SIZE, np.uint8)).run(1)
    TranslationBuffer(a.PAGE_SIZE).set_asn(0)
    if not is_kept:
        compiled.set_kept()
    gc.freeze()  # what is loaded stays: to look through it takes a tenth of a boot's time


class Context:
    """Everything an instance has in a processor, translations included."""

    def __init__(self, memory_size: int) -> None:
        self.registers: NDArray[np.int64] = np.zeros(32, np.int64)
        self.floating: NDArray[np.int64] = np.zeros(32, np.int64)
        self.state: NDArray[np.int64] = np.zeros(s.STATE_SIZE, np.int64)
        self.buffer = TranslationBuffer(memory_size)


class Processor:
    """One EV6. `memory` is the machine's RAM: a physical address is an index.

    Registers, state and translations belong to the `context` that it runs; switch_to() changes all
    at once and copies nothing. RAM is whole pages.
    """

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
        self.unlock()
        return before

    def unlock(self) -> None:
        """Take the lock flag: somebody else may have stored. A store-conditional is tried again."""
        self.context.state[s.LOCK_FLAG] = 0

    def run(self, budget: int) -> Exit:
        """Execute at most `budget` instructions (none if it is 0 or less); why it stopped."""
        context = self.context
        stop = core.run(
            context.registers,
            context.floating,
            context.state,
            self.counters,
            context.buffer.entries,
            self.memory,
            budget,
        )
        return _EXITS[stop]

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


_EXITS = tuple(Exit)
