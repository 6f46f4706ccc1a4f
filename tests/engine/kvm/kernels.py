"""Which kernels do the tests start? Tiny ones, built here: an ELF file, and a bzImage around it."""

from __future__ import annotations

import gzip
import lzma
import struct

ENTRY = 0x1000000
MACHINE_X86_64 = 62
MACHINE_AARCH64 = 183
SETUP_SECTORS = 3

Segments = tuple[tuple[int, bytes, int], ...]  # address, bytes, size in memory


def elf(segments: Segments, entry: int = ENTRY, machine: int = MACHINE_X86_64) -> bytes:
    """A 64-bit executable with one PT_LOAD a segment. ELF-64 Object File Format 1.5."""
    header_size, record_size = 64, 56
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = ident + struct.pack(
        "<HHIQQQIHHHHHH",
        2, machine, 1, entry, header_size, 0, 0, header_size, record_size, len(segments), 64, 0, 0,
    )  # fmt: skip
    at = header_size + record_size * len(segments)
    records, bodies = b"", b""
    for address, body, size in segments:
        records += struct.pack("<IIQQQQQQ", 1, 7, at, address, address, len(body), size, 4096)
        bodies += body
        at += len(body)
    return header + records + bodies


def vmlinux(code: bytes = b"\xf4", entry: int = ENTRY) -> bytes:
    """A kernel of one piece of code with 64 zero bytes behind it."""
    return elf(((entry, code, len(code) + 64),), entry)


def bzimage(payload: bytes, promised: int | None = None, sectors: int = SETUP_SECTORS) -> bytes:
    """A bzImage around a payload, as arch/x86/boot/header.S lays it out."""
    setup = bytearray(((sectors or 4) + 1) * 512)
    setup[0x1F1] = sectors
    struct.pack_into("<H", setup, 0x1FE, 0xAA55)
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x20F)
    offset = 128
    length = len(payload) if promised is None else promised
    struct.pack_into("<II", setup, 0x248, offset, length)
    struct.pack_into("<I", setup, 0x260, 0x1000000)
    return bytes(setup) + b"\x90" * offset + payload + b"tail"


def packed(content: bytes, how: str) -> bytes:
    """As scripts/Makefile.lib packs: the stream, then four bytes that say the unpacked length."""
    if how == "gzip":
        stream = gzip.compress(content)
    elif how == "xz":
        stream = lzma.compress(content, check=lzma.CHECK_CRC32)
    elif how == "zstd":
        import zstandard

        compressor = zstandard.ZstdCompressor().compressobj()  # a stream, no size in its head
        stream = compressor.compress(content) + compressor.flush()
    else:
        stream = content
    return stream + struct.pack("<I", len(content))
