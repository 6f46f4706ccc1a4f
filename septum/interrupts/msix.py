"""What stands in a function's MSI-X table, as its owner wrote it? PCI 3.0, 6.8.2.

The table itself stays trapped: the machine's own table holds what the host's IOMMU wants, this
one what the owner wants. Pure state: the caller connects and disconnects what changed.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.layouts import pci


class Change(NamedTuple):
    """One vector whose mask or message was changed by a write."""

    vector: int
    masked: bool
    address: int
    data: int


class MsixTable:
    """The table of one function: `vectors` entries of 16 bytes, all masked after reset."""

    def __init__(self, vectors: int) -> None:
        self.vectors = vectors
        self._bytes = bytearray()
        self.reset()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._bytes)

    def read(self, offset: int, width: int) -> int:
        """What stands there; zero beyond the table."""
        return int.from_bytes(self._bytes[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> tuple[Change, ...]:
        """Keep it; the vectors it concerns, as they are now."""
        end = min(offset + width, len(self._bytes))
        if end <= offset:
            return ()
        keep = value & ((1 << 8 * (end - offset)) - 1)
        self._bytes[offset:end] = keep.to_bytes(end - offset, "little")
        first, last = offset // pci.MSIX_ENTRY_SIZE, (end - 1) // pci.MSIX_ENTRY_SIZE
        return tuple(self.entry(vector) for vector in range(first, last + 1))

    def entry(self, vector: int) -> Change:
        """One vector as it is now."""
        at = vector * pci.MSIX_ENTRY_SIZE
        return Change(
            vector,
            bool(pci.MsixVectorControl(self.read(at + pci.MsixVectorControl.offset, 4)).masked),
            self.read(at, 8),
            self.read(at + pci.MsixData.offset, 4),
        )

    def reset(self) -> None:
        """As after a reset of the function."""
        masked = pci.MsixVectorControl.mask("masked").to_bytes(4, "little")
        self._bytes[:] = (bytes(pci.MsixVectorControl.offset) + masked) * self.vectors
