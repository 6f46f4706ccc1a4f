"""Are interrupts of running instances looked after, soon, then rarely, and no others'?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.partitions.model import MemorySlice, Partition, Processors
from septum.state import RUNNING, STARTING, STOPPING
from septum.supervisor.instances import Instance
from septum.supervisor.steering import LATE, SOON, Steering
from septum.units import MiB, PciAddress
from tests.host.test_affinity import ADDRESS, Linux
from tests.machines import a_machine

FUNCTION = PciAddress.parse(ADDRESS)


def instance(name: str, *functions: PciAddress) -> Instance:
    processors = Processors((2, 5), True, 100)
    memory = MemorySlice(64 * MiB, 0)
    found = Instance(Partition(name, "/k", None, "", memory, processors, functions), a_machine())
    found.state = RUNNING
    return found


class Clock:
    """The monotonic clock, by hand."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr("septum.supervisor.steering.time", clock)
    yield clock


@pytest.fixture
def linux(tmp_path: Path) -> Linux:
    return Linux(tmp_path)


class Desk:
    def __init__(self, linux: Linux, clock: Clock) -> None:
        self.said: list[str] = []
        self.clock = clock
        self.steering = Steering(self.say, str(linux.root))

    def say(self, instance: Instance, text: str) -> None:
        self.said.append(f"{instance.name}: {text}")

    def wait(self, *instances: Instance) -> float:
        """Until the next look, and take it; how long that was."""
        before = self.clock.now
        assert self.steering.moment is not None
        self.clock.now = max(self.clock.now, self.steering.moment)
        self.steering.work(instances)
        return self.clock.now - before


@pytest.fixture
def desk(linux: Linux, clock: Clock) -> Desk:
    return Desk(linux, clock)


def test_vectors_follow_whenever_they_are_unmasked(linux: Linux, desk: Desk) -> None:
    blue = instance("blue", FUNCTION)
    desk.steering.work([blue])
    linux.message(40)
    assert linux.where(40) == "0-7"
    assert desk.wait(blue) == 2 * SOON and linux.where(40) == "2,5"
    pauses = [desk.wait(blue) for _ in range(7)]
    assert pauses[:3] == [SOON, 2 * SOON, 4 * SOON] and pauses[-2:] == [LATE, LATE]
    linux.message(41)
    assert desk.wait(blue) == LATE and linux.where(41) == "2,5"
    assert desk.wait(blue) == SOON, "one is seldom alone"
    assert not desk.said


def test_nobody_runs(linux: Linux, desk: Desk) -> None:
    """An instance that only begins has its functions not yet, and one without has none."""
    linux.message(40)
    begins = instance("blue", FUNCTION)
    begins.state = STARTING
    desk.steering.work([begins, instance("green")])
    assert desk.steering.moment is None and linux.where(40) == "0-7"
    begins.state = RUNNING
    desk.steering.work([begins])
    assert linux.where(40) == "2,5"
    begins.state = STOPPING
    desk.wait(begins)
    desk.steering.work([])
    assert desk.steering.moment is None


def test_another_one_s_beginning_is_looked_at_at_once(linux: Linux, desk: Desk) -> None:
    blue, green = instance("blue", FUNCTION._replace(bus=9)), instance("green", FUNCTION)
    desk.steering.work([blue])
    for _ in range(6):
        desk.wait(blue)
    linux.message(40)
    desk.clock.now += 0.01
    desk.steering.work([blue, green])
    assert linux.where(40) == "2,5"


def test_what_linux_refuses_is_said_once_in_each_life(linux: Linux, desk: Desk) -> None:
    linux.message(40)
    linux.set(40, "nonsense")
    blue = instance("blue", FUNCTION)
    desk.steering.work([blue])
    for _ in range(3):
        desk.wait(blue)
    (said,) = desk.said
    assert said.startswith(f"blue: interrupts of {ADDRESS} stay where Linux has them")
    desk.steering.work([])
    desk.steering.work([blue])
    assert len(desk.said) == 2


def test_the_real_clock_is_the_loop_s() -> None:
    """ProcessKeeper compares the moment with time.monotonic()."""
    steering = Steering(lambda instance, text: None, "/nonexistent")
    steering.work([instance("blue", FUNCTION)])
    assert steering.moment is not None and 0 < steering.moment - time.monotonic() <= 2 * SOON
