"""Does a DMA window lead anywhere but to pages that may be named? For any register values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.engine.alpha.vmm.view import windows
from septum.engine.alpha.vmm.view.dma_memory import PageRun
from septum.engine.alpha.vmm.view.windows import Refused, TablePlaces, Wanted
from septum.layouts import tsunami

PAGE = 0x2000
MEMORY = 16 << 20
FIRST = 0x4000000 // PAGE  # the machine's page behind the instance's page 0


RUNS = (PageRun(0, 1000, FIRST), PageRun(1001, MEMORY // PAGE - 1001, FIRST + 1001))


def page_of(page: int) -> int | None:
    """Page 1000 was taken back."""
    return FIRST + page if 0 <= page < MEMORY // PAGE and page != 1000 else None


def entries(table: bytes) -> list[tuple[int, int]]:
    """Valid entries: (number, page)."""
    found = []
    for at in range(0, len(table), 8):
        entry = tsunami.ScatterGatherEntry(int.from_bytes(table[at : at + 8], "little"))
        if entry.valid:
            found.append((at // 8, entry.page))
    return found


@given(
    some.integers(0, (1 << 40) - 1),
    some.integers(0, (1 << 34) - 1) | some.just(0x7FF00000),
    some.integers(0, (1 << 35) - 1) | some.just(0),
)
def test_a_direct_window_reaches_its_own_pages(base: int, mask: int, target: int) -> None:
    asked = windows.wanted(base, mask, target)
    if not isinstance(asked, Wanted) or asked.scatter_gather:
        return
    table = windows.table_of(asked, MEMORY, RUNS)
    assert len(table) & len(table) - 1 == 0
    assert len(table) // 8 * PAGE <= max(asked.size, 1 << 20)
    start = asked.target & ~(asked.size - 1)
    for number, page in entries(table):
        assert page == FIRST + start // PAGE + number
        assert page_of(start // PAGE + number) == page
    reached = range(start // PAGE, min(start + asked.size, MEMORY) // PAGE)
    assert len(entries(table)) == sum(page_of(page) is not None for page in reached)


@given(some.lists(some.integers(0, (1 << 64) - 1), max_size=64))
def test_a_table_s_foreign_pages_are_not_valid_afterwards(raw: list[int]) -> None:
    before = b"".join(entry.to_bytes(8, "little") for entry in raw)
    after = windows.translated(before, RUNS)
    assert len(after) == len(before)
    own = [
        (number, FIRST + page)
        for number, page in entries(before)
        if page_of(page) is not None
    ]
    assert entries(after) == own
    alone = b"".join(windows.entry_of(entry, RUNS).to_bytes(8, "little") for entry in raw)
    assert alone == after


def test_what_is_asked_for() -> None:
    assert windows.wanted(0x80000000, 0x7FF00000, 0) is None
    assert windows.wanted(0x80000001, 0x7FF00000, 0) == Wanted(0x80000000, 1 << 31, 0, False)
    assert windows.wanted(0x800003, 0x700000, 0x5000) == Wanted(0x800000, 8 << 20, 0x5000, True)
    assert isinstance(windows.wanted(0x80000001, 0x50000000, 0), Refused)
    assert isinstance(windows.wanted(1 << 39 | 1, 0, 0), Refused)


def test_places_are_aligned_and_given_back() -> None:
    places = TablePlaces(0x1000, 0x10000)
    first = places.take(0x4000)
    second = places.take(0x4000)
    assert (first, second) == (0x4000, 0x8000)
    assert places.take(0x8000) is None
    places.give_back(0x4000, 0x4000)
    assert places.take(0x4000) == 0x4000
