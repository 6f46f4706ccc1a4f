"""Where does a machine's description come from? From files under a root, each one remembered.

The root is "/" for this computer and a folder for a captured one; a capture file is read by
septum.machine.capture, through the same methods.
"""

from __future__ import annotations

import errno
import os

from septum.errors import MachineProblem

_LARGEST = 1 << 24  # bytes; nothing this package reads comes near
_REFUSED = (errno.EACCES, errno.EPERM)


class HostFiles:
    """Files of a computer, by absolute path; what was asked for is kept in `seen`.

    `seen` holds each path that was found, with what it was asked for as: "file", "link",
    "folder" or "there";
    `refused` maps each path that may not be read to the reason.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.abspath(root).rstrip("/")
        self.seen: set[tuple[str, str]] = set()
        self.refused: dict[str, str] = {}

    def read_bytes(self, path: str, default: bytes | None = None) -> bytes:
        """The whole file; `default` when it cannot be read, MachineProblem without one."""
        try:
            content = self.open_bytes(path)
        except OSError as error:
            return self._missing(path, error, default)
        self.seen.add((path, "file"))
        return content

    def read_text(self, path: str, default: str | None = None) -> str:
        """The file's text without surrounding white space; as read_bytes otherwise."""
        given = None if default is None else default.encode()
        return self.read_bytes(path, given).decode("utf-8", "replace").strip()

    def read_link(self, path: str, default: str | None = "") -> str:
        """What a symbolic link says; `default` when there is none."""
        try:
            target = self.open_link(path)
        except OSError as error:
            given = None if default is None else default.encode()
            return self._missing(path, error, given).decode()
        self.seen.add((path, "link"))
        return target

    def names(self, path: str) -> tuple[str, ...]:
        """What a folder holds, sorted; nothing when there is no such folder."""
        try:
            found = sorted(self.open_folder(path))
        except OSError as error:
            self._missing(path, error, b"")
            return ()
        self.seen.add((path, "folder"))
        return tuple(found)

    def exists(self, path: str) -> bool:
        """Whether there is anything of that name, be it a link to nowhere."""
        try:
            self.open_folder(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINVAL, errno.ELOOP):
                return False
            if error.errno == errno.ENOTDIR and not self._stands(path):
                return False
        self.seen.add((path, "there"))
        return True

    def _stands(self, path: str) -> bool:
        """Tell a file from a path that goes through one: both say "not a directory"."""
        parent, _, name = path.rpartition("/")
        try:
            return name in self.open_folder(parent or "/")
        except OSError:
            return False

    def _missing(self, path: str, error: OSError, default: bytes | None) -> bytes:
        if error.errno in _REFUSED:
            self.refused[path] = os.strerror(error.errno or 0)
        if default is not None:
            return default
        raise MachineProblem(
            f"cannot read {path}",
            because=error.strerror or str(error),
            remedy="run as root" if error.errno in _REFUSED else "is this a complete capture?",
        ) from error

    # The four questions a source of files answers; each raises OSError.

    def open_bytes(self, path: str) -> bytes:
        """The whole file; OSError when it cannot be read."""
        fd = os.open(self._inside(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            size = 0
            # sysfs and procfs hand out at most a page at a time and state no true size.
            while chunk := os.read(fd, 1 << 16):
                parts.append(chunk)
                size += len(chunk)
                if size > _LARGEST:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            return b"".join(parts)
        finally:
            os.close(fd)

    def open_link(self, path: str) -> str:
        """What the link says; OSError when it is none."""
        parent, _, name = path.rstrip("/").rpartition("/")
        return os.readlink(f"{self._inside(parent)}/{name}")

    def open_folder(self, path: str) -> list[str]:
        """The names in a folder; OSError when it is none."""
        return os.listdir(self._inside(path))

    def _inside(self, path: str) -> str:
        """The true path; OSError when a link of a captured folder leads out of it."""
        full = f"{self.root}{path}"
        if not self.root:
            return full
        if "\0" in full:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        true = os.path.realpath(full)
        if true != self.root and not true.startswith(f"{self.root}/"):
            raise OSError(errno.ENOENT, "leads out of the capture")
        return true
