"""Is a script what the controller's manual says?"""

from __future__ import annotations

from septum.layouts import sym53c895a


def test_a_script_moves_memory_and_stops() -> None:
    """Chapter 5: a memory move has three words, its two upper bits set; INT has two."""
    words = sym53c895a.moving(0x18000000, 0xFEA86100, 4)
    assert words == (0xC0000004, 0x18000000, 0xFEA86100, 0x98080000, 0)
    move, _, _, interrupt, _ = words
    assert move >> 30 == 0b11 and move & 0xFFFFFF == 4
    # Transfer control (10), interrupt (011), when "true" and nothing is compared
    assert (interrupt >> 30, interrupt >> 27 & 7, interrupt >> 19 & 1) == (0b10, 0b011, 1)
