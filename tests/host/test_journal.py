"""Can anybody find out what a dead process had taken?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": "x"}', '{"pid": "a"}'])
def test_a_damaged_file_does_not_hide_the_others(journal: Journal, text: str) -> None:
    journal.write(entry(this_process()))
    Path(journal.path("0000:00:00.0")).write_text(text)
    assert [one.address for one in journal.entries()] == [ADDRESS]
