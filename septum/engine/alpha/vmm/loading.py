"""How does an instance's memory look when its operating system begins? As SRM would leave it.

The kernel and its initrd at their places, the edited HWRPB with the page tables that map it, a
process block to begin with. All of it is written through the instance's own leases.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.kernel import Kernel
from septum.engine.alpha.vmm.palcode.registers import Palcode, signed
from septum.errors import GuestProblem
from septum.layouts import alpha as a
from septum.layouts import hwrpb, palcode
from septum.units import align_down

_VALID = a.PTE_VALID | a.PTE_KERNEL_READ | a.PTE_KERNEL_WRITE
_PROCEDURE_VALUE, _STACK = 27, 30


class Image(NamedTuple):
    """What an instance is started with."""

    kernel: Kernel
    initrd: bytes = b""
    command_line: str = ""


def load(pal: Palcode, image: Image, table: bytes) -> None:
    """Fill an instance's empty memory and set its processor to the kernel's entry.

    `table` is its HWRPB with the console's code. GuestProblem when something does not fit.
    """
    memory = pal.ram_pages << a.PAGE_SHIFT
    kernel = image.kernel
    kernel.require_room(memory, len(image.initrd))
    for segment in kernel.segments:
        pal.write_bytes(segment.address, segment.data)
    pal.write_bytes(palcode.HWRPB, table)
    _map_table(pal, len(table))
    _begin_process(pal)
    if image.initrd or image.command_line:
        _parameters(pal, image, memory)
    entry = signed(kernel.entry)
    pal.st[s.PC] = entry
    pal.r[_PROCEDURE_VALUE] = entry
    pal.r[_STACK] = signed(palcode.KSEG | palcode.BOOT_STACK)


def _entry(physical: int) -> int:
    return physical >> a.PAGE_SHIFT << a.PTE_FRAME_SHIFT | _VALID


def _map_table(pal: Palcode, size: int) -> None:
    """The HWRPB at its virtual address, and the page tables at VPTB.."""
    level_1, level_2, level_3 = palcode.LEVEL_1, palcode.LEVEL_2, palcode.LEVEL_3
    upper, middle, lower = a.LEVEL_SHIFTS
    quad = palcode.QUAD
    pal.write_quad(level_1 + (hwrpb.VIRTUAL >> upper & a.LEVEL_MASK) * quad, _entry(level_2))
    pal.write_quad(level_1 + (hwrpb.VPTB >> upper & a.LEVEL_MASK) * quad, _entry(level_1))
    pal.write_quad(level_2 + (hwrpb.VIRTUAL >> middle & a.LEVEL_MASK) * quad, _entry(level_3))
    first = hwrpb.VIRTUAL >> lower & a.LEVEL_MASK
    for number in range(0, size, a.PAGE_SIZE):
        place = level_3 + (first + number // a.PAGE_SIZE) * quad
        pal.write_quad(place, _entry(palcode.HWRPB + number))


def _begin_process(pal: Palcode) -> None:
    block = palcode.ProcessBlock(
        kernel_stack=palcode.KSEG | palcode.BOOT_STACK,
        page_table=palcode.LEVEL_1 >> a.PAGE_SHIFT,
        flags=palcode.PCB_FLOATING,
    )
    pal.write_bytes(palcode.BOOT_PROCESS_BLOCK, block.to_bytes())
    pal.process = palcode.BOOT_PROCESS_BLOCK
    pal.page_table = palcode.LEVEL_1 >> a.PAGE_SHIFT
    pal.st[s.FLOATING_ENABLED] = 1


def _parameters(pal: Palcode, image: Image, memory: int) -> None:
    """Linux reads them from the page that lies before its entry. setup.h"""
    entry = image.kernel.entry & a.KSEG_MEMORY_OFFSET
    place = entry - palcode.START_TO_PARAMETERS
    line = image.command_line.encode("utf-8")
    if len(line) >= palcode.COMMAND_LINE_LIMIT:
        raise GuestProblem(
            "the command line is too long",
            because=f"it has {len(line)} bytes; a kernel of this architecture reads "
            f"{palcode.COMMAND_LINE_LIMIT - 1}",
            remedy="shorten it",
        )
    pal.write_bytes(place, line + b"\0")
    if image.initrd:
        start = align_down(memory - len(image.initrd), a.PAGE_SIZE)
        pal.write_bytes(start, image.initrd)
        pal.write_quad(place + palcode.PARAMETER_INITRD, palcode.KSEG + start)
        pal.write_quad(place + palcode.PARAMETER_INITRD_SIZE, len(image.initrd))
