"""What does up tell, and what does it let the table's rules see?"""

from __future__ import annotations

from septum.admin.cli.up import counted, event_text, with_room
from septum.machine.model import HugePages
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import HUGE_PAGE, MiB
from tests.machines import a_machine, address

BLUE = Partition(
    "blue",
    "/k",
    None,
    "",
    MemorySlice(512 * MiB, 256 * MiB),
    Processors((0, 1), False, 100),
    (address("01:00.0"),),
)


def test_lines() -> None:
    running = {"event": "state", "state": "running"}
    assert event_text(running, BLUE) == "running, 2 processors, 768M, 1 function"
    failed = {"event": "state", "state": "failed", "reason": "failed", "detail": "no kernel"}
    assert event_text(failed, BLUE) == "failed: no kernel"
    stopped = {"event": "state", "state": "stopped", "reason": "powered off", "detail": ""}
    assert event_text(stopped, BLUE) == "stopped, powered off"
    assert counted(0, "function") == "0 functions"


def test_what_running_instances_hold_counts_once() -> None:
    plain = a_machine(huge_pages=(), memory_available=1000 * MiB)
    assert with_room(plain, 256 * MiB).memory_available == 1256 * MiB
    in_use = HugePages(HUGE_PAGE, total=128, free=28)
    huge = a_machine(huge_pages=(in_use,), memory_available=1000 * MiB)
    assert with_room(huge, 200 * MiB).memory_available == 1000 * MiB
    assert with_room(huge, 256 * MiB).memory_available == 1056 * MiB
    assert with_room(huge, 0) == huge
