"""How does a person reach an instance's serial port? Attaches the terminal until ^] is typed."""

from __future__ import annotations

import os
import selectors
import socket
import sys
from argparse import ArgumentParser, Namespace

from septum.errors import NotRunning, Problem
from septum.host.channel import connect
from septum.host.runtime import RunDirectory

HELP = "Attach this terminal to an instance's serial port. Several may be attached at once."
CHUNK = 1 << 12  # bytes
CONTROL = 31  # Ctrl with a character is its code's low five bits


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the instance")
    parser.add_argument(
        "--escape",
        default="^]",
        metavar="KEY",
        help="the key that detaches: ^] is Ctrl-] (default), or one character",
    )


def run(options: Namespace) -> int:
    """0: detached, or the input ended; 1: the instance left meanwhile."""
    escape = key(options.escape)
    stream = connect(RunDirectory.from_environment().console_of(options.name))
    if stream is None:
        raise NotRunning(
            f"{options.name} has no console to attach to",
            because="it does not run",
            remedy="septum ps lists the instances",
        )
    with stream:
        if not os.isatty(sys.stdin.fileno()):
            return copy(stream, sys.stdin.fileno(), sys.stdout.fileno(), None)
        print(f"attached to {options.name}; {options.escape} detaches", file=sys.stderr)
        with RawTerminal(sys.stdin.fileno()):
            code = copy(stream, sys.stdin.fileno(), sys.stdout.fileno(), escape)
    end = "detached from" if code == 0 else "the end of"
    print(f"\n{end} {options.name}", file=sys.stderr)
    return code


def key(text: str) -> bytes:
    """The byte a key sends: "^]" or a single character."""
    if len(text) == 2 and text[0] == "^":
        return bytes([ord(text[1].upper()) & CONTROL])
    if len(text) == 1 and text.isascii():
        return text.encode()
    raise Problem(
        f"{text} is not a key", because="it is not one character", remedy="say ^] or ^a or ~"
    )


class RawTerminal:
    """Every key goes to the instance, Ctrl-C too; the terminal is as before afterwards."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal

    def __enter__(self) -> None:
        import termios
        import tty

        self.before = termios.tcgetattr(self.terminal)
        tty.setraw(self.terminal)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        import termios

        termios.tcsetattr(self.terminal, termios.TCSADRAIN, self.before)


def copy(stream: socket.socket, source: int, target: int, escape: bytes | None) -> int:
    """Copy both ways; 0 when the person leaves, or the input ends; 1 when the instance does."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ, "output")
        try:
            selector.register(source, selectors.EVENT_READ, "input")
        except PermissionError:
            # A file is always ready, and Linux's epoll refuses it: it is sent at once.
            return send_file(stream, source, target)
        while True:
            for event, _ in selector.select():
                if event.data == "output":
                    data = stream.recv(CHUNK)
                    if not data:
                        return 1
                    write_all(target, data)
                elif take_input(stream, source, escape):
                    return finish(stream, target, escape)


def take_input(stream: socket.socket, source: int, escape: bytes | None) -> bool:
    """Send what was typed; True when this was the last."""
    data = os.read(source, CHUNK)
    if escape is not None and escape in data:
        stream.sendall(data[: data.index(escape)])
        return True
    stream.sendall(data)
    return not data


def send_file(stream: socket.socket, source: int, target: int) -> int:
    while data := os.read(source, CHUNK):
        stream.sendall(data)
    return finish(stream, target, None)


def finish(stream: socket.socket, target: int, escape: bytes | None) -> int:
    """After the end of an input that nobody types, copy output until the instance closes."""
    if escape is not None:
        return 0
    stream.shutdown(socket.SHUT_WR)
    while data := stream.recv(CHUNK):
        write_all(target, data)
    return 0


def write_all(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]
