"""May a page be mapped? Never one with trapped bytes, never one outside of its BAR."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as some

from septum.translation.leases import Lease, Leases, Window, judge, open_runs, trapped_pages
from septum.units import PAGE, PciAddress, Span, align_up

FUNCTION = PciAddress(0, 1, 0, 0)
OTHER = PciAddress(0, 2, 0, 0)
BASE = 0xFEA00000


def window(size: int, *trapped: Span, start: int = BASE, mappable: bool = True) -> Window:
    return Window(FUNCTION, 0, Span(start, size), trapped, mappable)


@some.composite
def windows(draw: some.DrawFn) -> Window:
    size = 1 << draw(some.integers(4, 16))
    trapped = draw(
        some.lists(
            some.builds(Span, some.integers(0, size - 1), some.integers(1, 3 * PAGE)), max_size=3
        )
    )
    inside = [Span(span.start, min(span.size, size - span.start)) for span in trapped]
    return window(size, *inside)


@given(windows(), some.integers(0, (1 << 16) - 1))
def test_a_lease_covers_what_was_touched_and_nothing_it_must_not(
    where: Window, offset: int
) -> None:
    assume(offset < where.guest.size)
    address = where.guest.start + offset
    lease = judge(where, address, False).lease
    page = Span(offset // PAGE * PAGE, PAGE)
    must_trap = any(page.overlaps(span) for span in where.trapped)
    assert (lease is None) == must_trap
    if lease is None:
        return
    assert (lease.function, lease.bar) == (where.function, where.bar)
    assert lease.guest.contains(address)
    assert lease.guest.start % PAGE == lease.guest.size % PAGE == 0 < lease.guest.size
    assert lease.offset == lease.guest.start - where.guest.start >= 0
    assert lease.offset + lease.guest.size <= align_up(where.guest.size, PAGE)
    leased = Span(lease.offset, lease.guest.size)
    assert not any(leased.overlaps(span) for span in where.trapped)


@given(windows())
def test_leases_are_the_open_runs(where: Window) -> None:
    """What touches can get, page by page, is what devices get for DMA, and no more."""
    got = set()
    for offset in range(0, align_up(where.guest.size, PAGE), PAGE):
        lease = judge(where, where.guest.start + min(offset, where.guest.size - 1), False).lease
        if lease is not None:
            got.add(Span(lease.offset, lease.guest.size))
    assert got == set(open_runs(where))
    pages = {page for run in open_runs(where) for page in range(run.start, run.end, PAGE)}
    closed = {page for run in trapped_pages(where) for page in range(run.start, run.end, PAGE)}
    assert not pages & closed
    assert pages | closed == set(range(0, align_up(where.guest.size, PAGE), PAGE))


def test_reasons_against_a_lease() -> None:
    assert "traced" in judge(window(PAGE), BASE, True).why
    assert "host" in judge(window(PAGE, mappable=False), BASE, False).why
    assert "start" in judge(window(PAGE, start=BASE + 0x400), BASE + 0x400, False).why
    assert "emulated" in judge(window(PAGE, Span(0x800, 16)), BASE, False).why


def test_an_nvme_is_part_mapped_and_part_trapped() -> None:
    where = window(4 * PAGE, Span(2 * PAGE, 65 * 16), Span(3 * PAGE, 16))
    lease = judge(where, BASE + 0x1000, False).lease
    assert lease == Lease(FUNCTION, 0, Span(BASE, 2 * PAGE), 0)
    assert judge(where, BASE + 2 * PAGE, False).lease is None


def test_a_bar_smaller_than_a_page_gets_its_page() -> None:
    lease = judge(window(1024), BASE + 1000, False).lease
    assert lease == Lease(FUNCTION, 0, Span(BASE, PAGE), 0)


def lease(function: PciAddress, bar: int, start: int) -> Lease:
    return Lease(function, bar, Span(start, PAGE), 0)


def test_leases_are_found_by_whose_they_are() -> None:
    leases = Leases()
    leases.install(7, lease(FUNCTION, 0, BASE))
    leases.install(6, lease(FUNCTION, 1, BASE + PAGE))
    leases.install(5, lease(OTHER, 0, BASE + 2 * PAGE))
    assert leases.slots_of() == [7, 6, 5]
    assert leases.slots_of(FUNCTION) == [7, 6]
    assert leases.slots_of(FUNCTION, 0) == [7]
    assert leases.slots_of(OTHER, 1) == []
    assert leases.covers(FUNCTION, 0, BASE + PAGE - 1)
    assert not leases.covers(FUNCTION, 0, BASE + PAGE)
    assert not leases.covers(OTHER, 0, BASE)
    assert leases.revoke(7).bar == 0 and leases.drop(5).function == OTHER
    assert (leases.granted, leases.revoked, len(leases.held)) == (3, 1, 1)


def test_holding_back_is_of_one_bar_until_it_is_let_go() -> None:
    leases = Leases()
    leases.hold_back(FUNCTION, [0, 1])
    assert leases.is_held_back(FUNCTION, 1) and not leases.is_held_back(OTHER, 1)
    leases.let_go(FUNCTION, [1])
    assert leases.is_held_back(FUNCTION, 0) and not leases.is_held_back(FUNCTION, 1)
