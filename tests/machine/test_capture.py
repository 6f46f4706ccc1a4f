"""Is a capture the computer it was taken of, and can it do no harm?"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from septum.errors import HostProblem, MachineProblem
from septum.machine.capture import CapturedFiles, gathered, opened, pack, steps
from septum.machine.files import HostFiles
from septum.machine.inventory import inventory
from tests.captured import LAB, lab, laptop, server, workstation


@pytest.mark.parametrize("captured", [lab, workstation, laptop, server])
@pytest.mark.parametrize("ending", ["tar.gz", "tar.xz"])
def test_a_capture_replays_the_same_machine(
    captured: object, ending: str, tmp_path: Path
) -> None:
    files = captured()  # type: ignore[operator]
    machine = inventory(files)
    path = str(tmp_path / f"machine.{ending}")
    assert pack(files, path) == ()
    assert inventory(opened(path)) == machine


def test_a_capture_replays_from_a_folder(tmp_path: Path) -> None:
    with tarfile.open(LAB) as archive:
        archive.extractall(tmp_path, filter="data")
    assert inventory(HostFiles(str(tmp_path))) == inventory(lab())


def test_a_folder_packs_as_its_archive_did(tmp_path: Path) -> None:
    with tarfile.open(LAB) as archive:
        archive.extractall(tmp_path, filter="data")
    files = HostFiles(str(tmp_path))
    inventory(files)
    memory = lab()
    inventory(memory)
    assert gathered(files)[0] == gathered(memory)[0]


def test_only_what_was_read_is_kept() -> None:
    files = CapturedFiles({"/a/read": b"1", "/a/other": b"secret", "/b": b"2"})
    files.read_text("/a/read")
    assert gathered(files)[0] == {"/a/read": b"1"}


def test_a_listed_folder_keeps_names_without_content() -> None:
    files = CapturedFiles(
        {"/a/read": b"1", "/a/other": b"secret", "/a/link": "../b", "/a/d/x": b""}
    )
    files.names("/a")
    files.read_text("/a/read")
    entries = gathered(files)[0]
    assert entries["/a/other"] == b"" and entries["/a/link"] == "../b" and entries["/a/d"] is None
    assert CapturedFiles(entries).names("/a") == ("d", "link", "other", "read")


def test_what_may_not_be_read_is_left_out_and_said(tmp_path: Path) -> None:
    class Refusing(CapturedFiles):
        def open_bytes(self, path: str) -> bytes:
            if path == "/secret":
                raise PermissionError(13, "Permission denied")
            return super().open_bytes(path)

    files = Refusing({"/secret": b"x", "/open": b"y"})
    assert files.read_text("/secret", "-") == "-"
    files.read_text("/open")
    assert pack(files, str(tmp_path / "c.tar.gz")) == ("/secret",)
    assert opened(str(tmp_path / "c.tar.gz")).read_text("/open") == "y"


def test_processes_of_others_are_left_out_in_one_line(tmp_path: Path) -> None:
    """As a reader who is not root finds them."""

    class Refusing(CapturedFiles):
        def open_link(self, path: str) -> str:
            if path.endswith("/ns/mnt") and "/self/" not in path:
                raise PermissionError(13, "Permission denied")
            return super().open_link(path)

    files = Refusing(server().entries)
    assert "only root may look" in inventory(files).unknown[-1]
    assert pack(files, str(tmp_path / "c.tar.gz")) == ("/proc/*/ns/mnt",)
    again = inventory(opened(str(tmp_path / "c.tar.gz")))
    assert again.unknown == inventory(files).unknown


def test_a_process_that_has_ended_since_was_not_left_out(tmp_path: Path) -> None:
    files = server()
    files.read_text("/proc/812/mountinfo")
    files.read_text("/sys/class/vtconsole/vtcon1/bind")
    for path in ("/proc/812/mountinfo", "/sys/class/vtconsole/vtcon1/bind"):
        del files.entries[path]
    assert pack(files, str(tmp_path / "c.tar.gz")) == ("/sys/class/vtconsole/vtcon1/bind",)


def test_the_name_says_the_kind(tmp_path: Path) -> None:
    with pytest.raises(MachineProblem, match="kind of archive"):
        pack(HostFiles(), str(tmp_path / "machine.zip"))
    with pytest.raises(HostProblem, match="cannot write"):
        pack(HostFiles(), str(tmp_path / "nowhere" / "machine.tar.gz"))


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/etc/passwd"])
def test_a_path_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(MachineProblem, match="outside"):
        opened(str(path))


def test_a_link_leads_nowhere_outside(tmp_path: Path) -> None:
    (tmp_path / "capture").mkdir()
    (tmp_path / "secret").write_text("secret")
    os.symlink("../secret", tmp_path / "capture" / "up")
    os.symlink("/etc/hostname", tmp_path / "capture" / "absolute")
    for files in (
        HostFiles(str(tmp_path / "capture")),
        CapturedFiles({"/up": "../secret", "/absolute": "/etc/hostname"}),
    ):
        assert files.read_text("/up", "none") == "none"
        assert files.read_text("/absolute", "none") == "none"


def test_links_in_a_circle_are_a_problem() -> None:
    files = CapturedFiles({"/a": "b", "/b": "a"})
    with pytest.raises(MachineProblem):
        files.read_text("/a/x")
    with pytest.raises(OSError):
        steps(files, "/a")


@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08 torn", b"\xfd7zXZ\0"])
def test_what_is_no_archive_is_a_problem(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.tar.gz"
    path.write_bytes(content)
    with pytest.raises(MachineProblem, match="cannot read the capture"):
        opened(str(path))
    with pytest.raises(MachineProblem, match="cannot read the capture"):
        opened(str(tmp_path / "missing"))


def test_a_torn_archive_is_a_problem(tmp_path: Path) -> None:
    whole = Path(LAB).read_bytes()
    for size in range(0, len(whole), 997):
        path = tmp_path / "torn.tar.gz"
        path.write_bytes(whole[:size])
        with pytest.raises(MachineProblem):
            opened(str(path))


names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
targets = st.lists(st.sampled_from(["a", "b", "c", ".."]), min_size=1, max_size=3).map("/".join)


@settings(max_examples=200)
@example({"/a": "b/..", "/b": "a"}, "/a")
@given(st.dictionaries(paths, st.one_of(st.binary(max_size=3), targets), max_size=6), paths)
def test_any_tree_reads_or_is_absent_and_packs_the_same(
    entries: dict[str, bytes | str | None], path: str
) -> None:
    # Nothing stands below a file or a link, in an archive as on a disk.
    below = {at for at in entries for other in entries if at.startswith(other + "/")}
    files = CapturedFiles({at: what for at, what in entries.items() if at not in below})
    try:
        steps(files, path)
    except OSError:
        assume(False)  # links in a circle are no tree, and have a test of their own
    said = (files.read_bytes(path, b"-"), files.read_link(path), files.names(path))
    there = files.exists(path)
    again = CapturedFiles(gathered(files)[0])
    assert (again.read_bytes(path, b"-"), again.read_link(path)) == said[:2]
    assert again.exists(path) == there
