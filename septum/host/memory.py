"""Where does an instance's memory come from? Huge pages when there are any, else plain ones.

Linux, Documentation/admin-guide/mm/hugetlbpage.rst. The pool is enlarged by what is missing and
made as small as it was when the instance ends; a file names who enlarged it by how much, so
that this is also done for a process that died.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os

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
    """

    def __init__(self, size: int, journal: str, root: str = "/", *, grow: bool = True) -> None:
        self.size = size
        self.grow = grow
        self.journal = journal
        self.pool = os.path.join(root, POOL)
        self.huge = False
        self._added = 0

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
            self._shrink()

    def _huge(self) -> mmap.mmap | None:
        """Huge pages, or None when the machine has not enough."""
        if not os.path.isdir(self.pool):
            return None
        needed = self.size // HUGE_PAGE
        with _Locked(self.journal):
            total, free = _number(self.pool, "nr_hugepages"), _number(self.pool, "free_hugepages")
            reserved = _number(self.pool, "resv_hugepages")
            missing = max(0, needed - (free - reserved))
            if missing and not self.grow:
                return None
            if missing:
                self._mark(missing)
                try:
                    _set_pool(self.pool, total + missing)
                except OSError:
                    self._unmark()
                    return None
                got = _number(self.pool, "nr_hugepages") - total
                self._added = got
                self._mark(got)
                if got < missing:
                    _set_pool(self.pool, total)
                    self._unmark()
                    return None
            try:
                # A mapping reserves its pages: what follows cannot run out of them. They are
                # cleared when they are touched, which a small system does to few of them.
                return _from_pool(self.size)
            except OSError:
                return None

    def _shrink(self) -> None:
        if self._added:
            with _Locked(self.journal):
                _set_pool(self.pool, max(0, _number(self.pool, "nr_hugepages") - self._added))
                self._unmark()

    def _mark(self, pages: int) -> None:
        me = this_process()
        os.makedirs(self.journal, exist_ok=True)
        path = os.path.join(self.journal, f"{_MARK}{me.number}-{me.started}")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{pages}\n")

    def _unmark(self) -> None:
        me = this_process()
        self._added = 0
        os.unlink(os.path.join(self.journal, f"{_MARK}{me.number}-{me.started}"))


def restore_abandoned(journal: str, root: str = "/") -> int:
    """Give back huge pages that dead processes had added to the pool; how many. HostProblem."""
    pool = os.path.join(root, POOL)
    try:
        names = [name for name in os.listdir(journal) if name.startswith(_MARK)]
    except FileNotFoundError:
        return 0
    if not names:
        return 0
    with explained("cannot give huge pages back to Linux", _REMEDIES), _Locked(journal):
        return sum(_restored(os.path.join(journal, name), pool) for name in names)


def _restored(path: str, pool: str) -> int:
    """Pages given back for the process a mark names; none while it lives."""
    number, _, started = os.path.basename(path).removeprefix(_MARK).partition("-")
    if not (number.isdigit() and started.isdigit()):
        return 0  # not one of ours
    if Process(int(number), int(started)).is_alive:
        return 0
    with open(path, encoding="ascii") as file:
        text = file.read().strip()
    pages = int(text) if text.isdigit() else 0  # empty: it died while it wrote
    if pages:
        _set_pool(pool, max(0, _number(pool, "nr_hugepages") - pages))
    os.unlink(path)
    return pages


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
