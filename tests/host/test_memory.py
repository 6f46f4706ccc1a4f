"""Is the pool of huge pages enlarged by what is missing, and made small again by whoever is left?

The pool is three plain files; a test moves pages between them where Linux would.
"""

from __future__ import annotations

import mmap
import os
import re
import resource
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from septum.errors import HostProblem
from septum.host import memory as module
from septum.host.memory import POOL, GuestMemory, require_locked_memory, restore_abandoned
from septum.host.processes import Process, process, this_process
from septum.units import HUGE_PAGE, MiB

SIZE = 8 * MiB
HUGE_SHIFT = 26  # MFD_HUGE_SHIFT, linux/memfd.h: above it the size's power of 2


class Pool:
    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.path = root / POOL
        self.path.mkdir(parents=True)
        self.set(total=10, free=2)

    def set(self, total: int, free: int, reserved: int = 0) -> None:
        for name, value in (
            ("nr_hugepages", total),
            ("free_hugepages", free),
            ("resv_hugepages", reserved),
        ):
            (self.path / name).write_text(f"{value}\n")

    @property
    def total(self) -> int:
        return int((self.path / "nr_hugepages").read_text())


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path / "root")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "claims"


@pytest.fixture
def as_if_huge(monkeypatch: pytest.MonkeyPatch) -> None:
    """This computer's own pool is not touched: plain pages play huge ones."""
    plain = os.memfd_create

    def create(name: str, flags: int) -> int:
        assert flags >> HUGE_SHIFT & 0x3F == 21, "2 MiB, whatever size hugepagesz= made the default"
        return plain(name, flags & os.MFD_CLOEXEC)

    monkeypatch.setattr(module.os, "memfd_create", create)


def marks(journal: Path) -> list[str]:
    return sorted(path.name for path in journal.iterdir() if path.name.startswith("hugepages-"))


@pytest.mark.usefixtures("as_if_huge")
def test_the_pool_grows_by_what_is_missing_and_shrinks_again(pool: Pool, journal: Path) -> None:
    with GuestMemory(SIZE, str(journal), pool.root) as memory:
        assert memory.huge and pool.total == 12, "four wanted, two were free"
        me = this_process()
        assert marks(journal) == [f"hugepages-{me.number}-{me.started}"]
        assert (journal / marks(journal)[0]).read_text() == "2\n"
        memory.view[SIZE - 1] = 7
        assert len(memory.view) == SIZE and memory.address % HUGE_PAGE % 4096 == 0
    assert pool.total == 10 and marks(journal) == []


@pytest.mark.usefixtures("as_if_huge")
def test_pages_promised_to_others_are_not_free(pool: Pool, journal: Path) -> None:
    pool.set(total=10, free=4, reserved=3)
    with GuestMemory(SIZE, str(journal), pool.root):
        assert pool.total == 13
    assert pool.total == 10


@pytest.mark.usefixtures("as_if_huge")
def test_a_pool_large_enough_is_left_alone(pool: Pool, journal: Path) -> None:
    pool.set(total=10, free=4)
    with GuestMemory(SIZE, str(journal), pool.root) as memory:
        assert memory.huge and pool.total == 10 and marks(journal) == []
    assert pool.total == 10


def a_life(pool: Pool, journal: Path, keeper: Process, then: str = "") -> int:
    """A process that has an instance's memory, and ends; pages in the pool while it had it."""
    seen, told = os.pipe()
    number = os.fork()
    if number == 0:
        with GuestMemory(SIZE, str(journal), pool.root, instance="blue", keeper=keeper):
            os.write(told, bytes([pool.total]))
            if then == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    os.waitpid(number, 0)
    os.close(told)
    with os.fdopen(seen, "rb") as file:
        return file.read(1)[0]


@pytest.mark.usefixtures("as_if_huge")
@pytest.mark.parametrize("end", ["", "killed"])
def test_a_keeper_has_them_between_two_lives(pool: Pool, journal: Path, end: str) -> None:
    me = this_process()
    assert a_life(pool, journal, me, end) == 12
    assert pool.total == 12 and len(marks(journal)) == 1
    assert restore_abandoned(str(journal), pool.root) == 0, "they are not abandoned"
    assert restore_abandoned(str(journal), pool.root, "green") == 0
    pool.set(total=12, free=4)
    assert a_life(pool, journal, me, end) == 12, "nothing is missing, and they are its again"
    assert len(marks(journal)) == 1
    pool.set(total=12, free=3)
    assert a_life(pool, journal, me, end) == 13, "somebody took one meanwhile"
    assert restore_abandoned(str(journal), pool.root, "blue") == 3
    assert pool.total == 10 and marks(journal) == []


@pytest.mark.usefixtures("as_if_huge")
def test_what_a_dead_keeper_kept_is_abandoned(pool: Pool, journal: Path) -> None:
    keeper = subprocess.Popen(["sleep", "1000"])
    assert a_life(pool, journal, process(keeper.pid), "killed") == 12
    keeper.kill()
    keeper.wait()
    with GuestMemory(
        SIZE, str(journal), pool.root, instance="blue", keeper=this_process()
    ) as memory:
        assert memory.huge and pool.total == 14, "another keeper's is not taken over"
    assert restore_abandoned(str(journal), pool.root) == 2
    assert restore_abandoned(str(journal), pool.root) == 0 and pool.total == 12


@pytest.mark.usefixtures("as_if_huge")
def test_without_its_keeper_a_process_gives_back_itself(pool: Pool, journal: Path) -> None:
    keeper = subprocess.Popen(["sleep", "1000"])
    with GuestMemory(
        SIZE, str(journal), pool.root, instance="blue", keeper=process(keeper.pid)
    ) as memory:
        assert memory.huge and pool.total == 12
        keeper.kill()
        keeper.wait()
    assert pool.total == 10 and marks(journal) == []


@pytest.mark.usefixtures("as_if_huge")
def test_given_back_when_the_block_fails(pool: Pool, journal: Path) -> None:
    with pytest.raises(KeyboardInterrupt), GuestMemory(SIZE, str(journal), pool.root) as memory:
        kept = memory.view[4096:]  # a traceback may hold on to a piece of it
        raise KeyboardInterrupt
    assert kept is not None and pool.total == 10 and marks(journal) == []


@pytest.mark.usefixtures("as_if_huge")
def test_a_pool_too_small_is_left_alone_when_it_may_not_grow(pool: Pool, journal: Path) -> None:
    with GuestMemory(SIZE, str(journal), pool.root, grow=False) as memory:
        assert not memory.huge and pool.total == 10 and marks(journal) == []
        memory.view[SIZE - 1] = 7
    pool.set(total=10, free=4)
    with GuestMemory(SIZE, str(journal), pool.root, grow=False) as memory:
        assert memory.huge and pool.total == 10


def test_plain_pages_where_linux_has_no_pool(tmp_path: Path, journal: Path) -> None:
    with GuestMemory(SIZE, str(journal), str(tmp_path)) as memory:
        assert not memory.huge
        memory.view[0] = 1


def test_plain_pages_when_linux_gives_less_than_asked(
    pool: Pool, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is too scattered: the kernel makes as many huge pages as it can, and says so."""
    put = module._set_pool
    monkeypatch.setattr(module, "_set_pool", lambda path, pages: put(path, min(pages, 11)))
    with GuestMemory(SIZE, str(journal), pool.root) as memory:
        assert not memory.huge and pool.total == 10 and marks(journal) == []


def test_what_was_added_before_a_signal_is_given_back(
    pool: Pool, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux stops adding pages when a signal comes, and Ctrl-C is one."""
    put = module._set_pool
    signalled = []

    def interrupted(path: str, pages: int) -> None:
        put(path, pages if signalled else pool.total + 1)
        if not signalled:
            signalled.append(pages)
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "_set_pool", interrupted)
    with pytest.raises(KeyboardInterrupt), GuestMemory(SIZE, str(journal), pool.root):
        pass
    assert signalled == [12] and pool.total == 10
    assert marks(journal) == []


def test_what_was_added_in_vain_is_given_back_at_once(
    pool: Pool, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.memfd_create

    def create(name: str, flags: int) -> int:
        if flags & os.MFD_HUGETLB:
            raise OSError(22, "no huge pages in this kernel")
        return plain(name, flags)

    monkeypatch.setattr(module.os, "memfd_create", create)
    with GuestMemory(SIZE, str(journal), pool.root) as memory:
        assert not memory.huge and pool.total == 10 and marks(journal) == []


def test_no_memory_at_all_is_a_problem_and_leaves_nothing(
    pool: Pool, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*how: object) -> None:
        raise OSError(12, "no memory")

    monkeypatch.setattr(mmap, "mmap", refused)
    with pytest.raises(HostProblem, match="cannot have 8M of memory") as told:
        GuestMemory(SIZE, str(journal), pool.root).__enter__()
    assert "less memory" in told.value.remedy
    assert pool.total == 10 and marks(journal) == []


def test_no_right_to_change_the_pool_means_plain_pages(
    pool: Pool, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str, pages: int) -> None:
        raise PermissionError(13, "not root")

    monkeypatch.setattr(module, "_set_pool", refused)
    with GuestMemory(SIZE, str(journal), pool.root) as memory:
        assert not memory.huge and marks(journal) == []


def test_it_is_in_no_core_dump(tmp_path: Path, journal: Path) -> None:
    with GuestMemory(SIZE, str(journal), str(tmp_path)) as memory:
        text = Path("/proc/self/smaps").read_text()
        area = re.search(rf"^{memory.address:x}-.*?^VmFlags: (.*?)$", text, re.M | re.S)
        assert area is not None and "dd" in area[1].split(), "do not include in a core dump"


def test_pools_of_the_dead_shrink_those_of_the_living_stay(pool: Pool, journal: Path) -> None:
    journal.mkdir()
    me = this_process()
    (journal / "hugepages-4000000-1").write_text("3\n")
    (journal / "hugepages-4000001-1").write_text("")  # died while it wrote: had taken nothing
    (journal / f"hugepages-{me.number}-{me.started}").write_text("2\n")
    (journal / "hugepages-mine").write_text("notes of somebody")
    assert restore_abandoned(str(journal), pool.root) == 3
    assert pool.total == 7
    assert marks(journal) == [f"hugepages-{me.number}-{me.started}", "hugepages-mine"]
    assert restore_abandoned(str(journal), pool.root) == 0
    assert pool.total == 7


def test_nothing_to_restore_where_nothing_was(pool: Pool, journal: Path) -> None:
    assert restore_abandoned(str(journal), pool.root) == 0
    assert not journal.exists()


def test_a_pool_that_may_not_be_changed_is_a_problem(tmp_path: Path, journal: Path) -> None:
    journal.mkdir()
    (journal / "hugepages-4000000-1").write_text("3\n")
    with pytest.raises(HostProblem, match="huge pages"):
        restore_abandoned(str(journal), str(tmp_path / "no pool"))
    assert marks(journal) == ["hugepages-4000000-1"], "it can be tried again"


@pytest.mark.usefixtures("as_if_huge")
def test_two_at_once_never_count_each_others_pages(
    pool: Pool, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits until the first has reserved its pages: no page is counted by both."""
    inside, most = 0, 0
    mapped = module._from_pool

    def reserve(size: int) -> mmap.mmap:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        pages = mapped(size)
        pool.set(total=pool.total, free=0)  # all that was free, and all that was added
        inside -= 1
        return pages

    monkeypatch.setattr(module, "_from_pool", reserve)
    memories = [GuestMemory(SIZE, str(journal), pool.root) for _ in range(2)]
    threads = [threading.Thread(target=memory.__enter__) for memory in memories]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and pool.total == 16, "two were free of the eight the two need"
    assert all(memory.huge for memory in memories)


def limit(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, user: int) -> list[Any]:
    changed: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: changed.append(limits))
    monkeypatch.setattr(module.os, "geteuid", lambda: user)
    return changed


def test_locked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit(monkeypatch, MiB, MiB, user=0) == []
    require_locked_memory(SIZE)
    changed = limit(monkeypatch, MiB, resource.RLIM_INFINITY, user=1000)
    require_locked_memory(SIZE)
    assert changed == [(SIZE, resource.RLIM_INFINITY)]
    limit(monkeypatch, MiB, MiB, user=1000)
    with pytest.raises(HostProblem, match="may not lock 8M"):
        require_locked_memory(SIZE)
