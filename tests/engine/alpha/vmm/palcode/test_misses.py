"""Is every store to a watched page done, as it would be elsewhere, and told to who watches?"""

from __future__ import annotations

import pytest

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.buffer import RUN
from septum.engine.alpha.processor.wrapping import signed
from septum.layouts import alpha as a
from septum.layouts import palcode
from septum.layouts.palcode import Call
from tests.engine.alpha.processor.assembler import memory
from tests.engine.alpha.vmm.guests import (
    KSEG,
    RESULTS,
    SP,
    ZERO,
    Bench,
    Guest,
    locked_store,
)


def watched_store(store: Guest, watchers: int = 1) -> tuple[Bench, list[tuple[int, int]]]:
    """Runs a guest whose page at 0x600000 is watched; what the last watcher was told."""
    bench = Bench(store).start()
    told: list[tuple[int, int]] = []
    page = range(0x600000 >> 13, (0x600000 >> 13) + 1)

    def first(physical: int, size: int) -> None:
        """Looks away again at once."""

    bench.bad.pal.watch(page, first)
    bench.bad.pal.watch(page, lambda physical, size: told.append((physical, size)))
    bench.bad.pal.unwatch(page, first)
    bench.monitor.run(1_000_000)
    return bench, told


@pytest.mark.parametrize(("opcode", "size"), [(a.STQ_C, 8), (a.STL_C, 4)])
def test_a_conditional_store_to_a_watched_page(opcode: int, size: int) -> None:
    bench, told = watched_store(locked_store(opcode, 1))
    assert (bench.result(2), bench.result(3) & 0xFF, told) == (1, 77, [(0x600000, size)])


def test_a_conditional_store_to_a_watched_page_without_a_lock() -> None:
    """And one whose lock is elsewhere: neither stores."""
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + 0x600000)
    guest.put(memory(a.LDA, 2, ZERO, 55), memory(a.STQ_C, 2, 9))
    guest.put(memory(a.LDQ_L, 3, 9, 8), memory(a.LDA, 3, ZERO, 55), memory(a.STQ_C, 3, 9))
    guest.put(memory(a.LDQ, 4, 9))
    for number in range(2, 5):
        guest.keep(number, number)
    guest.halt()
    bench, _ = watched_store(guest)
    secret = bench.result(4)
    assert (bench.result(2), bench.result(3)) == (0, 0)
    assert secret not in (0, 55), "what stood there still does"


@pytest.mark.parametrize(("opcode", "size"), [(a.STB, 1), (a.STL, 4), (a.STQ_U, 8), (a.STT, 8)])
def test_any_store_to_a_watched_page_is_done_and_told(opcode: int, size: int) -> None:
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + 0x600000)
    guest.put(memory(a.LDA, 2, ZERO, 99))
    guest.keep(2, 4)
    guest.load(8, KSEG + RESULTS + 8 * 4)
    guest.put(memory(a.LDT, 2, 8), memory(opcode, 2, 9, 16))
    guest.put(memory(opcode, 2, 9, 16), memory(a.LDQ, 3, 9, 16))
    guest.keep(3, 2)
    guest.halt()
    bench, told = watched_store(guest)
    assert told == [(0x600010, size)] * 2
    assert bench.result(2) == 99


def test_palcode_s_own_stores_to_a_watched_page_are_told() -> None:
    """A stack frame, and what a console callback writes."""
    guest = Guest()
    guest.prepared()
    guest.load(SP, KSEG + 0x600000 + 0x1000)
    guest.call(Call.BPT)
    guest.halt()
    bench, told = watched_store(guest)
    size = palcode.Frame.SIZE
    assert {physical for physical, _ in told} >= set(range(0x601000 - size, 0x601000, 8))
    told.clear()
    bench.bad.pal.write_bytes(0x600000 - 4, b"four and four")
    bench.bad.pal.write_quad(0x600020, 1)
    assert told == [(0x600000, 9), (0x600020, 8)]


def test_pages_around_a_miss_are_entered_where_they_are_leased_alike() -> None:
    """One miss for a run; none of it leads elsewhere, or past a page whose stores are looked at."""
    guest = Guest()
    guest.prepared()
    guest.load(9, KSEG + 0x600000)
    guest.put(memory(a.LDQ, 2, 9))
    guest.halt()
    bench = Bench(guest).start()
    pal, first = bench.bad.pal, 0x600000 >> a.PAGE_SHIFT
    for page in range(first, first + RUN):
        pal.memory_page(page)
    bench.monitor.run(1_000_000)
    held = [one for one in pal.context.buffer.held() if one[1] == s.READ]
    found = {virtual: physical for _, _, virtual, physical, _ in held}
    start = bench.bad.memory.start
    for at in range(0x600000, 0x600000 + RUN * a.PAGE_SIZE, a.PAGE_SIZE):
        assert found[signed(KSEG + at)] == start + at
    watched, _ = watched_store(guest)
    page = signed(KSEG + 0x600000)
    kinds = [one[1] for one in watched.bad.pal.context.buffer.held() if one[2] == page]
    assert kinds == [s.READ]
