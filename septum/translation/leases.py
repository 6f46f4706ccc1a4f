"""Which translations does an instance hold? Leases: verdicts that were installed. [0027]

A lease is a run of its addresses that somebody of the instance reaches without asking: its
processors, or its devices by DMA. What is taken back is taken from both sides; the next access
asks again. Pure: whoever grants installs, whoever takes back removes.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

from septum.translation.physical import Judgement, PhysicalMap, What, further, outside
from septum.translation.verdict import Accept, Modify
from septum.units import Span

__all__ = [
    "DEVICES", "PROCESSOR", "SIDES", "Cut", "Lease", "Leases", "counts", "leased", "rows",
]  # fmt: skip

PROCESSOR, DEVICES = SIDES = ("processor", "devices")


class Lease(NamedTuple):
    """An accepted run of one side: the instance's addresses, and what they lead to."""

    side: str
    span: Span
    what: What  # at its first byte
    owner: str
    machine: int | None  # the machine's address of its first byte; None: the host's to know

    def part(self, span: Span) -> Lease:
        """What of it is about a run inside it."""
        distance = span.start - self.span.start
        machine = None if self.machine is None else self.machine + distance
        return self._replace(span=span, what=further(self.what, distance), machine=machine)


class Cut(NamedTuple):
    """A lease that was held, the part that is taken back, and what stays held of it."""

    lease: Lease
    taken: Lease
    left: tuple[Lease, ...]


def leased(judgement: Judgement, side: str) -> Lease | None:
    """The lease of a verdict, as long as the verdict's run; None where there is none to have."""
    region, run = judgement.region, judgement.run
    if region is None or not judgement.granted:
        return None
    distance = run.start - region.span.start
    machine = region.machine
    return Lease(
        side,
        run,
        further(region.what, distance),
        region.owner,
        None if machine is None else machine + distance,
    )


class Leases:
    """The leases of one instance, of both sides; those of one side never overlap.

    With `page_shift`, `pages` gives the machine's page for each page the processor's side holds:
    for who asks at every miss.
    """

    def __init__(self, page_shift: int | None = None) -> None:
        self.page_shift = page_shift
        self.pages: dict[int, int] = {}
        self.granted = dict.fromkeys(SIDES, 0)
        self.revoked = dict.fromkeys(SIDES, 0)
        self._held: dict[str, list[Lease]] = {side: [] for side in SIDES}

    def grant(self, lease: Lease) -> None:
        """Note one that is installed; ValueError when its side holds some of that already."""
        held = self._held[lease.side]
        at = _place(held, lease.span.start)
        if any(one.span.overlaps(lease.span) for one in held[max(at - 1, 0) : at + 1]):
            raise ValueError(f"{lease.span} is held already")
        held.insert(at, lease)
        self.granted[lease.side] += 1
        self._index(lease, is_on=True)

    def missing(self, lease: Lease) -> tuple[Lease, ...]:
        """The parts of a lease that its side does not hold yet."""
        parts = [lease.span]
        for held in self._over(lease.side, lease.span):
            parts = [left for part in parts for left in outside(part, held.span)]
        return tuple(lease.part(part) for part in parts)

    def covers(self, address: int, side: str = PROCESSOR) -> Lease | None:
        """The lease that an address is in."""
        held = self._held[side]
        at = _place(held, address) - 1
        return held[at] if at >= 0 and held[at].span.contains(address) else None

    def revoke(self, span: Span, sides: tuple[str, ...] = SIDES) -> list[Cut]:
        """Take back what is held of a run of addresses; devices' side first, as it must be done."""
        cuts = self.drop(span, sides)
        for cut in cuts:
            self.revoked[cut.lease.side] += 1
        return cuts

    def drop(self, span: Span, sides: tuple[str, ...] = SIDES) -> list[Cut]:
        """The same, where the owner itself made them void: it moved or switched off a BAR."""
        return [cut for side in reversed(SIDES) if side in sides for cut in self._cut(side, span)]

    def held(self, side: str | None = None) -> tuple[Lease, ...]:
        """In order of their addresses; of one side, or of both."""
        sides = SIDES if side is None else (side,)
        return tuple(sorted((one for name in sides for one in self._held[name]), key=_order))

    def _over(self, side: str, span: Span) -> list[Lease]:
        held = self._held[side]
        first = max(_place(held, span.start) - 1, 0)
        return [one for one in held[first : _place(held, span.end - 1)] if one.span.overlaps(span)]

    def _cut(self, side: str, span: Span) -> list[Cut]:
        held = self._held[side]
        cuts = []
        for lease in self._over(side, span):
            left = tuple(lease.part(part) for part in outside(lease.span, span))
            start = max(span.start, lease.span.start)
            taken = lease.part(Span(start, min(span.end, lease.span.end) - start))
            at = held.index(lease)
            held[at : at + 1] = left
            self._index(taken, is_on=False)
            cuts.append(Cut(lease, taken, left))
        return cuts

    def _index(self, lease: Lease, is_on: bool) -> None:
        if self.page_shift is None or lease.side != PROCESSOR or lease.machine is None:
            return
        shift = self.page_shift
        pages = range(lease.span.start >> shift, lease.span.end >> shift)
        if is_on:
            first = lease.machine >> shift
            self.pages.update(zip(pages, range(first, first + len(pages)), strict=True))
        else:
            for page in pages:
                self.pages.pop(page, None)


def _place(held: list[Lease], address: int) -> int:
    """How many begin at an address or before it."""
    return bisect_right(held, address, key=lambda one: one.span.start)


def _order(lease: Lease) -> tuple[int, int]:
    return lease.span.start, SIDES.index(lease.side)


# ---- as listings and reports show it


def counts(leases: Leases) -> list[dict[str, object]]:
    """How many were granted to each side, and taken back from it."""
    return [
        {"by": "lease", "what": f"{what}, {side}", "exits": numbers[side]}
        for side in SIDES
        for what, numbers in (("granted", leases.granted), ("revoked", leases.revoked))
    ]


def rows(physical: PhysicalMap, leases: Leases) -> list[dict[str, object]]:
    """What stands at an instance's addresses, the verdict on each run, and which side holds it."""
    found: list[dict[str, object]] = []
    for region in physical.regions:
        for judgement in physical.judged(region.span):
            at = max(judgement.run.start, region.span.start)
            run = Span(at, min(judgement.run.end, region.span.end) - at)
            for part, sides in _held_parts(leases, run):
                found.append(_row(region.owner, judgement, part, sides))
    return found + _beside(physical, leases)


def _beside(physical: PhysicalMap, leases: Leases) -> list[dict[str, object]]:
    """What is held where nothing stands: there should be none, so none may be hidden."""
    found: list[dict[str, object]] = []
    for lease in leases.held():
        parts = [lease.span]
        for region in physical.overlapping(lease.span):
            pages = physical.pages_of(region.span)
            parts = [left for part in parts for left in outside(part, pages)]
        for one in (lease.part(part) for part in parts):
            found.append(
                {
                    "guest": str(one.span),
                    "to": one.owner,
                    "machine": "" if one.machine is None else f"{one.machine:#x}",
                    "verdict": "accept" if one.machine == one.span.start else "modify",
                    "held by": one.side,
                    "because": "nothing stands there",
                }
            )
    return found


def _held_parts(leases: Leases, run: Span) -> list[tuple[Span, str]]:
    """A run, divided where another side begins or ends to hold it."""
    over = [one for one in leases.held() if one.span.overlaps(run)]
    edges = {run.start, run.end}
    for lease in over:
        edges |= {max(lease.span.start, run.start), min(lease.span.end, run.end)}
    ordered = sorted(edges)
    parts = []
    for start, end in pairwise(ordered):
        sides = [one.side for one in over if one.span.contains(start)]
        parts.append((Span(start, end - start), ", ".join(sides)))
    return parts


def _row(owner: str, judgement: Judgement, part: Span, sides: str) -> dict[str, object]:
    verdict = judgement.verdict
    region = judgement.region
    machine: int | None = None
    if isinstance(verdict, Modify):
        machine = verdict.value + part.start - judgement.run.start
    elif isinstance(verdict, Accept) and region is not None and region.machine is not None:
        machine = part.start
    held = sides or ("no: asks at the next touch" if judgement.granted else "")
    return {
        "guest": str(part),
        "to": owner,
        "machine": "" if machine is None else f"{machine:#x}",
        "verdict": type(verdict).__name__.lower(),
        "held by": held,
        "because": judgement.why,
    }
