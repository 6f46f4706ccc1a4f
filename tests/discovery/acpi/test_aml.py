"""Is each term encoded as ACPI 6.4, chapter 20.2, writes it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.discovery.acpi import aml


@pytest.mark.parametrize(
    "value, encoded",
    [
        (0, "00"),
        (1, "01"),
        (2, "0a02"),
        (0x100, "0b0001"),
        (0x4FFFF, "0cffff0400"),
        (1 << 40, "0e0000000000010000"),
    ],
)
def test_integers_are_as_short_as_can_be(value: int, encoded: str) -> None:
    assert aml.integer(value).hex() == encoded


def test_an_integer_beyond_64_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        aml.integer(1 << 64)


@pytest.mark.parametrize(
    "path, encoded",
    [
        ("PC00", b"PC00"),
        ("\\_SB", b"\\_SB_"),
        ("\\_SB.PC00", b"\\\x2e_SB_PC00"),
        ("A.B.C", b"\x2f\x03A___B___C___"),
    ],
)
def test_names(path: str, encoded: bytes) -> None:
    assert aml.name_string(path) == encoded


def test_an_eisa_identity() -> None:
    assert aml.eisa("PNP0A03").hex() == "0c41d00a03"


@given(some.integers(0, 70_000))
def test_a_length_counts_itself(size: int) -> None:
    term = aml.scope("ABCD", bytes(size))[1:]
    more = term[0] >> 6
    length = term[0] & (0x0F if more else 0x3F)
    length |= int.from_bytes(term[1 : 1 + more], "little") << 4
    assert length == len(term)
