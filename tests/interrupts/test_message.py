"""Is a message one that a processor listens to, and is it told which vector that is?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.interrupts.message import handler_of, refusal


def test_a_message_names_vector_and_processor() -> None:
    assert handler_of(0xFEE01000, 0x4023) == "vector 35 of processor 1"


@pytest.mark.parametrize(
    ("address", "data", "why"),
    [
        (0xFEE00000, 0x20, ""),
        (0xFEEFF00C, 0x41EF, ""),
        (0xFEE00000, 0x0400, ""),  # an NMI has no vector
        (0, 0, "no message is programmed"),
        (0x1000, 0x20, "goes to 0x1000"),
        (0x1_FEE00000, 0x20, "goes to 0x1fee00000"),
        (0xFEF00000, 0x20, "goes to 0xfef00000"),
        (0xFEE00000, 0x000F, "vector 15"),
        (0xFEE00000, 0x0100, "vector 0"),
    ],
)
def test_what_is_refused(address: int, data: int, why: str) -> None:
    found = refusal(address, data)
    assert found.startswith(why) or why in found
    assert bool(found) == bool(why)


@given(some.integers(0, 2**64 - 1), some.integers(0, 2**32 - 1))
def test_outside_the_processors_area_nothing_is_an_interrupt(address: int, data: int) -> None:
    inside = 0xFEE00000 <= address < 0xFEF00000
    assert inside or refusal(address, data)
