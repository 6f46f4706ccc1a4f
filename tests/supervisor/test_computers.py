"""Are instances kept that live in the supervisor's own process?"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.errors import GuestProblem, MachineProblem
from septum.host.runtime import RunDirectory
from septum.messages import Report
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.platforms.alpha import Alpha
from septum.state import FAILED, RUNNING, STOPPED, Ending
from septum.supervisor.computers import ComputerKeeper
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import Stop
from septum.supervisor.workplace import Workplace
from tests.machines import a_machine


def partition(name: str, on_reboot: str = "stop") -> Partition:
    memory = MemorySlice(64 << 20, 0)
    processors = Processors((0,), False, 100)
    return Partition(name, "/k", None, "", memory, processors, (), on_reboot=on_reboot)


class FalseComputer:
    """Ends whom it is told to."""

    def __init__(self) -> None:
        self.added: list[str] = []
        self.stopped: list[str] = []
        self.ends: list[tuple[str, Ending]] = []
        self.refuses: set[str] = set()
        self.pipe = os.pipe()
        self.is_closed = self.is_broken = False

    def add(self, partition: Partition, report: Report) -> None:
        if partition.name in self.refuses:
            raise GuestProblem("no kernel", because="it is none")
        self.added.append(partition.name)
        report("stage", {"text": "added"})

    def step(self) -> list[tuple[str, Ending]]:
        if self.is_broken:
            raise OverflowError("int too large")
        ended, self.ends = self.ends, []
        return ended

    def ready_at(self) -> float:
        return 0.0

    def files(self) -> list[int]:
        return [self.pipe[0]]

    def stop(self, name: str) -> None:
        self.stopped.append(name)
        self.ends.append((name, Ending("stopped")))

    def close(self) -> None:
        self.is_closed = True
        for end in self.pipe:
            os.close(end)


class Desk:
    """A keeper, what it announced, and the computers it has switched on."""

    def __init__(self, root: Path) -> None:
        self.computers: list[FalseComputer] = []
        self.refuses: set[str] = set()
        self.announced: list[tuple[str, str]] = []
        self.selector = selectors.DefaultSelector()
        directory = RunDirectory(str(root / "run"), str(root / "log"))
        directory.make()
        self.platform: Any = Alpha()
        self.platform.switch_on = self.switch_on
        place = Workplace(directory)
        self.keeper = ComputerKeeper(self.platform, place, self.selector, self.announce)
        self.directory = directory

    def switch_on(self, *world: Any) -> FalseComputer:
        computer = FalseComputer()
        computer.refuses = self.refuses
        self.computers.append(computer)
        return computer

    def announce(self, instance: Instance, event: dict[str, Any]) -> None:
        self.announced.append((instance.name, str(event.get("state") or event.get("text"))))

    def up(self, *partitions: Partition) -> None:
        machine = a_machine()._replace(hosted=False)
        for one in partitions:
            self.keeper.instances[one.name] = Instance(one, machine)
        for one in partitions:
            self.keeper.start(self.keeper.instances[one.name])
        self.keeper.work()

    def states(self) -> dict[str, str]:
        return {name: one.state for name, one in self.keeper.instances.items()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for computer in made.computers:
        if not computer.is_closed:
            computer.close()
    made.selector.close()


def test_all_that_are_asked_for_at_once_share_one_computer(desk: Desk) -> None:
    desk.up(partition("blue"), partition("green"))
    assert len(desk.computers) == 1
    assert desk.computers[0].added == ["blue", "green"]
    assert desk.states() == {"blue": RUNNING, "green": RUNNING}
    assert ("blue", "running") in desk.announced and ("blue", "added") in desk.announced
    assert desk.computers[0].pipe[0] in [key.fd for key in desk.selector.get_map().values()]


def test_one_that_cannot_start_is_alone(desk: Desk) -> None:
    desk.refuses = {"blue"}
    desk.up(partition("blue"), partition("green"))
    assert desk.states() == {"blue": FAILED, "green": RUNNING}
    assert not os.path.exists(desk.directory.instance("blue"))


def test_without_a_computer_none_starts(desk: Desk) -> None:
    def refuse(*world: Any) -> FalseComputer:
        raise MachineProblem("there is no such computer")

    desk.platform.switch_on = refuse
    desk.up(partition("blue"), partition("green"))
    assert desk.states() == {"blue": FAILED, "green": FAILED}


def test_stopping_the_last_switches_the_computer_off(desk: Desk) -> None:
    desk.up(partition("blue"), partition("green"))
    keeper = desk.keeper
    keeper.stop(keeper.instances["blue"], Stop())
    keeper.work()
    assert desk.states() == {"blue": STOPPED, "green": RUNNING}
    assert not desk.computers[0].is_closed and keeper.next_moment() == 0.0
    keeper.stop(keeper.instances["green"], Stop())
    keeper.work()
    assert desk.computers[0].is_closed and keeper.next_moment() is None
    assert desk.directory.instances() == [] and not desk.selector.get_map()


def test_the_next_start_gets_a_fresh_computer(desk: Desk) -> None:
    desk.up(partition("blue"))
    desk.computers[0].ends = [("blue", Ending("powered off"))]
    desk.keeper.work()
    desk.up(partition("blue"))
    assert len(desk.computers) == 2 and desk.states() == {"blue": RUNNING}


def test_one_that_is_stopped_before_its_first_moment(desk: Desk) -> None:
    machine = a_machine()._replace(hosted=False)
    blue = desk.keeper.instances["blue"] = Instance(partition("blue"), machine)
    desk.keeper.start(blue)
    assert (desk.keeper.next_moment() or 0) <= time.monotonic()
    desk.keeper.stop(blue, Stop())
    desk.keeper.work()
    assert desk.states() == {"blue": STOPPED} and desk.computers == []


def test_a_reset_starts_it_again_where_the_table_says_so(desk: Desk) -> None:
    desk.up(partition("blue", on_reboot="restart"), partition("green"))
    desk.computers[0].ends = [("blue", Ending("reset")), ("green", Ending("reset"))]
    desk.keeper.work()
    assert desk.states()["green"] == STOPPED
    desk.keeper.work()
    assert desk.states()["blue"] == RUNNING


def test_a_bug_in_the_computer_ends_what_ran_on_it_and_no_more(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.up(partition("blue"), partition("green"))
    desk.computers[0].is_broken = True
    desk.keeper.work()
    assert desk.states() == {"blue": FAILED, "green": FAILED}
    assert desk.computers[0].is_closed and desk.keeper.next_moment() is None
    ending = desk.keeper.instances["blue"].ending
    assert ending is not None and "OverflowError" in ending.detail
    assert "Traceback" in capfd.readouterr().err
    desk.up(partition("red"))
    assert desk.states()["red"] == RUNNING, "the next start gets another computer"


def test_a_computer_that_cannot_even_be_made_is_said(
    desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*world: Any) -> FalseComputer:
        raise KeyError("hose")

    desk.platform.switch_on = broken
    desk.up(partition("blue"))
    assert desk.states() == {"blue": FAILED}
    ending = desk.keeper.instances["blue"].ending
    assert ending is not None and "KeyError" in ending.detail
    assert "Traceback" in capfd.readouterr().err
