"""Is all memory of an instance cached, and nothing that a device decodes? As firmware sets it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.layouts import msr, x86
from septum.memory.layout import layout, merged
from septum.memory.mtrr import between, blocks, registers, uncached
from septum.units import HUGE_PAGE, PAGE, GiB, MiB, Span

WINDOW = Span(0xC0000000, 0x3EC00000)  # a q35's, and its ECAM below
ECAM = Span(0xB0000000, 256 * MiB)
HIGH = Span(0x3800_0000_0000, 512 * GiB)

SPANS = some.lists(
    some.builds(
        lambda page, pages: Span(page * PAGE, pages * PAGE),
        some.integers(256, (1 << 46) // PAGE) | some.integers(256, (1 << 33) // PAGE),
        some.integers(1, 1 << 20),
    ),
    max_size=6,
)


def test_as_a_pc_s_firmware_does() -> None:
    assert uncached([Span(0, 512 * MiB)], [WINDOW]) == (Span(0xC0000000, GiB),)
    assert uncached([Span(0, 512 * MiB)], [ECAM, WINDOW, HIGH]) == (Span(2 * GiB, 2 * GiB), HIGH)
    large = [Span(0, 0xB0000000), Span(4 * GiB, 13 * GiB)]
    assert uncached(large, [ECAM, WINDOW]) == (Span(0xB0000000, 256 * MiB), Span(3 * GiB, GiB))


def test_an_instance_without_devices_has_interrupt_controllers() -> None:
    assert uncached([Span(0, 256 * MiB)], []) == (Span(0xFEC00000 & ~(32 * MiB - 1), 32 * MiB),)


def test_what_is_written() -> None:
    written = registers([Span(0xC0000000, GiB)], 40)
    assert written[0] == (0x250, 0x06060606_06060606)
    assert dict(written)[0x259] == 0, "video memory"
    assert written[-3:] == (
        (0x200, 0xC0000000),
        (0x201, 0xFF_C0000800),
        (0x2FF, 0xC06),
    ), "the switch is the last: until then, nothing of it counts"
    assert [number for number, _ in written[2:11]] == [0x259, *range(0x268, 0x270)]
    assert registers([HIGH], 40) == registers([], 40), "where this processor has no addresses"


def kind(address: int, written: dict[int, int]) -> int:
    """What a processor makes of an address above 1 MiB: SDM 3A, 11.11.4.1."""
    assert written[0x2FF] & msr.ENABLE
    for pair in range(msr.RANGES):
        base, mask = (written.get(0x200 + 2 * pair + n, 0) for n in range(2))
        if mask & msr.RANGE_VALID and (address ^ base) & mask & ~0xFFF == 0:
            return base & 0xFF
    return written[0x2FF] & 0xFF


@given(some.integers(1, 64 * 1024), SPANS)
def test_memory_is_always_cached(pages: int, devices: list[Span]) -> None:
    """However its machine looks; and what is left out is only what did not find a register."""
    ram = layout(pages * HUGE_PAGE, merged(devices))
    found = uncached(ram, devices)
    written = dict(registers(found, 52))
    for run in ram:
        for address in (max(run.start, 1 * MiB), run.start + run.size // 2, run.end - 1):
            assert kind(address, written) == 6 or address < MiB
        assert not any(block.overlaps(run) for block in found)
    assert len(found) <= msr.RANGES - 2
    for block in found:
        assert block.size & (block.size - 1) == 0 and block.start % block.size == 0
    areas = between(ram, devices)
    every = blocks(ram, areas, 1000)
    for area in areas:
        for address in (area.start, area.end - PAGE):
            assert any(block.contains(address) for block in every)
    if len(every) <= msr.RANGES - 2:
        assert every == found
        assert all(kind(area.start, written) == 0 for area in areas)
    assert any(area.end == x86.FOUR_GIB for area in areas) or ram[-1].end > x86.IO_APIC
