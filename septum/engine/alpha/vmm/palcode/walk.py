"""Where does the OS's own page table say that a virtual address leads? Walked physically.

The order of checks is the architecture's: not valid, access violation, fault on read, write or
execute. ARM II-B, 3.7.
"""

from __future__ import annotations

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode.registers import Palcode
from septum.layouts import alpha as a
from septum.layouts.palcode import MemoryFault

_SIGN_SHIFT = a.VIRTUAL_BITS - 1
_PAGE_QUADS_SHIFT = a.PAGE_SHIFT - 3
_UPPER_LEVELS = a.LEVEL_SHIFTS[:-1]
# What a kind of access needs (kernel's bit; the user's is one up), and what makes it fault.
_NEEDS = {s.READ: a.PTE_KERNEL_READ, s.WRITE: a.PTE_KERNEL_WRITE, s.EXECUTE: a.PTE_KERNEL_READ}
_FAULTS = {
    s.READ: (a.PTE_FAULT_ON_READ, MemoryFault.FAULT_ON_READ),
    s.WRITE: (a.PTE_FAULT_ON_WRITE, MemoryFault.FAULT_ON_WRITE),
    s.EXECUTE: (a.PTE_FAULT_ON_EXECUTE, MemoryFault.FAULT_ON_EXECUTE),
}


class Fault(Exception):
    """The page table does not allow it: a code of palcode.MemoryFault."""

    def __init__(self, code: int) -> None:
        super().__init__(f"memory management fault {code}")
        self.code = code


def entry_of(pal: Palcode, address: int) -> int:
    """The third-level entry of a virtual address, valid or not.

    Fault when the way to it is not valid; OutsideMemory when it leads out of the instance.
    """
    if address >> _SIGN_SHIFT not in (0, -1):
        raise Fault(MemoryFault.ACCESS_VIOLATION)
    q, pages = pal.q, pal.pages
    table = pal.page_table
    for shift in _UPPER_LEVELS:
        machine = pages.get(table) if table < pal.ram_pages else None
        if machine is None:
            machine = pal.memory_page(table)
        entry = q[machine << _PAGE_QUADS_SHIFT | address >> shift & a.LEVEL_MASK]
        if not entry & a.PTE_VALID:
            raise Fault(MemoryFault.NOT_VALID)
        if not entry & a.PTE_KERNEL_READ:
            raise Fault(MemoryFault.ACCESS_VIOLATION)
        table = entry >> a.PTE_FRAME_SHIFT & a.PTE_FRAME_MASK
    machine = pages.get(table) if table < pal.ram_pages else None
    if machine is None:
        machine = pal.memory_page(table)
    return q[machine << _PAGE_QUADS_SHIFT | address >> a.PAGE_SHIFT & a.LEVEL_MASK]


def check(entry: int, kind: int, user: int) -> None:
    """Fault when an entry does not allow a kind of access in a mode."""
    if not entry & a.PTE_VALID:
        raise Fault(MemoryFault.NOT_VALID)
    if not entry & _NEEDS[kind] << user:
        raise Fault(MemoryFault.ACCESS_VIOLATION)
    bit, code = _FAULTS[kind]
    if entry & bit:
        raise Fault(code)


def allows(entry: int, kind: int, user: int) -> bool:
    """Whether an access of that kind would not fault."""
    return bool(entry & _NEEDS[kind] << user) and not entry & _FAULTS[kind][0]


def frame_of(entry: int) -> int:
    """The page an entry names, I/O pages in the one form the machine has."""
    page = entry >> a.PTE_FRAME_SHIFT & a.PTE_FRAME_MASK
    if page & IO_PAGE:
        return page & (KSEG_PAGES - 1) | IO_PAGE
    return page


IO_PAGE = a.PHYSICAL_IO >> a.PAGE_SHIFT
KSEG_PAGES = (a.KSEG_MEMORY_OFFSET >> a.PAGE_SHIFT) + 1


def kernel_page(pal: Palcode, address: int, kind: int) -> int:
    """The instance's physical page behind a kernel-mode address; Fault when there is none."""
    if address >> a.KSEG_SHIFT == a.KSEG_SELECT:
        page = (address & a.KSEG_MEMORY_OFFSET) >> a.PAGE_SHIFT
        return page | IO_PAGE if address & a.KSEG_IO else page
    entry = entry_of(pal, address)
    check(entry, kind, s.KERNEL)
    return frame_of(entry)


def kernel_quad(pal: Palcode, address: int, kind: int) -> int:
    """Where in `q` a kernel-mode address leads; Fault or OutsideMemory when nowhere."""
    page = kernel_page(pal, address, kind)
    machine = pal.memory_page(page)
    return machine << _PAGE_QUADS_SHIFT | (address & a.PAGE_OFFSET) >> 3
