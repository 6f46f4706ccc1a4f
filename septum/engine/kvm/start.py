"""How does a Linux kernel begin? Loaded, its zero page written, processor 0 in 64-bit mode.

Documentation/arch/x86/boot.rst, "64-bit boot protocol": paging on with an identity map, CS and
DS flat, RSI the zero page, interrupts off.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

from septum.engine.kvm.kernel import Kernel
from septum.engine.kvm.machine import VirtualProcessor
from septum.errors import GuestProblem
from septum.layouts import boot, kvm
from septum.units import PAGE, Span, align_down, size_text


class E820(NamedTuple):
    """One line of the memory map handed to the kernel; type numbers as in layouts/boot.py."""

    span: Span
    type: int


class Start(NamedTuple):
    """What is loaded besides the kernel."""

    initrd: str | None
    command_line: str
    memory_map: Sequence[E820]
    rsdp: int  # guest-physical address of the ACPI root pointer, 0 none


def load(memory: memoryview, low_end: int, kernel: Kernel, start: Start) -> None:
    """Fill guest memory. `memory` is guest-physical 0 to `low_end` (below 4 GiB), writable.

    GuestProblem when the kernel, initrd or command line does not fit.
    """
    _load_kernel(memory, low_end, kernel)
    initrd = (0, 0)
    if start.initrd:
        initrd = _load_initrd(memory, min(low_end, boot.INITRD_LIMIT + 1), kernel, start.initrd)
    text = start.command_line.encode() + b"\0"
    if len(text) > boot.COMMAND_LINE_LIMIT:
        raise GuestProblem(
            "the kernel's command line is too long",
            because=f"it has {len(text)} bytes; Linux takes {boot.COMMAND_LINE_LIMIT}",
            remedy="shorten command_line in the table",
        )
    _place(memory, boot.COMMAND_LINE_ADDRESS, text)
    _place(memory, boot.ZERO_PAGE_ADDRESS, _zero_page(start, initrd))
    _place(memory, boot.GDT_ADDRESS, struct.pack("<4Q", *boot.GDT))
    _place(memory, boot.PML4_ADDRESS, _page_tables())


def enter(processor: VirtualProcessor, entry: int) -> None:
    """Put processor 0 at the kernel's 64-bit entry."""
    special = processor.special_registers()
    code = _segment(boot.BOOT_CS, boot.CODE_TYPE, long=1)
    data = _segment(boot.BOOT_DS, boot.DATA_TYPE, long=0)
    special.cs = code
    for name in ("ds", "es", "fs", "gs", "ss"):
        setattr(special, name, data)
    special.gdt.base, special.gdt.limit = boot.GDT_ADDRESS, 8 * len(boot.GDT) - 1
    special.idt.base, special.idt.limit = 0, 0
    special.cr0, special.cr3 = boot.CR0_LONG_MODE, boot.PML4_ADDRESS
    special.cr4, special.efer = boot.CR4_PAE, boot.EFER_LONG_MODE
    processor.set_special_registers(special)
    processor.set_registers(
        kvm.Registers(
            rip=entry,
            rsi=boot.ZERO_PAGE_ADDRESS,
            rsp=boot.STACK_ADDRESS,
            rflags=boot.RFLAGS_RESET,
        )
    )


def _place(memory: memoryview, address: int, content: bytes) -> None:
    memory[address : address + len(content)] = content


def _load_kernel(memory: memoryview, low_end: int, kernel: Kernel) -> None:
    lowest = min(segment.address for segment in kernel.segments)
    if lowest < boot.LOWEST_KERNEL or kernel.end > low_end:
        raise GuestProblem(
            "the kernel does not fit into the instance's memory",
            because=f"it wants {Span(lowest, kernel.end - lowest)}, "
            f"memory ends at {size_text(low_end)}",
            remedy="give the instance more memory",
        )
    with open(kernel.path, "rb", buffering=0) as file:
        for address, offset, size, _ in kernel.segments:
            _read_into(file.fileno(), memory[address : address + size], offset, kernel.path)


def _load_initrd(memory: memoryview, limit: int, kernel: Kernel, path: str) -> tuple[int, int]:
    """Read it in as high as it may stand; its address and size."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            address = align_down(limit - size, PAGE)
            if address < kernel.end:
                raise GuestProblem(
                    f"the initrd {path} does not fit into the instance's memory",
                    because=f"it has {size} bytes; the kernel ends at {kernel.end:#x} "
                    f"and memory at {limit:#x}",
                    remedy="give the instance more memory",
                )
            _read_into(file.fileno(), memory[address : address + size], 0, path)
    except OSError as error:
        raise GuestProblem(
            f"cannot read the initrd {path}", because=os.strerror(error.errno or 0)
        ) from error
    return address, size


def _read_into(fd: int, view: memoryview, offset: int, path: str) -> None:
    done = 0
    while done < len(view):
        count = os.preadv(fd, [view[done:]], offset + done)
        if not count:
            raise GuestProblem(
                f"{path} became shorter while it was read",
                because=f"{len(view) - done} bytes are missing",
                remedy="copy it again",
            )
        done += count


def _zero_page(start: Start, initrd: tuple[int, int]) -> bytes:
    page = bytearray(PAGE)
    if len(start.memory_map) > boot.E820_MAX:
        raise GuestProblem("the memory map has too many entries for the zero page")
    for offset, form, value in (
        (boot.BOOT_FLAG, "<H", boot.BOOT_FLAG_MAGIC),
        (boot.HEADER, "<4s", boot.HEADER_MAGIC),
        (boot.VERSION, "<H", boot.PROTOCOL_2_12),
        (boot.TYPE_OF_LOADER, "<B", boot.LOADER_UNDEFINED),
        (boot.LOADFLAGS, "<B", boot.LOADED_HIGH),
        (boot.RAMDISK_IMAGE, "<I", initrd[0]),
        (boot.RAMDISK_SIZE, "<I", initrd[1]),
        (boot.CMD_LINE_PTR, "<I", boot.COMMAND_LINE_ADDRESS),
        (boot.CMDLINE_SIZE, "<I", boot.COMMAND_LINE_LIMIT - 1),
        (boot.KERNEL_ALIGNMENT, "<I", boot.ALIGNMENT),
        (boot.ACPI_RSDP_ADDR, "<Q", start.rsdp),
        (boot.E820_ENTRIES, "<B", len(start.memory_map)),
    ):
        struct.pack_into(form, page, offset, value)
    for number, entry in enumerate(start.memory_map):
        at = boot.E820_TABLE + number * boot.E820_ENTRY_SIZE
        struct.pack_into(boot.E820_ENTRY, page, at, entry.span.start, entry.span.size, entry.type)
    return bytes(page)


def _page_tables() -> bytes:
    """PML4, one page of 1 GiB entries, four page directories: 4 GiB, each page at itself."""
    directories = 4
    pml4 = struct.pack("<Q", boot.PDPT_ADDRESS | boot.PRESENT_WRITABLE).ljust(PAGE, b"\0")
    addresses = [boot.PAGE_DIRECTORY_ADDRESS + PAGE * n for n in range(directories)]
    pdpt = struct.pack("<4Q", *(at | boot.PRESENT_WRITABLE for at in addresses)).ljust(PAGE, b"\0")
    entries = PAGE // 8 * directories
    pages = struct.pack(f"<{entries}Q", *((n << 21) | boot.LARGE_PAGE for n in range(entries)))
    return pml4 + pdpt + pages


def _segment(selector: int, kind: int, *, long: int) -> kvm.Segment:
    return kvm.Segment(
        limit=boot.SEGMENT_LIMIT,
        selector=selector,
        type=kind,
        present=1,
        db=1 - long,
        s=1,
        l=long,
        g=1,
    )
