"""How is the kernel asked for what Python has no function for?

Below those that act, and above all that decide: what a request looks like is in layouts, and only
`host` and `engine` may make one. They do not know each other, so it is neither's.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

from septum.errors import HostProblem

if TYPE_CHECKING:
    from septum.layouts.ioctl import Ioctl

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
_libc.ioctl.restype = ctypes.c_int
_libc.syscall.restype = ctypes.c_long


def ioctl(fd: int, request: Ioctl, argument: object = 0) -> int:
    """Perform it; HostProblem, with the remedy known for that errno, when Linux refuses.

    The argument is an int, a CStruct, or any ctypes array or buffer.
    """
    pointer = argument if isinstance(argument, int) else ctypes.addressof(argument)  # type: ignore[arg-type]
    result: int = _libc.ioctl(fd, request.request, pointer)
    if result < 0:
        number = ctypes.get_errno()
        raise HostProblem(
            f"{request.name} failed",
            because=os.strerror(number),
            remedy=request.remedies.get(number, ""),
        ) from OSError(number, os.strerror(number))
    return result


def ioctl_or_errno(fd: int, request: int, pointer: int = 0) -> int:
    """The bare call: the result, or minus errno. KVM_RUN needs EINTR as a value.

    Newer Pythons' fcntl.ioctl() tries again after EINTR by itself, which would keep a
    virtual processor from ever being stopped (python/cpython gh-132742).
    """
    result: int = _libc.ioctl(fd, request, pointer)
    return -ctypes.get_errno() if result < 0 else result


def call(number: int, *arguments: int | bytes | None) -> int:
    """A system call the C library has no function for; OSError when Linux refuses."""
    words = [a if isinstance(a, bytes | None) else ctypes.c_long(a) for a in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result
