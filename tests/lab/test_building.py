"""Are the parts of the images put together rightly?"""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from septum.errors import HostProblem
from septum.lab import cpio
from septum.lab.cache import built, digest
from septum.lab.images import BLUE_DISK, FILES, HOST_DISK, Placed, Tree, apply
from septum.lab.installed import source_digest
from septum.lab.modules import load_order, module_entries
from septum.lab.progress import Progress

QUIET = Progress(quiet=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "septum" / "lab"


def tree_with_modules(root: Path, dependencies: str, builtin: str = "") -> Path:
    folder = root / "usr/lib/modules/6.0"
    (folder / "kernel").mkdir(parents=True)
    (folder / "modules.dep").write_text(dependencies)
    (folder / "modules.builtin").write_text(builtin)
    for line in dependencies.splitlines():
        name = line.partition(":")[0]
        (folder / name).write_bytes(lzma.compress(name.encode()))
    return root


def test_modules_are_loaded_after_what_they_need(tmp_path: Path) -> None:
    dependencies = (
        "kernel/top.ko.xz: kernel/middle-a.ko.xz kernel/low.ko.xz\n"
        "kernel/middle-a.ko.xz: kernel/low.ko.xz\n"
        "kernel/low.ko.xz:\n"
    )
    root = tree_with_modules(tmp_path, dependencies, "kernel/there.ko\n")
    order = [path.name for path in load_order(root, ("top", "there", "middle_a"))]
    assert order == ["low.ko.xz", "middle-a.ko.xz", "top.ko.xz"]
    entries = module_entries(root, ("middle_a",))
    assert [entry.path for entry in entries] == ["modules/000-low.ko", "modules/001-middle_a.ko"]
    assert entries[0].content == b"kernel/low.ko.xz"


def test_an_unknown_module_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(HostProblem, match="no module warp"):
        load_order(tree_with_modules(tmp_path, ""), ("warp",))


@pytest.mark.skipif(shutil.which("bsdcpio") is None and shutil.which("cpio") is None,
                    reason="no cpio to ask")  # fmt: skip
def test_an_archive_is_read_by_cpio(tmp_path: Path) -> None:
    entries = [cpio.file("a/b/c", b"text", 0o755), cpio.link("l", "a/b/c"), cpio.folder("empty")]
    program = shutil.which("cpio") or "bsdcpio"
    subprocess.run([program, "-id"], input=cpio.packed(entries), cwd=tmp_path, check=True,
                   capture_output=True)  # fmt: skip
    assert (tmp_path / "l").read_text() == "text"
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "empty").is_dir()


def test_an_archive_is_aligned_and_names_every_folder_once() -> None:
    data = cpio.packed([cpio.file("a/b", b"12345"), cpio.file("a/c", b"")])
    assert len(data) % 4 == 0
    assert data.count(b"\0a\0") + data.count(b"0a\0") >= 1
    assert data.count(cpio.MAGIC.encode()) == 4
    assert data.rstrip(b"\0").endswith(cpio.TRAILER.encode())


def test_what_is_built_is_built_once(cache: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("content")

    first = built("thing", ("recipe", 1), make, "building", QUIET)
    assert built("thing", ("recipe", 1), make, "building", QUIET) == first
    assert len(made) == 1
    assert (first / "file").read_text() == "content"
    assert built("thing", ("recipe", 2), make, "building", QUIET) != first


def test_what_was_half_built_is_built_again(cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise HostProblem("no")

    with pytest.raises(HostProblem):
        built("thing", 1, fail, "building", QUIET)

    done = built("thing", 1, lambda folder: None, "building", QUIET)
    assert not (done / "half").exists()


def test_old_builds_are_removed(cache: Path) -> None:
    built("thing-tree", 0, lambda folder: None, "building", QUIET)
    for number in range(8):
        built("thing", number, lambda folder: None, "building", QUIET)
    folders = [path.name for path in cache.glob("thing-*") if path.is_dir()]
    assert len(folders) < 8
    assert any(name.startswith("thing-tree-") for name in folders)


def test_a_recipe_is_known_by_all_it_says() -> None:
    tree = Tree("a", ("one",), ())
    assert digest(tree) == digest(Tree("a", ("one",), ()))
    assert digest(tree) != digest(tree._replace(initrd_modules=("ext4",)))


def test_a_change_of_the_code_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "septum").mkdir()
    (tmp_path / "septum/a.py").write_text("1")
    before = source_digest(tmp_path)
    (tmp_path / "septum/__pycache__").mkdir()
    (tmp_path / "septum/__pycache__/a.pyc").write_text("compiled")
    assert source_digest(tmp_path) == before
    (tmp_path / "septum/a.py").write_text("2")
    assert source_digest(tmp_path) != before


@pytest.mark.parametrize("disk", [BLUE_DISK, HOST_DISK], ids=lambda disk: disk.name)
def test_a_disk_is_prepared_without_writing_into_its_tree(disk: object, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    original = tmp_path / "hostname"
    original.write_text("debian\n")
    (root / "etc/hostname").hardlink_to(original)
    apply(disk, root)  # type: ignore[arg-type]
    assert original.read_text() == "debian\n"
    assert (root / "etc/hostname").read_text() != "debian\n"
    assert (root / "etc/systemd/system/apt-daily.timer").readlink() == Path("/dev/null")


def test_every_file_of_ours_is_used_and_there() -> None:
    placed = {item.source for item in (*BLUE_DISK.placed, *HOST_DISK.placed) if item.source}
    made_by_hand = {"green-init", "green-lease", "host-init", "host-own", "drivers-init"}
    of_the_bench = {"bench-reads", "bench-reads-init", "bench-start-init"}
    assert placed | made_by_hand | of_the_bench == {path.name for path in FILES.iterdir()}
    assert Placed("a").source == ""
