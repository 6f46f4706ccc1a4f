"""Does the loop go on whatever an asker sends, and whatever a keeper does? In this process."""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from septum import protocol
from septum.host.channel import Channel, listen
from septum.host.runtime import RunDirectory
from septum.machine.model import Machine
from septum.messages import Message, encode, plain
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.rate_limit import RateLimit
from septum.state import RUNNING, STARTING, Ending
from septum.supervisor import child, loop
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import Keeper, Stop
from septum.supervisor.loop import Supervisor
from septum.supervisor.processes import ProcessKeeper
from septum.supervisor.workplace import Workplace
from tests.machines import a_machine
from tests.test_protocol import MESSAGES, ODD, a_partition


class FalseKeeper(Keeper):
    """Starts at once, and ends when it is told to."""

    def start(self, instance: Instance) -> None:
        instance.move(STARTING, 0.0)
        instance.move(RUNNING, 0.0)
        self.announce(instance, {"event": "state", "state": RUNNING})

    def stop(self, instance: Instance, how: Stop) -> None:
        if instance.is_active:
            instance.ending = Ending("stopped")
            self.settle(instance)

    def next_moment(self) -> float | None:
        return None

    def work(self) -> None:
        return None


class Desk:
    """A supervisor whose loop the test turns by hand, and the ends of those who ask it."""

    def __init__(self, root: Path) -> None:
        self.directory = RunDirectory(str(root / "run"), str(root / "log"))
        self.directory.make()
        place = Workplace(self.directory)
        self.supervisor = Supervisor(place, "pc", listen(self.directory.control))
        self.keeper = FalseKeeper(place, self.supervisor.selector, self.supervisor.announce)
        self.supervisor.keeper = self.supervisor.requests.keeper = self.keeper
        self.supervisor.selector.register(
            self.supervisor.listener, selectors.EVENT_READ, self.supervisor.accept
        )
        self.said: list[str] = []

    def asker(self) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(self.directory.control)
        stream.setblocking(False)
        self.turn()
        return stream

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.supervisor.turn(0.0)

    def ask(self, stream: socket.socket, line: bytes) -> list[Message]:
        """Send a line, have it answered, and the answers; none when it was let go before."""
        try:
            stream.sendall(line)
        except OSError:
            return []
        self.turn(2)
        return heard(stream)

    def close(self) -> None:
        self.supervisor.close()
        self.supervisor.selector.close()


def heard(stream: socket.socket) -> list[Message]:
    got = b""
    try:
        while more := stream.recv(1 << 16):
            got += more
    except OSError:
        pass
    return [json.loads(line) for line in got.splitlines()]


@contextmanager
def a_desk(root: Path) -> Iterator[Desk]:
    desk = Desk(root)
    try:
        yield desk
    finally:
        desk.close()


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the loop had to write down as a bug."""
    said: list[str] = []
    monkeypatch.setattr(loop.logs, "say", said.append)
    return said


CHANCE = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@CHANCE
@given(st.lists(MESSAGES | st.binary(max_size=200), max_size=8))
def test_whatever_is_asked_there_is_an_answer_and_the_next_is_answered(
    tmp_path_factory: pytest.TempPathFactory, bugs: list[str], asked: list[Message | bytes]
) -> None:
    with a_desk(tmp_path_factory.mktemp("r")) as desk, desk.asker() as stream:
        for one in asked:
            line = one + b"\n" if isinstance(one, bytes) else json.dumps(one).encode() + b"\n"
            if answers := desk.ask(stream, line):
                assert all({"error", "rows", "done", "event"} & answer.keys() for answer in answers)
        with desk.asker() as other:
            assert desk.ask(other, encode({"ask": "list"})) == [{"rows": []}]
        assert not [line for line in bugs if line.startswith("a bug")]


@CHANCE
@given(st.dictionaries(st.sampled_from(sorted(Partition._fields)), ODD, max_size=3), ODD)
def test_whatever_up_says_it_starts_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, bugs: list[str], odd: dict[str, Any], machine: Any
) -> None:
    fields = {**plain(a_partition()), **odd}
    with a_desk(tmp_path_factory.mktemp("r")) as desk:
        for whole in (plain(a_machine()), machine):
            question = {"ask": "up", "platform": "pc", "partitions": [fields], "machine": whole}
            with desk.asker() as stream:
                answers = desk.ask(stream, json.dumps(question).encode() + b"\n")
            assert answers and ("error" in answers[0] or answers[-1]["done"])
        assert not [line for line in bugs if line.startswith("a bug")]


def up(*names: str) -> bytes:
    partitions = [
        plain(
            Partition(
                name, "/k", None, "", MemorySlice(64 << 20, 0), Processors((0,), False, 100), ()
            )
        )
        for name in names
    ]
    return encode(
        protocol.question("up", platform="pc", partitions=partitions, machine=plain(a_machine()))
    )


def test_a_bug_in_an_answer_is_written_down_and_the_next_is_answered(
    tmp_path: Path, bugs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*words: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setitem(loop.ANSWERS, "down", broken)
    with a_desk(tmp_path) as desk, desk.asker() as stream:
        for _ in range(20):
            desk.ask(stream, encode({"ask": "down", "within": 1}))
        assert desk.ask(stream, encode({"ask": "list"})) == [{"rows": []}]
    written = [line for line in bugs if "nobody thought of this" in line]
    assert 1 <= len(written) <= 5, "and not each time"


def test_a_bug_of_a_keeper_ends_nothing(tmp_path: Path, bugs: list[str]) -> None:
    with a_desk(tmp_path) as desk, desk.asker() as stream:

        def broken() -> None:
            raise OverflowError("int too big to convert")

        desk.keeper.work = broken  # type: ignore[method-assign]
        assert desk.ask(stream, encode({"ask": "list"})) == [{"rows": []}]
        assert "OverflowError" in bugs[0]


def test_an_asker_has_so_many_open_requests_and_no_more(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk, desk.asker() as stream:
        desk.keeper.start = lambda instance: instance.move(STARTING, 0.0)  # type: ignore[method-assign]
        for number in range(20):
            desk.ask(stream, up(f"a{number}"))
        assert len(desk.supervisor.requests.open) == 8
        assert len(desk.keeper.instances) == 8, "what was refused is not kept either"


def test_instances_that_are_kept_are_bounded(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk, desk.asker() as stream:
        for first in range(0, 400, 50):
            answers = desk.ask(stream, up(*(f"a{number}" for number in range(first, first + 50))))
        assert "kept already" in answers[-1]["error"]["because"]
        assert len(desk.keeper.instances) == 250


def test_messages_that_are_not_whole_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bugs: list[str]
) -> None:
    monkeypatch.setattr(loop, "MOST_UNFINISHED", 1 << 20)
    with a_desk(tmp_path) as desk:
        streams = [desk.asker() for _ in range(8)]
        for _ in range(8):
            for stream in streams:
                try:
                    stream.sendall(b"x" * 60_000)
                except OSError:
                    continue
            desk.turn(2)
        assert sum(asker.unfinished for asker in desk.supervisor.askers) <= 1 << 20
        assert desk.supervisor.askers, "not all of them had to go"
        assert "too many long messages" in bugs[0]
        for stream in streams:
            stream.close()


def test_a_stop_that_takes_as_long_as_may_be_is_slept_for(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk:
        desk.keeper.instances["blue"] = Instance(a_partition(), a_machine())
        desk.keeper.next_moment = lambda: 1e12  # type: ignore[method-assign]
        patience = desk.supervisor.patience()
        assert patience is not None and patience <= 3600


# ---- what an instance's process reports


class Instances:
    """A keeper of processes with one instance, whose reports the test writes."""

    def __init__(self, root: Path) -> None:
        self.announced: list[str] = []
        self.stopped = 0
        directory = RunDirectory(str(root / "run"), str(root / "log"))
        directory.make()
        selector = selectors.DefaultSelector()
        platform: Any = SimpleNamespace()
        self.keeper = ProcessKeeper(
            platform, Workplace(directory), selector, self.announce, lambda: None
        )
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.instance = Instance(a_partition(), Machine(*a_machine()))
        self.instance.move(STARTING, 0.0)
        limit = RateLimit(child.MOST_STAGES)
        longest = child.LONGEST_REPORT
        self.child: Any = SimpleNamespace(reports=Channel(ours, longest, longest), limit=limit)
        self.instance.child = self.child
        selector.register(self.child.reports, selectors.EVENT_READ)
        self.keeper.stop = self.stop  # type: ignore[method-assign]

    def stop(self, instance: Instance, how: Stop) -> None:
        self.stopped += 1

    def announce(self, instance: Instance, event: Message) -> None:
        fields = {key: value for key, value in event.items() if key != "event"}
        protocol.event(event["event"], instance.name, fields)  # a Problem, if it cannot be told
        self.announced.append(str(event))

    @property
    def is_heard(self) -> bool:
        return self.child.reports.fileno() in self.keeper.selector.get_map()

    def reports(self, packet: bytes) -> None:
        self.theirs.send(packet)
        if self.is_heard:
            self.keeper.reported(self.instance, self.child)

    def close(self) -> None:
        self.keeper.selector.close()
        self.child.reports.close()
        self.theirs.close()


@CHANCE
@given(
    st.lists(
        MESSAGES.map(lambda one: json.dumps(one).encode() + b"\n") | st.binary(min_size=1),
        max_size=10,
    )
)
def test_whatever_is_reported_it_is_heeded_or_nothing_is_any_more(
    tmp_path_factory: pytest.TempPathFactory, bugs: list[str], packets: list[bytes]
) -> None:
    one = Instances(tmp_path_factory.mktemp("r"))
    for packet in packets:
        one.reports(packet)
    if one.is_heard:
        one.reports(encode(protocol.report("state", {"state": RUNNING})))
    if one.is_heard:
        assert one.instance.state == RUNNING
    else:
        assert one.instance.said is not None and one.instance.said.reason == "failed"
        assert one.stopped or one.instance.state == RUNNING
    one.close()


def test_a_hundred_thousand_reports_are_a_few_lines(tmp_path: Path, bugs: list[str]) -> None:
    one = Instances(tmp_path)
    for number in range(100_000):
        if not one.is_heard:
            break
        packet = encode({"event": "stage", "text": f"0000:01:00.0 BAR 0 at {number:#x}"})
        one.reports(packet)
    assert not one.is_heard
    assert len(one.announced) < child.MOST_STAGES + 10
    assert len(bugs) == 1
    one.close()
