"""Where does an instance's memory come from? Huge pages when there are any, else plain ones.

Linux, Documentation/admin-guide/mm/hugetlbpage.rst. The pool is enlarged by what is missing and
made as small as it was when the instance ends; a file names who enlarged it by how much, so
that this is also done for a process that died. Between two lives of an instance its keeper has the
pages: the file names it too.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from contextlib import suppress
from typing import NamedTuple

from septum.errors import HostProblem, explained
from septum.host.processes import Process, this_process
from septum.units import HUGE_PAGE, size_text

POOL = "sys/kernel/mm/hugepages/hugepages-2048kB"
_MARK = "hugepages-"
_REMEDIES = {
    errno.ENOMEM: "give the instances less memory, or free some: septum scan shows what there is",
    errno.EACCES: "run as root",
}


class GuestMemory:
    """Anonymous memory of `size` bytes (a multiple of 2 MiB) for the length of a with block.

    `view` is the whole of it, `address` our own address of it, `huge` whether the pages come
    from the pool. Without `grow` the pool is used as far as it goes, and left as it is: Linux
    clears each page it adds, all of them, which takes as long as a small system's whole start.
    What the instance's last process added, and its keeper has kept, is taken over; as long as
    that lives, nothing is given back here.
    """

    def __init__(
        self,
        size: int,
        journal: str,
        root: str = "/",
        *,
        grow: bool = True,
        instance: str = "",
        keeper: Process | None = None,
    ) -> None:
        self.size = size
        self.grow = grow
        self.instance = instance
        self.keeper = keeper
        self.journal = journal
        self.pool = os.path.join(root, POOL)
        self.huge = False
        self._added = 0
        self._is_marked = False

    def __enter__(self) -> GuestMemory:
        try:
            with explained(f"cannot have {size_text(self.size)} of memory", _REMEDIES):
                pages = self._huge()
                self.huge = pages is not None
                if pages is None:
                    self._shrink()  # what was added did not suffice
                    # Private, because Linux makes huge pages of that by itself
                    pages = mmap.mmap(-1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._map = pages
        except BaseException:
            self._shrink()
            raise
        if not self.huge:
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self._map.madvise(mmap.MADV_DONTDUMP)  # an instance's memory is nobody's to read
        self.view = memoryview(self._map)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.view.release()
            del self._map  # ctypes' export of it goes with it; close() would refuse
        finally:
            if self.keeper is None or not self.keeper.is_alive:
                self._shrink()

    def _huge(self) -> mmap.mmap | None:
        """Huge pages, or None when the machine has not enough."""
        if not os.path.isdir(self.pool):
            return None
        needed = self.size // HUGE_PAGE
        with _Locked(self.journal):
            self._inherit()
            total, free = _number(self.pool, "nr_hugepages"), _number(self.pool, "free_hugepages")
            reserved = _number(self.pool, "resv_hugepages")
            missing = max(0, needed - (free - reserved))
            if missing and not self.grow:
                return None
            if missing:
                wanted = self._added + missing
                self._mark(wanted)
                try:
                    with suppress(OSError):
                        _set_pool(self.pool, total + missing)
                finally:
                    # A signal ends the growing too: what was added by then is there
                    self._added += _number(self.pool, "nr_hugepages") - total
                self._mark(self._added)
                if self._added < wanted:
                    return None
            try:
                # A mapping reserves its pages: what follows cannot run out of them. They are
                # cleared when they are touched, which a small system does to few of them.
                return _from_pool(self.size)
            except OSError:
                return None

    def _shrink(self) -> None:
        if self._is_marked:
            with _Locked(self.journal):
                if self._added:
                    _set_pool(self.pool, max(0, _number(self.pool, "nr_hugepages") - self._added))
                self._added = 0
                os.unlink(self._path)
                self._is_marked = False

    def _inherit(self) -> None:
        """Take over, in one step, what the keeper has kept of this instance's last process."""
        for name in _marks(self.journal) if self.keeper is not None else []:
            mark = _read_mark(self.journal, name)
            if mark is None or mark.holder.is_alive:
                continue
            if (mark.instance, mark.keeper) == (self.instance, self.keeper):
                os.rename(os.path.join(self.journal, name), self._path)
                self._added = mark.pages
                self._mark(mark.pages)

    @property
    def _path(self) -> str:
        me = this_process()
        return os.path.join(self.journal, f"{_MARK}{me.number}-{me.started}")

    def _mark(self, pages: int) -> None:
        os.makedirs(self.journal, exist_ok=True)
        keeper = self.keeper
        whose = f" {keeper.number} {keeper.started} {self.instance}" if keeper else ""
        fresh = os.path.join(self.journal, f".{os.path.basename(self._path)}")
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(f"{pages}{whose}\n")
        os.rename(fresh, self._path)
        self._is_marked = True


class Mark(NamedTuple):
    """How many pages a process added to the pool, for which instance, and who keeps them for it."""

    holder: Process
    pages: int
    keeper: Process
    instance: str


def _marks(journal: str) -> list[str]:
    try:
        return [name for name in os.listdir(journal) if name.startswith(_MARK)]
    except FileNotFoundError:
        return []


def _read_mark(journal: str, name: str) -> Mark | None:
    """What a file of the journal says; None when it is not one of ours, or has gone."""
    number, _, started = name.removeprefix(_MARK).partition("-")
    if not (number.isdigit() and started.isdigit()):
        return None
    try:
        with open(os.path.join(journal, name), encoding="utf-8") as file:
            words = file.read().split(maxsplit=3)
    except FileNotFoundError:
        return None
    pages, keeper, since = (int(word) if word.isdigit() else 0 for word in (*words, *"000")[:3])
    instance = words[3].strip() if len(words) > 3 else ""
    holder = Process(int(number), int(started))
    return Mark(holder, pages, Process(keeper, since), instance)


def restore_abandoned(journal: str, root: str = "/", instance: str = "") -> int:
    """Give back huge pages that dead processes had added to the pool; how many. HostProblem.

    What a living keeper has kept only when its instance is named.
    """
    names = _marks(journal)
    if not names:
        return 0
    pool = os.path.join(root, POOL)
    with explained("cannot give huge pages back to Linux", _REMEDIES), _Locked(journal):
        return sum(_restored(journal, name, pool, instance) for name in names)


def _restored(journal: str, name: str, pool: str, instance: str) -> int:
    """Pages given back for the process a mark names; none while it, or its keeper, has them."""
    mark = _read_mark(journal, name)
    if mark is None or mark.holder.is_alive:
        return 0
    if mark.keeper.is_alive and mark.instance != instance:
        return 0
    if mark.pages:
        _set_pool(pool, max(0, _number(pool, "nr_hugepages") - mark.pages))
    os.unlink(os.path.join(journal, name))
    return mark.pages


class _Locked:
    """One process at a time changes the pool."""

    def __init__(self, journal: str) -> None:
        self.journal = journal

    def __enter__(self) -> None:
        os.makedirs(self.journal, exist_ok=True)
        path = os.path.join(self.journal, "hugepages.lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _from_pool(size: int) -> mmap.mmap:
    # Without a size it would come from the default pool, which hugepagesz= may have made 1 GiB's.
    flags = os.MFD_CLOEXEC | os.MFD_HUGETLB | os.MFD_HUGE_2MB
    descriptor = os.memfd_create("guest", flags)
    try:
        os.ftruncate(descriptor, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _number(pool: str, name: str) -> int:
    with open(os.path.join(pool, name), encoding="ascii") as file:
        return int(file.read())


def _set_pool(pool: str, pages: int) -> None:
    with open(os.path.join(pool, "nr_hugepages"), "w", encoding="ascii") as file:
        file.write(str(pages))


def require_locked_memory(size: int) -> None:
    """HostProblem when this process may not lock that much (VFIO pins all of it)."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or soft >= size or os.geteuid() == 0:
        return
    if hard == resource.RLIM_INFINITY or hard >= size:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (size, hard))
        return
    raise HostProblem(
        f"may not lock {size_text(size)} of memory",
        because=f"the limit is {size_text(hard)}; devices need an instance's memory to stay put",
        remedy="ulimit -l unlimited, or run as root",
    )
