"""What is in a kernel file, and where does it go? Opened once, kept unpacked in a cache.

A bzImage unpacks itself, which costs the guest more than a second of lab time at each start. So
it is unpacked here, once: the ELF file inside is written out as one flat image of its segments,
in a file named after the kernel file's identity. Later starts read that straight into memory.
"""

from __future__ import annotations

import os
import struct
from typing import NamedTuple, Protocol

from septum.errors import GuestProblem
from septum.layouts import boot
from septum.units import PAGE, align_up

# The cached file: this header, `segments` records, then each segment's bytes at a page boundary.
_MAGIC = b"SEPTUM-KERNEL-1\0"
_HEADER = struct.Struct("<16sQQ")  # magic, entry, segments
_SEGMENT = struct.Struct("<QQQQ")  # guest address, offset here, bytes here, bytes in memory
_MOST_SEGMENTS = (PAGE - _HEADER.size) // _SEGMENT.size  # header and records fill one page


class Segment(NamedTuple):
    """A run of a kernel: guest-physical address, offset in its file, bytes in file and memory."""

    address: int
    offset: int
    file_size: int
    memory_size: int


class Kernel(NamedTuple):
    """A kernel ready to be read into memory."""

    path: str  # of the unpacked image
    entry: int  # guest-physical
    segments: tuple[Segment, ...]

    @property
    def end(self) -> int:
        """The first guest-physical address after it."""
        return max(segment.address + segment.memory_size for segment in self.segments)


def prepared(path: str, cache: str | None = None) -> Kernel:
    """The kernel of a bzImage or of an x86-64 ELF vmlinux; GuestProblem when it is neither."""
    folder = cache or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "septum", "kernels"
    )
    remedy = "name a kernel file that this user can read"
    with _readable(f"cannot read the kernel {path}", remedy):
        status = os.stat(path)
    unpacked = os.path.join(
        folder, f"{os.path.basename(path)}-{status.st_size}-{status.st_mtime_ns}"
    )
    try:
        return _read_cached(unpacked)
    except (OSError, struct.error, ValueError):
        pass  # not there yet, or of another version
    with _readable(f"cannot read the kernel {path}", remedy), open(path, "rb") as file:
        content = file.read()
    entry, segments = _segments(elf_of(content, path), path)
    with _readable(f"cannot keep an unpacked kernel in {folder}", "set XDG_CACHE_HOME"):
        _write_cached(unpacked, entry, segments)
        return _read_cached(unpacked)


class _readable:
    """Turn an OSError raised inside the block into a GuestProblem."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            because = os.strerror(error.errno or 0)
            raise GuestProblem(self.what, because=because, remedy=self.remedy) from error


def _read_cached(path: str) -> Kernel:
    with open(path, "rb", buffering=0) as file:
        head = file.read(PAGE)
    magic, entry, count = _HEADER.unpack_from(head)
    if magic != _MAGIC:
        raise ValueError(path)
    records = (
        _SEGMENT.unpack_from(head, _HEADER.size + number * _SEGMENT.size) for number in range(count)
    )
    return Kernel(path, entry, tuple(Segment(*record) for record in records))


def _write_cached(target: str, entry: int, segments: list[tuple[int, bytes, int]]) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.{os.getpid()}"
    try:
        _write(temporary, entry, segments)
    except OSError:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    os.replace(temporary, target)


def _write(path: str, entry: int, segments: list[tuple[int, bytes, int]]) -> None:
    with open(path, "wb") as out:
        out.truncate(PAGE)
        position = PAGE
        records = []
        for address, data, memory_size in segments:
            out.seek(position)
            out.write(data)
            records.append(_SEGMENT.pack(address, position, len(data), memory_size))
            position = align_up(position + len(data), PAGE)
        out.seek(0)
        out.write(_HEADER.pack(_MAGIC, entry, len(records)) + b"".join(records))


def elf_of(content: bytes, path: str) -> bytes:
    """The ELF file inside a kernel file; GuestProblem when there is none."""
    if content.startswith(boot.ELF_MAGIC):
        return content
    is_bzimage = (
        len(content) > boot.INIT_SIZE + 4
        and content[boot.HEADER : boot.HEADER + 4] == boot.HEADER_MAGIC
    )
    if not is_bzimage:
        raise GuestProblem(
            f"{path} is not a kernel",
            because="it is neither a Linux bzImage nor an ELF file",
            remedy="name a vmlinuz such as /boot/vmlinuz-*, or a vmlinux",
        )
    sectors = content[boot.SETUP_SECTS] or 4  # boot.rst: 0 means 4
    (offset,) = struct.unpack_from("<I", content, boot.PAYLOAD_OFFSET)
    (length,) = struct.unpack_from("<I", content, boot.PAYLOAD_LENGTH)
    start = (sectors + 1) * boot.SECTOR + offset
    payload = content[start : start + length]
    if len(payload) < length or not length:
        raise GuestProblem(
            f"{path} is cut short",
            because=f"its header promises {length} bytes of kernel, {len(payload)} are there",
            remedy="copy it again",
        )
    elf = _decompressed(payload, path)
    if not elf.startswith(boot.ELF_MAGIC):
        raise GuestProblem(f"{path} holds no ELF kernel", because="its payload is something else")
    return elf


def _decompressed(payload: bytes, path: str) -> bytes:
    """The payload unpacked; four bytes of length follow the packed data (arch/x86/boot)."""
    try:
        if payload.startswith(boot.ZSTD_MAGIC):
            import zstandard

            # The stream does not say how large it gets, so the one-shot call would refuse it.
            return _whole(zstandard.ZstdDecompressor().decompressobj(), payload)
        if payload.startswith(boot.XZ_MAGIC):
            import lzma

            return _whole(lzma.LZMADecompressor(), payload)
        if payload.startswith(boot.GZIP_MAGIC):
            import zlib

            return _whole(zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), payload)
        if payload.startswith(boot.ELF_MAGIC):
            return payload
    except ImportError as error:
        raise GuestProblem(
            f"cannot unpack {path}",
            because="it is packed with zstd and the library for that is not installed",
            remedy="pip install 'septum[pc]'",
        ) from error
    except Exception as error:  # noqa: BLE001 - three libraries, each with errors of its own
        raise GuestProblem(
            f"cannot unpack {path}", because=str(error), remedy="copy it again"
        ) from error
    raise GuestProblem(
        f"cannot unpack {path}",
        because=f"its packing ({payload[:4].hex()}) is not gzip, xz or zstd",
        remedy="give a vmlinux, or a kernel packed with one of these",
    )


class _Unpacker(Protocol):
    """What the three libraries' objects have in common."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _whole(unpacker: _Unpacker, payload: bytes) -> bytes:
    """All that is packed; ValueError when its end is missing."""
    unpacked = unpacker.decompress(payload)
    if not unpacker.eof:
        raise ValueError("its packed part ends too early")
    return unpacked


def _segments(elf: bytes, path: str) -> tuple[int, list[tuple[int, bytes, int]]]:
    """Entry point and (guest address, bytes, size in memory) of each loadable segment."""
    import io

    from elftools.elf.elffile import ELFFile

    try:
        file = ELFFile(io.BytesIO(elf))
        if file.get_machine_arch() != "x64":
            raise GuestProblem(
                f"{path} is not for this processor",
                because=f"it is an ELF file for {file.get_machine_arch()}",
                remedy="name an x86-64 kernel",
            )
        loads = [s for s in file.iter_segments() if s["p_type"] == "PT_LOAD" and s["p_memsz"]]
        found = [(int(s["p_paddr"]), bytes(s.data()), int(s["p_memsz"])) for s in loads]
        sizes = [int(s["p_filesz"]) for s in loads]
        entry = int(file["e_entry"])
    except GuestProblem:
        raise
    except Exception as error:  # noqa: BLE001 - the library has many ways to fail on nonsense
        raise GuestProblem(
            f"{path} is a damaged ELF file", because=str(error) or type(error).__name__
        ) from error
    if not found:
        raise GuestProblem(f"{path} loads nothing", because="the ELF file has no segment")
    if len(found) > _MOST_SEGMENTS:
        raise GuestProblem(
            f"{path} is no kernel we can load",
            because=f"it has {len(found)} segments, more than {_MOST_SEGMENTS}",
        )
    for (address, data, memory_size), size in zip(found, sizes, strict=True):
        if len(data) < size or size > memory_size:
            raise GuestProblem(
                f"{path} is cut short or damaged",
                because=f"its segment at {address:#x} promises {size} bytes, "
                f"{len(data)} are there, for {memory_size} of memory",
                remedy="copy it again",
            )
    return entry, found
