"""What does an instance get when it names memory that is not its own? A machine check.

On the machine a physical address without memory sets NXM in the Cchip, which interrupts: SCB
vector 0x660, code "nonexistent memory". A load has its register filled with ones, a store is
dropped, and both are past: the PC is the next instruction's, as the check arrives after the
access. A fetch cannot go on; its check names the address itself. 21272 HRM, 10.2.2 (MISC<NXM>).
"""

from __future__ import annotations

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode.bus import SIZES, done
from septum.engine.alpha.vmm.palcode.entries import interrupt
from septum.engine.alpha.vmm.palcode.registers import OutsideMemory, Palcode, signed
from septum.interrupts.table import MACHINE_CHECK
from septum.layouts import alpha as a
from septum.layouts import palcode
from septum.translation.verdict import all_ones


def nonexistent(pal: Palcode, physical: int, what: str, why: str, is_fetch: bool = False) -> None:
    """Reject an access: record it, end the instruction, and enter entInt for a machine check.

    GuestProblem when one is being handled already: PALcode halts at a double error.
    """
    pal.reject(what, why)
    pal.last_trap = f"{what} at {physical:#x}: {why}"
    if pal.mces & palcode.MACHINE_CHECK_IN_PROGRESS:
        raise pal.stop("a machine check while one is handled", pal.last_trap)
    if not is_fetch:
        _end(pal)
    pal.mces |= palcode.MACHINE_CHECK_IN_PROGRESS
    frame = palcode.LogoutFrame(
        size=palcode.LOGOUT_SIZE, code=palcode.CHECK_NONEXISTENT_MEMORY, address=physical
    )
    try:
        pal.write_bytes(palcode.LOGOUT, frame.to_bytes())
    except OutsideMemory as outside:
        raise pal.stop("it has no memory for a machine check's frame", outside.why) from None
    logout = signed(palcode.KSEG | palcode.LOGOUT)
    level, kind = palcode.IPL_MACHINE_CHECK, palcode.InterruptKind.MACHINE_CHECK
    interrupt(pal, level, kind, palcode.VECTOR_SYSTEM_CHECK, logout)
    pal.counters["machine check"] += 1
    pal.fielded(MACHINE_CHECK)


def _end(pal: Palcode) -> None:
    """The register gets ones, the store is dropped, and the PC goes past it."""
    word = pal.st[s.INSTRUCTION]
    opcode = word >> a.OPCODE_SHIFT
    register = word >> a.RA_SHIFT & a.REGISTER_MASK
    if opcode in (a.LDF, a.LDG, a.LDS, a.LDT):
        if register != a.ZERO_REGISTER:
            pal.context.floating[register] = -1
        pal.st[s.PC] += a.INSTRUCTION_SIZE
    elif opcode in (a.STF, a.STG, a.STS, a.STT):
        pal.st[s.PC] += a.INSTRUCTION_SIZE
    else:
        done(pal, opcode, word, all_ones(SIZES[opcode]))
