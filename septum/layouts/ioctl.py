"""How is an ioctl written down here? As a named object, declared once, called like a function."""

from __future__ import annotations

import ctypes
import os

from septum.errors import HostProblem
from septum.layouts.cstruct import CStruct

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
_libc.ioctl.restype = ctypes.c_int

# <asm-generic/ioctl.h>
_WRITE, _READ = 1 << 30, 1 << 31
_SIZE_SHIFT, _GROUP_SHIFT = 16, 8


class Ioctl:
    """A request number as <asm-generic/ioctl.h> builds it: direction, size, group, number.

    `size` is for requests whose argument has no struct of its own here (or a variable one).
    """

    def __init__(
        self,
        group: int,
        number: int,
        *,
        sends: type[CStruct] | int | None = None,
        returns: type[CStruct] | int | None = None,
        plain: bool = False,
        remedies: dict[int, str] | None = None,
    ) -> None:
        argument = sends if sends is not None else returns
        size = 0
        if not plain and argument is not None:
            size = argument if isinstance(argument, int) else ctypes.sizeof(argument)
        self.request = size << _SIZE_SHIFT | group << _GROUP_SHIFT | number
        if not plain:
            self.request |= (_WRITE if sends is not None else 0) | (
                _READ if returns is not None else 0
            )
        self.remedies = remedies or {}
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"{owner.__name__}_{name}"

    def __call__(self, fd: int, argument: object = 0) -> int:
        """Perform it; HostProblem, with the remedy known for that errno, when Linux refuses.

        The argument is an int, a CStruct, or any ctypes array or buffer.
        """
        pointer = argument if isinstance(argument, int) else ctypes.addressof(argument)  # type: ignore[arg-type]
        result: int = _libc.ioctl(fd, self.request, pointer)
        if result < 0:
            number = ctypes.get_errno()
            raise HostProblem(
                f"{self.name} failed",
                because=os.strerror(number),
                remedy=self.remedies.get(number, ""),
            ) from OSError(number, os.strerror(number))
        return result


def ioctl_or_errno(fd: int, request: int, pointer: int = 0) -> int:
    """The bare call: the result, or minus errno. KVM_RUN needs EINTR as a value.

    Newer Pythons' fcntl.ioctl() tries again after EINTR by itself, which would keep a
    virtual processor from ever being stopped (python/cpython gh-132742).
    """
    result: int = _libc.ioctl(fd, request, pointer)
    return -ctypes.get_errno() if result < 0 else result
