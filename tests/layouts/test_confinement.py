"""Do the layouts of a confinement agree with Linux's headers?"""

from __future__ import annotations

from septum.layouts import landlock, privileges, seccomp
from septum.layouts.system_calls import Call
from tests.layouts.headers import fields, size, values

HEADERS = (
    *("linux/sched.h", "sys/mman.h", "sys/mount.h", "sys/ioctl.h", "linux/prctl.h"),
    "linux/capability.h",
    *("linux/seccomp.h", "linux/filter.h", "linux/audit.h", "linux/landlock.h", "asm/unistd_64.h"),
)
LATER_FIELDS = ("handled_access_net", "scoped")
LATER = {"FUTEX_WAITV", "MEMFD_SECRET", "PROCESS_MADVISE", "MOUNT_SETATTR", "EPOLL_PWAIT2"}


def test_numbers_of_system_calls() -> None:
    names = [name for name in vars(Call) if not name.startswith("_") and name not in LATER]
    expected = {f"__NR_{name.lower()}": getattr(Call, name) for name in names}
    assert len(expected) > 150
    assert values(HEADERS, tuple(expected)) == expected


def test_numbers_are_each_one_call_s() -> None:
    numbers = [value for name, value in vars(Call).items() if not name.startswith("_")]
    assert len(numbers) == len(set(numbers))


def test_structs() -> None:
    for ours, theirs, names in (
        # What later versions of Linux added behind it: older headers may stand here
        (landlock.Ruleset, "struct landlock_ruleset_attr", dict.fromkeys(LATER_FIELDS, "")),
        (privileges.CapabilityHeader, "struct __user_cap_header_struct", {}),
    ):
        expected = fields(ours, theirs, **names)
        assert values(HEADERS, tuple(expected)) == expected
    program = {
        **size(seccomp.Program, "struct sock_fprog"),
        **fields(seccomp.Program, "struct sock_fprog", length="len", address="filter",
                 padding0="", padding1="", padding2=""),
        "2 * sizeof(struct __user_cap_data_struct)": privileges.CapabilitySets.SIZE,
        "offsetof(struct __user_cap_data_struct, permitted)":
            privileges.CapabilitySets.offset_of("permitted"),
        "sizeof(struct sock_filter)": seccomp.INSTRUCTION_SIZE,
        "offsetof(struct seccomp_data, nr)": seccomp.DATA_NUMBER,
        "offsetof(struct seccomp_data, arch)": seccomp.DATA_ARCHITECTURE,
        "offsetof(struct seccomp_data, args)": seccomp.DATA_ARGUMENTS,
    }  # fmt: skip
    assert values(HEADERS, tuple(program)) == program


def test_numbers() -> None:
    alone = {"AT_EMPTY_PATH": privileges.EMPTY_PATH}
    assert values(("linux/fcntl.h",), tuple(alone)) == alone
    thread = (
        "CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD|CLONE_SYSVSEM|CLONE_SETTLS"
        "|CLONE_PARENT_SETTID|CLONE_CHILD_CLEARTID"
    )
    expected = {
        "SECCOMP_SET_MODE_FILTER": seccomp.SET_MODE_FILTER,
        "SECCOMP_MODE_FILTER": seccomp.MODE_FILTER,
        "SECCOMP_RET_ALLOW": seccomp.ALLOW,
        "SECCOMP_RET_ERRNO": seccomp.ERRNO,
        "SECCOMP_RET_KILL_PROCESS": seccomp.KILL_PROCESS,
        "AUDIT_ARCH_X86_64": seccomp.ARCH_X86_64,
        "BPF_MAXINSNS": seccomp.LONGEST_PROGRAM,
        "BPF_LD | BPF_W | BPF_ABS": seccomp.LOAD,
        "BPF_ALU | BPF_AND | BPF_K": seccomp.AND,
        "BPF_JMP | BPF_JEQ | BPF_K": seccomp.JUMP_IF_EQUAL,
        "BPF_JMP | BPF_JGE | BPF_K": seccomp.JUMP_IF_AT_LEAST,
        "BPF_RET | BPF_K": seccomp.RETURN,
        "LANDLOCK_CREATE_RULESET_VERSION": landlock.CREATE_RULESET_VERSION,
        "LANDLOCK_ACCESS_FS_MAKE_SYM << 1": 1 << landlock.FILE_ACCESSES[1],
        "PR_SET_PDEATHSIG": privileges.SET_PARENT_DEATH_SIGNAL,
        "PR_SET_DUMPABLE": privileges.SET_DUMPABLE,
        "PR_SET_NAME": privileges.SET_NAME,
        "PR_CAPBSET_DROP": privileges.BOUNDING_SET_DROP,
        "PR_SET_NO_NEW_PRIVS": privileges.SET_NO_NEW_PRIVILEGES,
        "PR_CAP_AMBIENT": privileges.AMBIENT,
        "PR_CAP_AMBIENT_CLEAR_ALL": privileges.AMBIENT_CLEAR_ALL,
        "CLONE_NEWNS": privileges.NEW_MOUNTS,
        "CLONE_NEWCGROUP": privileges.NEW_CONTROL_GROUPS,
        "CLONE_NEWUTS": privileges.NEW_HOST_NAME,
        "CLONE_NEWIPC": privileges.NEW_IPC,
        "CLONE_NEWNET": privileges.NEW_NETWORK,
        thread: privileges.THREAD,
        "MS_RDONLY": privileges.READ_ONLY,
        "MS_NOSUID": privileges.NO_SUID,
        "MS_NODEV": privileges.NO_DEVICES,
        "MS_NOEXEC": privileges.NO_EXECUTION,
        "MS_REC": privileges.RECURSIVE,
        "MS_PRIVATE": privileges.PRIVATE,
        "MNT_DETACH": privileges.DETACH,
        "PROT_EXEC": privileges.MAY_BE_EXECUTED,
        "FIONBIO": privileges.SET_NON_BLOCKING,
        "TIOCSTI": privileges.TERMINAL_FAKES_INPUT,
        "_LINUX_CAPABILITY_VERSION_3": privileges.CAPABILITY_VERSION,
    }
    assert values(HEADERS, tuple(expected)) == expected
