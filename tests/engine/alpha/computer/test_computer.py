"""Do a processor's loads and stores reach what they should, and do the wires tell it?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from septum.engine.alpha.computer.computer import Computer, NonexistentMemory, assign
from septum.engine.alpha.computer.description import load
from tests.engine.alpha.computer.driver import (
    CCHIP,
    CONFIGURATION,
    DISK,
    ETHERNET,
    HOSE,
    IO,
    ISA,
    MEMORY,
    PCHIP,
    SLOTS,
    configuration,
    machine,
    powered,
)

DCHIP = 0x801_B000_0000
ACKNOWLEDGE = 0x801_F800_0000
MISC = CCHIP + 0x080
DIM = (CCHIP + 0x200, CCHIP + 0x240)
DIR = (CCHIP + 0x280, CCHIP + 0x2C0)
DRIR = CCHIP + 0x300
BAD = """
name = "two"
processors = 2
memory = "32M"
[[hoses]]
"""


@pytest.fixture
def computer() -> Computer:
    return powered()


# ---- Addresses


def test_where_there_is_nothing_is_nonexistent_memory(computer: Computer) -> None:
    size = computer.memory.size
    for physical in (size, 1 << 42, 0x801_0000_0000, 0x806_0000_0000, (1 << 44) - 8):
        with pytest.raises(NonexistentMemory, match=f"{physical:#x}"):
            computer.read(physical, 8)
        with pytest.raises(NonexistentMemory):
            computer.write(physical, 8, 0)
    assert computer.read(MISC, 8) >> 28 & 1, "NXM"
    assert computer.read(MISC, 8) >> 29 & 7 == 0, "NXS: processor 0"
    computer.write(MISC, 8, 1 << 28)
    assert not computer.read(MISC, 8) >> 28 & 1


def test_both_forms_of_an_io_address_are_one(computer: Computer) -> None:
    """KSEG with SPE<1> copies VA<40> to PA<43:41> (21264 HRM 5.3.9): 0xF01..., not 0x801..."""
    computer.write(0xF01_A000_0200, 8, 1 << 55)
    assert computer.read(DIM[0], 8) == 1 << 55


def test_a_second_hose_is_told_by_the_cchip(computer: Computer) -> None:
    assert computer.read(CCHIP, 8) == 1 << 14
    assert computer.read(DCHIP + 0x800, 8) == 0x2020_2020_2020_2020
    single = machine(BAD)
    assert single.read(CCHIP, 8) == 0
    with pytest.raises(NonexistentMemory):
        single.read(PCHIP + HOSE, 8)


def test_registers_are_quadwords_read_in_parts(computer: Computer) -> None:
    computer.write(DIM[0], 8, 0x0123_4567_89AB_CDEF)
    assert computer.read(DIM[0], 4) == 0x89AB_CDEF
    assert computer.read(DIM[0] + 4, 4) == 0x0123_4567
    assert computer.read(DIM[0] + 1, 1) == 0xCD


# ---- PCI


def test_what_stands_on_the_buses(computer: Computer) -> None:
    found = {}
    for hose in range(2):
        for slot in range(32):
            identity = computer.read(configuration(hose, slot), 4)
            if identity != 0xFFFF_FFFF:
                found[hose, slot] = (identity, computer.read(configuration(hose, slot, 8), 4) >> 8)
    assert found == {
        (0, ETHERNET): (0x1041_1AF4, 0x02_0000),
        (0, DISK): (0x1048_1AF4, 0x01_0000),
        (0, ISA): (0x0484_8086, 0x06_0100),
        (1, 5): (0x1041_1AF4, 0x02_0000),
        (1, 3): (0x1048_1AF4, 0x01_0000),
    }


def test_nobody_is_on_other_buses_and_other_functions(computer: Computer) -> None:
    assert computer.read(CONFIGURATION + (1 << 16) + (ETHERNET << 11), 4) == 0xFFFF_FFFF
    assert computer.read(configuration(0, ETHERNET) + (1 << 8), 4) == 0xFFFF_FFFF
    assert computer.read(PCHIP + 0x3C0, 8) & 0x100, "NDS: no device select"
    computer.write(PCHIP + 0x3C0, 8, 0xFFF)
    assert not computer.read(PCHIP + 0x3C0, 8) & 0xFFF


def test_firmware_places_each_bar_on_pages_of_its_own(computer: Computer) -> None:
    for hose, slots in enumerate(SLOTS):
        bars = [computer.read(configuration(hose, slot, 0x10), 4) for slot in slots]
        assert all(bar % 0x4000 == 0 and bar for bar in bars) and len(set(bars)) == 2
        assert abs(bars[0] - bars[1]) >= 0x4000
        assert computer.read(configuration(hose, slots[0], 0x14), 4) == 0
        for slot in slots:
            assert computer.read(configuration(hose, slot, 4), 2) == 2
            line = computer.read(configuration(hose, slot, 0x3C), 1)
            assert line == 8 + 4 * (slot - 1) + 16 * hose


def test_a_bar_is_sized_and_moved(computer: Computer) -> None:
    at = configuration(0, ETHERNET, 0x10)
    old = computer.read(at, 4)
    computer.write(at, 4, 0xFFFF_FFFF)
    assert computer.read(at, 4) == 0xFFFF_C000
    computer.write(at, 4, 0x2000_0000)
    assert computer.read(MEMORY + 0x2000_0012, 2) == 2, "two queues"
    assert computer.read(MEMORY + old + 0x12, 2) == 0xFFFF, "nobody any more"


def test_memory_is_decoded_while_the_command_register_says_so(computer: Computer) -> None:
    bar = computer.read(configuration(0, ETHERNET, 0x10), 4)
    assert computer.read(MEMORY + bar + 0x12, 2) == 2
    computer.write(configuration(0, ETHERNET, 4), 2, 0)
    assert computer.read(MEMORY + bar + 0x12, 2) == 0xFFFF
    computer.write(MEMORY + bar, 4, 1)
    computer.write(configuration(0, ETHERNET, 4), 2, 2)
    assert computer.read(MEMORY + bar, 4) == 0


def test_what_cannot_be_written_stays(computer: Computer) -> None:
    at = configuration(0, ISA)
    before = [computer.read(at + step, 1) for step in range(256)]
    for step in range(0, 256, 4):
        computer.write(at + step, 4, 0xFFFF_FFFF)
    after = [computer.read(at + step, 1) for step in range(256)]
    changed = {step for step in range(256) if before[step] != after[step]}
    assert changed <= {0x04, 0x05, 0x0C, 0x0D, 0x3C}


@pytest.mark.parametrize("hose", [0, 1])
def test_hose_1_is_hose_0_further_up(computer: Computer, hose: int) -> None:
    computer.write(PCHIP + hose * HOSE, 8, 0x80_0003)
    assert computer.read(PCHIP + hose * HOSE, 8) == 0x80_0003
    assert computer.read(PCHIP + (1 - hose) * HOSE, 8) == 0


# ---- Interrupts


def test_the_mask_decides_which_processor_hears(computer: Computer) -> None:
    computer.cchip.set_request(8, 1)
    assert computer.drir == computer.read(DRIR, 8) == 1 << 8
    assert computer.pins(0) == computer.pins(1) == 0
    computer.write(DIM[1], 8, 1 << 8 | 1 << 9)
    assert (computer.pins(0), computer.pins(1)) == (0, 2)
    assert computer.read(DIR[1], 8) == 1 << 8 and computer.read(DIR[0], 8) == 0
    computer.cchip.set_request(8, 0)
    assert computer.pins(1) == 0


def test_errors_have_a_wire_of_their_own(computer: Computer) -> None:
    computer.write(PCHIP + HOSE + 0x400, 8, 0xFFF)  # PERRMASK
    computer.write(DIM[0], 8, 1 << 61)
    computer.write(PCHIP + HOSE + 0x440, 8, 1 << 9)  # PERRSET: retry timeout
    assert computer.pins(0) == 1 and computer.read(PCHIP + HOSE + 0x3C0, 8) == 1 << 9
    computer.write(PCHIP + HOSE + 0x3C0, 8, 1 << 9)
    assert computer.pins(0) == 0


def test_processors_interrupt_each_other() -> None:
    computer = machine(BAD)
    assert computer.read(MISC, 8, 1) & 3 == 1, "CPUID: who reads"
    computer.write(MISC, 8, 1 << 13)
    assert (computer.pins(0), computer.pins(1)) == (0, 8)
    assert computer.read(MISC, 8) & 0xF00 == 0x200
    computer.write(MISC, 8, 1 << 9, 1)
    assert computer.pins(1) == 0


def test_one_processor_is_not_interrupted_for_two(computer: Computer) -> None:
    computer.write(MISC, 8, 0xF000)
    assert (computer.pins(0), computer.pins(1)) == (8, 0)


def test_arbitration_has_one_winner(computer: Computer) -> None:
    computer.write(MISC, 8, 1 << 17)
    computer.write(MISC, 8, 1 << 16)
    assert computer.read(MISC, 8) >> 16 & 0xF == 2
    computer.write(MISC, 8, 1 << 24)
    assert computer.read(MISC, 8) >> 16 & 0xFF == 0


def set_clock(computer: Computer, register: int, value: int) -> None:
    computer.write(IO + 0x70, 1, register)
    computer.write(IO + 0x71, 1, value)


def test_the_clock_is_the_interval_timer(computer: Computer) -> None:
    assert computer.next_event() is None
    set_clock(computer, 0x0A, 0x2A)  # 64 a second
    set_clock(computer, 0x0B, 0x42)
    assert computer.next_event() == 500_000_000 // 64
    computer.advance(500_000_000 // 64 - 1)
    assert computer.pins(0) == 0
    computer.advance(500_000_000 // 64)
    assert computer.pins(0) == 4
    assert computer.pins(1) == 0, "it is not installed"
    computer.write(MISC, 8, 1 << 4)
    assert computer.pins(0) == 0 and computer.next_event() == 500_000_000 // 32
    computer.advance(500_000_000)
    assert computer.pins(0) == 4
    computer.write(MISC, 8, 1 << 4)
    assert computer.pins(0) == 0


def test_intervals_can_be_ignored(computer: Computer) -> None:
    set_clock(computer, 0x0B, 0x42)
    computer.write(CCHIP + 0x380, 8, 2)
    seen = []
    for _ in range(4):
        moment = computer.next_event()
        assert moment is not None
        computer.advance(moment)
        seen.append(computer.pins(0))
        computer.write(MISC, 8, 1 << 4)
    assert seen == [0, 0, 4, 4]


def test_time_does_not_go_back(computer: Computer) -> None:
    computer.advance(1000)
    computer.advance(10)
    assert computer.now == 1000


# ---- ISA


def test_a_character_and_its_interrupt(computer: Computer) -> None:
    """Through the UART, the interrupt controllers, the Cchip; acknowledged at the Pchip."""
    assert computer.isa is not None
    computer.write(DIM[0], 8, 1 << 55)
    computer.write(IO + 0x21, 1, 0xEF)
    computer.write(IO + 0x3F9, 1, 1)
    assert computer.pins(0) == 0
    computer.isa.serial[0].type(b"x" * 20)
    assert computer.pins(0) == 2 and computer.read(DRIR, 8) == 1 << 55
    assert computer.read(ACKNOWLEDGE, 4) == 4
    assert computer.pins(0) == 0
    got = bytearray()
    while computer.read(IO + 0x3FD, 1) & 1:
        got.append(computer.read(IO + 0x3F8, 1))
    assert got == b"x" * 20, "what the FIFO had no room for came after it"
    computer.write(IO + 0x20, 1, 0x64)
    for value in b"hello":
        computer.write(IO + 0x3F8, 1, value)
        computer.write(IO + 0x2F8, 1, value)
    assert computer.isa.serial[0].sent == computer.isa.serial[1].sent == b"hello"


def test_free_ports_read_as_ones(computer: Computer) -> None:
    assert computer.read(IO + 0x170, 4) == 0xFFFF_FFFF
    computer.write(IO + 0x170, 4, 0)
    assert computer.read(IO + HOSE + 0x3FD, 1) == 0xFF, "ISA is on hose 0"
    assert computer.read(ACKNOWLEDGE + HOSE, 4) == 0xFFFF_FFFF


def test_only_what_the_machine_file_names_is_behind_the_bridge() -> None:
    text = BAD + '[[hoses.functions]]\nslot = 7\ndevice = "isa-bridge"\n'
    computer = machine('isa = ["serial1"]\n' + text)
    assert computer.read(IO + 0x2FD, 1) == 0x60
    assert computer.read(IO + 0x3FD, 1) == 0xFF
    assert computer.read(IO + 0x61, 1) == computer.read(IO + 0x21, 1) == 0xFF


def test_timer_and_port_b(computer: Computer) -> None:
    computer.write(IO + 0x61, 1, 1)
    for port, value in ((0x43, 0xB0), (0x42, 0), (0x42, 0x10)):
        computer.write(IO + port, 1, value)
    assert not computer.read(IO + 0x61, 1) & 0x20
    computer.advance(0x1000 * 500_000_000 // 1_193_182 + 1000)
    assert computer.read(IO + 0x61, 1) & 0x20


# ---- Whatever is written

PLACES = [MEMORY, PCHIP, CCHIP, DCHIP, ACKNOWLEDGE, IO, CONFIGURATION]
accesses = some.lists(
    some.tuples(
        some.sampled_from([place + hose * HOSE for place in PLACES for hose in range(2)]),
        some.one_of(
            some.integers(0, 0x1000),
            some.sampled_from([ETHERNET << 11, DISK << 11]).flatmap(
                lambda base: some.integers(base, base + 0x44)
            ),
            some.integers(0x900_0000, 0x900_8000),
            some.integers(0x1_0000, 0x1_8000),
        ),
        some.sampled_from([1, 2, 4, 8]),
        some.one_of(some.none(), some.integers(0, (1 << 64) - 1)),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(accesses)
def test_no_access_is_answered_with_anything_but_a_value(
    steps: list[tuple[int, int, int, int | None]],
) -> None:
    computer = SHARED
    for place, offset, size, value in steps:
        physical = (place + offset) // size * size
        try:
            if value is None:
                assert 0 <= computer.read(physical, size) < 1 << 8 * size
            else:
                computer.write(physical, size, value & (1 << 8 * size) - 1)
        except NonexistentMemory:
            small = [at + more for at in (ACKNOWLEDGE, IO, CONFIGURATION) for more in (0, HOSE)]
            assert place in (CCHIP + HOSE, DCHIP + HOSE) or (place in small and offset >> 24)
        computer.advance(computer.now + 10_000)


SHARED = Computer(load("clipper"))
assign(SHARED)
