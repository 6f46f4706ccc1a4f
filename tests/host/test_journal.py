"""Can anybody find out what a dead process had taken?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.host.journal import Entry, Journal
from septum.host.processes import Process, process, this_process

ADDRESS = "0000:01:00.0"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(str(tmp_path / "claims"))


def entry(holder: Process, address: str = ADDRESS) -> Entry:
    return Entry(address, "e1000e", "", holder, "blue")


def test_an_entry_is_read_as_it_was_written(journal: Journal) -> None:
    assert journal.entries() == [] and journal.read(ADDRESS) is None
    written = entry(this_process())
    journal.write(written)
    assert journal.read(ADDRESS) == written
    journal.write(written._replace(driver=None, driver_override="vfio-pci"))
    (again,) = journal.entries()
    assert (again.driver, again.driver_override) == (None, "vfio-pci")
    journal.remove(ADDRESS)
    journal.remove(ADDRESS)
    assert journal.entries() == []


def test_only_what_the_dead_held_is_abandoned(journal: Journal) -> None:
    child = subprocess.Popen(["sleep", "1000"])
    holder = process(child.pid)
    journal.write(entry(this_process(), "0000:02:00.0"))
    journal.write(entry(holder))
    assert journal.abandoned() == []
    child.kill()
    child.wait()
    assert journal.abandoned() == [entry(holder)]


def test_a_later_process_of_the_same_number_does_not_hold_it(journal: Journal) -> None:
    now = this_process()
    journal.write(entry(now._replace(started=now.started - 1)))
    assert len(journal.abandoned()) == 1


SOUND = {"address": ADDRESS, "driver": "e1000e", "driver_override": "", "pid": 1, "started": 1}
DAMAGED = [
    *("", "{", "[]", "7", '{"address": "x"}', '{"pid": "a"}', "[" * 100_000),
    *(json.dumps({**SOUND, key: value}) for key, value in (
        ("address", "0000:02:00.0"), ("driver", 7), ("driver_override", None), ("pid", "many"),
        ("started", None), ("instance", ["blue"]), ("keeper", 7), ("keeper", [1]),
        ("keeper", ["a", "b"]), ("keeper", [1, 2, 3]),
    )),
    *(json.dumps({key: SOUND[key] for key in SOUND if key != left}) for left in SOUND),
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_said_and_does_not_hide_the_others(journal: Journal, text: str) -> None:
    """It never reads as "not taken": somebody may hold what it names."""
    other = "0000:02:00.0"
    journal.write(entry(this_process(), other))
    Path(journal.path(ADDRESS)).write_text(text)
    assert [one.address for one in journal.entries()] == [other]
    (problem,) = journal.damaged().values()
    assert journal.unreturned() == [ADDRESS]
    assert ADDRESS in problem.what and journal.path(ADDRESS) in problem.because
    with pytest.raises(HostProblem, match="nobody can tell"):
        journal.read(ADDRESS)


def test_a_file_that_is_no_text_is_damaged(journal: Journal) -> None:
    journal.write(entry(this_process()))
    Path(journal.path(ADDRESS)).write_bytes(b"\xff\xfe")
    assert len(journal.damaged()) == 1 and journal.entries() == []


def test_a_write_that_was_not_finished_hides_nothing(journal: Journal) -> None:
    journal.write(entry(this_process()))
    Path(journal.path(ADDRESS) + ".new").write_text("{")
    assert journal.read(ADDRESS) == entry(this_process()) and journal.damaged() == {}


def test_the_lock_is_free_again_when_its_holder_dies(journal: Journal) -> None:
    words = (
        "import os, sys, time; from septum.host.journal import Journal\n"
        f"with Journal({journal.directory!r}).locked({ADDRESS!r}):\n"
        "    print('held', flush=True); time.sleep(1000)"
    )
    child = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline() == b"held\n"
    with pytest.raises(HostProblem), journal.locked(ADDRESS, 0):
        pass
    child.kill()
    child.communicate()
    with journal.locked(ADDRESS):
        pass


def test_the_keeper_is_read_as_it_was_written(journal: Journal) -> None:
    kept = entry(this_process())._replace(keeper=process(1))
    journal.write(kept)
    assert journal.read(ADDRESS) == kept
