"""Does the inventory promise what is found on the computer's buses, once it is on?"""

from __future__ import annotations

import pytest

from septum.engine.alpha.computer.computer import Computer, assign
from septum.engine.alpha.computer.description import load, names
from septum.engine.alpha.computer.enumeration import functions
from septum.engine.alpha.computer.inventory import machine_of
from septum.machine.model import Function

# What a table is checked with; the rest only the computer that is on can tell, or only the file.
SAID = (
    *("address", "vendor", "device", "subsystem_vendor", "subsystem_device", "class_code"),
    *("revision", "header_type", "multifunction", "interrupt_pin", "interrupt_line", "bridge"),
)


def said(function: Function) -> list[object]:
    return [getattr(function, field) for field in SAID]


@pytest.mark.parametrize("name", names())
def test_the_functions_are_those_that_answer(name: str) -> None:
    description = load(name)
    computer = Computer(description)
    assign(computer)
    found = functions(computer.read, computer.write, len(computer.hoses))
    promised = sorted(machine_of(description).functions, key=lambda one: one.address)
    assert [said(one) for one in found] == [said(one) for one in promised]
    assert all(one.bars for one in found if one.interrupt_pin)


def test_bars_are_where_firmware_put_them() -> None:
    """Sized by one way for both: what was assigned is found again, decoding or not."""
    computer = Computer(load("clipper"))
    before = functions(computer.read, computer.write, len(computer.hoses))
    assign(computer)
    after = functions(computer.read, computer.write, len(computer.hoses))
    for one, other in zip(before, after, strict=True):
        assert [bar.span.size for bar in one.bars] == [bar.span.size for bar in other.bars]
        assert all(bar.span.start == 0 for bar in one.bars)
    for hose in range(2):
        spans = [bar.span for one in after if one.address.domain == hose for bar in one.bars]
        assert len(spans) > 1 and all(span.start % 8192 == 0 and span.start for span in spans)
        assert len({span.start for span in spans}) == len(spans)
