"""How does an operating system's handler get entered, and left? Stack frames, faults, rti.

ARM II-B, 5: the frame is pushed on the kernel stack; handlers were registered with wrent.
"""

from __future__ import annotations

from collections.abc import Iterable

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode.registers import WORD, OutsideMemory, Palcode, signed
from septum.engine.alpha.vmm.palcode.walk import Fault, kernel_page, kernel_quad
from septum.layouts import alpha as a
from septum.layouts import palcode
from septum.layouts.palcode import Entry, Frame, InstructionFault

_SP, _GP, _A0, _A1, _A2 = 30, 29, 16, 17, 18
# What the instruction at hand did, and no request from outside or call
_TRAPS = (Entry.MEMORY_MANAGEMENT, Entry.INSTRUCTION_FAULT, Entry.UNALIGNED, Entry.ARITHMETIC)
_QUADS = Frame.SIZE // palcode.QUAD


def enter(pal: Palcode, entry: int, pc: int, a0: int, a1: int, a2: int) -> None:
    """Push the frame, go to kernel mode and to the handler; IPL stays.

    GuestProblem when there is no handler, or no stack to push on.
    """
    handler = pal.entries[entry]
    if handler is None or entry in _TRAPS:
        pal.last_trap = told(entry, pc, a0, a1, a2)
    if handler is None:
        name = palcode.ENTRY_NAMES[entry]
        raise pal.stop(f"it has no handler {name}", f"needed for {pal.last_trap}")
    r, st = pal.r, pal.st
    status = st[s.INTERRUPT_LEVEL]
    if st[s.MODE]:
        status |= palcode.PS_USER
        st[s.USER_STACK] = r[_SP]
        stack = pal.kernel_stack
        st[s.MODE] = s.KERNEL
    else:
        stack = r[_SP]
    stack = signed(stack - Frame.SIZE)
    q = pal.q
    frame = (status, pc, r[_GP], r[_A0], r[_A1], r[_A2])
    for place, value in zip(frame_at(pal, stack, s.WRITE), frame, strict=True):
        q[place] = value
    if pal.watched:
        _tell(pal, stack)
    r[_SP], r[_GP] = stack, pal.global_pointer
    r[_A0], r[_A1], r[_A2] = a0, a1, a2
    st[s.LOCK_FLAG] = 0
    st[s.PC] = handler


def _tell(pal: Palcode, stack: int) -> None:
    """Who watches a page that the stack is on sees the frame."""
    for address in range(stack, stack + Frame.SIZE, palcode.QUAD):
        address = signed(address)
        page = kernel_page(pal, address, s.WRITE)
        if page in pal.watched:
            pal.tell(page << a.PAGE_SHIFT | address & a.PAGE_OFFSET, palcode.QUAD)


def told(entry: int, pc: int, *arguments: int) -> str:
    """A handler's call as people read it: entMM(0x0, 0x1, 0x0), pc 0x310000."""
    words = ", ".join(f"{argument & WORD:#x}" for argument in arguments)
    return f"{palcode.ENTRY_NAMES[entry]}({words}), pc {pc & WORD:#x}"


def frame_at(pal: Palcode, stack: int, kind: int) -> Iterable[int]:
    """Where in memory the quads of a frame on the kernel stack are. GuestProblem if nowhere."""
    try:
        if stack & palcode.QUAD - 1:
            raise OutsideMemory(stack, "it is not aligned")
        if (stack & a.PAGE_OFFSET) + Frame.SIZE <= a.PAGE_SIZE:
            place = kernel_quad(pal, stack, kind)
            return range(place, place + _QUADS)
        quads = range(stack, stack + Frame.SIZE, palcode.QUAD)
        return [kernel_quad(pal, signed(quad), kind) for quad in quads]
    except (OutsideMemory, Fault) as error:
        raise pal.stop("its kernel stack is not valid", f"{stack & WORD:#x}: {error}") from None


def interrupt(pal: Palcode, level: int, kind: int, vector: int, a2: int = 0) -> None:
    """Enter entInt at an IPL."""
    enter(pal, Entry.INTERRUPT, pal.st[s.PC], kind, vector, a2)
    pal.st[s.INTERRUPT_LEVEL] = level


def memory_fault(pal: Palcode, address: int, code: int, cause: int) -> None:
    """Enter entMM for the instruction that is to be tried again."""
    pal.counters["fault entMM"] += 1
    enter(pal, Entry.MEMORY_MANAGEMENT, pal.st[s.PC], address, code, cause)


def instruction_fault(pal: Palcode, kind: int, pc: int) -> None:
    """Enter entIF. ARM II-B, table 5-3: the PC is the next instruction's but for FEN."""
    pal.counters["fault entIF"] += 1
    enter(pal, Entry.INSTRUCTION_FAULT, pc, kind, 0, 0)


def illegal_instruction(pal: Palcode) -> None:
    """An opcode that is not there, or reserved to PALcode."""
    pal.counters["exit illegal instruction"] += 1
    instruction_fault(pal, InstructionFault.ILLEGAL, pal.st[s.PC] + a.INSTRUCTION_SIZE)


def floating_disabled(pal: Palcode) -> None:
    pal.counters["exit floating disabled"] += 1
    instruction_fault(pal, InstructionFault.FLOATING_DISABLED, pal.st[s.PC])


def unaligned(pal: Palcode) -> None:
    """Enter entUna with the address, the opcode and the register; the PC is past it."""
    pal.counters["exit unaligned"] += 1
    st = pal.st
    word = st[s.INSTRUCTION]
    register = word >> a.RA_SHIFT & a.REGISTER_MASK
    pc = st[s.PC] + a.INSTRUCTION_SIZE
    enter(pal, Entry.UNALIGNED, pc, st[s.FAULT_ADDRESS], word >> a.OPCODE_SHIFT, register)


def arithmetic(pal: Palcode) -> None:
    """Enter entArith with the exception summary and the registers concerned."""
    pal.counters["exit arithmetic"] += 1
    st = pal.st
    summary, mask = st[s.EXCEPTION_SUMMARY], st[s.REGISTER_MASK]
    enter(pal, Entry.ARITHMETIC, st[s.PC], summary, mask, 0)


def rti(pal: Palcode) -> None:
    """Pop the frame; back to user mode with IPL 0 if it says so. ARM II-B, 2.2.10."""
    r, st, q = pal.r, pal.st, pal.q
    stack = r[_SP]
    status, pc, r[_GP], r[_A0], r[_A1], r[_A2] = [q[at] for at in frame_at(pal, stack, s.READ)]
    st[s.PC] = pc & ~3
    st[s.LOCK_FLAG] = st[s.INTERRUPT_FLAG] = 0
    stack = signed(stack + Frame.SIZE)
    if status & palcode.PS_USER:
        pal.kernel_stack = stack
        r[_SP] = st[s.USER_STACK]
        st[s.MODE] = s.USER
        st[s.INTERRUPT_LEVEL] = palcode.IPL_NONE
    else:
        r[_SP] = stack
        st[s.INTERRUPT_LEVEL] = status & palcode.IPL_MASK
