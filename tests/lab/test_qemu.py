"""Are the two instructions found in QEMU, and only those?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from septum.lab import qemu
from septum.lab.progress import Progress
from septum.layouts import machine_code

STORE = bytes.fromhex("89b310d7ffff")  # mov %esi,-0x28f0(%rbx)
SET = bytes.fromhex("818b10d5ffff00010000")  # orl $0x100,-0x2af0(%rbx)
AT_ONCE = bytes.fromhex("f0808b11d5ffff016690")  # lock orb $0x1,-0x2aef(%rbx); two bytes NOP
MOVE = bytes.fromhex("4889df")  # mov %rbx,%rdi


def call(at: int, target: int) -> bytes:
    return b"\xe8" + (target - at - 5).to_bytes(4, "little", signed=True)


def test_the_store_before_the_call_is_found() -> None:
    code = b"\x90" * 10 + STORE + MOVE
    code += call(0x1000 + len(code), 0x5000) + b"\xc3"
    assert machine_code.stores_before_call(code, 0x1000, 0x5000, 80) == [10]


@pytest.mark.parametrize(
    "code",
    [
        STORE + MOVE + call(9 + 0x1000, 0x5004),  # another function is called
        STORE + b"\x90" * 80 + call(86 + 0x1000, 0x5000),  # too far before it
        bytes.fromhex("8bb310d7ffff") + call(6 + 0x1000, 0x5000),  # a load
        bytes.fromhex("89b310270000") + call(6 + 0x1000, 0x5000),  # above the structure
        bytes.fromhex("89b310d7ff7f") + call(6 + 0x1000, 0x5000),  # no displacement of ours
        b"\xe8",
        b"",
    ],
)
def test_other_code_is_left_alone(code: bytes) -> None:
    assert machine_code.stores_before_call(code, 0x1000, 0x5000, 80) == []


def test_the_bit_that_is_set_is_found_and_set_at_once() -> None:
    assert machine_code.bits_set(b"\x90" * 3 + SET + b"\xc3", 0x100) == [3]
    assert machine_code.set_at_once(SET) == AT_ONCE
    assert len(AT_ONCE) == machine_code.OR_SIZE == len(SET)


@pytest.mark.parametrize(
    "code",
    [
        "818b10d5ffff00020000",  # another bit
        "818b102a000000010000",  # above the structure
        "81a310d5ffff00010000",  # AND
        "838b10d5ffff00010000",  # eight bits
        "818c2410d5ffff00010000",  # with a SIB byte
        "818b10d5ffff000100",  # not whole
    ],
)
def test_other_bits_are_left_alone(code: str) -> None:
    assert machine_code.bits_set(bytes.fromhex(code), 0x100) == []


def test_bits_of_two_bytes_are_not_set_at_once() -> None:
    with pytest.raises(ValueError, match="one byte"):
        machine_code.set_at_once(bytes.fromhex("818b10d5ffff01010000"))


@pytest.mark.parametrize("path", ["/bin/sh", __file__])
def test_what_is_not_this_qemu_is_run_as_it_is(path: str) -> None:
    assert qemu.patches_of(Path(path), Path(path).read_bytes()) == {}


def test_the_copy_differs_in_two_instructions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(qemu.PROGRAM) is None:
        pytest.fail(f"{qemu.PROGRAM} is missing: python -m septum.lab packages installs it")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    copy = qemu.lab_qemu(Progress())
    original = Path(str(shutil.which(qemu.PROGRAM))).resolve()
    before, after = original.read_bytes(), copy.read_bytes()
    patches = qemu.patches_of(original, before)
    assert len(patches) == 2
    for place, code in sorted(patches.items(), reverse=True):
        assert before[place : place + len(code)] != code
        before = before[:place] + code + before[place + len(code) :]
    assert before == after
    # In the copy there is nothing left to repair, and a further one would be run as it is
    assert qemu.patches_of(copy, after) == {}
