"""Which QEMU is the lab computer, and what has to be put right in it?

QEMU's emulation of SVM forgets to put one variable back. VMRUN with an interrupt to inject
(AMD64 Architecture Programmer's Manual 2, 15.20) notes the vector as the exception that is
being raised, delivers it, and leaves the note standing. When another thread asks the virtual
processor to look up before the next #VMEXIT, QEMU takes the note for an exception that still
waits, and the guest gets the same interrupt twice: the second time in the first instruction
of its handler, with interrupts off. Guests then spin on a lock that they hold themselves.
Seen in 10.0.2, 10.0.13 and 11.1.3.

The lab runs a copy of the installed QEMU without that one store. Nothing else is changed; a
QEMU in which the store is not found exactly once is run as it is, and that is said.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from septum.errors import HostProblem
from septum.lab.cache import built
from septum.lab.progress import Progress
from septum.layouts import machine_code

PROGRAM = "qemu-system-x86_64"
NOTING = "helper_vmrun"  # the function with the store,
DELIVERING = "do_interrupt_x86_hardirq"  # which comes shortly before it calls this one
REACH = 80  # bytes between the two
RECIPE = 1  # counted up when what is done to the copy changes


def lab_qemu(progress: Progress) -> Path:
    """The QEMU to run: a repaired copy in the cache, or the installed one. Raises HostProblem."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise HostProblem(f"there is no {PROGRAM} on the path", remedy="python -m septum.lab build")
    original = Path(found).resolve()
    status = original.stat()
    recipe = (RECIPE, str(original), status.st_size, status.st_mtime_ns)

    def repair(folder: Path) -> None:
        content = bytearray(original.read_bytes())
        place = place_of_store(original, content)
        if place is None:
            progress.say(f"{original} is run as it is: two busy guests may hang in it")
            (folder / PROGRAM).symlink_to(original)
            return
        size = machine_code.STORE_REGISTER_SIZE
        content[place : place + size] = machine_code.NO_OPERATION_6
        (folder / PROGRAM).write_bytes(content)
        (folder / PROGRAM).chmod(0o755)

    return built("qemu", recipe, repair, "repairing a copy of QEMU", progress) / PROGRAM


def place_of_store(path: Path, content: bytes | bytearray) -> int | None:
    """Where in the file the store begins; None when it is not there exactly once."""
    from elftools.common.exceptions import ELFError

    try:
        functions = exported(path, (NOTING, DELIVERING))
    except (ELFError, ValueError):
        return None
    if len(functions) != 2:
        return None
    (start, size, shift), (target, _, _) = functions[NOTING], functions[DELIVERING]
    code = bytes(content[start - shift : start - shift + size])
    places = machine_code.stores_before_call(code, start, target, REACH)
    return start - shift + places[0] if len(places) == 1 else None


def exported(path: Path, names: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """Address, size in bytes, and address less file offset, of exported functions of an ELF."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    found: dict[str, tuple[int, int, int]] = {}
    with path.open("rb") as file:
        elf = ELFFile(file)
        symbols = elf.get_section_by_name(".dynsym")
        if not isinstance(symbols, SymbolTableSection):
            return found
        segments = [one for one in elf.iter_segments() if one["p_type"] == "PT_LOAD"]
        for name in names:
            for symbol in symbols.get_symbol_by_name(name) or ():
                address, size = symbol["st_value"], symbol["st_size"]
                for segment in segments:
                    if 0 <= address - segment["p_vaddr"] < segment["p_filesz"] and size:
                        shift = segment["p_vaddr"] - segment["p_offset"]
                        found[name] = (address, size, shift)
    return found
