"""Is there anything a guest can hold in its registers or memory that breaks the VMM itself?"""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.palcode import calls, entries, misses
from septum.engine.alpha.vmm.palcode.bus import SIZES
from septum.engine.alpha.vmm.palcode.registers import Halted, Palcode, signed
from septum.errors import GuestProblem
from septum.layouts import alpha as a
from septum.layouts import palcode, tsunami
from tests.engine.alpha.processor.assembler import memory
from tests.engine.alpha.vmm.guests import (
    CODE,
    IO,
    KSEG,
    SIZE,
    TABLES,
    Bench,
    Guest,
    counting,
    mapped,
)

_STORES = (a.STB, a.STW, a.STL, a.STQ, a.STQ_U, a.STL_C, a.STQ_C, a.STS, a.STT, a.STF, a.STG)
_AREAS = (
    tsunami.PCI_MEMORY,
    tsunami.PCHIP,
    tsunami.CCHIP,
    tsunami.DCHIP,
    tsunami.INTERRUPT_ACKNOWLEDGE,
    tsunami.PCI_IO,
    tsunami.PCI_CONFIGURATION,
    tsunami.TIG_BUS,
)
_EDGES = [0, 1, -1, -2, (1 << 63) - 1, -(1 << 63), 0x2000, 0x5FF8, SIZE]
_EDGES += [signed(KSEG + offset) for offset in (0, SIZE, SIZE - 8, TABLES)]
quads = some.integers(-(1 << 63), (1 << 63) - 1) | some.sampled_from(_EDGES)


@pytest.fixture(scope="module")
def bench() -> Bench:
    made = Bench(counting(1)).start()
    mapped(made, made.bad)
    return made


def tame(pal: Palcode, registers: list[int]) -> None:
    """A processor about to trap, with any registers, handlers and stack that may be good or not."""
    for number, value in enumerate(registers):
        pal.r[number] = value
    pal.r[31] = 0
    pal.mces = 0
    pal.st[s.MODE] = 0
    pal.st[s.PC] = signed(KSEG + CODE)


def survives(pal: Palcode, trap: object) -> None:
    try:
        trap(pal)  # type: ignore[operator]
    except (GuestProblem, Halted):
        return


@settings(max_examples=400)
@given(
    function=some.integers(0, 0xBF) | some.integers(0, (1 << 26) - 1),
    registers=some.lists(quads, min_size=31, max_size=31),
    user=some.booleans(),
)
def test_any_call_with_any_registers(
    bench: Bench, function: int, registers: list[int], user: bool
) -> None:
    pal = bench.bad.pal
    tame(pal, registers)
    pal.st[s.MODE] = int(user)
    pal.kernel_stack = registers[3]
    pal.st[s.PAL_FUNCTION] = function
    survives(pal, calls.call)


@settings(max_examples=400)
@given(
    opcode=some.sampled_from(sorted(SIZES)),
    area=some.sampled_from(_AREAS),
    hose=some.integers(0, 1),
    offset=some.integers(0, 0xFFFF) | some.integers(0, (1 << 32) - 1),
    value=quads,
    has_handlers=some.booleans(),
)
def test_any_access_to_any_register(
    bench: Bench, opcode: int, area: object, hose: int, offset: int, value: int, has_handlers: bool
) -> None:
    pal = bench.bad.pal
    assert isinstance(area, tuple)
    tame(pal, [value] * 31)
    pal.r[30] = signed(KSEG + 0x3F0000)
    handler = signed(KSEG + CODE) if has_handlers else None
    pal.entries = [handler] * len(palcode.ENTRY_NAMES)
    physical = area[0] + offset % area[1] + (hose << 33)
    address = IO + (physical & (1 << 40) - 1) & -SIZES[opcode]
    pal.st[s.FAULT_ADDRESS] = signed(address)
    pal.st[s.FAULT_IS_STORE] = int(opcode in _STORES)
    pal.st[s.INSTRUCTION] = memory(opcode, 1, 2)
    survives(pal, misses.data_miss)


@settings(max_examples=400)
@given(
    address=quads,
    table=some.integers(0, (1 << 32) - 1),
    entries_=some.lists(some.integers(0, (1 << 64) - 1), min_size=3, max_size=3),
    user=some.booleans(),
    kind=some.sampled_from(["load", "store", "fetch"]),
    keeps_table=some.booleans(),
)
def test_any_page_table(
    bench: Bench,
    address: int,
    table: int,
    entries_: list[int],
    user: bool,
    kind: str,
    keeps_table: bool,
) -> None:
    pal = bench.bad.pal
    tame(pal, [0] * 31)
    pal.r[30] = pal.kernel_stack = signed(KSEG + 0x3F0000)
    pal.entries = [signed(KSEG + CODE)] * len(palcode.ENTRY_NAMES)
    pal.page_table = TABLES >> 13 if keeps_table else table
    for number, (entry, shift) in enumerate(zip(entries_, a.LEVEL_SHIFTS, strict=True)):
        place = TABLES + 0x2000 * number + (address >> shift & a.LEVEL_MASK) * 8
        bench.write(bench.bad, place, entry)
    pal.st[s.MODE] = int(user)
    pal.st[s.FAULT_ADDRESS] = address & -8
    pal.st[s.FAULT_IS_STORE] = int(kind == "store")
    pal.st[s.INSTRUCTION] = memory(a.STQ if kind == "store" else a.LDQ, 1, 2)
    survives(pal, misses.instruction_miss if kind == "fetch" else misses.data_miss)


@settings(max_examples=200)
@given(word=some.integers(0, (1 << 32) - 1), registers=some.lists(quads, min_size=31, max_size=31))
def test_any_exception(bench: Bench, word: int, registers: list[int]) -> None:
    pal = bench.bad.pal
    for trap in (
        entries.unaligned,
        entries.arithmetic,
        entries.illegal_instruction,
        entries.floating_disabled,
        entries.rti,
    ):
        tame(pal, registers)
        pal.entries = [registers[4] & ~3] * len(palcode.ENTRY_NAMES)
        pal.st[s.INSTRUCTION] = word
        survives(pal, trap)


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int) -> None:
    """A megabyte of random instructions with every handler in it; the other counts on."""
    chance = random.Random(seed)
    guest = Guest()
    guest.prepared()
    for register in range(1, 8):
        guest.load(register, chance.choice([KSEG, IO, KSEG + SIZE, chance.getrandbits(64)]))
    opcodes = [*SIZES, a.INTA, a.INTL, a.INTS, a.BEQ, a.BR, a.JMP, a.MISC, a.FLTI, a.CALL_PAL]
    for _ in range(20_000):
        opcode = chance.choice(opcodes)
        if opcode == a.CALL_PAL:
            guest.put(chance.randrange(0x100))
        else:
            guest.put(opcode << 26 | chance.getrandbits(26))
    bench = Bench(guest, counting(2_000)).start()
    before = bench.computer.memory[: 4 << 20].copy()
    bench.monitor.run(300_000)
    assert bench.good.ended == "powered off"
    assert bench.result(2, bench.good) == 2_000
    assert not bench.good.rejections
    tables = 1 << 16  # the VMM's memory from there on holds DMA tables
    assert np.array_equal(bench.computer.memory[:tables], before[:tables])
