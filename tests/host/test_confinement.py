"""Does a confined process get anywhere? By the program attempts.py, as root; and seen from outside.

tests/lab/test_main_job.py looks at the instances themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from septum.confinement import calls, limits
from septum.confinement.limits import FIRST_USER
from septum.host import confinement
from septum.host.confinement import install
from septum.host.logs import Log
from septum.host.processes import open_files
from septum.instance.confined import REQUESTS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a user away")
PROGRAM = Path(__file__).parent / "attempts.py"
ROOT = Path(__file__).parents[2]
REFUSED = {"EACCES", "EPERM", "SIGSYS", "ModuleNotFoundError", "ValueError", "RuntimeError"}
# Errors of an attempt that was let through to where its own arguments are looked at
LET_THROUGH = {"done", "EFAULT", "EINVAL", "ENOTTY", "ENOSYS", "ENOENT", "ECONNREFUSED"}
KILLED = {
    *("run_a_program", "ptrace", "mount", "load_a_module", "load_a_bpf_program", "use_io_uring"),
    *("read_keys", "handle_page_faults", "be_root_again", "call_as_a_32_bit_program"),
    *("connect_to_the_network", "kill_its_parent"),
}


def tried(*words: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *words], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stderr == "", "something could not be had, or was not caught"
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", calls.THREADS)
def test_every_attempt_is_refused(kind: str) -> None:
    found = tried(kind)
    assert len(found) > 45
    assert {name: said for name, said in found.items() if said not in REFUSED} == {}
    assert {name for name, said in found.items() if said == "SIGSYS"} >= KILLED


def test_unconfined_they_would_be_attempts() -> None:
    found = tried()
    assert {name: said for name, said in found.items() if said not in LET_THROUGH} == {}


def test_each_part_holds_by_itself() -> None:
    assert tried("layers") == {
        "empty root": ["ENOENT", "ENOENT", "ENOENT"],
        "network": ["ENETUNREACH", "ENETUNREACH"],
        "user": ["EPERM", "EPERM", "EPERM", "EPERM"],
        "Landlock": ["EACCES", "EACCES", "EACCES"],
    }


def test_seen_from_outside() -> None:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "wait"], env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    here, there = Path("/proc/self"), Path(f"/proc/{process.pid}")
    status = dict(
        line.split(":\t", 1) for line in (there / "status").read_text().splitlines() if "\t" in line
    )
    own = str(FIRST_USER + process.pid)
    assert status["Uid"].split() == status["Gid"].split() == [own] * 4
    assert status["Groups"].split() == []
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]) == ("1", "2", "2")
    for name in ("mnt", "net", "ipc", "uts", "cgroup"):
        assert os.readlink(here / "ns" / name) != os.readlink(there / "ns" / name)
    assert os.listdir(there / "root") == []
    limits = (there / "limits").read_text()
    assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"]
    assert limits.split("Max processes")[1].split()[:2] == ["6", "6"]
    assert int(limits.split("Max open files")[1].split()[1]) < 200
    assert (there / "mem").stat().st_uid == 0, "not dumpable: its files are root's"
    process.communicate("")
    assert process.returncode == 0


@pytest.mark.parametrize("kind", calls.THREADS)
def test_its_logs_begin_anew_all_the_same(tmp_path: Path, kind: str) -> None:
    """By files that are open: each kind of thread may say something."""
    log = Log(str(tmp_path / "log"), 1000, 3)
    log.hold()
    number = os.fork()
    if number == 0:
        to = limits.limits(1 << 30, 1, 0, len(open_files()))
        all_of_it = confinement.Confinement(to, REQUESTS)
        all_of_it.enter(str(tmp_path))
        all_of_it.narrow(kind)
        for letter in b"abcdefg":
            log.write(bytes([letter]) * 600)
        os._exit(0)
    assert os.waitpid(number, 0)[1] == 0
    log.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    left = b"".join((tmp_path / name).read_bytes() for name in ("log.2", "log.1", "log"))
    assert 2000 < len(left) <= 3000
    assert b"".join(bytes([letter]) * 600 for letter in b"abcdefg").endswith(left)


def test_a_filter_that_linux_does_not_take() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        install(bytes(8))  # it would not answer


def test_what_this_linux_has_not_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(number: int, *arguments: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(confinement, "call", absent)
    assert confinement._tried("Landlock", confinement.close_files) == [
        "Landlock (this Linux has none)"
    ]
