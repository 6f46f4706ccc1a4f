"""How does a process give up what it may? Capabilities, prctl(2), namespaces, mounts.

<linux/prctl.h>, <linux/capability.h>, <linux/sched.h>, <linux/mount.h>; capabilities(7),
namespaces(7), pivot_root(2).
"""

from __future__ import annotations

from septum.layouts.cstruct import CStruct, layout, s32, u32

# prctl
SET_PARENT_DEATH_SIGNAL = 1
SET_DUMPABLE = 4
SET_NAME = 15
BOUNDING_SET_DROP = 24
SET_NO_NEW_PRIVILEGES = 38
AMBIENT = 47
AMBIENT_CLEAR_ALL = 4
MOST_CAPABILITIES = 64  # no more fit into a process's sets

# unshare
NEW_MOUNTS = 0x00020000
NEW_CONTROL_GROUPS = 0x02000000
NEW_HOST_NAME = 0x04000000
NEW_IPC = 0x08000000
NEW_NETWORK = 0x40000000

# What pthread_create asks of clone(2): a thread, and nothing else. CLONE_VM, FS, FILES, SIGHAND,
# THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID; nptl/createthread.c of glibc.
THREAD = 0x003D0F00

# mount, umount2
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXECUTION = 1, 2, 4, 8
RECURSIVE, PRIVATE = 0x4000, 1 << 18
DETACH = 2

# mmap, mprotect
MAY_BE_EXECUTED = 4  # PROT_EXEC

EMPTY_PATH = 0x1000  # AT_EMPTY_PATH: the descriptor itself is meant

# A socket, a terminal: <asm-generic/ioctls.h>
SET_NON_BLOCKING = 0x5421  # FIONBIO
TERMINAL_FAKES_INPUT = 0x5412  # TIOCSTI

CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3


@layout(size=8)
class CapabilityHeader(CStruct):
    """struct __user_cap_header_struct; pid 0 is the caller."""

    version: u32 = CAPABILITY_VERSION
    pid: s32 = 0


@layout(size=24)
class CapabilitySets(CStruct):
    """Two of struct __user_cap_data_struct, for capabilities 0 to 31 and 32 to 63."""

    effective: u32 = 0
    permitted: u32 = 0
    inheritable: u32 = 0
    effective_high: u32 = 0
    permitted_high: u32 = 0
    inheritable_high: u32 = 0
