"""How is a piece of the ACPI namespace written down? Declarations only: nothing here runs.

Each function returns the bytes of one term, and takes the bytes of those inside it.
ACPI 6.4, 20.2.
"""

from __future__ import annotations

from septum.layouts.acpi import (
    EISA_LETTER_BASE,
    EISA_LETTER_BITS,
    LENGTH_BYTES,
    LENGTH_COUNT_SHIFT,
    LENGTH_NIBBLE,
    LENGTH_NIBBLE_MASK,
    LENGTH_SHORT,
    SMALLEST_NAME,
    Op,
)

_ROOT = "\\"
_SMALL = {0: bytes((Op.ZERO,)), 1: bytes((Op.ONE,))}
_INTEGERS = ((1, Op.BYTE), (2, Op.WORD), (4, Op.DWORD), (8, Op.QWORD))
_EISA_LETTERS = 3


def name(path: str, value: bytes) -> bytes:
    """Name (path, value)."""
    return bytes((Op.NAME,)) + name_string(path) + value


def scope(path: str, *body: bytes) -> bytes:
    """Scope (path) { body }."""
    return bytes((Op.SCOPE,)) + _counted(name_string(path) + b"".join(body))


def device(path: str, *body: bytes) -> bytes:
    """Device (path) { body }."""
    return bytes((Op.EXTENDED, Op.DEVICE)) + _counted(name_string(path) + b"".join(body))


def package(*elements: bytes) -> bytes:
    """Package () { elements }; up to 255 of them."""
    return bytes((Op.PACKAGE,)) + _counted(bytes((len(elements),)) + b"".join(elements))


def buffer(data: bytes) -> bytes:
    """Buffer () { data }."""
    return bytes((Op.BUFFER,)) + _counted(integer(len(data)) + data)


def string(text: str) -> bytes:
    """A string constant of ASCII characters."""
    return bytes((Op.STRING,)) + text.encode("ascii") + b"\0"


def integer(value: int) -> bytes:
    """The shortest constant of a value below 2**64."""
    if value in _SMALL:
        return _SMALL[value]
    for width, prefix in _INTEGERS:
        if value < 1 << 8 * width:
            return bytes((prefix,)) + value.to_bytes(width, "little")
    raise ValueError(f"{value} does not fit in 64 bits")


def eisa(identity: str) -> bytes:
    """EisaId (identity) of seven characters, such as PNP0A08: a big-endian dword."""
    packed = 0
    for letter in identity[:_EISA_LETTERS]:
        packed = packed << EISA_LETTER_BITS | ord(letter) - EISA_LETTER_BASE
    value = packed.to_bytes(2, "big") + bytes.fromhex(identity[_EISA_LETTERS:])
    return bytes((Op.DWORD,)) + value


def name_string(path: str) -> bytes:
    """A name such as PC00, _SB or \\_SB.PC00, segments filled up with underscores."""
    prefix = b""
    if path.startswith(_ROOT):
        prefix, path = _ROOT.encode("ascii"), path[len(_ROOT) :]
    segments = [part.ljust(SMALLEST_NAME, "_").encode("ascii") for part in path.split(".")]
    if len(segments) == 2:
        prefix += bytes((Op.DUAL_NAME,))
    elif len(segments) > 2:
        prefix += bytes((Op.MULTI_NAME, len(segments)))
    return prefix + b"".join(segments)


def _counted(body: bytes) -> bytes:
    """The body behind its PkgLength, which counts itself. ACPI 6.4, 20.2.4."""
    if len(body) + 1 < LENGTH_SHORT:
        return bytes((len(body) + 1,)) + body
    for more in range(1, LENGTH_BYTES):
        total = len(body) + 1 + more
        if total < 1 << LENGTH_NIBBLE + 8 * more:
            lead = more << LENGTH_COUNT_SHIFT | total & LENGTH_NIBBLE_MASK
            return bytes((lead,)) + (total >> LENGTH_NIBBLE).to_bytes(more, "little") + body
    raise ValueError(f"{len(body)} bytes are more than one AML term can hold")
