"""Who asks a running instance, and who hears its console? One thread serves all of them.

It may be a thread of its own (serve), or one that has other things to do (listen, turn).
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from septum.errors import Problem
from septum.host.channel import Channel, listen
from septum.messages import Message, error_message
from septum.sockets.console import CHUNK, Console

Answer = Callable[[Message], Mapping[str, object]]

_MOMENT = 0.01  # seconds
_AGAIN = 0.02  # seconds between looks whether a slow reader, or the guest, takes what waits


class Link:
    """The control and console sockets of one instance, and its devices' request events."""

    def __init__(self, console: Console, lock: threading.Lock, name: str) -> None:
        self.console = console
        self.lock = lock
        self.answers: dict[str, Answer] = {}
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._leaving = False
        self._thread = threading.Thread(target=self._serve, name=f"{name} link")
        self._watch(console.event, self._gather)
        console.leaving = self._unwatch
        self._watch(self._wake, lambda: None)
        self._servers: list[socket.socket] = []
        self._channels: list[Channel] = []

    def serve(self, control: str, console: str) -> None:
        """Listen at these paths and begin, in a thread of its own."""
        self.listen(control, console)
        self._thread.start()

    def listen(self, control: str, console: str) -> None:
        """Listen at these paths; whoever calls turn() answers."""
        for path, accepted in ((control, self._asker), (console, self._reader)):
            server = listen(path)
            self._servers.append(server)
            self._watch(server, partial(accepted, server))

    def fileno(self) -> int:
        """Readable when turn() has something to do."""
        return self._selector.fileno()

    def terminal(self, keyboard: int, screen: int) -> None:
        """Connect the console to this process's own terminal."""
        self.console.terminal = screen

        def key() -> None:
            data = os.read(keyboard, CHUNK)
            if data:
                self._typed(data)
            else:
                self._selector.unregister(keyboard)

        try:
            self._watch(keyboard, key)
        except PermissionError:
            return  # a plain file: epoll has nothing to wait for there

    def watch(self, event: int, call: Callable[[], None]) -> None:
        """Call when an eventfd is signalled. Before serve()."""
        self._watch(event, call)

    def close(self) -> None:
        """Say what is left to say and stop serving."""
        self._leaving = True
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join()
        self.console.pass_on()
        self.console.leaving = lambda reader: None
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket | Channel):
                key.fileobj.close()
        self._selector.close()
        os.close(self._wake)

    def _watch(self, file: int | socket.socket | Channel, call: Callable[[], None]) -> None:
        self._selector.register(file, selectors.EVENT_READ, call)

    def _unwatch(self, reader: socket.socket) -> None:
        # The selector would keep a closed one, and refuse the next file of its number.
        self._selector.unregister(reader)

    def _serve(self) -> None:
        while not self._leaving:
            self.turn(_AGAIN if self._is_behind else None)

    def turn(self, timeout: float | None) -> None:
        """Wait so many seconds (None: for ever) for somebody, and answer."""
        for key, _ in self._selector.select(timeout):
            key.data()
        if self.console.waits_for_room:
            with self.lock:
                self.console.deliver()
        for reader in self.console.lagging:
            self.console.flush(reader)
        for channel in self._channels:
            channel.flush()

    @property
    def _is_behind(self) -> bool:
        console = self.console
        if console.waits_for_room or console.lagging:
            return True
        return any(channel.unsent for channel in self._channels)

    def _gather(self) -> None:
        """The guest has begun to write: pass on in one go what comes within a moment."""
        # Bytes come one an exit. Woken for each, this thread would make the processor that
        # writes wait for the interpreter each time.
        time.sleep(_MOMENT)
        self.console.pass_on()

    def _typed(self, data: bytes) -> None:
        self.console.typed(data)
        with self.lock:
            self.console.deliver()

    def _reader(self, server: socket.socket) -> None:
        reader = _accepted(server)
        if reader is None:
            return

        def heard() -> None:
            try:
                data = reader.recv(CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self._typed(data)
            else:
                self.console.detach(reader)

        self._watch(reader, heard)
        self.console.attach(reader)

    def _asker(self, server: socket.socket) -> None:
        stream = _accepted(server)
        if stream is None:
            return
        channel = Channel(stream)
        self._channels.append(channel)

        def asked() -> None:
            try:
                messages = channel.receive()
            except Problem as problem:
                channel.send(error_message(problem))
                messages = None
            if messages is None:
                self._selector.unregister(channel)
                self._channels.remove(channel)
                channel.close()
                return
            for message in messages:
                channel.send(self._answer(message))

        self._watch(channel, asked)

    def _answer(self, message: Message) -> Mapping[str, object]:
        answer = self.answers.get(str(message.get("ask")))
        if answer is None:
            known = ", ".join(sorted(self.answers))
            problem = Problem(
                f"an instance does not know {message.get('ask')!r}", remedy=f"ask one of {known}"
            )
            return error_message(problem)
        try:
            return answer(message)
        except Problem as problem:
            return error_message(problem)


def _accepted(server: socket.socket) -> socket.socket | None:
    """Who knocks; None when it has left again, or Linux has no file left to give."""
    try:
        return server.accept()[0]
    except OSError:
        return None
