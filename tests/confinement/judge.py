"""What does Linux do with a call? The few instructions of a filter, carried out here as well."""

from __future__ import annotations

import struct

from septum.layouts import seccomp


def judged(
    program: bytes, number: int, arguments: tuple[int, ...] = (), arch: int = seccomp.ARCH_X86_64
) -> int:
    """The answer of a program; an error for one that Linux would not take."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, *[0] * (6 - len(arguments))))
    code = list(struct.iter_unpack(seccomp.INSTRUCTION, program))
    at, word = 0, 0
    while True:
        kind, if_true, if_false, constant = code[at]
        at += 1
        if kind == seccomp.LOAD:
            (word,) = struct.unpack_from("<I", data, constant)
        elif kind == seccomp.AND:
            word &= constant
        elif kind == seccomp.RETURN:
            return int(constant)
        elif kind == seccomp.JUMP_IF_EQUAL:
            at += if_true if word == constant else if_false
        elif kind == seccomp.JUMP_IF_AT_LEAST:
            at += if_true if word >= constant else if_false
        else:
            raise AssertionError(f"no instruction: {kind:#x}")
