"""What do this computer's own C headers say? A compiler is asked, as the witness."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from septum.layouts.cstruct import CStruct

COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)


@cache
def values(includes: tuple[str, ...], expressions: tuple[str, ...]) -> dict[str, int]:
    """Each C expression's value; the test is skipped where there is no compiler or header."""
    if COMPILER is None:
        pytest.skip("no C compiler here: nobody to ask what the headers say")
    asked = "".join(
        f'printf("%llu\\n", (unsigned long long)({expression}));' for expression in expressions
    )
    heads = "".join(f"#include <{name}>\n" for name in ("stdio.h", "stddef.h", *includes))
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "ask.c"), Path(folder, "ask")
        source.write_text(f"{heads}int main(void) {{ {asked} return 0; }}\n")
        done = subprocess.run(
            [COMPILER, "-o", str(program), str(source)], capture_output=True, text=True
        )
        if "No such file or directory" in done.stderr:
            pytest.skip(f"no kernel headers here (linux-libc-dev): {done.stderr.splitlines()[0]}")
        assert done.returncode == 0, done.stderr
        said = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return dict(zip(expressions, (int(line) for line in said.split()), strict=True))


def fields(struct: type[CStruct], c_name: str, **names: str) -> dict[str, int]:
    """C expressions of a struct's offsets, and what our declaration says of each.

    `names` gives the C name of a field that is called otherwise here; "" skips it.
    """
    said = {}
    for name, *_ in struct._fields_:
        word = names.get(name, name)
        if word:
            said[f"offsetof({c_name}, {word})"] = getattr(struct, name).offset
    return said


def size(struct: type[CStruct], c_name: str) -> dict[str, int]:
    return {f"sizeof({c_name})": ctypes.sizeof(struct)}
