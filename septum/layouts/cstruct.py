"""How is a C struct written down here? As a class with typed fields, its size checked on import."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform

u8 = Annotated[int, ctypes.c_uint8]
u16 = Annotated[int, ctypes.c_uint16]
u32 = Annotated[int, ctypes.c_uint32]
u64 = Annotated[int, ctypes.c_uint64]
s32 = Annotated[int, ctypes.c_int32]

# Annotations arrive as text (PEP 563); looking the word up costs a tenth of get_type_hints(),
# and this module is on the boot path.
_TYPES: dict[str, type] = {
    "u8": ctypes.c_uint8,
    "u16": ctypes.c_uint16,
    "u32": ctypes.c_uint32,
    "u64": ctypes.c_uint64,
    "s32": ctypes.c_int32,
}


class CStruct(ctypes.LittleEndianStructure):
    """A struct shared with the kernel, the firmware or the hardware. Declare with @layout."""

    SIZE: ClassVar[int]  # bytes, as the header says

    def to_bytes(self) -> bytes:
        return bytes(self)

    @classmethod
    def offset_of(cls, name: str) -> int:
        """Where a field begins, bytes."""
        return int(getattr(cls, name).offset)


T = TypeVar("T", bound=CStruct)


@dataclass_transform(kw_only_default=True)
def layout(
    *, size: int, pack: int = 0, **arrays: tuple[Any, int]
) -> Callable[[type[T]], type[T]]:
    """Turn annotations into ctypes fields; TypeError when the size is not the header's.

    `arrays` gives fields that are arrays: name = (element type, count). They keep their place
    among the annotations, where they are declared as `name: object`.
    """

    def declare(cls: type[T]) -> type[T]:
        fields: list[tuple[str, Any]] = []
        for name, word in cls.__annotations__.items():
            if name in arrays:
                element, count = arrays[name]
                fields.append((name, element * count))
            else:
                fields.append((name, _TYPES.get(word) or _struct(cls, word)))
        defaults = {name: vars(cls)[name] for name in cls.__annotations__ if name in vars(cls)}
        for name in defaults:
            delattr(cls, name)  # or it would hide the ctypes field of that name
        if pack:
            cls._pack_ = pack
        cls._fields_ = fields
        if ctypes.sizeof(cls) != size:
            raise TypeError(f"{cls.__name__} is {ctypes.sizeof(cls)} bytes; its header says {size}")
        cls.SIZE = size
        nonzero = {name: value for name, value in defaults.items() if value}
        if nonzero:
            _fill(cls, nonzero)
        return cls

    return declare


def _struct(cls: type[CStruct], word: str) -> type:
    import sys

    found = getattr(sys.modules[cls.__module__], word, None)
    if not (isinstance(found, type) and issubclass(found, CStruct)):
        raise TypeError(f"{cls.__name__}: {word} is not a type a layout may have")
    return found


def _fill(cls: type[CStruct], values: dict[str, int]) -> None:
    plain = cls.__init__

    def __init__(self: CStruct, *arguments: object, **given: object) -> None:
        plain(self, *arguments, **{**values, **given})

    cls.__init__ = __init__  # type: ignore[method-assign,assignment]
