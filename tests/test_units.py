"""Are addresses, spans and sizes read and written without loss?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.units import (
    GiB,
    KiB,
    MiB,
    PciAddress,
    Span,
    align_down,
    align_up,
    parse_size,
    size_text,
)

addresses = some.builds(
    PciAddress,
    some.integers(0, 0xFFFF_FFFF),
    some.integers(0, 0xFF),
    some.integers(0, 0x1F),
    some.integers(0, 7),
)
spans = some.builds(Span, some.integers(0, 40), some.integers(1, 20))


@given(addresses)
def test_an_address_reads_back(address: PciAddress) -> None:
    assert PciAddress.parse(str(address)) == address


def test_a_short_address_is_of_domain_0() -> None:
    assert str(PciAddress.parse(" 01:1F.7 ")) == "0000:01:1f.7"


@pytest.mark.parametrize("text", ["", "1:0.0", "00:20.0", "00:00.8", "0000:00:00", "00:00.0 x"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="not a PCI address"):
        PciAddress.parse(text)


@given(spans, spans)
def test_spans_overlap_when_they_share_an_address(one: Span, other: Span) -> None:
    shared = [n for n in range(one.start, one.end) if other.contains(n)]
    assert one.overlaps(other) == other.overlaps(one) == bool(shared)


def test_a_span_shows_its_last_address() -> None:
    assert str(Span(0x1000, 0x1000)) == "0x1000-0x1fff"


@given(some.integers(0, 1 << 50))
def test_a_size_reads_back(size: int) -> None:
    assert parse_size(size_text(size)) == parse_size(size) == size


@pytest.mark.parametrize(
    ("text", "size"),
    [("512M", 512 * MiB), ("2 GiB", 2 * GiB), ("4k", 4 * KiB), ("1KB", KiB), ("7", 7)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "12Q", "1 2"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@given(some.integers(0, 1 << 40), some.integers(1, 1 << 21))
def test_alignment(value: int, step: int) -> None:
    assert align_down(value, step) <= value <= align_up(value, step)
    assert align_up(value, step) % step == align_down(value, step) % step == 0
    assert align_up(value, step) - align_down(value, step) in (0, step)
