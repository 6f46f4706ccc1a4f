"""Does an instance get its share of its processors, and no group stay behind?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.host.cgroups import ControlGroup, available


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    return tmp_path


def group(root: Path) -> ControlGroup:
    return ControlGroup(
        "blue", weight=200, processors=(0, 2), memory=1 << 30, tasks=18, root=str(root)
    )


def empty(directory: Path) -> None:
    """Linux's own files go with their group; plain files have to be removed."""
    for path in sorted(directory.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()


def test_what_is_written(root: Path) -> None:
    with group(root) as made:
        made.take(1234)
        written = {
            str(path.relative_to(root)): path.read_text()
            for path in root.rglob("*")
            if path.is_file()
        }
        empty(root / "septum")
    assert written == {
        "cgroup.controllers": "cpuset cpu io memory pids\n",
        "cgroup.subtree_control": "+cpu +cpuset +memory +pids",
        "septum/cgroup.subtree_control": "+cpu +cpuset +memory +pids",
        "septum/blue/cpu.weight": "200",
        "septum/blue/cpuset.cpus": "0,2",
        "septum/blue/memory.max": "1073741824",
        "septum/blue/pids.max": "18",
        "septum/blue/cgroup.procs": "1234",
    }
    assert not (root / "septum").exists()


def test_what_cannot_be_limited_is_told(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu pids\n")
    with group(tmp_path) as made:
        assert made.lacking == ["memory"]
        assert (Path(made.path) / "pids.max").exists()
        assert not (Path(made.path) / "memory.max").exists()
        assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +cpuset +pids"
        empty(tmp_path / "septum")


def test_the_group_above_stays_while_another_is_in_it(root: Path) -> None:
    (root / "septum" / "green").mkdir(parents=True)
    with group(root):
        empty(root / "septum")
    assert os.listdir(root / "septum") == ["green"]


@pytest.mark.parametrize("controllers", [None, "", "cpu memory\n"])
def test_without_the_controllers(tmp_path: Path, controllers: str | None) -> None:
    if controllers is not None:
        (tmp_path / "cgroup.controllers").write_text(controllers)
    assert not available(str(tmp_path))
    with pytest.raises(HostProblem) as refused, group(tmp_path):
        pass
    assert "mount -t cgroup2" in refused.value.remedy
    assert not (tmp_path / "septum").exists()


def test_a_refused_setting_leaves_no_group(root: Path) -> None:
    (root / "cgroup.subtree_control").mkdir()  # stands for a file that cannot be written
    with pytest.raises(HostProblem, match="cannot make the control group"), group(root):
        pass
    assert not (root / "septum").exists()
