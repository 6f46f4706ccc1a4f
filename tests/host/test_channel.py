"""Do questions find their answers over a socket?"""

from __future__ import annotations

import os
import resource
import socket
import stat
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from septum.errors import HostProblem, NotRunning
from septum.host.channel import Channel, Listener, ask, connect, listen


def test_a_channel_keeps_what_the_other_end_does_not_take_yet() -> None:
    ours, theirs = socket.socketpair()
    channel, other = Channel(ours), Channel(theirs)
    text = "x" * 100_000
    for number in range(20):
        channel.send({"number": number, "text": text})
    assert channel.unsent, "more was sent than a socket holds"
    arrived: list[int] = []
    while len(arrived) < 20:
        arrived += [message["number"] for message in other.receive() or []]
        channel.flush()
    assert arrived == list(range(20)) and not channel.unsent
    assert other.receive() == []
    channel.close()
    assert other.receive() is None
    other.send({"nobody": "hears"})
    other.close()


def test_a_socket_is_its_owners_and_replaces_a_dead_ones(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    listen(path).close()
    assert connect(path) is None
    with listen(path):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        stream = connect(path)
        assert stream is not None
        stream.close()
    assert connect(str(tmp_path / "none")) is None
    with pytest.raises(HostProblem, match="cannot listen"):
        listen(str(tmp_path / "none" / "s"))


def test_ask(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with pytest.raises(NotRunning, match="blue does not run"):
        ask(path, {"ask": "x"}, "blue")
    with listen(path) as server:
        server.setblocking(True)

        def answer() -> None:
            for reply in (b'{"rows":', b""):
                stream, _ = server.accept()
                with stream:
                    stream.recv(100)
                    stream.sendall(reply)
                    if reply:
                        stream.sendall(b"[1]}\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert ask(path, {"ask": "x"}, "blue") == {"rows": [1]}
        with pytest.raises(NotRunning, match="blue left without an answer"):
            ask(path, {"ask": "x"}, "blue")
        thread.join()


def test_nobody_waits_for_one_that_lets_nobody_in(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with ExitStack() as held:
        held.enter_context(listen(path))
        with pytest.raises(HostProblem, match="cannot reach"):
            while (stream := connect(path, within=0)) is not None:
                held.enter_context(stream)
        began = time.monotonic()
        with pytest.raises(HostProblem, match="cannot reach"):
            connect(path, within=0.2)
        assert 0.1 < time.monotonic() - began < 10


def test_who_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with listen(path), pytest.raises(NotRunning, match="blue does not answer"):
        ask(path, {"ask": "x"}, "blue", within=0.1)


def test_who_comes_when_no_file_is_left_is_sent_away(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = listen(path)
    listener = Listener(server)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    stream = connect(path)
    try:
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        assert listener.accept() is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert stream is not None
    with stream:
        assert stream.recv(10) == b"", "at once, so that it is not announced again and again"
    other = connect(path)
    accepted = listener.accept()
    assert other is not None and accepted is not None, "the next one is let in"
    accepted.close()
    other.close()
    listener.close()
