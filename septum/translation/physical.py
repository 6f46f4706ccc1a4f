"""What stands at an instance's addresses, what is it on the machine, may it be used? [0022]

One map says it for everybody who asks: whoever gives a processor its translations, whoever gives
devices theirs, and whoever answers what traps. Regions never overlap; a gap is nobody's. A verdict
[0026] is given on a whole run of pages at once, so that asking about much costs no more than asking
about little. Ports are such a map too, with pages of one.

Pure: whoever asks installs, counts and removes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from septum.errors import Problem
from septum.memory.slices import Slice
from septum.translation.verdict import Accept, Emulate, Modify, Reject, Verdict
from septum.units import PciAddress, Span, align_down, align_up

__all__ = [
    "Access", "Judgement", "Memory", "PhysicalMap", "Played", "Region", "Registers", "What",
    "Ports", "further", "memory", "played", "ports", "registers", "split",
]  # fmt: skip

# (the instance's address, bytes, the value written or None for a read) -> what is read
Access = Callable[[int, int, int | None], int]

_END = 1 << 64
_ACCEPTED = Accept()
NOBODY_S = Reject("not this instance's")


class Memory(NamedTuple):
    """A part of the instance's own memory, from this offset of its slice on (bytes)."""

    offset: int


class Registers(NamedTuple):
    """A part of a BAR of one of its functions (as the machine names it), from this offset on."""

    function: PciAddress
    bar: int
    offset: int = 0


class Ports(NamedTuple):
    """Ports of a device on the ISA bus that it owns, from this offset on."""

    device: str
    offset: int = 0


class Played(NamedTuple):
    """Something that only the VMM has."""

    by: str


What = Memory | Registers | Ports | Played


class Region(NamedTuple):
    """A run of an instance's addresses, and what stands there.

    `machine`: the machine's address of its first byte; None where nothing of the machine is
    behind it, or where the host keeps memory as it likes. `access`: who answers what traps there.
    `why`: what a verdict that moves or plays it says. `closed`: why each access must trap although
    something is behind it. `alone`: on the machine nothing else lies in its first and last page.
    """

    span: Span
    what: What
    owner: str  # "memory", "0000:01:00.0 BAR 0", "serial 1"
    machine: int | None = None
    access: Access | None = None
    why: str = ""
    closed: str = ""
    alone: bool = False


def memory(own: Slice) -> list[Region]:
    """The memory of an instance's slice."""
    return [
        Region(part.span, Memory(part.offset), "memory", part.machine, why="its slice")
        for part in own.parts
    ]


def registers(
    span: Span,
    what: Registers,
    machine: int,
    access: Access | None = None,
    *,
    closed: str = "",
    alone: bool = False,
) -> Region:
    """Registers of a function it owns; `machine`: the machine's address of the first."""
    owner = f"{what.function} BAR {what.bar}"
    return Region(span, what, owner, machine, access, closed=closed, alone=alone)


def played(span: Span, by: str, access: Access | None = None) -> Region:
    """What the VMM answers for by itself."""
    return Region(span, Played(by), by, access=access)


def ports(span: Span, device: str, access: Access) -> Region:
    """Ports of a device it owns, at the machine's own numbers."""
    closed = "each access to a port is passed on"
    return Region(span, Ports(device), device, span.start, access, closed=closed)


def split(
    start: int, read: Callable[[int, int], int], write: Callable[[int, int, int], None]
) -> Access:
    """An access made of a reader (offset, width) and a writer (offset, width, value)."""

    def access(address: int, width: int, value: int | None) -> int:
        if value is None:
            return read(address - start, width)
        write(address - start, width, value)
        return 0

    return access


def further(what: What, distance: int) -> What:
    """The same thing so many bytes further on."""
    return what if isinstance(what, Played) else what._replace(offset=what.offset + distance)


class Judgement(NamedTuple):
    """One verdict, the run of pages it is about, and the region all of the run lies in, if any.

    The value of a Modify is the machine's address of the run's first byte.
    """

    run: Span
    verdict: Verdict
    region: Region | None

    @property
    def granted(self) -> bool:
        """May it be installed?"""
        return isinstance(self.verdict, Accept | Modify)

    @property
    def why(self) -> str:
        """Why it is not simply accepted."""
        return "" if isinstance(self.verdict, Accept) else self.verdict.why


class PhysicalMap:
    """The addresses of one instance, in pages of `page` bytes (a power of two)."""

    def __init__(self, page: int, regions: Iterable[Region] = ()) -> None:
        self.page = page
        self._regions: list[Region] = []
        self._starts: list[int] = []
        self._withheld: list[tuple[Span, Verdict]] = []
        for region in regions:
            self.place(region)

    @property
    def regions(self) -> tuple[Region, ...]:
        """In order of their addresses."""
        return tuple(self._regions)

    # ---- what stands where

    def place(self, region: Region) -> None:
        """Add a region; Problem, and nothing is changed, when one stands there already."""
        if region.span.size <= 0:
            raise Problem(f"{region.owner} has no addresses")
        for other in self.overlapping(region.span):
            raise Problem(f"{region.owner} at {region.span} overlaps {other.owner} at {other.span}")
        at = bisect_right(self._starts, region.span.start)
        self._starts.insert(at, region.span.start)
        self._regions.insert(at, region)

    def remove(self, region: Region) -> None:
        """Take a region away; leases of its pages are void, which the caller sees to."""
        at = self._regions.index(region)
        del self._regions[at], self._starts[at]

    def find(self, address: int) -> Region | None:
        """What stands at an address."""
        at = bisect_right(self._starts, address) - 1
        if at >= 0:
            region = self._regions[at]
            span = region.span
            if address < span.start + span.size:
                return region
        return None

    def overlapping(self, span: Span) -> list[Region]:
        """All that stands in a run of addresses, in order."""
        last = bisect_right(self._starts, span.end - 1)
        first = max(bisect_right(self._starts, span.start) - 1, 0)
        return [one for one in self._regions[first:last] if one.span.overlaps(span)]

    # ---- verdicts

    def judge(self, address: int) -> Judgement:
        """The verdict on the page an address lies in, and the longest run it holds for.

        Accept: the machine's page of the same address. Modify: the page at that address
        instead. Emulate: each access is answered by the VMM. Reject: none of this instance's.
        """
        page = Span(address & -self.page, self.page)
        for span, verdict in self._withheld:
            if span.overlaps(page):
                return Judgement(span, verdict, None)
        here = self.overlapping(page)
        if not here:
            return Judgement(self._uncut(page, self._gap(page)), NOBODY_S, None)
        if len(here) > 1:
            both = f"a page of both {here[0].owner} and {here[1].owner}"
            return Judgement(page, Emulate(0, both), None)
        region = here[0]
        run, verdict = self._within(region, page)
        run = self._uncut(page, run)
        if isinstance(verdict, Modify):
            assert region.machine is not None
            verdict = Modify(region.machine + run.start - region.span.start, verdict.why)
        return Judgement(run, verdict, region)

    def judged(self, span: Span) -> Iterator[Judgement]:
        """The verdicts on a run of addresses, one after the other; the last may reach beyond."""
        address = span.start
        while address < span.end:
            judgement = self.judge(address)
            yield judgement
            address = judgement.run.end

    def withhold(self, span: Span, verdict: Verdict) -> None:
        """Say this to every page of a run of addresses, whatever stands there, until let_go()."""
        self.let_go(span)
        self._withheld.append((self.pages_of(span), verdict))

    def let_go(self, span: Span) -> None:
        """Judge by what stands there again."""
        kept = []
        for old, verdict in self._withheld:
            for left in outside(old, self.pages_of(span)):
                kept.append((left, verdict))
        self._withheld = kept

    def pages_of(self, span: Span) -> Span:
        """All pages that a run of addresses lies in."""
        start = align_down(span.start, self.page)
        return Span(start, align_up(span.end, self.page) - start)

    def _gap(self, page: Span) -> Span:
        """The pages around an empty one that are empty too."""
        at = bisect_right(self._starts, page.start)
        before = self.pages_of(self._regions[at - 1].span).end if at else 0
        after = self.pages_of(self._regions[at].span).start if at < len(self._starts) else _END
        return Span(before, after - before)

    def _uncut(self, page: Span, run: Span) -> Span:
        """The part of a run around a page of which nothing is withheld."""
        start, end = run.start, run.end
        for span, _ in self._withheld:
            if span.end <= page.start:
                start = max(start, span.end)
            else:
                end = min(end, span.start)
        return Span(start, end - start)

    def _within(self, region: Region, page: Span) -> tuple[Span, Verdict]:
        """The verdict on a page that only this region is in, and the pages it holds for."""
        at = self._regions.index(region)
        pages = self.pages_of(region.span)
        start, end = pages.start, pages.end
        if at:
            start = max(start, self.pages_of(self._regions[at - 1].span).end)
        if at + 1 < len(self._regions):
            end = min(end, self.pages_of(self._regions[at + 1].span).start)
        every = Span(start, end - start)
        if isinstance(region.what, Played):
            return every, Emulate(0, region.why or "played by the VMM")
        if region.closed:
            return every, Emulate(0, region.closed)
        if not region.alone:
            if not (region.span.start <= page.start and page.end <= region.span.end):
                return page, Emulate(0, "not a whole page")
            start = max(start, align_up(region.span.start, self.page))
            end = min(end, align_down(region.span.end, self.page))
            every = Span(start, end - start)
        if region.machine is None or region.machine == region.span.start:
            return every, _ACCEPTED
        if (region.machine + page.start - region.span.start) % self.page:
            return every, Emulate(0, "it does not start at a page of the machine")
        return every, Modify(region.machine, region.why or "on the machine it is elsewhere")


def outside(span: Span, other: Span) -> tuple[Span, ...]:
    """The parts of a span that the other has not."""
    parts = (
        Span(span.start, min(span.end, other.start) - span.start),
        Span(max(span.start, other.end), span.end - max(span.start, other.end)),
    )
    return tuple(part for part in parts if part.size > 0)
