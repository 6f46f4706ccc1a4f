"""Is the kernel found inside its file, whatever packs it, and nonsense refused in words?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.engine.kvm import kernel as module
from septum.engine.kvm.kernel import Kernel, elf_of, prepared
from septum.errors import GuestProblem
from tests.engine.kvm.kernels import ENTRY, MACHINE_AARCH64, bzimage, elf, packed, vmlinux

CODE = b"\xba\xf8\x03\xf4"
ELF = elf(((ENTRY, CODE, 4096), (ENTRY + 0x200000, b"data" * 2000, 8000), (0x2000, b"", 0)))


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def written(folder: Path, content: bytes, name: str = "vmlinuz") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def pieces(kernel: Kernel) -> list[tuple[int, bytes, int]]:
    content = Path(kernel.path).read_bytes()
    return [
        (s.address, content[s.offset : s.offset + s.file_size], s.memory_size)
        for s in kernel.segments
    ]


@pytest.mark.parametrize("how", ["gzip", "xz", "zstd", "not"])
def test_a_bzimage(tmp_path: Path, cache: str, how: str) -> None:
    kernel = prepared(written(tmp_path, bzimage(packed(ELF, how))), cache)
    assert kernel.entry == ENTRY
    assert pieces(kernel) == [(ENTRY, CODE, 4096), (ENTRY + 0x200000, b"data" * 2000, 8000)]
    assert kernel.end == ENTRY + 0x200000 + 8000
    assert all(segment.offset % 4096 == 0 for segment in kernel.segments), "read without copying"


def test_a_plain_elf(tmp_path: Path, cache: str) -> None:
    assert pieces(prepared(written(tmp_path, ELF), cache))[0] == (ENTRY, CODE, 4096)


def test_no_setup_sectors_mean_four(tmp_path: Path, cache: str) -> None:
    assert elf_of(bzimage(packed(ELF, "gzip"), sectors=0), "vmlinuz") == ELF


def test_the_second_time_it_is_not_unpacked(
    tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, bzimage(packed(ELF, "gzip")))
    first = prepared(path, cache)

    def never(content: bytes, path: str) -> bytes:
        raise AssertionError("unpacked again")

    monkeypatch.setattr(module, "elf_of", never)
    assert prepared(path, cache) == first


def test_a_changed_kernel_is_unpacked_anew(tmp_path: Path, cache: str) -> None:
    path = written(tmp_path, vmlinux(b"\x90\xf4"))
    prepared(path, cache)
    os.utime(written(tmp_path, vmlinux(b"\xeb\xfe")), ns=(1, 1))
    assert pieces(prepared(path, cache))[0][1] == b"\xeb\xfe"


@pytest.mark.parametrize(
    "damage", [b"", b"short", b"\0" * 8192, b"SEPTUM-KERNEL-1\0" + b"\xff" * 99]
)
def test_a_damaged_cache_is_made_again(tmp_path: Path, cache: str, damage: bytes) -> None:
    path = written(tmp_path, ELF)
    kernel = prepared(path, cache)
    Path(kernel.path).write_bytes(damage)
    assert prepared(path, cache) == kernel and pieces(kernel)[0][1] == CODE


def test_the_default_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert prepared(written(tmp_path, ELF)).path.startswith(str(tmp_path / "septum/kernels/"))


GZIP = packed(ELF, "gzip")
REFUSED = {
    "an empty file": (b"", "is not a kernel"),
    "a text": (b"#!/bin/sh\n" * 100, "is not a kernel"),
    "a boot sector": (bytes(510) + b"\x55\xaa" + bytes(1000), "is not a kernel"),
    "a bzImage cut short": (bzimage(GZIP)[:-50], "is cut short"),
    "a bzImage with nothing in it": (bzimage(b"", promised=0), "is cut short"),
    "lzo": (bzimage(b"\x89LZO\0\r\n\x1a\n"), "not gzip, xz or zstd"),
    "a packed text": (bzimage(packed(b"hello" * 99, "xz")), "holds no ELF kernel"),
    "gzip that ends too early": (bzimage(GZIP[:-30]), "ends too early"),
    "xz that ends too early": (bzimage(packed(ELF, "xz")[:-30]), "ends too early"),
    "zstd that ends too early": (bzimage(packed(ELF, "zstd")[:-20]), "ends too early"),
    "damaged gzip": (bzimage(GZIP[:20] + b"\xff" * 20 + GZIP[40:]), "cannot unpack"),
    "damaged zstd": (bzimage(b"\x28\xb5\x2f\xfd" + b"\xff" * 99), "cannot unpack"),
    "another processor's": (elf(((ENTRY, b"1234", 4),), machine=MACHINE_AARCH64), "AArch64"),
    "an ELF file of nothing": (elf(()), "no segment"),
    "an ELF file cut short": (ELF[:-100], "is cut short or damaged"),
    "a head without a body": (b"\x7fELF", "damaged ELF file"),
    "more in the file than in memory": (elf(((ENTRY, b"1234", 2),)), "is cut short or damaged"),
    "too many segments": (elf(tuple((ENTRY + n, b"1", 1) for n in range(200))), "segments"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_words(tmp_path: Path, cache: str, what: str) -> None:
    content, words = REFUSED[what]
    with pytest.raises(GuestProblem) as told:
        prepared(written(tmp_path, content), cache)
    assert words in str(told.value) and "vmlinuz" in told.value.what
    assert not os.path.exists(cache) or not os.listdir(cache), "nothing of it is kept"


def test_no_file_and_no_right(tmp_path: Path, cache: str) -> None:
    with pytest.raises(GuestProblem, match="cannot read the kernel") as told:
        prepared(str(tmp_path / "none"), cache)
    assert "No such file" in told.value.because
    with pytest.raises(GuestProblem, match="cannot read the kernel"):
        prepared(str(tmp_path), cache)


def test_no_place_for_the_cache(tmp_path: Path) -> None:
    in_the_way = written(tmp_path, b"", "file")
    with pytest.raises(GuestProblem, match="cannot keep an unpacked kernel") as told:
        prepared(written(tmp_path, ELF), f"{in_the_way}/cache")
    assert told.value.remedy == "set XDG_CACHE_HOME"


def test_a_full_disk_leaves_no_half_kernel(
    tmp_path: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, *rest: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "no space")

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(GuestProblem, match="cannot keep"):
        prepared(written(tmp_path, ELF), cache)
    assert os.listdir(cache) == []


def test_zstd_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(GuestProblem) as told:
        elf_of(bzimage(packed_zstd()), "vmlinuz")
    assert "septum[pc]" in told.value.remedy


def packed_zstd() -> bytes:
    return b"\x28\xb5\x2f\xfd" + bytes(40)


@given(some.data())
def test_no_damage_gives_a_traceback(data: some.DataObject) -> None:
    """A few bytes of a small ELF file, or of a bzImage, are anything at all."""
    sound = data.draw(some.sampled_from([vmlinux(), bzimage(packed(vmlinux(), "not"))]))
    content = bytearray(sound)
    for _ in range(data.draw(some.integers(1, 4))):
        at = data.draw(some.integers(0, len(content) - 1))
        text = data.draw(some.binary(min_size=1, max_size=8))
        content[at : at + len(text)] = text
    try:
        entry, segments = module._segments(elf_of(bytes(content), "vmlinuz"), "vmlinuz")
    except GuestProblem as problem:
        assert problem.because
        return
    assert isinstance(entry, int) and all(len(code) <= size for _, code, size in segments)
