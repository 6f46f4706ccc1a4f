"""Does every way into configuration space reach the register it names, and only that?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.discovery.pci_bus import ConfigurationMechanism
from septum.machine.model import Ecam
from septum.units import MiB, PciAddress, Span

BASE = 0xB0000000
ECAM = Ecam(0, 0, 255, Span(BASE, 256 * MiB))


class Recorder:
    """Answers each byte with the low byte of its offset, and remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def read(self, address: PciAddress, offset: int, width: int) -> int:
        self.seen.append((str(address), offset, width))
        return int.from_bytes(bytes((offset + lane) & 0xFF for lane in range(width)), "little")

    def write(self, address: PciAddress, offset: int, width: int, value: int) -> None:
        self.seen.append((str(address), offset, width, value))


def a_bus(*areas: Ecam) -> tuple[ConfigurationMechanism, Recorder]:
    recorder = Recorder()
    return ConfigurationMechanism(recorder, areas or (ECAM,)), recorder


def test_the_latch_names_the_function_and_the_dword() -> None:
    bus, recorder = a_bus()
    bus.port_write(0xCF8, 4, 0x8000_0000 | 2 << 16 | 3 << 11 | 1 << 8 | 0x40)
    assert bus.port_read(0xCFC, 4) == 0x43424140
    assert bus.port_read(0xCFE, 2) == 0x4342
    assert bus.port_read(0xCFF, 1) == 0x43
    bus.port_write(0xCFD, 1, 0x1AB)
    assert recorder.seen == [
        ("0000:02:03.1", 0x40, 4),
        ("0000:02:03.1", 0x42, 2),
        ("0000:02:03.1", 0x43, 1),
        ("0000:02:03.1", 0x41, 1, 0xAB),
    ]


def test_the_latch_reads_back_without_its_reserved_bits() -> None:
    bus, _ = a_bus()
    bus.port_write(0xCF8, 4, 0xFFFFFFFF)
    assert bus.port_read(0xCF8, 4) == 0x80FFFFFC


def test_a_narrow_access_is_no_latch_access() -> None:
    bus, recorder = a_bus()
    bus.port_write(0xCF8, 4, 0x80000000)
    for port, width in ((0xCF8, 1), (0xCF8, 2), (0xCF9, 1), (0xCFA, 2), (0xCFB, 1)):
        bus.port_write(port, width, 0x06)
        assert bus.port_read(port, width) == (1 << 8 * width) - 1
    assert bus.port_read(0xCF8, 4) == 0x80000000
    assert recorder.seen == []


def test_nothing_answers_while_the_latch_is_disabled() -> None:
    bus, recorder = a_bus()
    bus.port_write(0xCF8, 4, 0x00001000)
    assert bus.port_read(0xCFC, 2) == 0xFFFF
    bus.port_write(0xCFC, 4, 0)
    assert recorder.seen == []


def test_an_access_past_the_window_is_nobodys() -> None:
    bus, recorder = a_bus()
    bus.port_write(0xCF8, 4, 0x80000000)
    assert bus.port_read(0xCFE, 4) == 0xFFFFFFFF
    assert recorder.seen == []


@given(
    some.integers(0, 255),
    some.integers(0, 31),
    some.integers(0, 7),
    some.integers(0, 0xFFF),
    some.sampled_from((1, 2, 4, 8)),
)
def test_memory_mapped_accesses(
    number: int, device: int, function: int, offset: int, width: int
) -> None:
    bus, recorder = a_bus()
    place = BASE + (number << 20 | device << 15 | function << 12 | offset)
    value = bus.ecam_read(place, width)
    inside = offset + width <= 0x1000
    if inside:
        expected = bytes((offset + lane) & 0xFF for lane in range(width))
        assert value == int.from_bytes(expected, "little")
        name = str(PciAddress(0, number, device, function))
        assert {entry[0] for entry in recorder.seen} == {name}
    assert sum(entry[2] for entry in recorder.seen) <= width  # type: ignore[misc]
    assert all(entry[1] % entry[2] == 0 for entry in recorder.seen)  # type: ignore[operator]


def test_a_wide_write_is_cut_into_dwords() -> None:
    bus, recorder = a_bus()
    bus.ecam_write(BASE + 0x10, 8, 0x1122334455667788)
    assert recorder.seen == [
        ("0000:00:00.0", 0x10, 4, 0x55667788),
        ("0000:00:00.0", 0x14, 4, 0x11223344),
    ]


def test_an_area_may_begin_at_another_bus_and_domain() -> None:
    bus, recorder = a_bus(Ecam(1, 0x40, 0x41, Span(BASE, 2 * MiB)))
    assert bus.ecam_read(BASE + MiB + 0x8004, 2) == 0x0504
    assert recorder.seen == [("0001:41:01.0", 4, 2)]
    assert bus.ecam_read(BASE - 2, 2) == 0xFFFF
    assert bus.ecam_read(BASE + 2 * MiB - 2, 4) & 0xFFFF0000 == 0xFFFF0000
