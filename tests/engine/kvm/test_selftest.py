"""Does the self-test tell the three kinds of /dev/kvm apart?"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from septum.engine.kvm import selftest as module
from septum.engine.kvm.selftest import selftest
from septum.layouts import kvm


def test_no_device_is_absent(tmp_path: Path) -> None:
    assert selftest(str(tmp_path / "kvm")) == ("absent", f"there is no {tmp_path / 'kvm'}")


def test_a_file_that_is_no_kvm_is_absent(tmp_path: Path) -> None:
    (tmp_path / "kvm").write_bytes(b"")
    state, why = selftest(str(tmp_path / "kvm"))
    assert state == "absent" and "failed" in why


@pytest.mark.skipif(not os.access(kvm.DEVICE, os.R_OK | os.W_OK), reason="no /dev/kvm here")
def test_a_device_is_one_or_the_other() -> None:
    state, why = selftest()
    assert state in ("real", "emulated") and "guest" in why


def processor(result: int, reason: int, port: int = 0) -> Any:
    return SimpleNamespace(
        run=lambda: result,
        header=SimpleNamespace(exit_reason=reason),
        io=SimpleNamespace(port=port),
    )


@pytest.mark.parametrize(
    ("stopped", "said"),
    [
        (processor(0, kvm.Exit.IO, 128), ""),
        (processor(0, kvm.Exit.IO, 129), "KVM_EXIT_IO"),
        (processor(0, kvm.Exit.INTERNAL_ERROR), "KVM could not emulate an instruction"),
        (processor(0, kvm.Exit.SHUTDOWN), "KVM_EXIT_SHUTDOWN"),
        (processor(0, 999), "exit reason 999"),
        (processor(-errno.EFAULT, 0), "Bad address"),
    ],
)
def test_what_stopped_the_guest(stopped: Any, said: str) -> None:
    assert module._until_port(stopped) == said
