"""Are processes told apart, and do they end as they should?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from septum.host.processes import (
    Process,
    process,
    read_process,
    state_and_start,
    tell,
    this_process,
    write_process,
)


def test_a_name_may_hold_spaces_and_parentheses(tmp_path: Path) -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(f"7 (a) R (b) S {fields}\n")
    assert state_and_start(7, str(tmp_path)) == ("S", 22)
    assert state_and_start(8, str(tmp_path)) == ("", 0)


def test_life_and_death() -> None:
    assert this_process().is_alive
    child = subprocess.Popen(["sleep", "1000"])
    one = process(child.pid)
    assert one.is_alive
    tell(one._replace(started=one.started + 1), signal.SIGKILL)
    assert child.poll() is None, "another process of that number is not told"
    tell(one, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not one.is_alive, "a zombie holds nothing"
    child.wait()
    assert not one.is_alive
    tell(one, signal.SIGKILL)


def test_a_process_file(tmp_path: Path) -> None:
    path = str(tmp_path / "process")
    assert read_process(path) is None
    write_process(path, Process(5, 6))
    assert read_process(path) == Process(5, 6)
    Path(path).write_text("half")
    assert read_process(path) is None


UNWINDING = """
import signal, sys
from septum.host import processes
processes.set_name("septum:a-rather-long-name")
processes.end_on_terminate()
try:
    print(open("/proc/self/comm").read().strip(), flush=True)
    signal.pause()
except KeyboardInterrupt:
    import os
    os.kill(os.getpid(), signal.SIGTERM)  # a second one must not disturb the cleaning up
    print("cleaned up", flush=True)
"""


def test_the_first_sigterm_unwinds_and_the_second_does_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", UNWINDING], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "septum:a-rather\n"
    child.terminate()
    out, _ = child.communicate(timeout=60)
    assert (out, child.returncode) == ("cleaned up\n", 0)


ORPHAN = """
import os, signal, sys
from septum.host import processes
parent = os.getpid()
reader, writer = os.pipe()
if os.fork() == 0:
    processes.end_on_terminate()
    try:
        processes.die_with_parent(parent)
        os.write(writer, b"x")
        signal.pause()
    except KeyboardInterrupt:
        print("heard", flush=True)
        os._exit(0)
os.read(reader, 1)
os.kill(parent, signal.SIGKILL)
"""


def test_a_child_hears_of_its_parents_death() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (-signal.SIGKILL, "heard\n")
