"""How is an ioctl written down here? As a named object, declared once; syscall.py performs it."""

from __future__ import annotations

import ctypes

from septum.layouts.cstruct import CStruct

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
