"""How does one process of this computer ask another? Messages over a unix stream socket."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping

from septum.errors import HostProblem, NotRunning
from septum.messages import Lines, Message, encode

CHUNK = 1 << 16  # bytes read at a time
REMEDIES = {errno.EACCES: "run as root", errno.EPERM: "run as root"}


class Channel:
    """One end of a conversation: never waits, keeps what cannot be sent yet."""

    def __init__(self, stream: socket.socket) -> None:
        stream.setblocking(False)
        self.stream = stream
        self.lines = Lines()
        self.unsent = bytearray()
        self.is_closed = False

    def fileno(self) -> int:
        return self.stream.fileno()

    def receive(self) -> list[Message] | None:
        """Messages that are whole; None when the other end has left. Problem: no message."""
        try:
            data = self.stream.recv(CHUNK)
        except BlockingIOError:
            return []
        except ConnectionError:
            return None
        return self.lines.feed(data) if data else None

    def send(self, message: Mapping[str, object]) -> None:
        """Send as much as goes now; flush() sends the rest when the socket takes more."""
        self.unsent += encode(message)
        self.flush()

    def flush(self) -> None:
        """Send what is kept. An end that has left is noticed by receive()."""
        try:
            while self.unsent:
                del self.unsent[: self.stream.send(self.unsent)]
        except BlockingIOError:
            return
        except OSError:
            self.unsent.clear()

    def close(self) -> None:
        self.is_closed = True
        self.stream.close()


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


def connect(path: str) -> socket.socket | None:
    """A connection that waits; None when nobody listens there. HostProblem: not allowed."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.connect(path)
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


def ask(path: str, question: Mapping[str, object], who: str) -> Message:
    """One question, one answer (which may carry an error). NotRunning: nobody answers."""
    stream = connect(path)
    if stream is None:
        raise NotRunning(
            f"{who} does not run", because=f"nobody answers at {path}", remedy="septum ps"
        )
    with stream:
        conversation = Conversation(stream)
        conversation.tell(question)
        answer = conversation.hear()
    if answer is None:
        raise NotRunning(
            f"{who} left without an answer", because="its process ended", remedy="septum ps"
        )
    return answer
