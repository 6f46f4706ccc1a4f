"""Does a terminal reach an instance's serial port, and get away from it?"""

from __future__ import annotations

import os
import pty
import select
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from septum.admin.cli.console import key
from septum.errors import Problem
from tests.supervisor.desk import LIMIT, Desk, a_desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with a_desk() as desk:
        desk.directory.make()
        desk.directory.make_instance("blue")
        yield desk


@pytest.fixture
def console(desk: Desk) -> Iterator[socket.socket]:
    """A serial port's socket: says login, sends back what is typed in capitals, Q ends it."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(desk.directory.console_of("blue"))
    server.listen()

    def serve(stream: socket.socket) -> None:
        with stream, suppress(ConnectionError):
            stream.sendall(b"login: ")
            while (data := stream.recv(100)) and b"Q" not in data:
                stream.sendall(data.upper())
            if not data:
                stream.sendall(b"|the rest")

    def accept() -> None:
        while True:
            try:
                stream, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(stream,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    yield server
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


class Terminal:
    """A pty with `septum console` at its other end."""

    def __init__(self, desk: Desk, *words: str) -> None:
        self.ours, self.theirs = pty.openpty()
        self.before = termios.tcgetattr(self.theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.supervisor.fakes", "console", *words],
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
            env=desk.environment,
        )
        self.seen = b""

    def expect(self, what: bytes) -> None:
        end = time.monotonic() + LIMIT
        while what not in self.seen:
            ready, _, _ = select.select([self.ours], [], [], max(0, end - time.monotonic()))
            assert ready, f"{what!r} never came; {self.seen!r} did"
            self.seen += os.read(self.ours, 1000)
        self.seen = self.seen[self.seen.index(what) + len(what) :]

    def type(self, what: bytes) -> None:
        os.write(self.ours, what)

    def end(self) -> tuple[int, str]:
        _, error = self.process.communicate(timeout=LIMIT)
        assert termios.tcgetattr(self.theirs) == self.before, "the terminal is as it was"
        os.close(self.ours)
        os.close(self.theirs)
        return self.process.returncode, error.decode()


def test_keys_go_in_and_output_comes_out_until_the_escape(
    desk: Desk, console: socket.socket
) -> None:
    terminal = Terminal(desk, "blue")
    terminal.expect(b"login: ")
    terminal.type(b"ro")
    terminal.expect(b"RO")  # before Enter: the terminal is raw, and nothing is echoed twice
    terminal.type(b"\x03")
    terminal.expect(b"\x03")  # Ctrl-C is the instance's
    terminal.type(b"\x1d")
    code, error = terminal.end()
    assert code == 0
    assert "attached to blue; ^] detaches" in error and "detached from blue" in error


def test_two_are_attached_at_once(desk: Desk, console: socket.socket) -> None:
    first, second = Terminal(desk, "blue"), Terminal(desk, "blue", "--escape", "^a")
    for terminal in (first, second):
        terminal.expect(b"login: ")
    first.type(b"a")
    first.expect(b"A")
    second.type(b"\x1d")
    second.expect(b"\x1d")
    second.type(b"\x01")
    first.type(b"\x1d")
    assert (first.end()[0], second.end()[0]) == (0, 0)


def test_the_end_of_the_instance_ends_it(desk: Desk, console: socket.socket) -> None:
    terminal = Terminal(desk, "blue")
    terminal.expect(b"login: ")
    terminal.type(b"Q")
    code, error = terminal.end()
    assert code == 1 and "the end of blue" in error


@pytest.mark.parametrize("kind", ["pipe", "file", "nothing"])
def test_without_a_terminal_it_copies(desk: Desk, console: socket.socket, kind: str) -> None:
    (desk.root / "typed").write_text("ls\n")
    with open(os.devnull if kind == "nothing" else desk.root / "typed") as typed:
        process = desk.start("console", "blue", stdin=subprocess.PIPE if kind == "pipe" else typed)
        out, error = process.communicate("ls\n" if kind == "pipe" else None, timeout=LIMIT)
    assert process.returncode == 0, error
    expected = "login: |the rest" if kind == "nothing" else "login: LS\n|the rest"
    assert out == expected


def test_no_console_to_attach_to(desk: Desk) -> None:
    refused = desk.type("console", "green")
    assert refused.returncode == 1
    assert "green has no console to attach to" in refused.stderr


def test_keys() -> None:
    assert [key("^]"), key("^a"), key("^A"), key("~")] == [b"\x1d", b"\x01", b"\x01", b"~"]
    with pytest.raises(Problem, match="is not a key"):
        key("F12")
