"""How does an instance's process give up all that it does not need any more, for good?

Once, with one thread, when everything is open that it will use: Confinement.enter(). Then each
thread narrows itself further. What may be done afterwards is decided in confinement/; what has to
be done for the process later (functions, huge pages, files) is its parent's, by the journal.
seccomp(2), capabilities(7), namespaces(7), landlock(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from collections.abc import Callable, Mapping
from typing import NamedTuple

from septum.confinement import calls, limits
from septum.confinement.filters import program
from septum.confinement.limits import Limits
from septum.errors import explained
from septum.host import processes
from septum.layouts import landlock, privileges, seccomp
from septum.layouts.system_calls import Call
from septum.syscall import call

_APART = (
    *(privileges.NEW_MOUNTS, privileges.NEW_NETWORK, privileges.NEW_IPC),
    *(privileges.NEW_HOST_NAME, privileges.NEW_CONTROL_GROUPS),
)
_NOWHERE = privileges.NO_SUID | privileges.NO_DEVICES | privileges.NO_EXECUTION
_SMALLEST = b"size=4096,nr_inodes=2,mode=0555"
_TIME_ZONE = ":/etc/localtime"  # what the C library takes when TZ is not set
_ABSENT = (errno.ENOSYS, errno.EOPNOTSUPP)


class Confinement(NamedTuple):
    """What a process is confined to: numbers, and the ioctls of each kind of thread."""

    limits: Limits
    requests: Mapping[str, tuple[int, ...]]

    def enter(self, somewhere: str) -> list[str]:
        """Confine this process, which must have one thread; what could not be had, with why.

        `somewhere` is a directory that exists, to stand on for a moment. HostProblem when Linux
        refuses what confinement cannot do without.
        """
        parent = os.getppid()
        prepare()
        lacking = []
        with explained("cannot confine the instance's process"):
            score_for_memory()
            set_limits(self.limits)
            if os.geteuid() == 0:
                lacking += _tried("namespaces", leave_namespaces)
                if not lacking:
                    lacking += _tried("an empty root directory", lambda: leave_files(somewhere))
                become_nobody(limits.user(os.getpid()))
            else:
                lacking.append("a user and namespaces of its own (only root can give them)")
            _prctl(privileges.SET_NO_NEW_PRIVILEGES, 1)
            _prctl(privileges.SET_DUMPABLE, 0)
            lacking += _tried("Landlock", close_files)
            processes.die_with_parent(parent)  # which a change of user undoes
            self.narrow(calls.STARTING)
        return lacking

    def narrow(self, thread: str) -> None:
        """Let the calling thread make its own kind's calls only, from now on."""
        requests = self.requests.get(thread)
        if requests is None:  # all that any kind makes
            requests = tuple(dict.fromkeys(sum(self.requests.values(), ())))
        allowed = calls.allowed(thread, requests, os.getpid())
        install(program(allowed, calls.answered(), calls.KILLED))


def prepare() -> None:
    """Load what would be looked for in files later, and remember where this computer is.

    A traceback needs no file: sys.excepthook is Python's own, and does without the source lines.
    """
    import json  # noqa: F401  by which an instance answers and reports
    import time

    os.environ.setdefault("TZ", _TIME_ZONE)
    time.tzset()


def score_for_memory() -> None:
    """What Linux goes by when memory is short; choom(1)."""
    try:
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except PermissionError:
        return  # a user's own instance: only root may go below
    try:
        os.write(file, str(limits.OUT_OF_MEMORY_SCORE).encode())
    except PermissionError:
        return  # root of a container, perhaps
    finally:
        os.close(file)


def set_limits(to: Limits) -> None:
    """setrlimit(2), for good: a process without privileges cannot raise them again."""
    _limit(resource.RLIMIT_NOFILE, to.files)
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_MSGQUEUE, resource.RLIMIT_RTPRIO):
        _limit(what, 0)
    if os.geteuid() == 0:  # else they count with all that the user has
        _limit(resource.RLIMIT_NPROC, to.tasks)
        _limit(resource.RLIMIT_MEMLOCK, to.locked)


def _limit(what: int, number: int) -> None:
    """Exactly so much; less where this process has been given less, and may not raise it."""
    try:
        resource.setrlimit(what, (number, number))
    except ValueError:
        _, most = resource.getrlimit(what)
        resource.setrlimit(what, (most, most))


def leave_namespaces() -> None:
    """A network without interfaces; mounts, names and messages that nobody else sees.

    Not of processes: that would be its children's, and it has none. It can signal nobody: another
    user, the filter, and Landlock.
    """
    call(Call.UNSHARE, sum(_APART))


def leave_files(somewhere: str) -> None:
    """An empty root directory, which cannot be written to, in the mounts of this process alone."""
    mount(b"none", b"/", None, privileges.RECURSIVE | privileges.PRIVATE)
    mount(
        b"septum", os.fsencode(somewhere), b"tmpfs", _NOWHERE | privileges.READ_ONLY, _SMALLEST
    )
    os.chdir(somewhere)
    try:
        call(Call.PIVOT_ROOT, b".", b".")
        call(Call.UMOUNT2, b".", privileges.DETACH)  # the old one, which lies above the new
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        os.chroot(".")  # a computer that runs from its initrd: nothing can take rootfs's place
    os.chdir("/")


def mount(
    source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None = None
) -> None:
    """mount(2)."""
    call(Call.MOUNT, source, target, kind, flags, data)


def become_nobody(user: int) -> None:
    """This user and group, no other groups, and no capability in any set. As root."""
    for capability in range(privileges.MOST_CAPABILITIES):
        try:
            _prctl(privileges.BOUNDING_SET_DROP, capability)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            break  # this Linux has no more
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _prctl(privileges.AMBIENT, privileges.AMBIENT_CLEAR_ALL)
    header, sets = privileges.CapabilityHeader(), privileges.CapabilitySets()
    call(Call.CAPSET, ctypes.addressof(header), ctypes.addressof(sets))


def close_files() -> None:
    """Landlock: no file by its name, no TCP port, nobody else's abstract socket, no signal."""
    version = call(Call.LANDLOCK_CREATE_RULESET, 0, 0, landlock.CREATE_RULESET_VERSION)
    known = landlock.FILE_ACCESSES[min(version, landlock.NEWEST_FILE_ACCESSES)]
    rules, size = landlock.Ruleset(handled_access_fs=(1 << known) - 1), landlock.FIRST_SIZE
    if version >= landlock.NET_VERSION:
        rules.handled_access_net, size = (1 << landlock.NET_ACCESSES) - 1, landlock.NET_SIZE
    if version >= landlock.SCOPE_VERSION:
        rules.scoped, size = (1 << landlock.SCOPES) - 1, landlock.Ruleset.SIZE
    descriptor = call(Call.LANDLOCK_CREATE_RULESET, ctypes.addressof(rules), size, 0)
    try:
        call(Call.LANDLOCK_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)


def install(text: bytes) -> None:
    """Judge the calling thread's system calls, and those of threads it begins, by this program."""
    buffer = ctypes.create_string_buffer(text, len(text))
    length = len(text) // seccomp.INSTRUCTION_SIZE
    filter_ = seccomp.Program(length=length, address=ctypes.addressof(buffer))
    call(Call.SECCOMP, seccomp.SET_MODE_FILTER, 0, ctypes.addressof(filter_))


def _prctl(operation: int, argument: int) -> None:
    """prctl(2)."""
    call(Call.PRCTL, operation, argument, 0, 0, 0)


def _tried(what: str, act: Callable[[], None]) -> list[str]:
    """Nothing; or what this Linux cannot give."""
    try:
        act()
    except OSError as error:
        if error.errno in _ABSENT:
            return [f"{what} (this Linux has none)"]
        return [f"{what} ({os.strerror(error.errno or 0)})"]
    return []
