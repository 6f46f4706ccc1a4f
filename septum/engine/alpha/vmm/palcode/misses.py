"""What happens when the processor has no translation? Fig. 4a [0026]: examine, judge, install.

Every ITB and DTB miss comes here, KSEG's too [0042]. The OS's own entry is examined first: what
it does not allow is its own fault to handle. What it allows is a proposal; the verdict is the
physical map's. A page that the VMM plays is never filled: each access to it comes here again.
"""

from __future__ import annotations

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.buffer import RUN
from septum.engine.alpha.vmm.palcode import bus, walk
from septum.engine.alpha.vmm.palcode.entries import memory_fault
from septum.engine.alpha.vmm.palcode.machine_check import nonexistent
from septum.engine.alpha.vmm.palcode.registers import OutsideMemory, Palcode, reason
from septum.layouts import alpha as a
from septum.layouts import palcode
from septum.translation.verdict import Emulate

_IO_PAGE, _KSEG_PAGES = walk.IO_PAGE, walk.KSEG_PAGES
_ACCESS_VIOLATION = palcode.MemoryFault.ACCESS_VIOLATION


def data_miss(pal: Palcode) -> None:
    """A load or store found no DTB entry."""
    st = pal.st
    address = st[s.FAULT_ADDRESS]
    pal.counters["exit data miss"] += 1
    if address >> a.KSEG_SHIFT == a.KSEG_SELECT:
        if st[s.MODE]:
            memory_fault(pal, address, _ACCESS_VIOLATION, st[s.FAULT_IS_STORE])
            return
        page = address >> a.PAGE_SHIFT & _KSEG_PAGES - 1
        if address & a.KSEG_IO:
            page |= _IO_PAGE
        machine = pal.pages.get(page)
        if machine is None:
            machine = propose(pal, page, address)
            if machine is None:
                return
        if page in pal.watched:
            _watched_access(pal, page, address, st[s.FAULT_IS_STORE], 0, True)
            return
        _fill_kseg(pal, page, machine, address, (s.READ, s.WRITE))
        pal.counters["fill KSEG"] += 1
        return
    _mapped_miss(pal, address, st[s.FAULT_IS_STORE], st[s.MODE])


def _fill_kseg(
    pal: Palcode, page: int, machine: int, address: int, kinds: tuple[int, ...]
) -> None:
    """Enter a page of KSEG, and those around it that are leased alike: they are as sure."""
    around = range(page & -RUN, (page | RUN - 1) + 1)
    leased, distance = pal.pages.get, machine - page
    if (
        around[-1] < pal.ram_pages
        and pal.watched.keys().isdisjoint(around)
        and all(leased(one) == one + distance for one in around)
    ):
        back = (page - around[0]) << a.PAGE_SHIFT
        virtual, physical = (address & a.PAGE_BASE) - back, (machine << a.PAGE_SHIFT) - back
        for kind in kinds:
            pal.context.buffer.fill_run(kind=kind, virtual=virtual, physical=physical)
        return
    physical = machine << a.PAGE_SHIFT
    for kind in kinds:
        pal.fill(mode=0, kind=kind, virtual=address, physical=physical, every_asn=True)


def _mapped_miss(pal: Palcode, address: int, kind: int, user: int) -> None:
    """A miss outside KSEG; `kind` is READ or WRITE, which are a load's and a store's cause too."""
    try:
        entry = walk.entry_of(pal, address)
        walk.check(entry, kind, user)
    except walk.Fault as fault:
        memory_fault(pal, address, fault.code, kind)
        return
    except OutsideMemory as outside:
        nonexistent(pal, outside.physical, "page table", outside.why)
        return
    page = walk.frame_of(entry)
    machine = pal.pages.get(page)
    if machine is None:
        machine = propose(pal, page, address)
        if machine is None:
            return
    physical = machine << a.PAGE_SHIFT
    every = bool(entry & a.PTE_ADDRESS_SPACE_MATCH)
    if page in pal.watched:
        _watched_access(pal, page, address, kind, user, every)
        return
    pal.fill(mode=user, kind=kind, virtual=address, physical=physical, every_asn=every)
    other = s.WRITE - kind
    if walk.allows(entry, other, user):
        pal.fill(mode=user, kind=other, virtual=address, physical=physical, every_asn=every)
    pal.counters["fill data"] += 1


def _watched_access(
    pal: Palcode, page: int, address: int, kind: int, user: int, every: bool
) -> None:
    """Loads get an entry. A store gets one for itself alone, and who watches the page is told.

    So the processor does it, whatever store it is; a store-conditional has its lock looked at.
    """
    physical = pal.pages[page] << a.PAGE_SHIFT
    pal.fill(mode=user, kind=kind, virtual=address, physical=physical, every_asn=every)
    if kind == s.WRITE:
        pal.counters["store watched"] += 1
        size = bus.SIZES[pal.st[s.INSTRUCTION] >> a.OPCODE_SHIFT]
        pal.processor.run(1)
        pal.context.buffer.forget(user, s.WRITE, address)
        pal.tell(page << a.PAGE_SHIFT | address & a.PAGE_OFFSET & -size, size)


def instruction_miss(pal: Palcode) -> None:
    """An instruction's page has no ITB entry."""
    st = pal.st
    address, user = st[s.FAULT_ADDRESS], st[s.MODE]
    pal.counters["exit instruction miss"] += 1
    every = True
    if address >> a.KSEG_SHIFT == a.KSEG_SELECT:
        if user:
            memory_fault(pal, address, _ACCESS_VIOLATION, palcode.FETCH)
            return
        page = address >> a.PAGE_SHIFT & _KSEG_PAGES - 1
        if address & a.KSEG_IO:
            page |= _IO_PAGE
    else:
        try:
            entry = walk.entry_of(pal, address)
            walk.check(entry, s.EXECUTE, user)
        except walk.Fault as fault:
            memory_fault(pal, address, fault.code, palcode.FETCH)
            return
        except OutsideMemory as outside:
            nonexistent(pal, outside.physical, "page table", outside.why, is_fetch=True)
            return
        page = walk.frame_of(entry)
        every = bool(entry & a.PTE_ADDRESS_SPACE_MATCH)
    machine = pal.pages.get(page) if page < pal.ram_pages else None
    if machine is None:
        try:
            machine = pal.memory_page(page)
        except OutsideMemory as outside:
            nonexistent(pal, outside.physical, "instruction fetch", outside.why, is_fetch=True)
            return
    if address >> a.KSEG_SHIFT == a.KSEG_SELECT:
        _fill_kseg(pal, page, machine, address, (s.EXECUTE,))
    else:
        physical = machine << a.PAGE_SHIFT
        pal.fill(mode=user, kind=s.EXECUTE, virtual=address, physical=physical, every_asn=every)
    pal.counters["fill instruction"] += 1


def propose(pal: Palcode, page: int, address: int) -> int | None:
    """The machine's page if it is granted; else the access is answered here, and None."""
    player = pal.played.get(page)
    if player is None:
        verdict, machine = pal.judge(page)
        if machine is not None:
            return machine
        physical = page << a.PAGE_SHIFT | address & a.PAGE_OFFSET
        if not isinstance(verdict, Emulate):
            why = reason(verdict)
            if page & _IO_PAGE:
                bus.absent(pal, physical, why)
            else:
                nonexistent(pal, physical, "memory access", why)
            return None
        player = pal.player_of(page)
        pal.played[page] = player
    bus.access(pal, page << a.PAGE_SHIFT | address & a.PAGE_OFFSET, player)
    return None
