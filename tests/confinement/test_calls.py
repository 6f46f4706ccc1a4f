"""Are the lists what they promise to be?"""

from __future__ import annotations

import errno

import pytest

from septum.confinement import calls
from septum.confinement.filters import program
from septum.instance.confined import REQUESTS
from septum.layouts import privileges, seccomp
from septum.layouts.kvm import KVM
from septum.layouts.system_calls import Call
from septum.layouts.vfio import VFIO
from tests.confinement.judge import judged

ME = 4711
EVERYBODY = (*calls.THREADS, calls.STARTING)
PERMITTED, REFUSED = seccomp.ALLOW, seccomp.ERRNO | errno.EPERM


def text(thread: str) -> bytes:
    requests = REQUESTS.get(thread) or sum(REQUESTS.values(), ())
    return program(calls.allowed(thread, requests, ME), calls.answered(), calls.KILLED)


@pytest.mark.parametrize("thread", EVERYBODY)
def test_no_call_is_said_two_things_of(thread: str) -> None:
    allowed = set(calls.allowed(thread, (), ME))
    assert not allowed & set(calls.answered())
    assert not allowed & set(calls.KILLED)
    assert not set(calls.answered()) & set(calls.KILLED)


@pytest.mark.parametrize("thread", calls.THREADS)
def test_the_first_filter_allows_what_any_thread_may(thread: str) -> None:
    first, own = text(calls.STARTING), text(thread)
    for number, rule in calls.allowed(thread, REQUESTS[thread], ME).items():
        for value in rule.values if rule else (0,):
            arguments = [0] * 6
            arguments[rule.argument if rule else 0] = value
            assert judged(own, number, tuple(arguments)) == PERMITTED
            assert judged(first, number, tuple(arguments)) == PERMITTED


@pytest.mark.parametrize("thread", EVERYBODY)
def test_nothing_becomes_executable(thread: str) -> None:
    for number in (Call.MMAP, Call.MPROTECT):
        assert judged(text(thread), number, (0, 4096, 3)) == PERMITTED
        assert judged(text(thread), number, (0, 4096, 3 | privileges.MAY_BE_EXECUTED)) == REFUSED


@pytest.mark.parametrize("thread", EVERYBODY)
def test_files_by_their_names(thread: str) -> None:
    assert judged(text(thread), Call.OPENAT) == seccomp.ERRNO | errno.EACCES
    assert judged(text(thread), Call.NEWFSTATAT) == seccomp.ERRNO | errno.EACCES
    without = (3, 0, 0, privileges.EMPTY_PATH)  # how the C library asks of a descriptor
    assert judged(text(thread), Call.NEWFSTATAT, without) == PERMITTED


@pytest.mark.parametrize("thread", EVERYBODY)
@pytest.mark.parametrize(
    "number", [Call.EXECVE, Call.FORK, Call.PTRACE, Call.SOCKET, Call.MOUNT, Call.BPF, Call.SETUID]
)
def test_what_only_another_program_would_ask(thread: str, number: int) -> None:
    assert judged(text(thread), number) == seccomp.KILL_PROCESS


def test_threads_begin_before_they_run_and_never_later() -> None:
    begin = (Call.CLONE, (privileges.THREAD,))
    assert judged(text(calls.STARTING), *begin) == PERMITTED
    assert judged(text(calls.STARTING), Call.CLONE, (privileges.THREAD | 1,)) == REFUSED
    for thread in calls.THREADS:
        assert judged(text(thread), *begin) == REFUSED
        assert judged(text(thread), Call.CLONE3) == seccomp.ERRNO | errno.ENOSYS


def test_signals_go_to_its_own_threads_alone() -> None:
    assert judged(text(calls.MAIN), Call.TGKILL, (ME, 1, 10)) == PERMITTED
    assert judged(text(calls.MAIN), Call.TGKILL, (ME + 1, 1, 10)) == REFUSED
    for thread in (calls.PROCESSOR, calls.LINK):
        assert judged(text(thread), Call.TGKILL, (ME, 1, 10)) == REFUSED


@pytest.mark.parametrize("thread", EVERYBODY)
@pytest.mark.parametrize(
    "request_", [KVM.CREATE_VM.request, VFIO.GROUP_GET_DEVICE_FD.request, VFIO.SET_IOMMU.request,
                 privileges.TERMINAL_FAKES_INPUT],
)  # fmt: skip
def test_ioctls_that_nobody_makes_any_more(thread: str, request_: int) -> None:
    assert judged(text(thread), Call.IOCTL, (3, request_)) == REFUSED


def test_ioctls_of_each_kind_of_thread() -> None:
    run, terminal = KVM.RUN.request, privileges.SET_NON_BLOCKING
    assert [judged(text(one), Call.IOCTL, (3, run)) == PERMITTED for one in calls.THREADS] == [
        False,
        True,
        False,
    ]
    assert [judged(text(one), Call.IOCTL, (3, terminal)) == PERMITTED for one in calls.THREADS] == [
        False,
        False,
        True,
    ]
    assert REQUESTS[calls.PROCESSOR][0] == KVM.RUN.request, "asked most, found first"
