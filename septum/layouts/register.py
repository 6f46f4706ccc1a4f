"""How is a hardware register written down here? As a class with named bit fields.

A value of one is an immutable int. Bits are numbered as the datasheets number them.
"""

from __future__ import annotations

from typing import Self


class Field:
    """Bits high..low of a register, both inclusive."""

    __slots__ = ("low", "mask", "name")

    def __init__(self, high: int, low: int | None = None) -> None:
        self.low = high if low is None else low
        self.mask = ((1 << (high - self.low + 1)) - 1) << self.low
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, value: int, owner: type | None = None) -> int:
        return (int(value) & self.mask) >> self.low


class Register(int):
    """Base of all registers: offset in bytes from the start of its block, width in bits."""

    offset: int
    width: int
    fields: dict[str, Field]

    def __init_subclass__(cls, *, offset: int, width: int) -> None:
        cls.offset, cls.width = offset, width
        cls.fields = {name: item for name, item in vars(cls).items() if isinstance(item, Field)}

    @classmethod
    def mask(cls, *names: str) -> int:
        """The bits of these fields, together."""
        bits = 0
        for name in names:
            bits |= cls.fields[name].mask
        return bits

    def but(self, **changes: int) -> Self:
        """A copy with some fields changed."""
        value = int(self)
        for name, new in changes.items():
            field = self.fields[name]
            value = value & ~field.mask | new << field.low & field.mask
        return type(self)(value)

    def __str__(self) -> str:
        parts = " ".join(f"{name}={getattr(self, name):#x}" for name in self.fields)
        return f"{type(self).__name__} {int(self):#0{self.width // 4 + 2}x} ({parts})"
