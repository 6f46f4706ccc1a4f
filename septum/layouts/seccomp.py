"""How does a filter of system calls look in memory? seccomp(2), classic BPF.

<linux/seccomp.h>, <linux/filter.h>, <linux/bpf_common.h>, <linux/audit.h>; what a program may do is
in Documentation/userspace-api/seccomp_filter.rst of Linux 6.12.
"""

from __future__ import annotations

from septum.layouts.cstruct import CStruct, layout, u16, u64

SET_MODE_FILTER = 1
MODE_FILTER = 2  # what /proc/PID/status says under Seccomp

# What a program answers; the low 16 bits of ERRNO are the error.
ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL_PROCESS = 0x80000000

# Where a program finds what it judges: struct seccomp_data
DATA_NUMBER = 0
DATA_ARCHITECTURE = 4
DATA_ARGUMENTS = 16  # 64 bits each, little-endian
ARCH_X86_64 = 0xC000003E  # AUDIT_ARCH_X86_64
X32_BIT = 0x40000000  # __X32_SYSCALL_BIT: another table of calls with the same architecture

LONGEST_PROGRAM = 4096  # BPF_MAXINSNS

# One instruction: code, jump if true, jump if false, constant
INSTRUCTION, INSTRUCTION_SIZE = "<HBBI", 8
LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS: a word of the data
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_IF_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
RETURN = 0x06  # BPF_RET | BPF_K

ALL_BITS = 0xFFFFFFFF  # of a word


@layout(size=16)
class Program(CStruct):
    """struct sock_fprog: how many instructions, and where they are."""

    length: u16
    padding0: u16 = 0
    padding1: u16 = 0
    padding2: u16 = 0
    address: u64
