"""Is an Alpha kernel's file read as it is, and what is none refused?"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from septum.engine.alpha.vmm.kernel import read_kernel
from septum.errors import GuestProblem, Problem
from septum.layouts import elf
from septum.units import MiB

BASE = 0x300000
CODE = bytes(range(256)) * 32


def image(**changes: int) -> bytes:
    """A kernel of one segment, 8 KiB of file and 16 KiB of memory."""
    header: dict[str, int] = {"entry": elf.KSEG + BASE, "programs": 64, "program_count": 1}
    program: dict[str, int] = {
        "offset": 128,
        "virtual": elf.KSEG + BASE,
        "file_size": len(CODE),
        "memory_size": 2 * len(CODE),
    }
    for name, value in changes.items():
        (program if name in program else header)[name] = value
    return elf.Header(**header).to_bytes() + elf.Program(**program).to_bytes() + bytes(8) + CODE


def put(folder: Path, content: bytes) -> str:
    path = folder / "vmlinux"
    path.write_bytes(content)
    return str(path)


def test_segments_are_physical(tmp_path: Path) -> None:
    kernel = read_kernel(put(tmp_path, image()))
    assert kernel.entry == elf.KSEG + BASE
    (segment,) = kernel.segments
    assert (segment.address, segment.data, segment.size) == (BASE, CODE, 2 * len(CODE))
    assert kernel.end == BASE + 2 * len(CODE)


def test_a_packed_one_is_unpacked(tmp_path: Path) -> None:
    assert read_kernel(put(tmp_path, gzip.compress(image()))).segments[0].data == CODE


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not an Alpha kernel"),
        (b"#!/bin/sh\n" * 100, "is not an Alpha kernel"),
        (image(machine=62), "it is for x86-64"),
        (image(width=1), "is not an Alpha kernel"),
        (image(type=3), "no executable"),
        (image(program_count=0), "is empty"),
        (image(entry=elf.KSEG), "jumps nowhere"),
        (image(entry=elf.KSEG + BASE + len(CODE)), "jumps nowhere"),
        (image(entry=0), "jumps nowhere"),
        (image(virtual=0x1000000), "belongs nowhere"),
        (image(memory_size=1 << 41), "belongs nowhere"),
        (image(file_size=1 << 40, memory_size=1 << 40), "cut off"),
        (image()[:-1], "cut off"),
        (image(program_count=9999), "cut off"),
        (b"\x1f\x8bnothing", "cannot be unpacked"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(GuestProblem) as refused:
        read_kernel(put(tmp_path, content))
    assert says in str(refused.value)
    assert refused.value.remedy


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(GuestProblem, match="cannot read"):
        read_kernel(str(tmp_path / "none"))


def test_it_must_fit(tmp_path: Path) -> None:
    kernel = read_kernel(put(tmp_path, image()))
    kernel.require_room(4 * MiB)
    with pytest.raises(GuestProblem, match="larger than its memory"):
        kernel.require_room(3 * MiB)
    with pytest.raises(GuestProblem, match="larger than its memory"):
        kernel.require_room(4 * MiB, initrd=MiB)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 150))
def test_damage_never_is_a_bug(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, at: int
) -> None:
    good = image()
    path = put(tmp_path_factory.mktemp("k"), good[:at] + damage + good[at + len(damage) :])
    try:
        read_kernel(path)
    except Problem:
        return
