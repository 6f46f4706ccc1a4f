"""What does the processor keep besides its registers, and why does it stop?

Places in the arrays that compiled code and Python share. Plain integers, as in
`septum.layouts.alpha` and for its reason.
"""

from __future__ import annotations

import enum

# Why run() returned. Zero goes on: inside the loop it means that nothing happened.
BUDGET = 0  # as many instructions as were allowed
CALL_PAL = 1
DTB_MISS = 2
ITB_MISS = 3
UNALIGNED = 4
ILLEGAL_INSTRUCTION = 5
FLOATING_DISABLED = 6
ARITHMETIC = 7
BUS = 8
FETCH_OUTSIDE = 9
INTERRUPT = 10


class Exit(enum.IntEnum):
    """Why a processor stopped, and what `pc` names then.

    Every exit counts one instruction, so that time goes on for a guest that only faults.
    """

    BUDGET = BUDGET  # the next instruction
    CALL_PAL = CALL_PAL  # the instruction after; `pal_function` says which
    DTB_MISS = DTB_MISS  # the instruction, as for all that may be tried again
    ITB_MISS = ITB_MISS  # the instruction; `fault_address` is the same
    UNALIGNED = UNALIGNED  # the instruction
    ILLEGAL_INSTRUCTION = ILLEGAL_INSTRUCTION  # the instruction
    FLOATING_DISABLED = FLOATING_DISABLED  # the instruction
    ARITHMETIC = ARITHMETIC  # the instruction after; `exception_summary`, `register_mask`
    BUS = BUS  # the instruction; whoever answers ends it
    FETCH_OUTSIDE = FETCH_OUTSIDE  # the instruction: not in RAM. A machine check on silicon
    INTERRUPT = INTERRUPT  # the instruction after the call that let in what was pending


# Places in Context.state.
PC = 0
MODE = 1  # KERNEL or USER
ASN = 2
FLOATING_ENABLED = 3
FPCR = 4
LOCK_FLAG = 5
LOCK_ADDRESS = 6  # physical, of the 8 bytes around
LOCK_VALUE = 7  # what stood there
INTERRUPT_FLAG = 8  # of RC and RS
DATA_SUPER_PAGE = 9  # M_CTL SPE
INSTRUCTION_SUPER_PAGE = 10  # I_CTL SPE
CYCLE_OFFSET = 11  # upper half of what RPCC reads
FAULT_ADDRESS = 12
FAULT_PHYSICAL = 13
FAULT_IS_STORE = 14
INSTRUCTION = 15
PAL_FUNCTION = 16
EXCEPTION_SUMMARY = 17
REGISTER_MASK = 18
# Of PALcode, for the calls that `septum.engine.alpha.processor.palcalls` does inside.
CALLS_INSIDE = 19  # 0: every CALL_PAL leaves
INTERRUPT_LEVEL = 20  # IPL
PENDING_LEVEL = 21  # of what waits; 0 nothing. Above IPL it is to be let in
UNIQUE = 22
SYSTEM_VALUE = 23
USER_STACK = 24  # USP, while in kernel mode
CALL_COUNTS = 25  # and those after it: calls done inside, by function
CALLS = 192
STATE_SIZE = CALL_COUNTS + CALLS

# Places in Processor.counters: of the processor, whoever runs on it.
INSTRUCTIONS = 0
SKIPPED = 1  # cycles in which nothing ran
COUNTERS_SIZE = 2

KERNEL = 0
USER = 1

# What an operation says beside its result.
DONE = 0
NO_SUCH = 1
INTEGER_OVERFLOW = 2

# The translation buffer: a table for each kind of access in each mode, of direct-mapped entries.
READ = 0
WRITE = 1
EXECUTE = 2
KINDS = 3
TABLES = 2 * KINDS
TABLE_SHIFT = 12
TABLE_ENTRIES = 1 << TABLE_SHIFT
# The tag of an entry is the page's virtual address, with the ASN in bits 10:3. Bits 2:0 are zero
# in it, and kept of an address that must be aligned: an unaligned one matches nothing.
ASN_SHIFT = 3
TAG_BUS = 1 << 11  # the page is not RAM: matches nothing either, and is then looked for
TAG_NONE = -1
