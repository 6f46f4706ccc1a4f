"""Do our processor and QEMU's come to the same end? Random sequences, the same program on both.

Many sequences are one static Linux/alpha program: for each, a record of what the registers hold
before is loaded, the sequence runs, and the record is stored over with what they hold after. At
the end the program writes all records and the memory area to its standard output.

    python -m tests.engine.alpha.processor.differential [--sequences N] [--seed N]
"""

from __future__ import annotations

import argparse
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from septum.engine.alpha.processor.state import EXECUTE, READ, USER, WRITE, Exit
from septum.layouts import alpha as a
from tests.engine.alpha.processor import assembler
from tests.engine.alpha.processor.bench import BenchProcessor
from tests.engine.alpha.processor.generator import AREA, BASE, Sequence

QEMU = "qemu-alpha"
NO_QEMU = (
    "qemu-alpha is not installed: `python -m septum.lab packages` installs what the tests need "
    "(Debian: qemu-user)"
)
CODE, DATA = 0x1_2000_0000, 0x1_4000_0000
HEADERS = 0x2000
LINK, RECORD = 28, 30
# Quadwords of a record: 31 integer and 31 floating-point registers, then the control register.
FLOATS, FPCR, RECORD_SIZE = 31, 62, 63
PER_PROGRAM = 4096
CALLSYS, SYS_EXIT, SYS_WRITE = 0x83, 1, 4
# Not compared: QEMU keeps bits 46:32 and the summary as they were written.
FPCR_COMPARED = a.FPCR_IMPLEMENTED & a.WITHOUT_SIGN
# Where a result is flushed to zero QEMU records neither underflow nor inexact.
FPCR_FLUSHED = (a.SUMMARY_UNDERFLOW | a.SUMMARY_INEXACT) << a.FPCR_STATUS_SHIFT
# Of conversions of integers QEMU records inexact only with /I.
INEXACT = a.SUMMARY_INEXACT << a.FPCR_STATUS_SHIFT
# What only rounding makes as large as these, the smallest numbers of T and S with a hidden bit,
# QEMU flushes to zero too, deciding before it rounds. Too small is what is so after (AH 4.7.5.3).
SMALLEST = (0x0010000000000000, 0x3810000000000000)
UNDERFLOW = a.SUMMARY_UNDERFLOW << a.FPCR_STATUS_SHIFT


class Difference(NamedTuple):
    """Where two processors did not agree."""

    seed: int
    sequence: int
    what: str
    code: list[int]

    def __str__(self) -> str:
        words = " ".join(f"{word:08x}" for word in self.code)
        return f"seed {self.seed}, sequence {self.sequence}: {self.what}\n  code {words}"


class Program(NamedTuple):
    """Sequences as one program: code to be at CODE + HEADERS, data at DATA."""

    sequences: list[Sequence]
    code: bytes
    data: bytes

    @property
    def output_size(self) -> int:
        return len(self.data)


def program(seed: int, count: int) -> Program:
    chance = random.Random(seed)
    sequences = [Sequence(chance) for _ in range(count)]
    words = pointers()
    skip = len(words)
    words.append(0)  # a branch over the two routines
    load = len(words)
    words += moves(is_store=False)
    store = len(words)
    words += moves(is_store=True)
    words[skip] = assembler.branch(a.BR, 31, len(words) - skip - 1)
    records = []
    for one in sequences:
        words.append(assembler.branch(a.BSR, LINK, load - len(words) - 1))
        words += one.code
        words.append(assembler.branch(a.BSR, LINK, store - len(words) - 1))
        integers = [*one.integers[:28], 0, 0, 0]
        records.append(struct.pack("<63Q", *integers, *one.floats[:31], one.fpcr))
    words += ending()
    area = chance.randbytes(AREA)
    # The area first, so that BASE names it; then the records.
    return Program(sequences, struct.pack(f"<{len(words)}I", *words), area + b"".join(records))


def pointers() -> list[int]:
    """BASE names the area, RECORD the first record."""
    return [
        assembler.memory(a.LDA, BASE, 31, DATA >> 20),
        assembler.literal(a.INTS, a.SLL, BASE, 20, BASE),
        assembler.memory(a.LDA, RECORD, BASE, AREA),
    ]


def moves(*, is_store: bool) -> list[int]:
    """A routine that loads or stores the registers of a record; the store goes to the next."""
    integer, real = (a.STQ, a.STT) if is_store else (a.LDQ, a.LDT)
    control = [assembler.floating(a.FLTL, a.MT_FPCR, 0, 0, 0)]
    fetch = [assembler.memory(a.LDT, 0, RECORD, 8 * FPCR)]
    registers = [
        assembler.memory(real, number, RECORD, 8 * (FLOATS + number)) for number in range(31)
    ]
    registers += [assembler.memory(integer, number, RECORD, 8 * number) for number in range(28)]
    back = [assembler.jump(31, LINK)]
    if not is_store:
        return [*fetch, *control, *registers, *back]
    keep = [
        assembler.floating(a.FLTL, a.MF_FPCR, 0, 0, 0),
        assembler.memory(a.STT, 0, RECORD, 8 * FPCR),
        assembler.memory(a.LDA, RECORD, RECORD, 8 * RECORD_SIZE),
    ]
    return [*registers, *keep, *back]


def ending() -> list[int]:
    """Write all the data to standard output until it is out, and leave."""
    v0, a0, a1, a2, a3 = 0, 16, 17, 18, 19
    left = 9
    return [
        assembler.operate(a.INTL, a.BIS, 31, BASE, a1),
        assembler.operate(a.INTA, a.SUBQ, RECORD, BASE, left),
        # again:
        assembler.memory(a.LDA, v0, 31, SYS_WRITE),
        assembler.memory(a.LDA, a0, 31, 1),
        assembler.operate(a.INTL, a.BIS, 31, left, a2),
        assembler.call_pal(CALLSYS),
        assembler.branch(a.BNE, a3, 4),
        assembler.operate(a.INTA, a.ADDQ, a1, v0, a1),
        assembler.operate(a.INTA, a.SUBQ, left, v0, left),
        assembler.branch(a.BNE, left, -8),
        assembler.operate(a.INTL, a.BIS, 31, 31, a3),
        assembler.memory(a.LDA, v0, 31, SYS_EXIT),
        assembler.operate(a.INTL, a.BIS, 31, a3, a0),
        assembler.call_pal(CALLSYS),
    ]


def image(made: Program) -> bytes:
    """The program as an ELF file: code to read and execute, data to write."""
    machine, executable = 0x9026, 2
    code_size = len(made.code)
    data_offset = (HEADERS + code_size + HEADERS - 1) // HEADERS * HEADERS
    header = struct.pack(
        *("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", executable, machine, 1, CODE + HEADERS),
        *(64, 0, 0, 64, 56, 2, 64, 0, 0),
    )
    code = struct.pack("<IIQQQQQQ", 1, 5, HEADERS, *[CODE + HEADERS] * 2, *[code_size] * 2, HEADERS)
    size = len(made.data)
    data = struct.pack("<IIQQQQQQ", 1, 6, data_offset, DATA, DATA, size, size, HEADERS)
    front = (header + code + data).ljust(HEADERS, b"\0") + made.code
    return front.ljust(data_offset, b"\0") + made.data


def run_by_qemu(made: Program) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sequences")
        path.write_bytes(image(made))
        path.chmod(0o755)
        done = subprocess.run([QEMU, str(path)], capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{QEMU} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def run_by_us(made: Program) -> bytes:
    """The same program in user mode, page by page as it touches them."""
    code_pages = -(-len(made.code) // a.PAGE_SIZE)
    data_pages = -(-len(made.data) // a.PAGE_SIZE)
    ram = np.zeros((code_pages + data_pages) * a.PAGE_SIZE, np.uint8)
    data_at = code_pages * a.PAGE_SIZE
    ram[: len(made.code)] = np.frombuffer(made.code, np.uint8)
    ram[data_at : data_at + len(made.data)] = np.frombuffer(made.data, np.uint8)
    processor = BenchProcessor(ram)
    processor.user_mode, processor.floating_enabled = True, True
    processor.pc = CODE + HEADERS
    while (stop := processor.run(100_000_000)) != Exit.CALL_PAL:
        address = processor.fault_address
        if stop == Exit.ITB_MISS:
            physical, kinds = address - CODE - HEADERS, (EXECUTE,)
        elif stop == Exit.DTB_MISS and DATA <= address < DATA + len(made.data):
            physical, kinds = address - DATA + data_at, (READ, WRITE)
        else:
            word = processor.instruction
            raise RuntimeError(f"{stop!r} at {processor.pc:x}, {word:08x}, address {address:x}")
        for kind in kinds:
            processor.fill(mode=USER, kind=kind, virtual=address, physical=physical)
    return ram[data_at : data_at + len(made.data)].tobytes()


def records(output: bytes, count: int) -> NDArray[np.int64]:
    return np.frombuffer(output[AREA:], np.int64).reshape(count, RECORD_SIZE)


def difference(seed: int, count: int) -> Difference | None:
    """The first difference of so many sequences, None if there is none."""
    made = program(seed, count)
    ours, theirs = run_by_us(made), run_by_qemu(made)
    if len(theirs) != len(ours):
        return Difference(seed, 0, f"{len(theirs)} bytes from {QEMU}, not {len(ours)}", [])
    one, other = records(ours, count).copy(), records(theirs, count).copy()
    one[:, FPCR] &= FPCR_COMPARED
    other[:, FPCR] &= FPCR_COMPARED
    flushed = one[:, FPCR] & UNDERFLOW != 0
    one[flushed, FPCR] |= FPCR_FLUSHED
    other[flushed, FPCR] |= FPCR_FLUSHED
    plain = np.array([not sequence.is_software for sequence in made.sequences])
    one[plain, FPCR] |= INEXACT
    other[plain, FPCR] |= INEXACT
    made_smallest = np.isin(one & a.WITHOUT_SIGN, SMALLEST) & (other == one & a.SIGN)
    made_smallest[:, :FLOATS] = made_smallest[:, FPCR] = False
    one[made_smallest] = other[made_smallest]
    for at, place in np.argwhere(one != other).tolist():
        what = f"{name_of(place)} is {hexadecimal(one[at, place])}, {QEMU} says "
        what += f"{hexadecimal(other[at, place])}; {described(made.sequences[at])}"
        return Difference(seed, at, what, made.sequences[at].code)
    if ours[:AREA] != theirs[:AREA]:
        return Difference(seed, count, "memory differs and no register does", [])
    return None


def name_of(place: int) -> str:
    if place == FPCR:
        return "fpcr"
    return f"r{place}" if place < FLOATS else f"f{place - FLOATS}"


def described(one: Sequence) -> str:
    floats = " ".join(f"f{number}={bits:016x}" for number, bits in enumerate(one.floats[:16]))
    return f"fpcr before {one.fpcr:016x} {floats}"


def hexadecimal(value: int) -> str:
    return f"{int(value) & (1 << 64) - 1:016x}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sequences", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if shutil.which(QEMU) is None:
        print(NO_QEMU, file=sys.stderr)
        return 1
    started, done, seed = time.monotonic(), 0, chosen.seed
    while done < chosen.sequences:
        count = min(PER_PROGRAM, chosen.sequences - done)
        found = difference(seed, count)
        if found is not None:
            print(found)
            return 1
        done, seed = done + count, seed + 1
        print(f"\r{done} sequences agree", end="", flush=True)
    print(f" ({time.monotonic() - started:.0f} s, seeds {chosen.seed} to {seed - 1})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
