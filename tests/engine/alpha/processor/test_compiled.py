"""Is the processor compiled once, with a word about it, and again when its source changed?"""

from __future__ import annotations

from pathlib import Path

import pytest

import septum
from septum.engine.alpha.processor import compiled
from septum.engine.alpha.processor.processor import prepare


def test_every_compiled_module_is_in_the_name_of_the_cache() -> None:
    """Numba would go on with machine code of an older one."""
    named = {Path(source) for source in compiled.SOURCES}
    package = Path(septum.__file__).parent
    uses = [
        path
        for path in package.rglob("*.py")
        if "processor.compiled import" in path.read_text() or "import numba" in path.read_text()
    ]
    assert len(uses) > 10
    assert set(uses) <= named


def test_the_cache_is_the_user_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    directory = compiled.cache_directory()
    assert Path(directory).parent == tmp_path / "septum"
    assert directory == compiled.cache_directory()
    changed = tmp_path / "core.py"
    changed.write_text("pass\n")
    monkeypatch.setattr(compiled, "SOURCES", (*compiled.SOURCES[:-1], str(changed)))
    assert compiled.cache_directory() != directory


def test_it_says_so_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process has compiled stays; only the mark is made anew."""
    monkeypatch.setattr(compiled, "DIRECTORY", str(tmp_path))
    said: list[str] = []
    prepare(said.append)
    prepare(said.append)
    assert len(said) == 1 and "compiling" in said[0]
