"""How much may a running instance's process have? Files, tasks, memory, and whose it is."""

from __future__ import annotations

from typing import NamedTuple

from septum.units import MiB

# A user for each process: two instances alive are never the same one, and nothing has to be kept.
# Above what systemd, containers and directory services hand out (systemd's UIDS-GIDS.md; 1879048192
# to 2147483647 are unused there; sssd ends at 2000200000), below what does not fit 31 bits.
FIRST_USER = 2_100_000_000
MOST_PROCESSES = 1 << 22  # Linux's largest process number: PID_MAX_LIMIT

# Its memory was promised and cannot grow, so it is not who makes memory short: others go first.
# Not -1000: what outgrows its own control group must still be ended.
OUT_OF_MEMORY_SCORE = -500

_FILES = 128  # askers, readers, logs
_TASKS = 4  # main, link, KVM's page recovery (since Linux 6.14 a thread of the process), one over
_GROUP_TASKS = 16  # and what starts it: modprobe
_OWN_MEMORY = 256 * MiB  # Python, the kernel's and initrd's pages while they are read
_SHARE = 64  # of guest memory: page tables of Linux, KVM and the IOMMU, KVM's reverse maps


class Limits(NamedTuple):
    """What a process is held to."""

    files: int  # open at once
    tasks: int  # threads of its user
    locked: int  # bytes that stay in memory, for devices


def user(process: int) -> int:
    """The user (and group) an instance's process becomes."""
    return FIRST_USER + process


def limits(memory: int, processors: int, vectors: int, open_files: int) -> Limits:
    """For a process with so much guest memory, and so many files open before it runs.

    `vectors` are the interrupts that its devices may ask for later, an eventfd each.
    """
    return Limits(open_files + vectors + _FILES, processors + _TASKS, memory + _OWN_MEMORY)


def group_tasks(processors: int) -> int:
    """pids.max of its control group, from its first moment on."""
    return processors + _GROUP_TASKS


def group_memory(memory: int) -> int:
    """memory.max of its control group, bytes. Huge pages of the pool are not counted there."""
    return memory + memory // _SHARE + _OWN_MEMORY
