"""What is in an Alpha kernel's file, where does it go, and does it fit?"""

from __future__ import annotations

from typing import NamedTuple

from septum.errors import GuestProblem
from septum.layouts import elf
from septum.units import MiB, align_down, size_text

PAGE = 8192  # bytes of an Alpha page
LARGEST_FILE = 1024 * MiB
_REMEDY = "name a vmlinux built for Alpha, such as those of make demo-alpha"


class Segment(NamedTuple):
    """A run of a kernel: physical address, its bytes, and bytes in memory (zeros beyond)."""

    address: int
    data: bytes
    size: int

    @property
    def end(self) -> int:
        return self.address + self.size


class Kernel(NamedTuple):
    """A kernel as it stands in its file; addresses are the instance's physical ones."""

    path: str
    entry: int  # virtual, in KSEG
    segments: tuple[Segment, ...]

    @property
    def end(self) -> int:
        """The first physical address after it."""
        return max(segment.end for segment in self.segments)

    def require_room(self, memory: int, initrd: int = 0) -> None:
        """GuestProblem when it and an initrd do not fit in so many bytes of memory."""
        if self.end > align_down(memory - initrd, PAGE):
            needed = f"it ends at {-(-self.end // MiB)} MiB"
            with_initrd = f", with an initrd of {initrd} bytes" if initrd else ""
            raise GuestProblem(
                f"the kernel {self.path} is larger than its memory",
                because=f"{needed}{with_initrd}; the instance has {size_text(memory)}",
                remedy="give the instance more memory",
            )


def read_kernel(path: str) -> Kernel:
    """The kernel of a vmlinux, plain or packed by gzip; GuestProblem when it is none."""
    content = _content(path)
    header = _header(content, path)
    segments = tuple(
        _segment(content, program, path)
        for program in _programs(content, header, path)
        if program.type == elf.PROGRAM_LOAD and program.memory_size
    )
    if not segments:
        raise GuestProblem(
            f"the kernel {path} is empty", because="its file loads nothing", remedy=_REMEDY
        )
    entry = int(header.entry)
    if not any(s.address <= entry - elf.KSEG < s.address + len(s.data) for s in segments):
        spans = ", ".join(f"{elf.KSEG + s.address:#x}-{elf.KSEG + s.end - 1:#x}" for s in segments)
        raise GuestProblem(
            f"the kernel {path} jumps nowhere",
            because=f"it starts at {entry:#x}; what it loads lies at {spans}",
            remedy=_REMEDY,
        )
    return Kernel(path, entry, segments)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE)
    except OSError as error:
        raise GuestProblem(
            f"cannot read the kernel {path}",
            because=error.strerror or str(error),
            remedy="name a kernel file that this user can read",
        ) from error
    if not content.startswith(elf.GZIP_MAGIC):
        return content
    import zlib

    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with gzip's own header
    try:
        return unpacker.decompress(content, LARGEST_FILE)
    except zlib.error as error:
        raise GuestProblem(
            f"the kernel {path} cannot be unpacked", because=str(error), remedy=_REMEDY
        ) from error


def _header(content: bytes, path: str) -> elf.Header:
    if len(content) < elf.Header.SIZE:
        raise _not_alpha(path, f"it has {len(content)} bytes")
    header = elf.Header.from_buffer_copy(content)
    if header.magic != elf.MAGIC:
        raise _not_alpha(path, "it is not an ELF file")
    if (header.width, header.order) != (elf.CLASS_64, elf.LITTLE_ENDIAN):
        raise _not_alpha(path, "it is not a 64-bit little-endian ELF file")
    if header.machine != elf.MACHINE_ALPHA:
        name = elf.MACHINE_NAMES.get(header.machine, f"machine {header.machine}")
        raise _not_alpha(path, f"it is for {name}")
    if header.type != elf.TYPE_EXECUTABLE:
        raise _not_alpha(path, "it is no executable ELF file")
    return header


def _not_alpha(path: str, because: str) -> GuestProblem:
    return GuestProblem(f"{path} is not an Alpha kernel", because=because, remedy=_REMEDY)


def _programs(content: bytes, header: elf.Header, path: str) -> list[elf.Program]:
    end = header.programs + header.program_count * elf.Program.SIZE
    if header.program_size != elf.Program.SIZE or end > len(content):
        raise _cut(path)
    offsets = range(header.programs, end, elf.Program.SIZE)
    return [elf.Program.from_buffer_copy(content, offset) for offset in offsets]


def _segment(content: bytes, program: elf.Program, path: str) -> Segment:
    end = program.offset + program.file_size
    if end > len(content) or program.file_size > program.memory_size:
        raise _cut(path)
    address = program.virtual - elf.KSEG
    if address < 0 or address + program.memory_size > elf.KSEG_MEMORY:
        raise GuestProblem(
            f"the kernel {path} belongs nowhere in memory",
            because=f"a part of it is for {program.virtual:#x}, outside the direct-mapped segment",
            remedy=_REMEDY,
        )
    data = content[program.offset : end]
    return Segment(int(address), data, int(program.memory_size))


def _cut(path: str) -> GuestProblem:
    return GuestProblem(
        f"the kernel {path} is cut off or damaged",
        because="its headers name bytes that are not there",
        remedy="get the file again",
    )
