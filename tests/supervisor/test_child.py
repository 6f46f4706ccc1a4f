"""Does an instance report what matters, and never wait for its supervisor with the rest?"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from septum import protocol
from septum.host.channel import Channel
from septum.messages import Message
from septum.supervisor import child
from septum.supervisor.child import LONGEST_REPORT, reporter

Ends = tuple[socket.socket, Channel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The instance's end, and its supervisor's, which reads when it is told to."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield theirs, Channel(ours, LONGEST_REPORT, LONGEST_REPORT)
    theirs.close()
    ours.close()


def heard(supervisor: Channel) -> list[Message]:
    found: list[Message] = []
    while more := supervisor.receive():
        found += more
    for message in found:
        protocol.reported(message)
    return found


def test_a_supervisor_that_does_not_read_holds_up_no_guest(ends: Ends) -> None:
    instance, supervisor = ends
    report = reporter(instance)
    began = time.monotonic()
    for number in range(20_000):
        report("stage", {"text": f"0000:01:00.0 BAR 0 at {number:#x} is not placed"})
    assert time.monotonic() - began < 30, "it did not wait, 20,000 times"
    first = heard(supervisor)
    report("stage", {"text": "the next"})
    more, last = heard(supervisor)
    assert last == {"event": "stage", "text": "the next"}
    assert more["text"].startswith(f"... and {20_000 - len(first):,} reports before this one")


def test_a_state_and_an_ending_are_never_left_out(ends: Ends) -> None:
    instance, supervisor = ends
    report = reporter(instance)
    for _ in range(2000):
        report("stage", {"text": "x" * 100})
    thread = threading.Thread(target=report, args=("ending", {"reason": "reset", "detail": ""}))
    thread.start()
    found: list[Message] = []
    while thread.is_alive() or not found or found[-1]["event"] != "ending":
        found += heard(supervisor)
    thread.join()
    assert found[-1] == {"event": "ending", "reason": "reset", "detail": ""}


def test_an_ending_waits_for_so_long_and_no_longer(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "PATIENCE", 0.2)
    instance, _ = ends
    report = reporter(instance)
    for _ in range(2000):
        report("stage", {"text": "x" * 100})
    began = time.monotonic()
    report("ending", {"reason": "reset", "detail": ""})
    assert 0.1 < time.monotonic() - began < 20


def test_a_parent_that_is_gone_is_no_error(ends: Ends) -> None:
    instance, supervisor = ends
    supervisor.close()
    reporter(instance)("ending", {"reason": "reset", "detail": ""})


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\U0001f600" * 100_000, "\ud800\0\x1b[2J"])
def test_the_longest_report_is_one_packet(ends: Ends, text: str) -> None:
    instance, supervisor = ends
    reporter(instance)("ending", {"reason": text, "detail": text})
    (message,) = heard(supervisor)
    assert len(message["detail"]) <= protocol.LONGEST_TEXT
