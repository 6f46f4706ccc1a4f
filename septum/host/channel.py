"""How does one process of this computer ask another? Messages over a unix stream socket."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Mapping

from septum.errors import HostProblem, NotRunning
from septum.messages import LONGEST_LINE, Lines, Message, encode

CHUNK = 1 << 16  # bytes read or sent at a time
MOMENT = 0.01  # seconds
NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PATIENCE = 60.0  # seconds an answer may take
REMEDIES = {errno.EACCES: "run as root", errno.EPERM: "run as root"}


class Channel:
    """One end of a conversation: never waits, keeps what cannot be sent yet."""

    def __init__(
        self, stream: socket.socket, longest: int = LONGEST_LINE, chunk: int = CHUNK
    ) -> None:
        stream.setblocking(False)
        self.stream = stream
        self.chunk = chunk  # bytes read at a time
        self.lines = Lines(longest)
        self.unsent = bytearray()
        self.is_closed = False

    def fileno(self) -> int:
        return self.stream.fileno()

    def receive(self) -> list[Message] | None:
        """Messages that are whole; None when the other end has left. Problem: no message."""
        try:
            data = self.stream.recv(self.chunk)
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self.lines.feed(data) if data else None

    def send(self, message: Mapping[str, object]) -> None:
        """Send as much as goes now; flush() sends the rest when the socket takes more."""
        self.unsent += encode(message)
        self.flush()

    def flush(self) -> int:
        """Send what is kept; how many bytes went. That an end has left is noticed by receive()."""
        sent, gone = 0, 0
        try:
            # A slice at a time, and cut off once: what is kept may be long.
            with memoryview(self.unsent) as view:
                while sent < len(view):
                    sent += self.stream.send(view[sent : sent + CHUNK])
        except BlockingIOError:
            pass
        except OSError:
            gone = len(self.unsent)
        del self.unsent[: max(sent, gone)]
        return sent

    def close(self) -> None:
        self.is_closed = True
        self.stream.close()


class Listener:
    """A socket that askers come to. Who cannot be let in, for want of files, is sent away."""

    def __init__(self, server: socket.socket) -> None:
        self.server = server
        # Given up for a moment when there is no file left: else whoever knocks could not even be
        # sent away, and would be announced again and again.
        self._spare = _spare()

    def fileno(self) -> int:
        return self.server.fileno()

    def accept(self) -> socket.socket | None:
        """Who knocks; None when it has left again, or had to be sent away."""
        try:
            return self.server.accept()[0]
        except OSError as error:
            if error.errno in NO_FILES:
                self._send_away()
            return None

    def _send_away(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
        try:
            self.server.accept()[0].close()
        except OSError:
            time.sleep(MOMENT)  # nothing can be done about it now; at least do not spin
        self._spare = _spare()

    def close(self) -> None:
        self.server.close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1


def _spare() -> int:
    try:
        return os.eventfd(0, os.EFD_CLOEXEC)
    except OSError:
        return -1


def listen(path: str) -> socket.socket:
    """A socket at a path, for its owner only; what a dead process left there is replaced."""
    if os.path.lexists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o077)
        try:
            server.bind(path)
        finally:
            os.umask(before)
        server.listen(64)
        server.setblocking(False)
    except OSError as error:
        server.close()
        raise HostProblem(
            f"cannot listen at {path}",
            because=error.strerror or str(error),
            remedy=REMEDIES.get(error.errno or 0, ""),
        ) from error
    return server


def connect(path: str, within: float | None = None) -> socket.socket | None:
    """A connection; None when nobody listens there. HostProblem: not allowed, or not in time.

    `within` so many seconds it waits, for this and from then on; None: as long as it takes. 0 is
    for who must not be held up by one that listens and lets nobody in.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if within:
            # With Python's own timeout it would not wait at all for who listens: unix(7), EAGAIN.
            import struct

            limit = struct.pack("ll", int(within), int(within % 1 * 1_000_000))
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        stream.setblocking(within != 0)
        stream.connect(path)
        stream.settimeout(within)
    except OSError as error:
        stream.close()
        if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
            return None
        raise HostProblem(
            f"cannot reach {path}",
            because=error.strerror or str(error),
            remedy=REMEDIES.get(error.errno or 0, ""),
        ) from error
    return stream


class Conversation:
    """The asking end, which waits for answers."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.lines = Lines()
        self.waiting: list[Message] = []

    def tell(self, message: Mapping[str, object]) -> None:
        """Send a whole message; nothing when the other end has left, hear() will say so."""
        try:
            self.stream.sendall(encode(message))
        except ConnectionError:
            return

    def hear(self) -> Message | None:
        """The next message; None when the other end has left."""
        while not self.waiting:
            try:
                data = self.stream.recv(CHUNK)
            except ConnectionError:
                return None
            if not data:
                return None
            self.waiting += self.lines.feed(data)
        return self.waiting.pop(0)

    def close(self) -> None:
        self.stream.close()


def ask(path: str, question: Mapping[str, object], who: str, within: float = PATIENCE) -> Message:
    """One question, one answer (which may carry an error). NotRunning: nobody answers.

    `within` is how many seconds each side may take to read, or to say something.
    """
    stream = connect(path, within)
    if stream is None:
        raise NotRunning(
            f"{who} does not run", because=f"nobody answers at {path}", remedy="septum ps"
        )
    with stream:
        conversation = Conversation(stream)
        try:
            conversation.tell(question)
            answer = conversation.hear()
        except TimeoutError as error:
            raise NotRunning(
                f"{who} does not answer",
                because=f"nothing came from it for {within:g} seconds",
                remedy="septum ps; septum down ends an instance that does nothing",
            ) from error
    if answer is None:
        raise NotRunning(
            f"{who} left without an answer", because="its process ended", remedy="septum ps"
        )
    return answer
