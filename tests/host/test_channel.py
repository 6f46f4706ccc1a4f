"""Do questions find their answers over a socket?"""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from septum.errors import HostProblem, NotRunning
from septum.host.channel import Channel, ask, connect, listen


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
