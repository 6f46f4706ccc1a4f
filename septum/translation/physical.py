"""Which of the machine's pages is meant by a page of an instance, and may it have it? [0026]

An instance numbers its memory from 0 and its only bus as the first. Regions say what stands at
its addresses: a part of the machine (given as it is, or moved), or something the VMM plays.
Pure: whoever asks installs, counts and removes.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from typing import NamedTuple

from septum.translation.verdict import Accept, Emulate, Modify, Reject, Verdict
from septum.units import Span

__all__ = ["Lease", "Leases", "PhysicalMap", "Region"]

_ACCEPTED = Accept()


class Region(NamedTuple):
    """A run of an instance's physical addresses, and what stands there.

    `machine`: the machine's address of its first byte; None when the VMM plays it.
    `why`: what a verdict that moves or plays it says.
    """

    span: Span
    machine: int | None
    what: str
    why: str = ""


class PhysicalMap:
    """The physical addresses of one instance, in pages of `page` bytes (a power of two)."""

    def __init__(self, page: int, regions: Iterable[Region] = ()) -> None:
        self.page = page
        self._regions: list[Region] = []
        self._starts: list[int] = []
        self._held_back: set[int] = set()
        for region in regions:
            self.place(region)

    @property
    def regions(self) -> tuple[Region, ...]:
        """In order of their addresses."""
        return tuple(self._regions)

    def place(self, region: Region) -> bool:
        """Add a region; False, and nothing is changed, when one stands there already."""
        if region.span.size <= 0 or self._overlapping(region.span):
            return False
        insort(self._regions, region, key=lambda one: one.span.start)
        self._starts = [one.span.start for one in self._regions]
        return True

    def remove(self, region: Region) -> None:
        """Take a region away; leases of its pages are void, which the caller sees to."""
        self._regions.remove(region)
        self._starts = [one.span.start for one in self._regions]

    def find(self, address: int) -> Region | None:
        """What stands at an address."""
        at = bisect_right(self._starts, address) - 1
        if at >= 0 and self._regions[at].span.contains(address):
            return self._regions[at]
        return None

    def _overlapping(self, span: Span) -> list[Region]:
        last = bisect_right(self._starts, span.end - 1)
        first = max(bisect_right(self._starts, span.start) - 1, 0)
        return [one for one in self._regions[first:last] if one.span.overlaps(span)]

    def judge(self, address: int) -> Verdict:
        """The verdict on the page an address lies in.

        Accept: the machine's page of the same address. Modify: the page at that address
        instead. Emulate: each access is answered by the VMM. Reject: none of this instance's.
        """
        start = address & -self.page
        if start in self._held_back:
            return Reject("revoked")
        here = self._overlapping(Span(start, self.page))
        if not here:
            return Reject("not this instance's")
        if len(here) > 1:
            return Emulate(0, f"a page of both {here[0].what} and {here[1].what}")
        region = here[0]
        if region.machine is None:
            return Emulate(0, region.why or f"{region.what}: played by the VMM")
        if region.span.start > start or region.span.end < start + self.page:
            return Emulate(0, f"{region.what}: not a whole page")
        machine = region.machine + start - region.span.start
        if machine % self.page:
            return Emulate(0, f"{region.what}: does not start at a page of the machine")
        return _ACCEPTED if machine == start else Modify(machine, region.why or region.what)

    def hold_back(self, address: int) -> None:
        """Reject the page from now on."""
        self._held_back.add(address & -self.page)

    def let_go(self, address: int) -> None:
        """Judge the page by its region again."""
        self._held_back.discard(address & -self.page)


class Lease(NamedTuple):
    """A run of accepted translations: the instance's addresses, and the machine's first."""

    instance: Span
    machine: int
    what: str


class Leases:
    """Accepted translations of one instance, by page number: `pages` is read on every miss."""

    def __init__(self, page_shift: int) -> None:
        self.page_shift = page_shift
        self.pages: dict[int, int] = {}
        self.granted = 0
        self.revoked = 0

    def grant(self, page: int, machine_page: int) -> None:
        """Install one."""
        self.pages[page] = machine_page
        self.granted += 1

    def revoke(self, page: int) -> int | None:
        """Take one back: the machine's page; None when it was not held."""
        machine = self.pages.pop(page, None)
        if machine is not None:
            self.revoked += 1
        return machine

    def drop(self, span: Span) -> list[int]:
        """Forget those whose owner made them void (it moved a BAR); the machine's pages."""
        size = 1 << self.page_shift
        pages = range(span.start >> self.page_shift, (span.end + size - 1) >> self.page_shift)
        gone = [self.pages.pop(page, None) for page in pages]
        return [page for page in gone if page is not None]

    def runs(self, physical: PhysicalMap) -> tuple[Lease, ...]:
        """What is held, neighbouring pages joined, in order."""
        size = 1 << self.page_shift
        found: list[Lease] = []
        for page, machine in sorted(self.pages.items()):
            start, to = page << self.page_shift, machine << self.page_shift
            region = physical.find(start)
            what = region.what if region else ""
            last = found[-1] if found else None
            if last and _follows(last, start, to, what):
                longer = Span(last.instance.start, last.instance.size + size)
                found[-1] = last._replace(instance=longer)
            else:
                found.append(Lease(Span(start, size), to, what))
        return tuple(found)


def _follows(last: Lease, start: int, machine: int, what: str) -> bool:
    """Whether a page goes on where a run ends, in both and as the same thing."""
    ends = last.instance.end, last.machine + last.instance.size
    return ends == (start, machine) and last.what == what
