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

from septum import settings
from septum.host.logs import Log
from septum.shared.serial import SerialPort

HISTORY = 64 << 10  # bytes a new reader gets first
CHUNK = 4096
LOG_SIZE: int = settings.default("instance", "log_size")
LOG_COUNT: int = settings.default("instance", "log_count")
_SLOW_READER = 1 << 20  # bytes it may lag behind before it is let go
_MOST_TYPED = 64 << 10  # bytes that wait for the guest; then nobody is let type on
_MOST_FRESH = 1 << 20  # bytes from the guest that wait to be passed on; then some are lost


class Console:
    """The far end of the serial port.

    `output` is called under the instance's lock; everything else by the one thread that serves.
    """

    def __init__(
        self,
        log: str,
        line: Callable[[int], None],
        lock: threading.Lock,
        *,
        log_size: int = LOG_SIZE,
        log_count: int = LOG_COUNT,
    ) -> None:
        self._lock = lock
        self.port = SerialPort(self.output, line)
        self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._log = Log(log, log_size, log_count)
        self._log.hold()
        self._fresh = bytearray()  # from the guest, not passed on yet
        self._lost = 0  # bytes that found no room there
        self._typed = bytearray()  # for the guest, waiting for room in its port
        self._history = bytearray()
        self._unsent: dict[socket.socket, bytearray] = {}
        self.terminal = -1  # a descriptor that also gets the output
        self.leaving: Callable[[socket.socket], None] = lambda reader: None  # before it is closed

    def close(self) -> None:
        self.pass_on()
        for reader in list(self._unsent):
            self.detach(reader)
        self._log.close()
        os.close(self.event)

    def output(self, value: int) -> None:
        """A byte from the guest."""
        if not self._fresh:
            os.eventfd_write(self.event, 1)
        if len(self._fresh) < _MOST_FRESH:
            self._fresh.append(value)
        else:
            self._lost += 1

    # ---- by the thread that serves

    def pass_on(self) -> None:
        """Give what the guest wrote to the log and to all readers."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.event)
        with self._lock:
            fresh, self._fresh = self._fresh, bytearray()
            lost, self._lost = self._lost, 0
        if not fresh:
            return
        if lost:
            fresh += f"\r\n[septum: {lost:,} bytes were lost here]\r\n".encode()
        self._log.write(fresh)
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

    @property
    def is_full(self) -> bool:
        """So much waits for the guest that nobody should be let type on."""
        return len(self._typed) >= _MOST_TYPED


def _write_all(descriptor: int, data: bytearray) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except OSError:
            return  # a full disk or a closed terminal must not stop the guest
