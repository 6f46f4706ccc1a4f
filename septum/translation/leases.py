"""May this page be mapped? The first touch of an exposed BAR, the lease, and its revocation.

A trap at an address of a BAR proposes a translation [0026]. The verdict is Accept with the run
of pages around it that need not be trapped; or Emulate for pages that stay trapped (the MSI-X
table, a page shared with something else, a BAR held back); or Reject. An accepted translation
is a lease [0027]: no trap until it is revoked; the next access after that is decided anew.

Pure: whoever asks installs and removes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from septum.units import PAGE, PciAddress, Span, align_down, align_up


class Window(NamedTuple):
    """A memory BAR as its owner placed it, and which of its bytes must stay trapped."""

    function: PciAddress
    bar: int
    guest: Span  # guest-physical
    trapped: tuple[Span, ...]  # offsets in the BAR, such as the MSI-X table's
    mappable: bool  # the host lets its pages be mapped


class Lease(NamedTuple):
    """An accepted translation: a run of pages of one BAR, in guest-physical addresses."""

    function: PciAddress
    bar: int
    guest: Span
    offset: int  # of the run's start in the BAR


class Judgement(NamedTuple):
    """The verdict on a first touch: a lease to install, or why not."""

    lease: Lease | None
    why: str


def trapped_pages(window: Window) -> tuple[Span, ...]:
    """The trapped bytes of a BAR rounded out to pages, sorted, as offsets."""
    spans = []
    for span in window.trapped:
        start = align_down(span.start, PAGE)
        spans.append(Span(start, align_up(span.end, PAGE) - start))
    return tuple(sorted(spans))


def judge(window: Window, address: int, held_back: bool) -> Judgement:
    """Decide on a touch of `address`, which lies in `window`."""
    if held_back:
        return Judgement(None, "held back: every access is traced")
    if not window.mappable:
        return Judgement(None, "the host does not let this BAR be mapped")
    if window.guest.start % PAGE:
        return Judgement(None, "the BAR does not start at a page")
    offset = align_down(address - window.guest.start, PAGE)
    low, high = 0, align_up(window.guest.size, PAGE)
    for span in trapped_pages(window):
        if span.contains(offset):
            return Judgement(None, "this page is emulated (interrupt table)")
        if span.end <= offset:
            low = max(low, span.end)
        else:
            high = min(high, span.start)
    guest = Span(window.guest.start + low, high - low)
    return Judgement(Lease(window.function, window.bar, guest, low), "owned")


class Leases:
    """The leases one instance holds, and the BARs held back from it."""

    def __init__(self) -> None:
        self._held: dict[int, Lease] = {}  # by the number of the installed slot
        self._held_back: set[tuple[PciAddress, int]] = set()
        self.granted = 0
        self.revoked = 0

    def install(self, slot: int, lease: Lease) -> None:
        self._held[slot] = lease
        self.granted += 1

    def slots_of(self, function: PciAddress | None = None, bar: int | None = None) -> list[int]:
        """The slots of one BAR's, one function's, or all leases."""
        return [
            slot
            for slot, lease in self._held.items()
            if function in (None, lease.function) and bar in (None, lease.bar)
        ]

    def covers(self, function: PciAddress, bar: int, address: int) -> bool:
        """Whether a lease of that BAR is installed at this guest-physical address."""
        return any(
            lease.guest.contains(address) and (lease.function, lease.bar) == (function, bar)
            for lease in self._held.values()
        )

    def revoke(self, slot: int) -> Lease:
        """Take one back; the caller has removed it from the guest."""
        self.revoked += 1
        return self._held.pop(slot)

    def drop(self, slot: int) -> Lease:
        """Forget one that its owner made void itself, by moving or switching off the BAR."""
        return self._held.pop(slot)

    def hold_back(self, function: PciAddress, bars: Iterable[int]) -> None:
        """Do not lease these BARs until let_go(): every access stays trapped."""
        self._held_back.update((function, bar) for bar in bars)

    def let_go(self, function: PciAddress, bars: Iterable[int]) -> None:
        self._held_back.difference_update((function, bar) for bar in bars)

    def is_held_back(self, function: PciAddress, bar: int) -> bool:
        return (function, bar) in self._held_back

    @property
    def held(self) -> tuple[Lease, ...]:
        return tuple(self._held.values())


def open_runs(window: Window) -> tuple[Span, ...]:
    """The runs of pages of a BAR that need not be trapped, as offsets."""
    runs = []
    start, end = 0, align_up(window.guest.size, PAGE)
    for span in (*trapped_pages(window), Span(end, 0)):
        if span.start > start:
            runs.append(Span(start, span.start - start))
        start = max(start, span.end)
    return tuple(runs)
