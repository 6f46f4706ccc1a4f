"""Are addresses, spans, sizes and durations read and written without loss?"""

from __future__ import annotations

import math

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
    duration_text,
    parse_duration,
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("2m", 120),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1m 30s", 90),
        ("90", 90),
        ("0", 0),
        ("0.5s", 0.5),
        ("7d", 604800),
        (90, 90),
        (0.25, 0.25),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "s", "soon", "nan", "inf", "-1", "-1s", "1s1m", "60 parsecs", "1e9", "8d"),
        *("9" * 500, "0x10", "1..5", None, True, [1], {}, -1, 10**400),
        *(math.nan, math.inf, -math.inf, 604801, 1e300),
    ],
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not|more than"):
        parse_duration(text)


@given(some.integers(0, 604800))
def test_durations_are_read_as_they_are_written(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


def test_durations_as_people_read_them() -> None:
    texts = [duration_text(seconds) for seconds in (0, 0.5, 20, 60, 90, 600, 3600, 90000)]
    assert texts == ["0s", "0.5s", "20s", "1m", "1m30s", "10m", "1h", "1d1h"]
