"""How is a computer carried to another desk? As one archive of just the files that were read."""

from __future__ import annotations

import errno
import os
import re

from septum.errors import MachineProblem
from septum.machine.files import HostFiles

_OF_A_PROCESS = re.compile(r"^/proc/\d+/")  # one line for all of them
_MOST_LINKS = 40  # as Linux follows
_MOST_MEMBERS = 1 << 17
_MOST_BYTES = 1 << 28


class CapturedFiles(HostFiles):
    """Files of a capture, in memory: bytes are files, text is a link, None is a folder."""

    def __init__(self, entries: dict[str, bytes | str | None]) -> None:
        super().__init__()
        self.entries = entries
        self.children: dict[str, set[str]] = {"": set()}
        for path in list(entries):
            self._adopt(path)

    def _adopt(self, path: str) -> None:
        while path:
            parent, _, name = path.rpartition("/")
            self.children.setdefault(parent, set()).add(name)
            path = parent

    def open_bytes(self, path: str) -> bytes:
        found = self.entries.get(self._resolve(path))
        if not isinstance(found, bytes):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return found

    def open_link(self, path: str) -> str:
        parent, _, name = path.rstrip("/").rpartition("/")
        found = self.entries.get(f"{self._resolve(parent)}/{name}")
        if not isinstance(found, str):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return found

    def open_folder(self, path: str) -> list[str]:
        where = self._resolve(path)
        if where in self.children:
            return list(self.children[where])
        if where in self.entries:
            if self.entries[where] is None:
                return []
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _resolve(self, path: str) -> str:
        return steps(self, path)[0]


def steps(files: HostFiles, path: str) -> tuple[str, list[tuple[str, str]]]:
    """Walk a path by hand: where it ends, and each link on the way with what it says.

    OSError when links go round in circles.
    """
    links: list[tuple[str, str]] = []
    ahead = [part for part in path.split("/") if part][::-1]
    at = ""
    while ahead:
        part = ahead.pop()
        if part == ".":
            continue
        if part == "..":
            at = at.rpartition("/")[0]
            continue
        target = _link(files, at, part)
        if target is None:
            at = f"{at}/{part}"
            continue
        links.append((f"{at}/{part}", target))
        if len(links) > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.startswith("/"):
            at = ""
        ahead.extend([piece for piece in target.split("/") if piece][::-1])
    return at, links


def _link(files: HostFiles, parent: str, name: str) -> str | None:
    if isinstance(files, CapturedFiles):
        found = files.entries.get(f"{parent}/{name}")
        return found if isinstance(found, str) else None
    try:
        return files.open_link(f"{parent}/{name}")
    except OSError:
        return None


def pack(files: HostFiles, path: str) -> tuple[str, ...]:
    """Write everything `files` has seen to an archive; return the paths that were left out.

    The name decides: .tar.xz or .tar.gz. MachineProblem for another, HostProblem when the
    archive cannot be written.
    """
    import tarfile

    from septum.errors import explained

    mode = _mode(path)
    entries, left_out = gathered(files)
    with explained(f"cannot write {path}"), tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name in sorted(entries):
            member, content = _member(tarfile.TarInfo(name.lstrip("/")), entries[name])
            archive.addfile(member, content)
    return left_out


def gathered(files: HostFiles) -> tuple[dict[str, bytes | str | None], tuple[str, ...]]:
    """The entries of a capture, and the paths that could not be read."""
    entries: dict[str, bytes | str | None] = {}
    left_out = {_OF_A_PROCESS.sub("/proc/*/", path) for path in files.refused}
    for path, kind in sorted(files.seen):
        try:
            _gather(files, path, kind, entries)
        except OSError as error:
            # A process that has ended since is nothing that was left out.
            if not (path.startswith("/proc/") and error.errno in (errno.ENOENT, errno.ESRCH)):
                left_out.add(path)
    return entries, tuple(sorted(left_out))


def _gather(
    files: HostFiles, path: str, kind: str, entries: dict[str, bytes | str | None]
) -> None:
    parent, _, name = path.rpartition("/")
    where, links = steps(files, path if kind in ("file", "folder") else parent)
    entries.update(links)
    if kind == "file":
        entries[where] = files.open_bytes(path)
    elif kind == "folder":
        entries.setdefault(where, None)
        for child in files.open_folder(path):
            _stub(files, f"{where}/{child}", entries)
    elif kind == "link":
        entries[f"{where}/{name}"] = files.open_link(path)
    else:
        _stub(files, f"{where}/{name}", entries)


def _stub(files: HostFiles, path: str, entries: dict[str, bytes | str | None]) -> None:
    """A name that was listed but not read: keep its kind, not its content."""
    if path in entries:
        return
    parent, _, name = path.rpartition("/")
    target = _link(files, parent, name)
    if target is not None:
        entries[path] = target
        return
    try:
        files.open_folder(path)
        entries[path] = None
    except OSError:
        entries[path] = b""


def _mode(path: str) -> str:
    for ending, mode in ((".tar.xz", "w:xz"), (".tar.gz", "w:gz")):
        if path.endswith(ending):
            return mode
    raise MachineProblem(
        f"{path} does not say what kind of archive it is to be",
        because="a capture's name ends in .tar.xz or .tar.gz",
        remedy=f"{path}.tar.xz",
    )


def _member(member: object, content: bytes | str | None) -> tuple[object, object]:
    import io
    import tarfile

    assert isinstance(member, tarfile.TarInfo)
    member.mode = 0o644
    if content is None:
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        return member, None
    if isinstance(content, str):
        member.type, member.linkname = tarfile.SYMTYPE, content
        return member, None
    member.size = len(content)
    return member, io.BytesIO(content)


def opened(path: str) -> HostFiles:
    """The files of a capture: an archive made by `pack`, or a folder of that shape.

    MachineProblem when it is neither, or when it names a path outside itself.
    """
    if os.path.isdir(path):
        return HostFiles(path)
    import lzma
    import tarfile
    import zlib

    try:
        with tarfile.open(path) as archive:
            return CapturedFiles(_entries(path, archive))
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        raise MachineProblem(
            f"cannot read the capture {path}",
            because=getattr(error, "strerror", None) or str(error),
            remedy="make one with: septum scan --capture FILE.tar.xz",
        ) from error


def _entries(path: str, archive: object) -> dict[str, bytes | str | None]:
    import tarfile

    assert isinstance(archive, tarfile.TarFile)
    entries: dict[str, bytes | str | None] = {}
    size = 0
    for member in archive:
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if ".." in parts or member.name.startswith("/"):
            raise MachineProblem(
                f"the capture {path} names {member.name}, which lies outside of it",
                because="no capture made by septum does",
                remedy="do not use it; make one with: septum scan --capture FILE.tar.xz",
            )
        size += member.size
        if len(entries) > _MOST_MEMBERS or size > _MOST_BYTES:
            raise MachineProblem(f"the capture {path} is too large", because="is it a capture?")
        if not parts:
            continue
        name = "/" + "/".join(parts)
        if member.issym():
            entries[name] = member.linkname
        elif member.isdir():
            entries[name] = None
        elif member.isfile() and (file := archive.extractfile(member)) is not None:
            entries[name] = file.read()
    return entries
