"""Is it built already, from exactly this?"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from septum.lab.progress import Progress

KEPT_OF_A_NAME = 4
DIGITS = 16


def cache_folder() -> Path:
    """Where what is built is kept: under XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(base) / "septum" / "lab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def digest(recipe: object) -> str:
    """Short name of a recipe, which is known by its repr."""
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:DIGITS]


def built(
    name: str, recipe: object, make: Callable[[Path], None], what: str, progress: Progress
) -> Path:
    """The folder that `make` filled for this recipe; made now if it is not there.

    A folder appears whole or not at all: it is filled beside its place, then renamed.
    """
    place = cache_folder() / f"{name}-{digest(recipe)}"
    if place.exists():
        os.utime(place)
        return place
    with locked(name):
        if not place.exists():
            part = place.with_name(f"{place.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            with progress.step(what):
                make(part)
            part.rename(place)
            _prune(name)
    return place


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the name to ourselves among all processes of this user."""
    with (cache_folder() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prune(name: str) -> None:
    found = cache_folder().glob(f"{name}-{'?' * DIGITS}")
    folders = [path for path in found if path.is_dir() and "-" not in path.name[-DIGITS:]]
    folders.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in folders[KEPT_OF_A_NAME:]:
        shutil.rmtree(old, ignore_errors=True)
