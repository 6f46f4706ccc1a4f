"""Is everything given back that can be, whatever cannot?"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from septum.errors import HostProblem, Problem
from septum.host import claim, memory
from septum.host.journal import Entry, Journal
from septum.host.processes import Process, this_process
from septum.host.runtime import RunDirectory
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.platforms.pc import Pc
from septum.state import STARTING, STOPPED, STOPPING, Ending
from septum.supervisor.instances import Instance
from septum.supervisor.processes import ProcessKeeper
from septum.supervisor.workplace import Workplace
from tests.machines import a_machine

ADDRESS = "0000:01:00.0"
DEAD = Process(4_000_000, 1)


def refuse(journal: Journal, instance: str = "") -> list[str]:
    raise HostProblem("cannot give 0000:01:00.0 back to Linux", because="busy")


class Desk:
    """A keeper with one instance, whose process was the last to hold a function."""

    def __init__(self, root: Path, restore: Callable[..., list[str]], slow: float = 60) -> None:
        self.directory = RunDirectory(str(root / "run"), str(root / "log"))
        self.directory.make()
        self.directory.make_instance("blue")
        self.journal = Journal(self.directory.claims)
        self.journal.write(Entry(ADDRESS, "e1000e", "", DEAD, "blue", this_process()))
        self.said: list[str] = []
        self.removed: list[str] = []
        self.selector = selectors.DefaultSelector()
        platform: Any = SimpleNamespace(restore=restore)
        place = Workplace(self.directory, slow=slow)
        self.keeper = ProcessKeeper(platform, place, self.selector, self.hear, lambda: None)
        memory, processors = MemorySlice(64 << 20, 0), Processors((0,), False, 100)
        partition = Partition("blue", "/k", None, "", memory, processors, ())
        self.blue = self.keeper.instances["blue"] = Instance(partition, a_machine())
        self.blue.move(STARTING, 0)
        self.blue.ending = Ending("powered off")
        group: Any = SimpleNamespace(remove=lambda: self.removed.append("blue"))
        self.keeper.give_back(self.blue, self.keeper.leave(self.blue, group))

    def hear(self, instance: Instance, event: Mapping[str, object]) -> None:
        self.said.append(str(event.get("text") or event.get("state")))

    def turn(self, condition: Callable[[], bool]) -> None:
        """The supervisor's loop, until something is so."""
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, self.said
            moment = self.keeper.next_moment()
            wait = 1.0 if moment is None else min(1.0, max(0.0, moment - time.monotonic()))
            for key, _ in self.selector.select(wait):
                key.data(0)
            self.keeper.work()

    def close(self) -> None:
        assert not self.selector.get_map(), "nothing is left to be heard"
        self.selector.close()


def test_what_is_given_back_is_said_and_the_instance_comes_to_rest(tmp_path: Path) -> None:
    def restore(journal: Journal, instance: str) -> list[str]:
        journal.remove(ADDRESS)
        return [f"{ADDRESS}: given back to Linux"]

    desk = Desk(tmp_path, restore)
    assert desk.blue.state == STOPPING and desk.blue.is_active, "until it is back"
    desk.turn(lambda: not desk.blue.is_active)
    assert desk.said == [f"{ADDRESS}: given back to Linux", "stopped"]
    assert (desk.blue.state, desk.blue.kept) == (STOPPED, [])
    desk.close()


def test_a_function_that_is_not_taken_back_does_not_keep_the_rest(tmp_path: Path) -> None:
    desk = Desk(tmp_path, refuse)
    assert desk.removed == ["blue"] and desk.directory.instances() == []
    desk.turn(lambda: not desk.blue.is_active)
    assert len(desk.said) == 2 and "not everything could be given back" in desk.said[0]
    assert desk.blue.kept == [ADDRESS] and desk.journal.unreturned() == [ADDRESS]
    desk.close()


def test_a_bug_in_giving_back_is_no_ones_else(tmp_path: Path) -> None:
    def bug(journal: Journal, instance: str) -> list[str]:
        raise ZeroDivisionError("nobody thought of this")

    desk = Desk(tmp_path, bug)
    desk.turn(lambda: not desk.blue.is_active)
    assert "nobody thought of this" in desk.said[0] and desk.blue.kept == [ADDRESS]
    desk.close()


def test_a_driver_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    """The loop goes on meanwhile; after a time so does who asked, and what is not back is said."""
    gate = tmp_path / "gate"

    def hang(journal: Journal, instance: str) -> list[str]:
        while not gate.exists():
            time.sleep(0.01)
        journal.remove(ADDRESS)
        return [f"{ADDRESS}: given back to Linux"]

    desk = Desk(tmp_path, hang, slow=0.3)
    began = time.monotonic()
    desk.keeper.work()
    assert time.monotonic() - began < 0.2 and desk.blue.is_active
    desk.turn(lambda: not desk.blue.is_active)
    assert "Linux takes longer than 0.3s" in desk.said[0]
    assert desk.blue.kept == [ADDRESS]
    desk.blue.move(STARTING, 0)
    with pytest.raises(Problem, match="blue cannot start"):
        desk.keeper.returns.refuse("blue")
    gate.touch()
    desk.turn(lambda: not desk.keeper.returns.open)
    assert desk.journal.entries() == [] and len(desk.said) == 2
    desk.keeper.returns.refuse("blue")
    desk.close()


def test_huge_pages_are_given_back_though_a_function_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pages(journal: str, instance: str) -> int:
        asked.append(journal)
        return 3

    monkeypatch.setattr(claim, "restore_abandoned", refuse)
    monkeypatch.setattr(memory, "restore_abandoned", pages)
    with pytest.raises(HostProblem, match="cannot give"):
        Pc().restore(Journal(str(tmp_path)))
    assert asked == [str(tmp_path)]

    def lines(journal: Journal, instance: str) -> list[str]:
        return ["the lines of functions"]

    monkeypatch.setattr(claim, "restore_abandoned", lines)
    assert Pc().restore(Journal(str(tmp_path))) == [
        "the lines of functions",
        "3 huge pages: given back to Linux",
    ]
