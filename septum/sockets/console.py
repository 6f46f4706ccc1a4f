"""Who sees an instance's serial port? A log file, a terminal perhaps, and whoever attaches.

Processors hand over bytes one at a time while they answer an exit; one thread (link.py) passes
them on, so that a slow reader never stops the guest.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from septum.shared.serial import SerialPort

HISTORY = 64 << 10  # bytes a new reader gets first
CHUNK = 4096
_SLOW_READER = 1 << 20  # bytes it may lag behind before it is let go


class Console:
    """The far end of the serial port.

    `output` is called under the instance's lock; everything else by the one thread that serves.
    """

    def __init__(self, log: str, line: Callable[[int], None], lock: threading.Lock) -> None:
        self._lock = lock
        self.port = SerialPort(self.output, line)
        self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._fresh = bytearray()  # from the guest, not passed on yet
        self._typed = bytearray()  # for the guest, waiting for room in its port
        self._history = bytearray()
        self._unsent: dict[socket.socket, bytearray] = {}
        self.terminal = -1  # a descriptor that also gets the output
        self.leaving: Callable[[socket.socket], None] = lambda reader: None  # before it is closed

    def close(self) -> None:
        self.pass_on()
        for reader in list(self._unsent):
            self.detach(reader)
        os.close(self._log)
        os.close(self.event)

    def output(self, value: int) -> None:
        """A byte from the guest."""
        if not self._fresh:
            os.eventfd_write(self.event, 1)
        self._fresh.append(value)

    # ---- by the thread that serves

    def pass_on(self) -> None:
        """Give what the guest wrote to the log and to all readers."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.event)
        with self._lock:
            fresh, self._fresh = self._fresh, bytearray()
        if not fresh:
            return
        _write_all(self._log, fresh)
        if self.terminal >= 0:
            _write_all(self.terminal, fresh)
        self._history += fresh
        del self._history[:-HISTORY]
        for reader, unsent in list(self._unsent.items()):
            unsent += fresh
            self.flush(reader)

    def attach(self, reader: socket.socket) -> None:
        """Somebody connected: first what was said so far."""
        reader.setblocking(False)
        self._unsent[reader] = bytearray(self._history)
        self.flush(reader)

    def detach(self, reader: socket.socket) -> None:
        if self._unsent.pop(reader, None) is not None:
            self.leaving(reader)
            reader.close()

    def flush(self, reader: socket.socket) -> bool:
        """Send what goes now; True when more is waiting."""
        unsent = self._unsent.get(reader)
        if unsent is None:
            return False
        try:
            while unsent:
                del unsent[: reader.send(unsent)]
        except BlockingIOError:
            if len(unsent) > _SLOW_READER:
                self.detach(reader)
        except OSError:
            self.detach(reader)
        return bool(unsent)

    @property
    def lagging(self) -> list[socket.socket]:
        return [reader for reader, unsent in self._unsent.items() if unsent]

    def typed(self, data: bytes) -> None:
        """Somebody typed; deliver() hands it to the guest as its port takes it."""
        self._typed += data

    def deliver(self) -> None:
        """Under the instance's lock: hand over what was typed, as far as the port has room."""
        room = self.port.room
        if self._typed and room > 0:
            self.port.receive(bytes(self._typed[:room]))
            del self._typed[:room]

    @property
    def waits_for_room(self) -> bool:
        return bool(self._typed)


def _write_all(descriptor: int, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError:
            return  # a full disk or a closed terminal must not stop the guest
