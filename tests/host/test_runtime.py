"""Do the parts find each other's sockets, and nothing of theirs stays behind?"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.host.runtime import DEFAULT_ROOT, RunDirectory


def test_the_environment_moves_everything() -> None:
    moved = RunDirectory.from_environment({"SEPTUM_RUN": "/a", "SEPTUM_LOG": "/b"})
    assert moved.control_of("blue") == "/a/blue/control"
    assert moved.messages_of("blue") == "/b/blue.messages.log"
    assert RunDirectory.from_environment({}).root == DEFAULT_ROOT


def test_made_for_its_owner_only_and_removed(tmp_path: Path) -> None:
    directory = RunDirectory(str(tmp_path / "run"), str(tmp_path / "log"))
    assert directory.instances() == []
    directory.make()
    directory.make_instance("blue")
    assert stat.S_IMODE(os.stat(directory.root).st_mode) == 0o700
    assert directory.instances() == ["blue"]
    Path(directory.control_of("blue")).write_text("")
    directory.remove_instance("blue")
    directory.remove_instance("blue")
    assert directory.instances() == []


@pytest.mark.parametrize("name", ["claims", "control", "lock", "supervisor"])
def test_names_of_its_own_are_no_instances(tmp_path: Path, name: str) -> None:
    directory = RunDirectory(str(tmp_path), str(tmp_path))
    with pytest.raises(HostProblem, match=f"cannot be called {name}"):
        directory.make_instance(name)
    directory.make()
    directory.remove_instance(name)
    assert os.path.isdir(directory.claims)


def test_a_path_no_socket_can_have_is_refused_in_time(tmp_path: Path) -> None:
    directory = RunDirectory(str(tmp_path / ("x" * 100)))
    with pytest.raises(HostProblem, match="cannot be a socket"):
        directory.make_instance("blue")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostProblem, match="cannot make the run directory"):
        RunDirectory(str(tmp_path / "file" / "run")).make()


def test_a_user_has_a_directory_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = os.geteuid() or 1000
    monkeypatch.setattr(os, "geteuid", lambda: user)
    theirs = os.stat_result((0o40700, 0, 0, 0, user, *[0] * 5))
    monkeypatch.setattr(os, "lstat", lambda path: theirs)
    environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
    own = RunDirectory.personal(environment)
    assert own.root == str(tmp_path / "septum") and own.logs == str(tmp_path / "septum/log")
    # Until something of theirs runs, they look where root's instances are
    assert RunDirectory.from_environment(environment).root == DEFAULT_ROOT
    own.make()
    assert RunDirectory.from_environment(environment).root == own.root
    assert own.instances() == []
    moved = {**environment, "SEPTUM_RUN": "/a", "SEPTUM_LOG": "/b"}
    assert RunDirectory.personal(moved).root == "/a" and RunDirectory.personal(moved).logs == "/b"


def test_somebody_else_s_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    (tmp_path / "septum").mkdir()
    with pytest.raises(HostProblem, match="cannot be used"):
        RunDirectory.personal({"XDG_RUNTIME_DIR": str(tmp_path)})


def test_root_has_no_other() -> None:
    if os.geteuid() == 0:
        assert RunDirectory.personal({"XDG_RUNTIME_DIR": "/run/user/0"}).root == DEFAULT_ROOT
