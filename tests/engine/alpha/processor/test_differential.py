"""Do random sequences leave here what they leave under QEMU? A part; the script runs the whole."""

from __future__ import annotations

import shutil

import pytest

from septum.layouts import alpha as a
from tests.engine.alpha.processor import differential
from tests.engine.alpha.processor.assembler import operate
from tests.engine.alpha.processor.differential import NO_QEMU, PER_PROGRAM, QEMU, difference


@pytest.fixture(autouse=True)
def qemu_is_there() -> None:
    if shutil.which(QEMU) is None:
        pytest.fail(NO_QEMU)


@pytest.mark.parametrize("seed", range(1000, 1004))
def test_sequences_agree(seed: int) -> None:
    found = difference(seed, PER_PROGRAM)
    assert found is None, str(found)


def test_a_difference_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word of one sequence is another operation in our memory than in QEMU's."""
    run_by_us = differential.run_by_us

    def altered(made: differential.Program) -> bytes:
        code = bytearray(made.code)
        place = len(code) - 4 * 200
        word = operate(a.INTA, a.CMPULE, 31, 31, 5)  # r5 = 1
        code[place : place + 4] = word.to_bytes(4, "little")
        return run_by_us(made._replace(code=bytes(code)))

    monkeypatch.setattr(differential, "run_by_us", altered)
    found = difference(1, 100)
    assert found is not None and found.sequence > 50 and found.code
