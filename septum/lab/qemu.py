"""Which QEMU is the lab computer, and what has to be put right in it?

In VMRUN (AMD64 Architecture Programmer's Manual 2, 15.5 and 15.20) QEMU makes two mistakes:

- With an interrupt to inject it notes the vector as the exception that is being raised,
  delivers it, and leaves the note standing. When another thread asks the virtual processor to
  look up before the next #VMEXIT, the note is taken for an exception that still waits, and the
  guest gets the same interrupt twice: the second time in the first instruction of its handler,
  with interrupts off. Guests then spin on a lock that they hold themselves. Seen in 10.0.2,
  10.0.13 and 11.1.3. The store of the note is taken out.
- With a virtual interrupt waiting (V_IRQ) it sets a bit in the processor's word of requests,
  without the lock under which all others write that word. Whoever asks for something in that
  very moment, such as a timer or another processor, is overwritten: the interrupt stays in the
  local APIC until the next one comes. With that moment made some tens of microseconds long, two
  busy guests lost eighteen requests in ninety seconds. The bit is set in its own byte, with LOCK.

Neither is all. Seen with both put right, and once while the lab booted, before KVM was loaded:
a processor that has a vector in service whose handler never ran, so that nothing of the same or
a lower class reaches it any more. lab/lost.py finds such a lab by the timer that has stopped.

The lab runs a copy of the installed QEMU in which these two instructions are others. A QEMU
in which either is not found exactly once is run as it is, and that is said.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from septum.errors import HostProblem
from septum.lab.cache import built
from septum.lab.progress import Progress
from septum.layouts import machine_code

PROGRAM = "qemu-system-x86_64"
ENTERING = "helper_vmrun"  # the function with both; the store comes shortly before it calls
DELIVERING = "do_interrupt_x86_hardirq"
REACH = 80  # bytes between the two
VIRTUAL_INTERRUPT = 1 << 8  # CPU_INTERRUPT_VIRQ of QEMU's target/i386/cpu.h
RECIPE = 2  # counted up when what is done to the copy changes

Patches = dict[int, bytes]  # by their place in the file


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
        patches = patches_of(original, content)
        if not patches:
            progress.say(f"{original} is run as it is: two busy guests may hang in it")
            (folder / PROGRAM).symlink_to(original)
            return
        for place, code in patches.items():
            content[place : place + len(code)] = code
        (folder / PROGRAM).write_bytes(content)
        (folder / PROGRAM).chmod(0o755)

    return built("qemu", recipe, repair, "repairing a copy of QEMU", progress) / PROGRAM


def patches_of(path: Path, content: bytes | bytearray) -> Patches:
    """What is to be written where; nothing when not both are there exactly once."""
    from elftools.common.exceptions import ELFError

    try:
        functions = exported(path, (ENTERING, DELIVERING))
    except (ELFError, ValueError):
        return {}
    if len(functions) != 2:
        return {}
    (start, size, shift), (target, _, _) = functions[ENTERING], functions[DELIVERING]
    code = bytes(content[start - shift : start - shift + size])
    notes = machine_code.stores_before_call(code, start, target, REACH)
    sets = machine_code.bits_set(code, VIRTUAL_INTERRUPT)
    if len(notes) != 1 or len(sets) != 1:
        return {}
    request = code[sets[0] : sets[0] + machine_code.OR_SIZE]
    return {
        start - shift + notes[0]: machine_code.NO_OPERATION_6,
        start - shift + sets[0]: machine_code.set_at_once(request),
    }


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
