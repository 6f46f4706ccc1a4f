"""How does Python become machine code here, and where is that kept between runs?

Numba keeps compiled code per function and looks only at that function's own file for changes.
The processor's code is this whole folder, so the folder of its cache is named after all of it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import numba

from septum.layouts import alpha

Function = TypeVar("Function", bound=Callable[..., Any])

HERE = os.path.dirname(__file__)
SOURCES = (alpha.__file__, *sorted(glob.glob(os.path.join(HERE, "*.py"))))


def cache_directory() -> str:
    """Where this version's compiled code is kept: below XDG_CACHE_HOME, or ~/.cache."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.implementation.cache_tag}".encode())
    for path in SOURCES:
        # Numba knows a file by its place and time too: another checkout has code of its own
        digest.update(f"{path} {os.stat(path).st_mtime_ns}".encode())
        with open(path, "rb") as source:
            digest.update(source.read())
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "septum", "alpha-" + digest.hexdigest()[:16])


DIRECTORY = cache_directory()
numba.config.CACHE_DIR = DIRECTORY


def is_kept() -> bool:
    """Was everything compiled before? Else the first run() of a processor takes seconds."""
    return os.path.exists(os.path.join(DIRECTORY, "complete"))


def set_kept() -> None:
    """Remember that everything is compiled."""
    if os.path.isdir(DIRECTORY):
        with open(os.path.join(DIRECTORY, "complete"), "w"):
            pass


# Reference counts cost eight ninths of the speed; nothing here makes an array that needs them.
# What only compiled code calls needs no wrapper for Python, and each takes time to compile.
OPTIONS = {"boundscheck": False, "_nrt": False}
INNER = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def inlined(function: Function) -> Function:
    """A part of the processor that disappears into its caller."""
    jitted: Function = numba.njit(forceinline=True, **INNER)(function)
    return jitted


def called(function: Function) -> Function:
    """A part of the processor that is called: too large, or too rare, to be repeated."""
    jitted: Function = numba.njit(**INNER)(function)
    return jitted


def entered(function: Function) -> Function:
    """What Python calls: its machine code is kept on disk."""
    jitted: Function = numba.njit(cache=True, nogil=True, **OPTIONS)(function)
    return jitted
