"""What does PALcode keep for an instance, and how does it reach the instance's memory?

All memory is reached through the instance's leases: what PALcode reads for an instance it may
read itself, and what it may not is no memory. Addresses in registers are signed, as the core
keeps them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.processor import Context, Processor
from septum.errors import GuestProblem
from septum.layouts import alpha as a
from septum.layouts import palcode
from septum.translation.leases import PROCESSOR, Cut, Leases, leased
from septum.translation.physical import Access, PhysicalMap
from septum.translation.verdict import Accept, Verdict
from septum.units import Span

Watcher = Callable[[int, int], None]  # told the physical address and the size of a store

SIGN = 1 << 63
WORD = (1 << 64) - 1
MOST_REJECTIONS = 256  # kinds of them that are told apart
_QUAD_SHIFT = 3
_PAGE_QUADS_SHIFT = a.PAGE_SHIFT - _QUAD_SHIFT


def signed(value: int) -> int:
    """The 64-bit number as the core's arrays hold it."""
    return ((value & WORD) ^ SIGN) - SIGN


def reason(verdict: Verdict) -> str:
    """Why it is not simply accepted."""
    return "" if isinstance(verdict, Accept) else verdict.why


class OutsideMemory(Exception):
    """PALcode was led to a physical address that is not the instance's memory."""

    def __init__(self, physical: int, why: str) -> None:
        super().__init__(why)
        self.physical = physical
        self.why = why


class Halted(Exception):
    """The OS called HALT."""


class Palcode:
    """The state of one instance behind its CALL_PALs, and its ways into memory.

    `r`, `st`, `q`: general registers, the core's state, memory in quads, as memoryviews, whose
    items are plain integers.
    """

    def __init__(
        self, name: str, processor: Processor, physical: PhysicalMap, memory_size: int
    ) -> None:
        self.name = name
        self.processor = processor
        self.physical = physical
        self.leases = Leases(a.PAGE_SHIFT)
        self.pages = self.leases.pages
        self.ram_pages = memory_size >> a.PAGE_SHIFT
        self.played: dict[int, Access] = {}  # page number to who answers
        self.watched: dict[int, list[Watcher]] = {}  # memory whose stores are looked at
        self.touched = False  # a device was, since the monitor looked
        self.counters: Counter[str] = Counter()
        self.rejections: Counter[tuple[str, str]] = Counter()  # (what, why)
        self.last_trap = ""
        self.q = processor.memory.data.cast("B").cast("q")
        self.context: Context = processor.new_context()
        self.r = self.context.registers.data
        self.st = self.context.state.data
        self.fill = self.context.buffer.fill
        self.player_of: Callable[[int], Access] = _no_player
        self.output: Callable[[bytes], None] = _drop
        self.fielded: Callable[[str], None] = _forget  # a processor's own request was handled
        self.environment: dict[int, bytes] = {}
        self.reset()

    def reset(self) -> None:
        """As when a processor is switched on: kernel mode, no interrupts, nothing known."""
        self.st[s.CALLS_INSIDE] = 1
        self.st[s.INTERRUPT_LEVEL] = palcode.IPL_MACHINE_CHECK
        self.entries: list[int | None] = [None] * len(palcode.ENTRY_NAMES)
        self.global_pointer = 0
        self.kernel_stack = 0  # while in user mode
        self.process = 0  # PCBB, physical
        self.page_table = 0  # PTBR, a page frame number
        self.vptb = 0
        self.mces = 0
        self.ticks = 0  # owed, delivered one by one
        self.waiting = False  # said wtint

    # ---- its pages

    def judge(self, page: int) -> tuple[Verdict, int | None]:
        """Ask for a verdict on a page; if it grants one, hold a lease of all its run.

        The verdict, and the machine's page.
        """
        judgement = self.physical.judge(page << a.PAGE_SHIFT)
        verdict, whole = judgement.verdict, leased(judgement, PROCESSOR)
        if whole is None:
            return verdict, None
        for lease in self.leases.missing(whole):
            self.leases.grant(lease)
        self.counters["verdict " + type(verdict).__name__.lower()] += 1
        return verdict, self.pages[page]

    def watch(self, pages: Iterable[int], watcher: Watcher) -> None:
        """Tell of every store to these pages of memory from now on; loads go on as before."""
        fresh = []
        for page in pages:
            watchers = self.watched.setdefault(page, [])
            machine = self.pages.get(page)
            if not watchers and machine is not None:
                fresh.append(machine)
            watchers.append(watcher)
        for first, count in _runs(fresh):
            self.context.buffer.flush_physical(first, count)

    def unwatch(self, pages: Iterable[int], watcher: Watcher) -> None:
        """As many times as watch(), and others that look at a page go on doing so."""
        for page in pages:
            watchers = self.watched.get(page, [])
            if watcher in watchers:
                watchers.remove(watcher)
            if not watchers:
                self.watched.pop(page, None)

    def tell(self, physical: int, size: int) -> None:
        """A run within one page was stored: whoever watches it looks at it, once."""
        watchers = self.watched.get(physical >> a.PAGE_SHIFT)
        if watchers:
            for watcher in dict.fromkeys(watchers):
                watcher(physical, size)

    def take_back(self, span: Span) -> list[Cut]:
        """Revoke what is held of a run of its addresses, and the processor's entries of it.

        Devices' windows are the host bridges' to shut.
        """
        cuts = self.leases.revoke(span)
        self.forget(cuts)
        return cuts

    def forget(self, cuts: Iterable[Cut]) -> None:
        """The processor's entries of leases that are held no more."""
        for cut in cuts:
            if cut.taken.side == PROCESSOR and cut.taken.machine is not None:
                first, pages = (value >> a.PAGE_SHIFT for value in (
                    cut.taken.machine, cut.taken.span.size
                ))
                self.context.buffer.flush_physical(first, pages)

    def memory_page(self, page: int) -> int:
        """The machine's page behind a page of the instance's memory; OutsideMemory if none is."""
        if not 0 <= page < self.ram_pages:
            raise OutsideMemory(page << a.PAGE_SHIFT, "not this instance's memory")
        machine = self.pages.get(page)
        if machine is None:
            verdict, machine = self.judge(page)
            if machine is None:
                raise OutsideMemory(page << a.PAGE_SHIFT, reason(verdict))
        return machine

    def quad_at(self, physical: int) -> int:
        """Where in `q` a quad of the instance's memory is; its address is a multiple of 8."""
        page = self.memory_page(physical >> a.PAGE_SHIFT)
        return page << _PAGE_QUADS_SHIFT | (physical & a.PAGE_OFFSET) >> _QUAD_SHIFT

    def run_at(self, physical: int, size: int) -> int:
        """The same for a run of bytes that must lie in one page."""
        if physical & palcode.QUAD - 1 or (physical & a.PAGE_OFFSET) + size > a.PAGE_SIZE:
            raise OutsideMemory(physical, f"{size} bytes there are not aligned, or on two pages")
        return self.quad_at(physical)

    def read_quad(self, physical: int) -> int:
        """Signed."""
        return self.q[self.quad_at(physical)]

    def write_quad(self, physical: int, value: int) -> None:
        self.q[self.quad_at(physical)] = signed(value)
        self.st[s.LOCK_FLAG] = 0
        self.tell(physical, palcode.QUAD)

    def read_bytes(self, physical: int, size: int) -> bytes:
        """A run within one page."""
        machine = self.memory_page(physical >> a.PAGE_SHIFT) << a.PAGE_SHIFT
        start = machine | physical & a.PAGE_OFFSET
        return bytes(self.processor.memory[start : start + size])

    def write_bytes(self, physical: int, data: bytes) -> None:
        """Any run of its memory; the loader and the console use it."""
        at, view = 0, memoryview(data)
        memory = self.processor.memory.data
        while at < len(data):
            place = physical + at
            start = self.memory_page(place >> a.PAGE_SHIFT) << a.PAGE_SHIFT | place & a.PAGE_OFFSET
            part = min(len(data) - at, a.PAGE_SIZE - (place & a.PAGE_OFFSET))
            while at + part < len(data) and (
                self.memory_page(place + part >> a.PAGE_SHIFT) << a.PAGE_SHIFT == start + part
            ):
                part = min(len(data) - at, part + a.PAGE_SIZE)
            memory[start : start + part] = view[at : at + part]
            if self.watched:
                self._tell_pages(place, part)
            at += part
        self.st[s.LOCK_FLAG] = 0

    def _tell_pages(self, physical: int, size: int) -> None:
        end = physical + size
        while physical < end:
            part = min(end - physical, a.PAGE_SIZE - (physical & a.PAGE_OFFSET))
            self.tell(physical, part)
            physical += part

    # ---- its end

    def stop(self, what: str, because: str) -> GuestProblem:
        """What a guest did that leaves nothing to go on with; to be raised."""
        return GuestProblem(
            f"{self.name} stopped: {what}",
            because=because,
            remedy="its registers and last trap are in the report",
        )

    def reject(self, what: str, why: str) -> None:
        """Record a refusal with its reason; kinds are few, however many the attempts."""
        self.counters["verdict reject"] += 1
        kind = what, why
        if kind not in self.rejections and len(self.rejections) >= MOST_REJECTIONS:
            kind = what, "of other kinds"
        self.rejections[kind] += 1

    @property
    def status(self) -> int:
        """PS."""
        return self.st[s.INTERRUPT_LEVEL] | (palcode.PS_USER if self.st[s.MODE] else 0)


def _runs(pages: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbouring numbers joined: the first of each run and how many."""
    found: list[tuple[int, int]] = []
    for page in sorted(pages):
        if found and page == sum(found[-1]):
            found[-1] = found[-1][0], found[-1][1] + 1
        else:
            found.append((page, 1))
    return found


def _drop(data: bytes) -> None:
    """Nobody reads it."""


def _forget(request: str) -> None:
    """No interrupt table counts it."""


def _no_player(page: int) -> Access:
    """Nothing is played yet: as absent."""
    return lambda physical, size, value: (1 << 8 * size) - 1
