"""Who asks a running instance, and who hears its console? One thread serves all of them.

It may be a thread of its own (serve), or one that has other things to do (listen, turn).
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from septum import protocol
from septum.errors import Problem
from septum.host.channel import Listener, listen
from septum.host.processes import set_name
from septum.messages import Message, error_message
from septum.rate_limit import RateLimit
from septum.sockets.askers import MOST_UNSENT, PATIENCE, Asker
from septum.sockets.console import CHUNK, Console

Answer = Callable[[Message], Mapping[str, object]]

MOST_ASKERS = 16
MOST_READERS = 16
LONGEST_QUESTION = 64 << 10  # bytes
QUESTIONS_AT_ONCE = 8  # of one asker, before the others have their turn

_MOMENT = 0.01  # seconds
_AGAIN = 0.02  # seconds between looks whether a slow reader, or the guest, takes what waits
_LOOK = 1.0  # seconds between looks whether somebody has asked nothing for too long


class Link:
    """The control and console sockets of one instance, and its devices' request events."""

    def __init__(self, console: Console, lock: threading.Lock, name: str) -> None:
        self.console = console
        self.lock = lock
        self.answers: dict[str, Answer] = {}
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._leaving = False
        self._narrow: Callable[[], None] = lambda: None
        self._moments: dict[tuple[float, int], Callable[[], None]] = {}  # what is done later
        self._counted = 0
        self._thread = threading.Thread(target=self._serve, name=f"{name} link")
        self._watch(console.event, self._gather)
        console.leaving = self._unwatch
        self._watch(self._wake, lambda: None)
        self._servers: list[Listener] = []
        self._askers: list[Asker] = []
        self._readers: dict[socket.socket | int, Callable[[], None]] = {}  # whoever types
        self._is_deaf = False  # until the guest has taken some of what was typed
        self._looked_at = 0.0  # when it was last looked who is overdue
        self._bugs = RateLimit()

    def serve(self, control: str, console: str) -> None:
        """Listen at these paths and begin, in a thread of its own."""
        self.listen(control, console)
        self.begin(lambda: None)

    def begin(self, narrow: Callable[[], None]) -> None:
        """Answer in a thread of its own, which calls `narrow` first. After listen()."""
        self._narrow = narrow
        self._thread.start()

    def listen(self, control: str, console: str) -> None:
        """Listen at these paths; whoever calls turn() answers."""
        for path, accepted in ((control, self._asker), (console, self._reader)):
            server = Listener(listen(path))
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
                self._unwatch(keyboard)

        try:
            self._watch(keyboard, key)
        except PermissionError:
            return  # a plain file: epoll has nothing to wait for there
        self._readers[keyboard] = key

    def watch(self, event: int, call: Callable[[], None]) -> None:
        """Call when an eventfd is signalled. Before serve()."""
        self._watch(event, call)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after so many seconds. From the thread that answers: no answer begins another."""
        self._counted += 1
        self._moments[time.monotonic() + seconds, self._counted] = call

    def close(self) -> None:
        """Say what is left to say and stop serving."""
        self._leaving = True
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join()
        self.console.pass_on()
        self.console.leaving = lambda reader: None
        for asker in self._askers:
            asker.channel.close()
        for server in self._servers:
            server.close()
        for reader in self._readers:
            if isinstance(reader, socket.socket):
                reader.close()
        self._selector.close()
        os.close(self._wake)

    def _watch(
        self, file: int | socket.socket | Asker | Listener, call: Callable[[], None]
    ) -> None:
        self._selector.register(file, selectors.EVENT_READ, call)

    def _unwatch(self, reader: socket.socket | int) -> None:
        # The selector would keep a closed one, and refuse the next file of its number.
        if self._readers.pop(reader, None) is not None and not self._is_deaf:
            self._selector.unregister(reader)

    def _serve(self) -> None:
        set_name(self._thread.name)
        self._narrow()
        while not self._leaving:
            quiet = _LOOK if self._askers else None
            self.turn(self._patience(_AGAIN if self._is_behind else quiet))

    def turn(self, timeout: float | None) -> None:
        """Wait so many seconds (None: for ever) for somebody, and answer. Never raises."""
        for key, _ in self._selector.select(timeout):
            self._guarded(key.data)
        self._guarded(self._pass_on_what_is_typed)
        for reader in self.console.lagging:
            self.console.flush(reader)
        for asker in list(self._askers):
            asker.flush()
            self._guarded(partial(self._answer_some, asker))
        if self._askers and time.monotonic() - self._looked_at > _LOOK:
            self._looked_at = time.monotonic()
            self._let_go_of_overdue()
        while self._moments and min(self._moments)[0] <= time.monotonic():
            self._guarded(self._moments.pop(min(self._moments)))

    def _patience(self, quiet: float | None) -> float | None:
        """Seconds until there is something to do, if that is before `quiet` ends."""
        if not self._moments:
            return quiet
        next_one = max(0.0, min(self._moments)[0] - time.monotonic())
        return next_one if quiet is None else min(quiet, next_one)

    def _guarded(self, call: Callable[[], None]) -> None:
        """What one asker or reader makes go wrong must not end the thread that serves all."""
        try:
            call()
        except Exception as error:  # noqa: BLE001  whatever it is: the others are served on
            self._report_bug(error)

    def _report_bug(self, error: Exception) -> None:
        for line in self._bugs.let(f"a bug, {type(error).__name__}: {error}"):
            with suppress(OSError):  # a full disk is no reason to end
                print(line, file=sys.stderr, flush=True)
                sys.excepthook(type(error), error, error.__traceback__)  # which opens no file
        time.sleep(_MOMENT)  # what goes wrong each time must not keep a processor busy

    @property
    def _is_behind(self) -> bool:
        console = self.console
        if console.waits_for_room or console.lagging:
            return True
        return any(asker.unsent or asker.waiting for asker in self._askers)

    def _gather(self) -> None:
        """The guest has begun to write: pass on in one go what comes within a moment."""
        # Bytes come one an exit. Woken for each, this thread would make the processor that
        # writes wait for the interpreter each time.
        time.sleep(_MOMENT)
        self.console.pass_on()

    def _typed(self, data: bytes) -> None:
        self.console.typed(data)
        self._pass_on_what_is_typed()

    def _pass_on_what_is_typed(self) -> None:
        """To the guest, as it takes it; who types on is heard again when there is room."""
        if self.console.waits_for_room:
            with self.lock:
                self.console.deliver()
        if self.console.is_full != self._is_deaf:
            self._is_deaf = not self._is_deaf
            for reader, call in self._readers.items():
                if self._is_deaf:
                    self._selector.unregister(reader)
                else:
                    self._watch(reader, call)

    # ---- who comes to the console

    def _reader(self, server: Listener) -> None:
        reader = server.accept()
        if reader is None:
            return
        if len(self._readers) >= MOST_READERS:
            with suppress(OSError):
                reader.setblocking(False)
                reader.send(f"septum: {MOST_READERS} are attached already\r\n".encode())
            reader.close()
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

        self._readers[reader] = heard
        if not self._is_deaf:
            self._watch(reader, heard)
        self.console.attach(reader)

    # ---- who comes to ask

    def _asker(self, server: Listener) -> None:
        stream = server.accept()
        if stream is None:
            return
        if len(self._askers) >= MOST_ASKERS:
            longest = min(self._askers, key=lambda one: one.asked_at)
            self._let_go(longest, "others want to ask")
        asker = Asker(stream, LONGEST_QUESTION, PATIENCE, MOST_UNSENT)
        self._askers.append(asker)
        self._watch(asker, partial(self._asked, asker))

    def _asked(self, asker: Asker) -> None:
        if asker not in self._askers:
            return  # somebody else's coming has ended it a moment ago
        try:
            if not asker.receive():
                self._let_go(asker, "it has left")
        except Problem as problem:
            asker.send(error_message(problem))
            self._let_go(asker, "it speaks nonsense")

    def _answer_some(self, asker: Asker) -> None:
        """The next few of an asker's questions; then the others have their turn."""
        for message in asker.take(QUESTIONS_AT_ONCE):
            asker.send(self._answer(message))
        if why := asker.too_much():
            self._let_go(asker, why)

    def _let_go_of_overdue(self) -> None:
        for asker in list(self._askers):
            if why := asker.overdue():
                self._let_go(asker, why)

    def _let_go(self, asker: Asker, why: str) -> None:
        self._selector.unregister(asker)
        self._askers.remove(asker)
        asker.let_go(why)

    def _answer(self, message: Message) -> Mapping[str, object]:
        word = message.get("ask")
        answer = self.answers.get(word) if isinstance(word, str) else None
        try:
            if answer is None:
                known = ", ".join(sorted(self.answers))
                raise Problem(
                    f"an instance cannot be asked {word!r:.40}", because=f"it knows {known}"
                )
            if word in protocol.INSTANCE:
                protocol.asked(message, protocol.INSTANCE, "an instance")
            return answer(message)
        except Problem as problem:
            return error_message(problem)
        except Exception as error:  # noqa: BLE001  a bug in one answer: the next is heard all the same
            self._report_bug(error)
            bug = f"a bug, {type(error).__name__}: {error}"
            return error_message(Problem("there is no answer", because=bug))
