"""Is systemd asked for the right things, and does Septum go on without what it refuses?"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.host import systemd, unit_files
from septum.host.systemd import Wakefulness, begin_service, own_groups, say_ready

PROGRAM = ["/usr/local/bin/septum"]


class Tools:
    """False commands of systemd's, which keep what they were told, and succeed or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = folder / "said"
        self.said.write_text("")

    def make(self, name: str, *, then: str = "exit 0") -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.said}\n{then}\n')
        path.chmod(0o755)

    def lines(self) -> list[str]:
        return self.said.read_text().splitlines()


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(unit_files, "PATH", (str(tmp_path / "units"),))
    monkeypatch.setattr(systemd, "BUS", str(tmp_path / "said"))
    made = Tools(tmp_path)
    made.make("systemctl")
    made.make("systemd-run")
    return made


def test_a_service_without_a_file_is_made_of_what_would_be_in_it(tools: Tools) -> None:
    begin_service(PROGRAM, 60)
    (line,) = tools.lines()
    assert line.startswith("systemd-run --quiet --collect --unit=septum.service --property=")
    assert line.endswith(" /usr/local/bin/septum supervise --within 60")


def test_a_service_with_a_file_is_started(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "septum.service").write_text("")
    begin_service(PROGRAM, 60)
    assert tools.lines() == ["systemctl start septum.service"]


def test_who_comes_second_waits_for_the_first_one_s(tools: Tools) -> None:
    tools.make("systemd-run", then="echo it was loaded already >&2; exit 1")
    begin_service(PROGRAM, 60)
    assert [line.split()[0] for line in tools.lines()] == ["systemd-run", "systemctl"]


def test_a_refusal_is_passed_on(tools: Tools) -> None:
    tools.make("systemd-run", then="exit 1")
    tools.make("systemctl", then="echo Unit septum.service is masked. >&2; exit 1")
    with pytest.raises(HostProblem, match="does not start") as refusal:
        begin_service(PROGRAM, 60)
    assert refusal.value.because == "Unit septum.service is masked."


def test_without_systemd_s_commands(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HostProblem) as refusal:
        begin_service(PROGRAM, 60)
    assert refusal.value.because == "there is no systemctl"


@pytest.mark.parametrize("name", ["{}/ready", "@septum-{}"])
def test_who_is_ready_says_so_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = name.format(tmp_path if name[0] == "{" else os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0"))
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        say_ready()
        assert listener.recv(100) == b"READY=1\n"
        assert "NOTIFY_SOCKET" not in os.environ  # an instance's process is no main process
        say_ready()


def test_a_delegated_group_is_left_to_its_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "septum.slice" / "septum.service"
    own.mkdir(parents=True)
    said = tmp_path / "cgroup"
    said.write_text("1:name=systemd:/old\n0::/septum.slice/septum.service\n")
    monkeypatch.setattr(systemd, "is_delegated", lambda group: group == str(own))
    assert own_groups(str(tmp_path), str(said)) == str(own)
    assert (own / "supervisor" / "cgroup.procs").read_text() == str(os.getpid())


@pytest.mark.parametrize("group", ["0::/user.slice/user-0.slice/session-1.scope\n", "0::/\n", ""])
def test_a_group_of_somebody_else_s_is_left_alone(tmp_path: Path, group: str) -> None:
    said = tmp_path / "cgroup"
    said.write_text(group)
    assert own_groups(str(tmp_path), str(said)) == str(tmp_path)
    assert os.listdir(tmp_path) == ["cgroup"]


def until_written(tools: Tools, word: str) -> None:
    import time

    end = time.monotonic() + 20
    while word not in tools.said.read_text():
        assert time.monotonic() < end, f"never: {word}"
        time.sleep(0.01)


def test_sleep_is_inhibited_while_it_must_be(tools: Tools) -> None:
    tools.make("systemd-inhibit", then=f'"$(eval echo \\${{$#}})"; echo returned >>{tools.said}')
    awake = Wakefulness()
    awake.keep(False)
    awake.keep(True)
    awake.keep(True)
    until_written(tools, "cat")
    (line,) = tools.lines()
    assert line.startswith("systemd-inhibit --what=sleep --mode=block --who=Septum --why=")
    assert "septum down" in line
    holder = awake.holder
    assert holder is not None and holder.poll() is None
    awake.keep(False)
    until_written(tools, "returned")
    assert holder.wait(20) == 0
    awake.keep(False)
    assert awake.left == []


def test_where_there_is_no_logind_nothing_is_asked(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "BUS", "/nowhere")
    awake = Wakefulness()
    awake.keep(True)
    assert awake.holder is None and tools.lines() == []


def test_a_lock_that_is_refused_ends_nothing(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    Wakefulness().keep(True)
    assert "sleep is not inhibited" in capsys.readouterr().out
