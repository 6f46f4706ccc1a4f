"""What does a process try that should be confined, and what becomes of it? A program.

    python attempts.py [KIND]
    python attempts.py wait       enters, then waits for the end of its input: to be looked at
    python attempts.py layers     what each part does without the filter of system calls

Each attempt is made in a process of its own: one that has entered the confinement by the function
that instances enter it by, and narrowed itself to a kind of thread; or, without a KIND, one that
has not, as a witness that the attempt would be one. Prints what became of each, as JSON.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from septum.confinement import calls, limits
from septum.host import confinement
from septum.host.processes import open_files
from septum.instance.confined import REQUESTS
from septum.layouts import privileges
from septum.layouts.system_calls import Call
from septum.syscall import call

BAD = 0  # an address where nothing is
DONE = "done"
ATTEMPTS: dict[str, Callable[[], object]] = {}
FILE = os.open("/dev/null", os.O_RDWR)
# mov eax, 20; int 0x80; ret: getpid by the table of 32-bit calls. Made while that may still be.
_CODE = mmap.mmap(-1, 4096, prot=7)
_CODE[:8] = bytes.fromhex("b814000000cd80c3")
GETPID_32 = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(_CODE)))
BUFFER = ctypes.create_string_buffer(256)


def attempt(act: Callable[[], object]) -> Callable[[], object]:
    ATTEMPTS[act.__name__] = act
    return act


def system_call(name: str, number: int, *arguments: int | bytes | None) -> None:
    ATTEMPTS[name] = lambda: call(number, *arguments)


@attempt
def read_a_file() -> object:
    return os.open("/etc/passwd", os.O_RDONLY)


@attempt
def write_a_file() -> object:
    return os.open("/tmp/septum-attempt", os.O_WRONLY | os.O_CREAT)


@attempt
def list_processes() -> object:
    return os.listdir("/proc")


@attempt
def import_a_module() -> object:
    import colorsys

    return colorsys


@attempt
def connect_to_the_network() -> object:
    with socket.socket() as one:
        return one.connect(("127.0.0.1", 9))


@attempt
def send_a_datagram() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return one.sendto(b"hello", ("127.0.0.1", 9))


@attempt
def offer_a_socket() -> object:
    with socket.socket(socket.AF_UNIX) as one:
        return one.bind("\0septum-attempt")


@attempt
def run_a_program() -> object:
    return os.execv("/bin/true", ["true"])


@attempt
def fork() -> object:
    number = os.fork()
    if number == 0:
        os._exit(0)
    return os.waitpid(number, 0)


@attempt
def clone_a_process() -> object:
    number = call(Call.CLONE, int(signal.SIGCHLD), 0, 0, 0, 0)
    if number == 0:
        os._exit(0)
    return os.waitpid(number, 0)


@attempt
def begin_a_thread() -> object:
    import _thread

    return _thread.start_new_thread(lambda: None, ())


@attempt
def kill_its_parent() -> object:
    return os.kill(os.getppid(), 0)


@attempt
def signal_another_s_thread() -> object:
    return call(Call.TGKILL, os.getppid(), os.getppid(), 0)


@attempt
def make_code() -> object:
    return mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)


@attempt
def turn_data_into_code() -> object:
    page = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return call(Call.MPROTECT, address, 4096, 7)


@attempt
def call_as_a_32_bit_program() -> object:
    return GETPID_32()


@attempt
def call_as_an_x32_program() -> object:
    return call(1 << 30 | Call.GETPID)


@attempt
def type_on_the_terminal() -> object:
    return call(Call.IOCTL, FILE, privileges.TERMINAL_FAKES_INPUT, ctypes.addressof(BUFFER))


@attempt
def make_another_virtual_machine() -> object:
    return call(Call.IOCTL, FILE, 0xAE01, 0)


@attempt
def have_more_files() -> object:
    for _ in range(300):
        os.dup(FILE)
    return None


@attempt
def raise_a_limit() -> object:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    return resource.setrlimit(resource.RLIMIT_CORE, (4096, max(4096, most)))


@attempt
def be_root_again() -> object:
    return os.setresuid(0, 0, 0)


for _name, _arguments in (
    ("ptrace", (Call.PTRACE, 0x4206, os.getpid(), 0, 0)),  # PTRACE_SEIZE
    ("read_another_s_memory", (Call.PROCESS_VM_READV, os.getpid(), BAD, 0, BAD, 0, 0)),
    ("take_another_s_descriptor", (Call.PIDFD_OPEN, os.getpid(), 0)),
    ("mount", (Call.MOUNT, None, None, None, 0, None)),
    ("leave_its_root", (Call.CHROOT, b"/")),
    ("have_namespaces", (Call.UNSHARE, 0)),
    ("enter_a_namespace", (Call.SETNS, FILE, 0)),
    ("have_capabilities", (Call.CAPSET, BAD, BAD)),
    ("load_a_module", (Call.INIT_MODULE, BAD, 0, b"")),
    ("boot_another_kernel", (Call.KEXEC_LOAD, 0, 0, BAD, 1 << 40)),
    ("restart_the_computer", (Call.REBOOT, 0, 0, 0)),
    ("set_the_clock", (Call.CLOCK_SETTIME, 99, BAD)),
    ("load_a_bpf_program", (Call.BPF, 99, BAD, 0)),
    ("watch_performance", (Call.PERF_EVENT_OPEN, BAD, 0, -1, -1, 0)),
    ("handle_page_faults", (Call.USERFAULTFD, 1 << 20)),
    ("use_io_uring", (Call.IO_URING_SETUP, 1, BAD)),
    ("read_keys", (Call.KEYCTL, 0, -3, 0, 0, 0)),
    ("add_a_key", (Call.ADD_KEY, BAD, BAD, BAD, 0, -1)),
    ("open_by_handle", (Call.OPEN_BY_HANDLE_AT, FILE, BAD, 0)),
    ("have_memory_without_a_limit", (Call.MEMFD_CREATE, b"attempt", 0)),
    ("share_memory", (Call.SHMGET, 0, 4096, 0o1600)),
    ("read_the_kernel_s_log", (Call.SYSLOG, 10, BAD, 0)),
    ("reach_ports", (Call.IOPERM, 0, 1, 0)),
    ("change_a_name_of_the_computer", (Call.SETHOSTNAME, BAD, 100)),
    ("swap", (Call.SWAPOFF, b"/no/such")),
    ("a_call_that_does_not_exist", (999,)),
):
    system_call(_name, *_arguments)


def confined(kind: str) -> None:
    """As an instance of 1 GiB and two processors."""
    to = limits.limits(1 << 30, 2, 0, len(open_files()))
    all_of_it = confinement.Confinement(to, REQUESTS)
    lacking = all_of_it.enter(tempfile.mkdtemp())
    if lacking:
        print(f"without {lacking}", file=sys.stderr)
    all_of_it.narrow(kind)


def became(act: Callable[[], object], enter: Callable[[], None] | None) -> str:
    """DONE, the error's name, or the signal's that ended the process."""
    reading, writing = os.pipe()
    number = os.fork()
    if number == 0:
        if enter is not None:
            enter()
        os.write(writing, _outcome(act).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    if code < 0:
        return signal.Signals(-code).name
    return text or DONE  # another program, which says nothing


def _outcome(act: Callable[[], Any]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except (ImportError, ValueError, RuntimeError) as error:
        return type(error).__name__
    return DONE


def layers() -> dict[str, list[str]]:
    """What becomes of attempts when one part of the confinement stands alone."""

    def empty_root() -> None:
        confinement.leave_namespaces()
        confinement.leave_files(tempfile.mkdtemp())

    def user() -> None:
        confinement.become_nobody(limits.user(os.getpid()))

    def landlock() -> None:
        call(Call.PRCTL, privileges.SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        confinement.close_files()

    parts: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {
        "empty root": (empty_root, ("read_a_file", "write_a_file", "list_processes")),
        "network": (confinement.leave_namespaces, ("connect_to_the_network", "send_a_datagram")),
        "user": (user, ("be_root_again", "kill_its_parent", "leave_its_root", "ptrace")),
        "Landlock": (landlock, ("read_a_file", "write_a_file", "list_processes")),
    }
    return {
        name: [became(ATTEMPTS[one], enter) for one in attempts]
        for name, (enter, attempts) in parts.items()
    }


def main(which: str) -> None:
    if which == "wait":
        confined(calls.MAIN)
        print("ready", flush=True)
        sys.stdin.read()
        os._exit(0)
    if which == "layers":
        print(json.dumps(layers()))
        return
    assert which in ("", *calls.THREADS)
    enter = partial(confined, which) if which else None
    print(json.dumps({name: became(act, enter) for name, act in ATTEMPTS.items()}))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
