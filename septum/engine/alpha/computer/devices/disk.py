"""Where does a disk keep its blocks? In memory, or in a file."""

from __future__ import annotations

import mmap
import os

from septum.errors import MachineProblem
from septum.layouts import scsi


class Disk:
    """Blocks of 512 bytes behind one memoryview, `content`."""

    def __init__(self, content: bytearray | mmap.mmap, writable: bool = True) -> None:
        self._content = content
        self.writable = writable
        size = len(content) // scsi.BLOCK_SIZE * scsi.BLOCK_SIZE
        self.content = memoryview(content)[:size]

    @property
    def blocks(self) -> int:
        return len(self.content) // scsi.BLOCK_SIZE

    @classmethod
    def empty(cls, size: int) -> Disk:
        """A disk of zeroes, `size` bytes, gone when the program ends."""
        return cls(mmap.mmap(-1, size))

    @classmethod
    def file(cls, path: str) -> Disk:
        """A disk image; what is written is written to the file, if it may be.

        MachineProblem when it cannot be opened or holds not one block.
        """
        try:
            writable = os.access(path, os.W_OK)
            with open(path, "r+b" if writable else "rb") as file:
                if os.fstat(file.fileno()).st_size < scsi.BLOCK_SIZE:
                    raise MachineProblem(
                        f"{path} is not a disk",
                        because=f"it holds less than one block of {scsi.BLOCK_SIZE} bytes",
                    )
                access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
                return cls(mmap.mmap(file.fileno(), 0, access=access), writable)
        except (OSError, ValueError) as error:
            because = getattr(error, "strerror", None) or str(error)
            raise MachineProblem(f"the disk {path} cannot be opened", because=because) from error

    def flush(self) -> None:
        """What was written is in the file."""
        if isinstance(self._content, mmap.mmap) and self.writable:
            self._content.flush()
