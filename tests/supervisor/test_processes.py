"""Is everything given back that can be, whatever cannot?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from septum.errors import HostProblem
from septum.host import claim, memory
from septum.host.journal import Journal
from septum.host.runtime import RunDirectory
from septum.platforms.pc import Pc
from septum.supervisor.processes import ProcessKeeper
from septum.supervisor.workplace import Workplace


def refuse(journal: Journal) -> list[str]:
    raise HostProblem("cannot give 0000:01:00.0 back to Linux", because="busy")


def test_a_function_that_is_not_taken_back_does_not_keep_the_rest(tmp_path: Path) -> None:
    directory = RunDirectory(str(tmp_path / "run"), str(tmp_path / "log"))
    directory.make()
    directory.make_instance("blue")
    said: list[str] = []
    removed: list[str] = []
    platform: Any = SimpleNamespace(restore=refuse)
    selector: Any = None

    def announce(_: object, event: object) -> None:
        said.append(str(event))

    keeper = ProcessKeeper(platform, Workplace(directory), selector, announce, lambda: None)
    instance: Any = SimpleNamespace(name="blue")
    group: Any = SimpleNamespace(remove=lambda: removed.append("blue"))
    keeper.give_back(instance, group)
    assert removed == ["blue"] and directory.instances() == []
    assert len(said) == 1 and "not everything could be given back" in said[0]


def test_huge_pages_are_given_back_though_a_function_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pages(journal: str) -> int:
        asked.append(journal)
        return 3

    monkeypatch.setattr(claim, "restore_abandoned", refuse)
    monkeypatch.setattr(memory, "restore_abandoned", pages)
    with pytest.raises(HostProblem, match="cannot give"):
        Pc().restore(Journal(str(tmp_path)))
    assert asked == [str(tmp_path)]
    monkeypatch.setattr(claim, "restore_abandoned", lambda journal: ["the lines of functions"])
    assert Pc().restore(Journal(str(tmp_path))) == [
        "the lines of functions",
        "3 huge pages: given back to Linux",
    ]
