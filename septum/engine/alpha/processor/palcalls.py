"""Which CALL_PALs need nobody but the processor? The VMM's most frequent ones, compiled.

They move a register to or from PALcode's own: as PALcode would, without leaving the processor.
A switch in the state lets all calls leave, as they do for whoever has no PALcode here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.compiled import inlined
from septum.layouts import alpha as a

V0, A0 = 0, 16


@inlined
def call(function: int, registers: NDArray[np.int64], state: NDArray[np.int64]) -> int:
    """Carry out a call, or CALL_PAL when it is the VMM's: an exit, or 0. AH II-B 2."""
    if state[s.CALLS_INSIDE] == 0 or function >= s.CALLS:
        return s.CALL_PAL
    if function < a.FIRST_UNPRIVILEGED and state[s.MODE] != s.KERNEL:
        return s.CALL_PAL
    stop = s.DONE
    if function == a.SWPIPL:
        before = state[s.INTERRUPT_LEVEL]
        state[s.INTERRUPT_LEVEL] = registers[A0] & a.PS_INTERRUPT_LEVEL
        registers[V0] = before
        if state[s.PENDING_LEVEL] > state[s.INTERRUPT_LEVEL]:
            stop = s.INTERRUPT
    elif function == a.RDPS:
        user = a.PS_USER_MODE if state[s.MODE] != s.KERNEL else 0
        registers[V0] = state[s.INTERRUPT_LEVEL] | user
    elif function == a.RDUNIQUE:
        registers[V0] = state[s.UNIQUE]
    elif function == a.WRUNIQUE:
        state[s.UNIQUE] = registers[A0]
    elif function == a.RDVAL:
        registers[V0] = state[s.SYSTEM_VALUE]
    elif function == a.WRVAL:
        state[s.SYSTEM_VALUE] = registers[A0]
    elif function == a.RDUSP:
        registers[V0] = state[s.USER_STACK]
    elif function == a.WRUSP:
        state[s.USER_STACK] = registers[A0]
    elif function == a.WHAMI:
        registers[V0] = 0  # an instance has one processor
    elif function != a.IMB and function != a.DRAINA and function != a.CFLUSH:
        return s.CALL_PAL
    state[s.CALL_COUNTS + function] += 1
    return stop
