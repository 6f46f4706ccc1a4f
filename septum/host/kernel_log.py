"""What has the kernel said since it booted?"""

from __future__ import annotations

import errno
import os

_DEVICE = "/dev/kmsg"
_RECORD = 1 << 13  # bytes; Linux's longest is 8 KiB: Documentation/ABI/testing/dev-kmsg


def messages(device: str = _DEVICE) -> list[str]:
    """Each message that the kernel still keeps; none for a reader who may not."""
    try:
        log = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    found = []
    try:
        while record := _next(log):
            found.append(record.partition(b";")[2].partition(b"\n")[0].decode("utf-8", "replace"))
    except BlockingIOError:
        pass  # that was the last
    finally:
        os.close(log)
    return found


def _next(log: int) -> bytes:
    while True:
        try:
            return os.read(log, _RECORD)
        except OSError as error:
            if error.errno != errno.EPIPE:  # it was overwritten meanwhile; the next one follows
                raise
