"""Which translations does a processor hold? The ITB and DTB, filled only by the VMM.

An entry is two numbers side by side: the tag (see `state`), and what to add to a virtual address
to get the physical one. There is an entry per mode and kind of access, so that a hit is one
comparison, protection, alignment and address space included. Entries for every
address space (ASM) carry the number of the current one and are renumbered when it changes.
"""

from __future__ import annotations

import numpy as np
from numba import int64
from numpy.typing import NDArray

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.compiled import entered
from septum.engine.alpha.processor.wrapping import signed
from septum.layouts import alpha as a

RUN = 16  # pages that are entered at once, where they follow one another
_RAMP: NDArray[np.int64] = np.arange(RUN, dtype=np.int64) << a.PAGE_SHIFT


class TranslationBuffer:
    """The entries of one context; `memory_size` bytes of RAM lie behind it, from 0 up."""

    def __init__(self, memory_size: int) -> None:
        self.memory_size = memory_size
        self.entries: NDArray[np.int64] = np.full(
            2 * s.TABLES * s.TABLE_ENTRIES, s.TAG_NONE, np.int64
        )
        self.every_asn: NDArray[np.bool_] = np.zeros(s.TABLES * s.TABLE_ENTRIES, np.bool_)
        # The entries that ever were of every address space, each once, and how many those are.
        self._shared: NDArray[np.int64] = np.zeros(s.TABLES * s.TABLE_ENTRIES, np.int64)
        self._is_shared = bytearray(s.TABLES * s.TABLE_ENTRIES)
        self._shared_count = 0
        self.asn = 0
        self._cells = self.entries.data  # items are plain integers: quicker one by one

    @property
    def _tags(self) -> NDArray[np.int64]:
        return self.entries[0::2]

    def fill(
        self,
        *,
        mode: int,
        kind: int,
        virtual: int,
        physical: int,
        every_asn: bool = False,
        asn: int | None = None,
    ) -> None:
        """Enter one page: state.KERNEL or USER, state.READ, WRITE or EXECUTE, both addresses.

        Only the pages count, not the offsets. Physical pages outside RAM are the bus's, whose
        accesses leave the processor as Exit.BUS. ASN: the current one unless said.
        """
        base, frame = signed(virtual) & a.PAGE_BASE, physical & a.PHYSICAL_MASK & a.PAGE_BASE
        tag = base | (self.asn if asn is None or every_asn else asn & a.ASN_HIGHEST) << s.ASN_SHIFT
        if frame >= self.memory_size:
            tag |= s.TAG_BUS
        table = mode * s.KINDS + kind
        place = table << s.TABLE_SHIFT | base >> a.PAGE_SHIFT & s.TABLE_ENTRIES - 1
        self._cells[2 * place] = tag
        self._cells[2 * place + 1] = signed(frame - base)
        self.every_asn[place] = every_asn
        if every_asn and not self._is_shared[place]:
            self._share(place)

    def _share(self, place: int) -> None:
        self._is_shared[place] = True
        self._shared[self._shared_count] = place
        self._shared_count += 1

    def fill_run(self, *, kind: int, virtual: int, physical: int) -> None:
        """Enter the RUN pages around an address, for the kernel, in every address space.

        Both addresses are a run's beginning (a multiple of RUN pages in the virtual one); all of
        it is RAM.
        """
        base = signed(virtual)
        place = kind << s.TABLE_SHIFT | base >> a.PAGE_SHIFT & s.TABLE_ENTRIES - 1
        first, end = 2 * place, 2 * (place + RUN)
        self.entries[first:end:2] = _RAMP + (base | self.asn << s.ASN_SHIFT)
        self.entries[first + 1 : end : 2] = signed(physical - base)
        self.every_asn[place : place + RUN] = True
        if 0 in self._is_shared[place : place + RUN]:
            for one in range(place, place + RUN):
                if not self._is_shared[one]:
                    self._share(one)

    def set_asn(self, asn: int) -> None:
        """Go to another address space; entries of the old one stay and no longer match."""
        self.asn = asn & a.ASN_HIGHEST
        renumber(self.entries, self.every_asn, self._shared, self._shared_count, self.asn)

    def flush_all(self) -> None:
        """Forget everything. TBIA of the hardware."""
        self._tags[:] = s.TAG_NONE

    def flush_process(self) -> None:
        """Forget all but what holds in every address space. TBIAP."""
        self._tags[~self.every_asn] = s.TAG_NONE

    def flush_address(self, virtual: int, *, instruction: bool = True, data: bool = True) -> None:
        """Forget what one virtual page leads to, in every address space. TBIS, TBISI, TBISD."""
        base = signed(virtual) & a.PAGE_BASE
        for table in range(s.TABLES):
            if instruction if table % s.KINDS == s.EXECUTE else data:
                place = table << s.TABLE_SHIFT | base >> a.PAGE_SHIFT & s.TABLE_ENTRIES - 1
                if int(self.entries[2 * place]) & a.PAGE_BASE == base:
                    self.entries[2 * place] = s.TAG_NONE

    def forget(self, mode: int, kind: int, virtual: int) -> None:
        """Forget the entry of one page for one kind of access, if it is there."""
        table = mode * s.KINDS + kind
        place = table << s.TABLE_SHIFT | virtual >> a.PAGE_SHIFT & s.TABLE_ENTRIES - 1
        self.entries[2 * place] = s.TAG_NONE

    def flush_physical(self, first_page: int, count: int) -> int:
        """Forget all that leads to these physical pages; how many entries that were."""
        tags = self._tags
        frames = ((tags & a.PAGE_BASE) + self.entries[1::2]) >> a.PAGE_SHIFT
        found = (tags != s.TAG_NONE) & (frames >= first_page) & (frames < first_page + count)
        tags[found] = s.TAG_NONE
        return int(np.count_nonzero(found))

    def held(self) -> list[tuple[int, int, int, int, int | None]]:
        """What is held: (mode, kind, virtual address, physical address, ASN; None for every)."""
        found = []
        for place in np.flatnonzero(self._tags != s.TAG_NONE).tolist():
            tag, distance = self.entries[2 * place : 2 * place + 2].tolist()
            base, mode_and_kind = tag & a.PAGE_BASE, divmod(place >> s.TABLE_SHIFT, s.KINDS)
            asn = None if self.every_asn[place] else tag >> s.ASN_SHIFT & a.ASN_HIGHEST
            found.append((*mode_and_kind, base, signed(base + distance), asn))
        return found


@entered
def renumber(
    entries: NDArray[np.int64],
    every_asn: NDArray[np.bool_],
    shared: NDArray[np.int64],
    count: int,
    asn: int,
) -> None:
    """Give the entries of every address space, all among `shared`, the current one's number."""
    for at in range(count):
        place = shared[at]
        tag = entries[2 * place]
        if every_asn[place] and tag != s.TAG_NONE:
            entries[2 * place] = tag & (a.PAGE_BASE | s.TAG_BUS) | int64(asn) << s.ASN_SHIFT
