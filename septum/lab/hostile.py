"""Which small programs try to break out, and how are they made? Guests as tests.

Each is one assembler file in guests/; it says on its serial port what it saw. Made with the
assembler and the linker of Debian's binutils, as an ELF file that is started like a kernel.
"""

from __future__ import annotations

import subprocess
from importlib import resources
from pathlib import Path

from septum.errors import Problem

ENTRY = 16 << 20  # where a guest is loaded and entered, as Linux is: at 16 MiB


def names() -> tuple[str, ...]:
    """The guests there are."""
    folder = resources.files("septum.lab") / "guests"
    found = (Path(item.name) for item in folder.iterdir())
    return tuple(sorted(path.stem for path in found if path.suffix == ".S"))


def make(name: str, folder: Path, **symbols: int) -> Path:
    """Assemble and link one guest into `folder`; its ELF file. `symbols` are defined for it.

    Problem when the assembler is missing or does not like the source.
    """
    with resources.as_file(resources.files("septum.lab") / "guests") as sources:
        source = sources / f"{name}.S"
        if not source.exists():
            raise Problem(f"there is no guest {name}", remedy=f"one of: {', '.join(names())}")
        compiled, linked = folder / f"{name}.o", folder / f"{name}.elf"
        defined = [f"--defsym={key}={value}" for key, value in symbols.items()]
        _run(["as", "--64", "-I", str(sources), *defined, "-o", str(compiled), str(source)])
    place = f"-Ttext={ENTRY:#x}"
    _run(["ld", "-static", "-nostdlib", "-N", place, "-o", str(linked), str(compiled)])
    return linked


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Problem(f"{words[0]} is not there", remedy="apt-get install binutils") from error
    if done.returncode:
        raise Problem(f"{words[0]} failed", because=done.stderr.strip())
