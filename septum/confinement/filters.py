"""Which program judges a thread's system calls? Assembled from the lists of calls.py.

Linux lets nothing else through, ever, and remembers by itself which calls are allowed whatever
their arguments; the program then runs only for those that are judged by one. So these stand first.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator, Mapping

from septum.confinement.calls import Calls, Test
from septum.layouts import seccomp

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def program(calls: Calls, answered: Mapping[int, int], killed: Iterable[int]) -> bytes:
    """What seccomp(2) takes: allow these calls, give those errors, kill for those, EPERM else."""
    instructions = [*_judged_here()]
    for number, test in calls.items():
        if test is not None:
            block = [*_tested(test)]
            instructions += [_unless_equal(number, len(block)), *block]
    instructions.append(_load(seccomp.DATA_NUMBER))
    for number, test in calls.items():
        if test is None:
            instructions += [_unless_equal(number, 1), _answer(seccomp.ALLOW)]
    for number, error in answered.items():
        instructions += [_unless_equal(number, 1), _error(error)]
    for number in killed:
        instructions += [_unless_equal(number, 1), _answer(seccomp.KILL_PROCESS)]
    instructions.append(_error(errno.EPERM))
    if len(instructions) > seccomp.LONGEST_PROGRAM:
        raise ValueError(f"{len(instructions)} instructions; Linux takes {seccomp.LONGEST_PROGRAM}")
    return b"".join(struct.pack(seccomp.INSTRUCTION, *one) for one in instructions)


def _judged_here() -> Iterator[Instruction]:
    """Calls of another table (32 bits, x32) have other numbers: nobody here makes one."""
    yield _load(seccomp.DATA_ARCHITECTURE)
    yield (seccomp.JUMP_IF_EQUAL, 1, 0, seccomp.ARCH_X86_64)
    yield _answer(seccomp.KILL_PROCESS)
    yield _load(seccomp.DATA_NUMBER)
    yield (seccomp.JUMP_IF_AT_LEAST, 0, 1, seccomp.X32_BIT)
    yield _answer(seccomp.KILL_PROCESS)


def _tested(test: Test) -> Iterator[Instruction]:
    """It answers: never on to what follows. 32 bits of an argument are what the calls look at."""
    yield _load(seccomp.DATA_ARGUMENTS + 8 * test.argument)
    if test.mask != seccomp.ALL_BITS:
        yield (seccomp.AND, 0, 0, test.mask)
    for value in test.values:
        yield _unless_equal(value, 1)
        yield _answer(seccomp.ALLOW)
    yield _error(test.error)


def _load(offset: int) -> Instruction:
    return (seccomp.LOAD, 0, 0, offset)


def _unless_equal(value: int, skip: int) -> Instruction:
    return (seccomp.JUMP_IF_EQUAL, 0, skip, value)


def _answer(action: int) -> Instruction:
    return (seccomp.RETURN, 0, 0, action)


def _error(number: int) -> Instruction:
    return _answer(seccomp.ERRNO | number)
