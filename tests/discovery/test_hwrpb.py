"""Does a copy say only what is the instance's, and is it still sound? [0033], [0043], [0045]"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.discovery import hwrpb as description
from septum.discovery.hwrpb import Exposed, IsaEntry, Run
from septum.engine.alpha.computer import firmware
from septum.errors import MachineProblem
from septum.layouts import hwrpb
from septum.units import Span

PAGE = hwrpb.PAGE_SIZE
SERIAL_1 = IsaEntry("COM2", Span(0x2F8, 8), 3)
SERIAL_0 = IsaEntry("COM1", Span(0x3F8, 8), 4)
CLOCK = IsaEntry("TOY", Span(0x70, 2), 8)
CONSOLE_PAGES = 128


def machine(*runs: Run, processors: int = 2) -> bytes:
    inventory = firmware.Inventory("Clipper", runs, processors, 500_000_000,
                                   (SERIAL_0, SERIAL_1, CLOCK))
    return firmware.build(inventory, 0x4000)


def exposed(first: int, pages: int, *names: str, cpus: tuple[int, ...] = (0,)) -> Exposed:
    span = Span(first * PAGE, pages * PAGE)
    return Exposed(span, cpus, frozenset(names), CONSOLE_PAGES, 0x4000, 0xE000)


WHOLE = machine(Run(0, 1024, hwrpb.Usage.CONSOLE), Run(1024, 30000, hwrpb.Usage.SYSTEM))


def test_firmware_describes_the_whole_machine() -> None:
    assert description.memory_runs(WHOLE) == (Run(0, 1024, 1), Run(1024, 30000, 0))
    assert description.processors(WHOLE) == 2
    assert description.isa_devices(WHOLE) == (SERIAL_0, SERIAL_1, CLOCK)


def test_a_copy_has_its_own_memory_from_zero_and_no_other() -> None:
    copy = description.edited(WHOLE, exposed(9000, 8192))
    assert description.memory_runs(copy) == (Run(0, 128, 1), Run(128, 8064, 0))


def test_concealed_devices_are_absent() -> None:
    copy = description.edited(WHOLE, exposed(9000, 8192, "COM1", "TOY"))
    assert description.isa_devices(copy) == (SERIAL_0, CLOCK)
    assert b"COM2" in WHOLE and b"COM2" not in copy


def test_processors_are_renumbered() -> None:
    copy = description.edited(WHOLE, exposed(9000, 8192, cpus=(1,)))
    assert description.processors(copy) == 1
    head = hwrpb.Hwrpb.from_buffer_copy(copy)
    assert (head.processors, head.primary) == (1, 0)
    second = head.processor_offset + hwrpb.Slot.SIZE
    assert copy[second : second + hwrpb.Slot.SIZE] == bytes(hwrpb.Slot.SIZE)


def test_the_console_s_code_moves_with_the_table() -> None:
    one = exposed(9000, 8192)._replace(physical=0x8000)
    copy = description.edited(WHOLE, one)
    head = hwrpb.Hwrpb.from_buffer_copy(copy)
    block = hwrpb.CallbackBlock.from_buffer_copy(copy, head.callbacks_offset)
    assert block.dispatch_physical - 0x8000 == block.dispatch_virtual - hwrpb.VIRTUAL
    assert head.physical == 0x8000


def test_every_checksum_is_right() -> None:
    copy = description.edited(WHOLE, exposed(9000, 8192, "COM1"))
    head = hwrpb.Hwrpb.from_buffer_copy(copy)
    assert head.checksum == description.checksum(copy)
    for at, size, sum_at in (
        (head.memory_offset, hwrpb.MemoryTable.SIZE + 2 * hwrpb.Cluster.SIZE, 0),
        (head.configuration_offset, hwrpb.Configuration.SIZE + 3 * hwrpb.IsaDevice.SIZE, 8),
    ):
        block = bytearray(copy[at : at + size])
        said = int.from_bytes(block[sum_at : sum_at + 8], "little")
        block[sum_at : sum_at + 8] = bytes(8)
        assert description.summed(bytes(block)) == said


@some.composite
def slices(draw: some.DrawFn) -> tuple[bytes, Exposed]:
    """A machine of up to six clusters, and a slice of it that may span several."""
    at, runs = 0, []
    for _ in range(draw(some.integers(1, 6))):
        pages = draw(some.integers(200, 1 << 20))
        runs.append(Run(at, pages, hwrpb.Usage.SYSTEM))
        at += pages
    first = draw(some.integers(0, at - 150))
    pages = draw(some.integers(130, at - first))
    return machine(*runs), exposed(first, pages, *draw(some.sets(some.sampled_from(["COM1"]))))


@given(slices())
def test_no_foreign_frame_number_appears(drawn: tuple[bytes, Exposed]) -> None:
    table, one = drawn
    copy = description.edited(table, one)
    pages = one.memory.size // PAGE
    runs = description.memory_runs(copy)
    assert next((run.start, run.start + run.pages) for run in runs)[0] == 0
    for before, after in itertools.pairwise(runs):
        assert before.start + before.pages == after.start
    assert runs[-1].start + runs[-1].pages == pages
    # Nor where an instance would not look: no quad of the memory table's room names one.
    head = hwrpb.Hwrpb.from_buffer_copy(copy)
    room = copy[head.memory_offset + hwrpb.MemoryTable.SIZE : head.configuration_offset]
    quads = [int.from_bytes(room[at : at + 8], "little") for at in range(0, len(room), 8)]
    assert max(quads) <= pages


@given(some.binary(max_size=700), some.integers(0, 600))
def test_garbage_is_a_problem_not_a_traceback(noise: bytes, at: int) -> None:
    table = bytearray(WHOLE)
    table[at : at + len(noise)] = noise
    try:
        description.edited(bytes(table), exposed(9000, 8192))
    except MachineProblem as problem:
        assert problem.because


@pytest.mark.parametrize(
    ("one", "because"),
    [
        (exposed(40000, 200), "describes 0"),
        (exposed(1000, 200), "console keeps"),
        (exposed(9000, 100), "to be exposed"),
        (exposed(9000, 8192, cpus=(2,)), "no processors"),
        (exposed(9000, 8192, cpus=()), "no processors"),
    ],
)
def test_unsound_slices_are_refused(one: Exposed, because: str) -> None:
    with pytest.raises(MachineProblem) as caught:
        description.edited(WHOLE, one)
    assert because in caught.value.because


def test_a_machine_too_large_to_describe_is_refused() -> None:
    with pytest.raises(MachineProblem):
        machine(*(Run(number * 10, 10, 0) for number in range(200)))
