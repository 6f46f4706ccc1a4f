"""How does an ELF file say what goes where in memory?

Sources: System V ABI, generic part ("gABI"), chapters 4 and 5; Linux include/uapi/linux/elf.h and
elf-em.h.
"""

from __future__ import annotations

from septum.layouts.cstruct import CStruct, layout, u8, u16, u32, u64

MAGIC = int.from_bytes(b"\x7fELF", "little")
CLASS_64 = 2
LITTLE_ENDIAN = 1
TYPE_EXECUTABLE = 2
MACHINE_ALPHA = 0x9026  # unofficial, and everywhere in use: elf-em.h
MACHINE_NAMES = {3: "x86", 62: "x86-64", 183: "AArch64", 243: "RISC-V", MACHINE_ALPHA: "Alpha"}
PROGRAM_LOAD = 1
READ_WRITE_EXECUTE = 7
GZIP_MAGIC = b"\x1f\x8b"  # RFC 1952, 2.3.1

# Alpha kernels are linked into the direct-mapped segment: arch/alpha/include/asm/page.h
KSEG = 0xFFFFFC0000000000
KSEG_MEMORY = 1 << 40  # bytes; the upper half of the segment is I/O


@layout(size=64)
class Header(CStruct):
    """The first bytes of the file. gABI, figure 4-3."""

    magic: u32 = MAGIC
    width: u8 = CLASS_64
    order: u8 = LITTLE_ENDIAN
    identification: u16 = 1
    padding: u64 = 0
    type: u16 = TYPE_EXECUTABLE
    machine: u16 = MACHINE_ALPHA
    version: u32 = 1
    entry: u64
    programs: u64
    sections: u64 = 0
    flags: u32 = 0
    header_size: u16 = 64
    program_size: u16 = 56
    program_count: u16
    section_size: u16 = 0
    section_count: u16 = 0
    section_names: u16 = 0


@layout(size=56)
class Program(CStruct):
    """A run of the file that is loaded. gABI, figure 5-1."""

    type: u32 = PROGRAM_LOAD
    flags: u32 = READ_WRITE_EXECUTE
    offset: u64
    virtual: u64
    physical: u64 = 0
    file_size: u64
    memory_size: u64
    alignment: u64 = 8192
