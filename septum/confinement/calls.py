"""Which system calls may each thread of a running instance make, and what becomes of others?

The lists come from traced runs (strace -f): the tests' own guests from the first filter on, and two
systems of the lab's main job from their prompts to `septum down`, with a revoke and all that
`septum show` asks. Beside what was seen stands a margin, on the lines marked so: what Python or the
C library asks in place of it on another version, on a clock that cannot be read without the kernel,
when memory grows, or on its way to say why it fails. Ioctls are listed beside the code that makes
them: engine/kvm/machine.py, host/vfio.py.

Three answers to what is not on a list:
- a file by its name: EACCES. Python tries by itself (a traceback wants source lines), and lives on.
- what only somebody else's program would ask (another program, process, socket, mount, key):
  the process is killed. It is no longer the one that was started.
- the rest: EPERM. A new version of the C library must not end an instance for a harmless question.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from septum.layouts import privileges, seccomp
from septum.layouts.system_calls import Call

STARTING, MAIN, PROCESSOR, LINK = "starting", "main", "processor", "link"
THREADS = (MAIN, PROCESSOR, LINK)


class Test(NamedTuple):
    """A call is allowed when this argument (32 bits of it), masked, is one of the values."""

    argument: int
    values: tuple[int, ...]
    mask: int = seccomp.ALL_BITS
    error: int = errno.EPERM  # what it is answered else


Calls = dict[int, Test | None]  # None: whatever its arguments

_NOT_EXECUTABLE = Test(2, (0,), privileges.MAY_BE_EXECUTED)
_OF_ITSELF = Test(0, (0,))
# fstat() of the C library: the name is empty. It cannot be looked at; any other finds nothing in
# an empty root directory.
_WITHOUT_A_NAME = Test(3, (privileges.EMPTY_PATH,), error=errno.EACCES)

# Every thread: it computes, waits, tells the time, and uses what is open.
_EVERY: Calls = {
    **dict.fromkeys((Call.READ, Call.WRITE, Call.PREAD64, Call.PWRITE64, Call.CLOSE)),
    **dict.fromkeys((Call.FUTEX, Call.MUNMAP, Call.MADVISE)),
    **dict.fromkeys((Call.MMAP, Call.MPROTECT), _NOT_EXECUTABLE),
    **dict.fromkeys((Call.RT_SIGPROCMASK, Call.RT_SIGRETURN, Call.EVENTFD2, Call.SENDTO)),
    # A log that is full is copied and cut off by whoever says something: host/logs.py
    Call.FTRUNCATE: None,
    Call.NEWFSTATAT: _WITHOUT_A_NAME,
    **dict.fromkeys((Call.CLOCK_NANOSLEEP, Call.EXIT, Call.EXIT_GROUP, Call.GETPID, Call.GETTID)),
    # Margin: other ways to do the same, and more memory
    **dict.fromkeys((Call.BRK, Call.MREMAP)),
    **dict.fromkeys((Call.READV, Call.WRITEV, Call.PREADV, Call.PWRITEV, Call.PREADV2)),
    **dict.fromkeys((Call.PWRITEV2, Call.SENDMSG, Call.NANOSLEEP, Call.POLL, Call.PPOLL)),
    **dict.fromkeys((Call.FUTEX_WAITV, Call.SCHED_YIELD, Call.RESTART_SYSCALL, Call.MEMBARRIER)),
    **dict.fromkeys((Call.CLOCK_GETTIME, Call.CLOCK_GETRES, Call.GETTIMEOFDAY, Call.TIME)),
    **dict.fromkeys((Call.GETCPU, Call.GETRANDOM, Call.SIGALTSTACK, Call.SELECT, Call.PSELECT6)),
    **dict.fromkeys((Call.COPY_FILE_RANGE, Call.SENDFILE, Call.FSYNC, Call.FDATASYNC)),
    **dict.fromkeys((Call.FSTAT, Call.LSEEK, Call.GETUID, Call.GETEUID, Call.GETGID)),
    **dict.fromkeys((Call.GETEGID, Call.GETPPID, Call.SET_ROBUST_LIST, Call.RSEQ)),
    # Margin: how many files may be open is asked when there are no more
    Call.PRLIMIT64: _OF_ITSELF,
}

# The link answers at two sockets.
_LINK: Calls = {
    **dict.fromkeys((Call.EPOLL_WAIT, Call.EPOLL_CTL, Call.ACCEPT4, Call.RECVFROM)),
    Call.GETSOCKNAME: None,
    # Margin
    **dict.fromkeys((Call.EPOLL_PWAIT, Call.EPOLL_PWAIT2, Call.ACCEPT, Call.RECVMSG)),
    **dict.fromkeys((Call.GETSOCKOPT, Call.GETPEERNAME, Call.SHUTDOWN)),
}

# The main thread waits, then undoes everything: it kicks the processors and closes the link.
_MAIN: Calls = {
    **dict.fromkeys((Call.RT_SIGACTION, Call.EPOLL_CTL, Call.EPOLL_WAIT)),
    # Margin
    **dict.fromkeys((Call.EPOLL_PWAIT, Call.RECVFROM, Call.SHUTDOWN, Call.RT_SIGTIMEDWAIT)),
    **dict.fromkeys((Call.CLOSE_RANGE, Call.GETSOCKNAME)),
}

# Between the first filter and a thread's own: threads are begun, named and bound to processors.
_STARTING: Calls = {
    Call.CLONE: Test(0, (privileges.THREAD,)),
    Call.PRCTL: Test(0, (privileges.SET_NAME,)),
    Call.SECCOMP: Test(0, (seccomp.SET_MODE_FILTER,)),
    **dict.fromkeys((Call.SCHED_SETAFFINITY, Call.SCHED_GETAFFINITY)),
}

# pthread_create asks for a thread by clone3 first, whose flags a filter cannot see.
_ANSWERED = {Call.CLONE3: errno.ENOSYS}

_BY_NAME = (
    *(Call.OPEN, Call.OPENAT, Call.OPENAT2, Call.CREAT, Call.STAT, Call.LSTAT),
    *(Call.STATX, Call.ACCESS, Call.FACCESSAT, Call.FACCESSAT2, Call.READLINK, Call.READLINKAT),
    *(Call.GETCWD, Call.UNLINK, Call.RENAME, Call.MKDIR),
)

KILLED = (
    # another program or process; others' memory, descriptors and signals
    *(Call.EXECVE, Call.EXECVEAT, Call.FORK, Call.VFORK, Call.PTRACE, Call.PROCESS_VM_READV),
    *(Call.PROCESS_VM_WRITEV, Call.PROCESS_MADVISE, Call.PIDFD_OPEN, Call.PIDFD_GETFD),
    *(Call.PIDFD_SEND_SIGNAL, Call.KCMP, Call.KILL, Call.TKILL, Call.RT_SIGQUEUEINFO),
    Call.RT_TGSIGQUEUEINFO,
    # other users, namespaces, file systems
    *(Call.SETUID, Call.SETGID, Call.SETREUID, Call.SETREGID, Call.SETRESUID, Call.SETRESGID),
    *(Call.SETFSUID, Call.SETFSGID, Call.SETGROUPS, Call.CAPSET, Call.SETNS, Call.UNSHARE),
    *(Call.MOUNT, Call.UMOUNT2, Call.PIVOT_ROOT, Call.CHROOT, Call.OPEN_TREE, Call.MOVE_MOUNT),
    *(Call.FSOPEN, Call.FSCONFIG, Call.FSMOUNT, Call.FSPICK, Call.MOUNT_SETATTR),
    *(Call.OPEN_BY_HANDLE_AT, Call.NAME_TO_HANDLE_AT, Call.FANOTIFY_INIT, Call.INOTIFY_INIT1),
    # a way out to somebody
    *(Call.SOCKET, Call.SOCKETPAIR, Call.CONNECT, Call.BIND, Call.LISTEN, Call.MQ_OPEN),
    *(Call.SHMGET, Call.SHMAT, Call.SEMGET, Call.MSGGET),
    # a program or a door within the kernel
    *(Call.BPF, Call.PERF_EVENT_OPEN, Call.USERFAULTFD, Call.IO_URING_SETUP, Call.IO_URING_ENTER),
    *(Call.IO_URING_REGISTER, Call.ADD_KEY, Call.REQUEST_KEY, Call.KEYCTL, Call.INIT_MODULE),
    *(Call.FINIT_MODULE, Call.DELETE_MODULE, Call.MEMFD_CREATE, Call.MEMFD_SECRET),
    # the computer itself
    *(Call.KEXEC_LOAD, Call.KEXEC_FILE_LOAD, Call.REBOOT, Call.SWAPON, Call.SWAPOFF, Call.IOPL),
    *(Call.IOPERM, Call.MODIFY_LDT, Call.ACCT, Call.QUOTACTL, Call.SETTIMEOFDAY),
    *(Call.CLOCK_SETTIME, Call.ADJTIMEX, Call.CLOCK_ADJTIME, Call.SETHOSTNAME),
    *(Call.SETDOMAINNAME, Call.VHANGUP, Call.SYSLOG, Call.PERSONALITY),
)


def allowed(thread: str, requests: Iterable[int], process: int) -> Calls:
    """The calls of a thread; `requests` are its ioctls, the likeliest first.

    The first filter (STARTING) allows what any thread's own allows: threads begin with it.
    """
    parts = {
        MAIN: (_MAIN,),
        PROCESSOR: (),
        LINK: (_LINK,),
        STARTING: (_MAIN, _LINK, _STARTING),
    }[thread]
    calls: Calls = {Call.IOCTL: Test(1, tuple(requests)), **_EVERY}
    for part in parts:
        calls |= part
    if thread in (MAIN, STARTING):
        calls[Call.TGKILL] = Test(0, (process,))
    return calls


def answered() -> Mapping[int, int]:
    """What is refused with another error than EPERM."""
    return {**_ANSWERED, **dict.fromkeys(_BY_NAME, errno.EACCES)}
