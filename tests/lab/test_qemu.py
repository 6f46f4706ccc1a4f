"""Is the one store found in QEMU, and only that one?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from septum.lab import qemu
from septum.lab.progress import Progress
from septum.layouts import machine_code

STORE = bytes.fromhex("89b310d7ffff")  # mov %esi,-0x28f0(%rbx)
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


@pytest.mark.parametrize("path", ["/bin/sh", __file__])
def test_what_is_not_this_qemu_is_run_as_it_is(path: str) -> None:
    assert qemu.place_of_store(Path(path), Path(path).read_bytes()) is None


def test_the_copy_differs_in_one_instruction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(qemu.PROGRAM) is None:
        pytest.fail(f"{qemu.PROGRAM} is missing: python -m septum.lab packages installs it")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    copy = qemu.lab_qemu(Progress())
    original = Path(str(shutil.which(qemu.PROGRAM))).read_bytes()
    repaired = copy.read_bytes()
    assert len(original) == len(repaired)
    places = [at for at in range(len(original)) if original[at] != repaired[at]]
    assert 0 < len(places) <= machine_code.STORE_REGISTER_SIZE
    assert places[-1] - places[0] < machine_code.STORE_REGISTER_SIZE
