"""Is all read that the kernel has said, and nothing waited for?"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from septum.host import kernel_log


def test_each_record_is_a_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    records = iter(
        [
            b"6,1,0,-;Linux version 6.12\n",
            OSError(errno.EPIPE, "overwritten"),
            b"4,2,9,-;you are vulnerable; \xff\n SUBSYSTEM=pci\n",
            BlockingIOError(errno.EAGAIN, "no more"),
        ]
    )

    def read(file: int, size: int) -> bytes:
        record = next(records)
        if isinstance(record, OSError):
            raise record
        return record

    (tmp_path / "kmsg").write_text("")
    monkeypatch.setattr(kernel_log.os, "read", read)
    before = len(os.listdir("/proc/self/fd"))
    found = kernel_log.messages(str(tmp_path / "kmsg"))
    assert found == ["Linux version 6.12", "you are vulnerable; \ufffd"]
    assert len(os.listdir("/proc/self/fd")) == before


def test_who_may_not_read_it_reads_nothing(tmp_path: Path) -> None:
    assert kernel_log.messages(str(tmp_path / "none")) == []
