"""What does each CALL_PAL do? The OSF/1 PALcode calls, each a function of one instance's state.

ARM II-B, 2. Privileged ones are illegal instructions in user mode; those that are not there are
illegal in both. The most frequent ones never come here: engine/alpha/processor/palcalls.py.
"""

from __future__ import annotations

from collections.abc import Callable

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode.console import dispatch, fixup
from septum.engine.alpha.vmm.palcode.entries import enter, instruction_fault, rti
from septum.engine.alpha.vmm.palcode.registers import Halted, OutsideMemory, Palcode
from septum.interrupts.table import INTERPROCESSOR
from septum.layouts import alpha as a
from septum.layouts import palcode
from septum.layouts.palcode import Call, Entry, InstructionFault

_V0, _A0, _A1, _SP = 0, 16, 17, 30


def call(pal: Palcode) -> None:
    """Carry out the CALL_PAL the processor stopped at; the PC is already past it."""
    st = pal.st
    function = st[s.PAL_FUNCTION]
    handler = _CALLS.get(function)
    if handler is None or (function < palcode.UNPRIVILEGED and st[s.MODE]):
        pal.counters["call refused"] += 1
        pal.last_trap = f"CALL_PAL {function:#x}: illegal in this mode"
        if st[s.MODE] and function <= palcode.LAST_PRIVILEGED:
            pal.reject("privileged call", f"{palcode.NAMES.get(function, function)} in user mode")
        instruction_fault(pal, InstructionFault.ILLEGAL, st[s.PC])
        return
    pal.counters[_COUNTED[function]] += 1
    handler(pal)


def _halt(pal: Palcode) -> None:
    """The OS has ended, or wants to begin anew: its per-processor slot says which."""
    raise Halted


def _cserve(pal: Palcode) -> None:
    """Platform services: none here."""
    pal.r[_V0] = 0


def _swppal(pal: Palcode) -> None:
    """Start at a1 with the process block at a2 and the page table's place a3."""
    if pal.r[_A0] != palcode.SWPPAL_OSF:
        pal.r[_V0] = palcode.SWPPAL_UNKNOWN
        return
    start, block, vptb = pal.r[_A1], pal.r[_A1 + 1], pal.r[_A1 + 2]
    pal.vptb = vptb
    load_process(pal, block)
    pal.context.buffer.flush_all()
    pal.st[s.PC] = start & ~3
    pal.r[_V0] = 0


def _wripir(pal: Palcode) -> None:
    """One processor an instance: nobody to interrupt but itself."""
    pal.counters["interprocessor request"] += 1
    pal.fielded(INTERPROCESSOR)


def _rdmces(pal: Palcode) -> None:
    pal.r[_V0] = pal.mces


def _wrmces(pal: Palcode) -> None:
    value = pal.r[_A0]
    kept = pal.mces & ~(value & palcode.MCES_WRITE_ONE_CLEARS) & palcode.MCES_WRITE_ONE_CLEARS
    pal.mces = kept | value & palcode.MCES_KEPT


def _wrfen(pal: Palcode) -> None:
    pal.st[s.FLOATING_ENABLED] = pal.r[_A0] & 1


def _clrfen(pal: Palcode) -> None:
    pal.st[s.FLOATING_ENABLED] = 0


def _wrvptptr(pal: Palcode) -> None:
    pal.vptb = pal.r[_A0]


def _swpctx(pal: Palcode) -> None:
    """Save the running process's block, load another's; v0 is the old one's address."""
    st, r, q = pal.st, pal.r, pal.q
    old = pal.process
    try:
        place = pal.run_at(old, palcode.PCB_SIZE)
    except OutsideMemory as error:
        raise pal.stop("its process block is not in its memory", f"{old:#x}: {error}") from None
    q[place] = r[_SP]
    q[place + 1] = st[s.USER_STACK]
    q[place + palcode.PCB_UNIQUE // palcode.QUAD] = st[s.UNIQUE]
    load_process(pal, r[_A0])
    r[_V0] = old
    st[s.LOCK_FLAG] = 0


def load_process(pal: Palcode, address: int) -> None:
    """Go over to a process block at a physical address (KSEG is tolerated). GuestProblem."""
    block = address & a.KSEG_MEMORY_OFFSET
    try:
        place = pal.run_at(block, palcode.PCB_SIZE)
    except OutsideMemory as error:
        pal.reject("process block", error.why)
        what = "it named a process block outside of its memory"
        raise pal.stop(what, f"{block:#x}: {error}") from None
    stack, user, table, cycles, unique, flags = pal.q[place : place + 6]
    pal.process = block
    pal.r[_SP] = stack
    pal.st[s.USER_STACK], pal.st[s.UNIQUE] = user, unique
    pal.page_table = table & a.PTE_FRAME_MASK
    pal.st[s.FLOATING_ENABLED] = flags & palcode.PCB_FLOATING
    asn = cycles >> 32 & a.ASN_HIGHEST
    if asn != pal.st[s.ASN]:
        pal.st[s.ASN] = asn
        pal.context.buffer.set_asn(asn)


def _tbi(pal: Palcode) -> None:
    """Invalidate translations: all, the process's, or one address's. ARM II-B, 2.2.15."""
    kind, buffer = pal.r[_A0], pal.context.buffer
    if kind == palcode.TBI_ALL:
        buffer.flush_all()
    elif kind == palcode.TBI_PROCESS:
        buffer.flush_process()
    elif kind in (palcode.TBI_INSTRUCTION, palcode.TBI_DATA, palcode.TBI_BOTH):
        instruction, data = bool(kind & palcode.TBI_INSTRUCTION), bool(kind & palcode.TBI_DATA)
        buffer.flush_address(pal.r[_A1], instruction=instruction, data=data)


def _wrent(pal: Palcode) -> None:
    """Register a handler; numbers that are not known are ignored."""
    number = pal.r[_A1]
    if 0 <= number < len(pal.entries):
        pal.entries[number] = pal.r[_A0] & ~3


def _wrkgp(pal: Palcode) -> None:
    pal.global_pointer = pal.r[_A0]


def _wrperfmon(pal: Palcode) -> None:
    """The cycle counter is the VMM's: performance monitoring is refused. ARM II-B, 2.2.20."""
    pal.r[_V0] = 0


def _retsys(pal: Palcode) -> None:
    """As rti, for a system call; the saved argument registers are not restored."""
    a0, a1, a2 = pal.r[_A0], pal.r[_A1], pal.r[_A1 + 1]
    rti(pal)
    pal.r[_A0], pal.r[_A1], pal.r[_A1 + 1] = a0, a1, a2


def _wtint(pal: Palcode) -> None:
    """Nothing to do until an interrupt: the rest of the slice is another's. v0: ticks skipped."""
    pal.r[_V0] = 0
    pal.waiting = not pal.st[s.PENDING_LEVEL]


def _bpt(pal: Palcode) -> None:
    instruction_fault(pal, InstructionFault.BREAKPOINT, pal.st[s.PC])


def _bugchk(pal: Palcode) -> None:
    instruction_fault(pal, InstructionFault.BUGCHECK, pal.st[s.PC])


def _gentrap(pal: Palcode) -> None:
    instruction_fault(pal, InstructionFault.GENTRAP, pal.st[s.PC])


def _callsys(pal: Palcode) -> None:
    """A system call. From kernel mode it is a machine check on silicon: nothing to go on with."""
    if not pal.st[s.MODE]:
        raise pal.stop("a system call in kernel mode", f"pc {pal.st[s.PC] & (1 << 64) - 1:#x}")
    r = pal.r
    enter(pal, Entry.SYSTEM_CALL, pal.st[s.PC], r[_A0], r[_A1], r[_A1 + 1])


_CALLS: dict[int, Callable[[Palcode], None]] = {
    Call.HALT: _halt,
    Call.CSERVE: _cserve,
    Call.SWPPAL: _swppal,
    Call.WRIPIR: _wripir,
    palcode.CONSOLE_DISPATCH: dispatch,
    palcode.CONSOLE_FIXUP: fixup,
    Call.RDMCES: _rdmces,
    Call.WRMCES: _wrmces,
    Call.WRFEN: _wrfen,
    Call.WRVPTPTR: _wrvptptr,
    Call.SWPCTX: _swpctx,
    Call.TBI: _tbi,
    Call.WRENT: _wrent,
    Call.WRKGP: _wrkgp,
    Call.WRPERFMON: _wrperfmon,
    Call.RETSYS: _retsys,
    Call.WTINT: _wtint,
    Call.RTI: rti,
    Call.BPT: _bpt,
    Call.BUGCHK: _bugchk,
    Call.CALLSYS: _callsys,
    Call.GENTRAP: _gentrap,
    Call.CLRFEN: _clrfen,
}
_COUNTED = {
    number: "call " + palcode.NAMES.get(number, "console") for number in _CALLS
}

