"""Does the transport do what VIRTIO 1.2 asks of a device, whatever a driver does?"""

from __future__ import annotations

import struct

import pytest

from septum.engine.alpha.computer.computer import Computer
from septum.engine.alpha.computer.devices.virtio import VirtioFunction
from tests.engine.alpha.computer.driver import (
    DIRECT,
    DISK,
    SLOTS,
    WANTED,
    Driver,
    Memory,
    configuration,
    direct_window,
    powered,
)

INDIRECT, EVENT_INDEX = 1 << 28, 1 << 29
NEEDS_RESET = 0x40


@pytest.fixture
def computer() -> Computer:
    return powered()


def disk(computer: Computer, hose: int = 0) -> Driver:
    return Driver(computer, hose, SLOTS[hose][1])


def device(computer: Computer, hose: int = 0, slot: int = DISK) -> VirtioFunction:
    found = computer.hoses[hose].functions[slot << 3]
    assert isinstance(found, VirtioFunction)
    return found


INQUIRY = b"\x01" + bytes(18) + bytes([0x12, 0, 0, 0, 36]).ljust(32, b"\0")


# ---- Discovery and negotiation


def test_every_area_is_found_by_its_capability(computer: Computer) -> None:
    driver = disk(computer)
    assert set(driver.areas) == {1, 2, 3, 4, 5} and driver.multiplier == 4
    assert driver.common(0x12, 2) == 3
    assert driver.common(0x10, 2) == 0xFFFF, "no MSI-X"
    driver.common(0x16, 2, 3)
    assert driver.common(0x18, 2) == 0, "a fourth queue is not there"


def test_version_1_and_platform_access_must_be_taken(computer: Computer) -> None:
    driver = disk(computer)
    assert driver.offered() & WANTED == WANTED
    assert not driver.negotiate(1 << 32)
    assert not driver.negotiate(1 << 33)
    assert driver.negotiate(WANTED)


def test_features_that_were_not_offered_are_not_taken(computer: Computer) -> None:
    driver = disk(computer)
    assert driver.negotiate((1 << 64) - 1)
    assert device(computer).accepted == driver.offered()
    driver.common(8, 4, 0)
    driver.common(12, 4, 0)
    assert device(computer).accepted == driver.offered(), "and nothing changes after FEATURES_OK"


def test_addresses_are_written_in_halves_or_whole(computer: Computer) -> None:
    driver = disk(computer)
    driver.common(0x20, 4, 0x1234)
    driver.common(0x24, 4, 0x5678)
    assert driver.common(0x20, 8) == 0x5678_0000_1234
    driver.common(0x28, 8, 0xABCD_0000_0001)
    assert driver.common(0x28, 4) == 1 and driver.common(0x2C, 4) == 0xABCD


def test_a_queue_s_size_is_a_power_of_two_not_above_the_offered(computer: Computer) -> None:
    driver = disk(computer)
    for given, kept in ((64, 64), (65, 64), (0, 64), (0x8000, 64), (128, 128)):
        driver.common(0x18, 2, given)
        assert driver.common(0x18, 2) == kept


def test_an_enabled_queue_does_not_move(computer: Computer) -> None:
    driver = disk(computer)
    driver.start(Memory(computer))
    driver.common(0x16, 2, 2)
    before = driver.common(0x20, 8)
    driver.common(0x20, 8, 0)
    driver.common(0x1C, 2, 0)
    assert driver.common(0x20, 8) == before and driver.common(0x1C, 2) == 1


def test_a_reset_forgets_everything(computer: Computer) -> None:
    driver = disk(computer)
    driver.start(Memory(computer))
    driver.common(0x14, 1, 0)
    assert driver.common(0x14, 1) == 0 and device(computer).accepted == 0
    driver.common(0x16, 2, 2)
    assert driver.common(0x1C, 2) == 0 and driver.common(0x20, 8) == 0


# ---- Requests and interrupts


def inquiry(driver: Driver, indirect: bool = False) -> bytes:
    """An INQUIRY, waited for."""
    ring = driver.rings[2]
    offer = ring.offer_indirect if indirect else ring.offer
    _, places = offer([INQUIRY], [108, 36])
    driver.notify(2)
    driver.wait()
    assert [length for _, length in ring.collect()] == [144]
    return ring.memory.get(places[1], 36)


@pytest.mark.parametrize("features", [0, INDIRECT, EVENT_INDEX, INDIRECT | EVENT_INDEX])
@pytest.mark.parametrize("hose", [0, 1])
def test_requests_are_answered_many_times_around_the_ring(
    computer: Computer, features: int, hose: int
) -> None:
    driver = disk(computer, hose)
    driver.start(Memory(computer), WANTED | features, size=8)
    for _ in range(30):
        assert inquiry(driver, bool(features & INDIRECT))[8:14] == b"SEPTUM"
        assert driver.line == 1 and driver.interrupt_status() == 1
        assert driver.line == 0 and driver.interrupt_status() == 0


def test_an_answer_takes_its_latency(computer: Computer) -> None:
    driver = disk(computer)
    driver.start(Memory(computer))
    driver.rings[2].offer([INQUIRY], [108, 36])
    driver.notify(2)
    due = computer.next_event()
    assert due == computer.now + computer.description.latencies.disk
    computer.advance(due - 1)
    assert not driver.rings[2].collect() and driver.line == 0
    computer.advance(due)
    assert driver.rings[2].collect() and driver.line == 1


def test_a_driver_may_ask_not_to_be_interrupted(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer))[2]
    ring.memory.put(ring.available, b"\x01\x00")
    inquiry(driver)
    assert driver.line == 0


def test_an_event_index_asks_for_one_interrupt_for_several(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer), WANTED | EVENT_INDEX)[2]
    ring.memory.put(ring.available + 4 + 2 * ring.size, struct.pack("<H", 2))
    for number in range(4):
        ring.offer([INQUIRY], [108, 36])
        driver.notify(2)
        driver.wait()
        assert driver.line == (number == 2), "the third, whose index passes 2"
        driver.interrupt_status()


def test_the_device_says_where_it_wants_the_next_notice(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer), WANTED | EVENT_INDEX)[2]
    for number in range(1, 4):
        inquiry(driver)
        event = ring.memory.get(ring.used + 4 + 8 * ring.size, 2)
        assert event == struct.pack("<H", number)


def test_interrupts_can_be_disabled_in_configuration_space(computer: Computer) -> None:
    driver = disk(computer)
    driver.start(Memory(computer))
    command = configuration(0, DISK, 4)
    computer.write(command, 2, 0x406)
    inquiry(driver)
    assert driver.line == 0 and computer.read(command + 2, 2) & 8, "pending nevertheless"
    computer.write(command, 2, 0x006)
    assert driver.line == 1


def test_two_hoses_have_lines_of_their_own(computer: Computer) -> None:
    for hose in range(2):
        driver = disk(computer, hose)
        driver.start(Memory(computer, 0x10_0000 * (hose + 1)))
        inquiry(driver)
    assert computer.drir == 1 << 12 | 1 << 32


# ---- When it may not


def test_nothing_happens_before_driver_ok(computer: Computer) -> None:
    driver = disk(computer)
    memory = Memory(computer)
    assert driver.negotiate()
    driver.rings = [driver.queue(n, memory) for n in range(3)]
    driver.rings[2].offer([INQUIRY], [108, 36])
    driver.notify(2)
    driver.wait()
    assert not driver.rings[2].collect()
    driver.common(0x14, 1, 0xF)
    driver.wait()
    assert driver.rings[2].collect(), "what was there already is served then"


def test_without_bus_mastering_no_dma(computer: Computer) -> None:
    driver = disk(computer)
    driver.start(Memory(computer))
    computer.write(driver.where + 4, 2, 2)
    driver.rings[2].offer([INQUIRY], [108, 36])
    driver.notify(2)
    driver.wait()
    assert not driver.rings[2].collect() and not computer.hoses[0].pchip.refused
    computer.write(driver.where + 4, 2, 6)
    driver.wait()
    assert driver.rings[2].collect()


def test_a_reset_meanwhile_ends_what_was_begun(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer))[2]
    ring.offer([INQUIRY], [108, 36])
    driver.notify(2)
    driver.common(0x14, 1, 0)
    driver.start(Memory(computer, 0x20_0000))
    driver.wait()
    assert not ring.collect() and driver.line == 0


def test_without_a_window_the_device_reaches_nothing() -> None:
    computer = powered(windows=False)
    driver = disk(computer)
    first, _, ring = driver.start(Memory(computer))
    before = computer.memory.copy()
    ring.offer([INQUIRY], [108, 36])
    after_offer = computer.memory.copy()
    driver.notify(2)
    driver.wait()
    assert (computer.memory == after_offer).all() and not (before == after_offer).all()
    asked = [one.address for one in computer.hoses[0].pchip.refused]
    assert asked == [DIRECT + first.available + 2], "all ones are no index: it gives up at once"
    assert driver.common(0x14, 1) & NEEDS_RESET
    status = computer.read(driver.where + 6, 2)
    assert status & 1 << 13, "the device saw a master abort"
    computer.write(driver.where + 6, 2, 1 << 13)
    assert not computer.read(driver.where + 6, 2) & 1 << 13


def test_a_window_moves_all_of_it(computer: Computer) -> None:
    """What the VMM does for an instance that believes its memory to begin at 0."""
    base = 0x200_0000
    direct_window(computer, 0, base, 0x01F0_0000)
    driver = disk(computer)
    memory = Memory(computer, base + 0x10_0000)
    driver.bus = DIRECT - base
    driver.start(memory)
    assert inquiry(driver)[8:14] == b"SEPTUM"
    assert not computer.hoses[0].pchip.refused_count


def test_a_scatter_gather_window_serves_as_well(computer: Computer) -> None:
    table, base = 0x8_0000, 0x40_0000
    pchip = 0x801_8000_0000
    for register, value in ((0x000, 0x80_0003), (0x100, 0x0070_0000), (0x200, table)):
        computer.write(pchip + register, 8, value)
    for page in range(1024):  # each bus page leads to the page that many from the other end
        entry = (base >> 13) + 1023 - page << 1 | 1
        at = table + 8 * page
        computer.memory[at : at + 8] = memoryview(entry.to_bytes(8, "little"))
    driver = disk(computer)
    memory = Mirrored(computer, base)
    driver.bus = 0x80_0000
    driver.start(memory)
    assert inquiry(driver)[8:14] == b"SEPTUM"


class Mirrored(Memory):
    """Addresses are the window's; each page of it lies elsewhere in memory."""

    def __init__(self, computer: Computer, base: int) -> None:
        super().__init__(computer, 0)
        self.base = base

    def put(self, at: int, data: bytes) -> None:
        for step, value in enumerate(data):
            self.content[self.place(at + step)] = value

    def get(self, at: int, size: int) -> bytes:
        return bytes(int(self.content[self.place(at + step)]) for step in range(size))

    def place(self, at: int) -> int:
        return self.base + (1023 - (at >> 13) << 13 | at & 0x1FFF)


# ---- Rings that no driver may make


def malformed(driver: Driver) -> bool:
    """Did the device give up and ask to be reset? It must come back by one."""
    driver.notify(2)
    driver.wait()
    gave_up = bool(driver.common(0x14, 1) & NEEDS_RESET)
    if gave_up:
        assert driver.interrupt_status() & 2, "the configuration interrupt says so"
        driver.notify(2)
        driver.wait()
        driver.start(Memory(driver.computer, 0x30_0000))
        assert inquiry(driver)[8:14] == b"SEPTUM"
    return gave_up


def test_more_available_than_there_is_room_for(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer))[2]
    ring.memory.put(ring.available + 2, struct.pack("<H", ring.size + 1))
    assert malformed(driver)


def test_a_head_that_is_not_a_descriptor(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer))[2]
    ring.make_available(ring.size)
    assert malformed(driver)


def test_a_chain_that_bites_its_tail(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer))[2]
    ring.descriptor(0, DIRECT, 16, 1, 0)
    ring.make_available(0)
    assert malformed(driver)


def test_a_buffer_to_read_after_one_to_write(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer))[2]
    ring.descriptor(0, DIRECT, 16, 3, 1)
    ring.descriptor(1, DIRECT, 16, 0, 0)
    ring.make_available(0)
    assert malformed(driver)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_an_indirect_table_of_no_size(computer: Computer, length: int) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer), WANTED | INDIRECT)[2]
    ring.descriptor(0, DIRECT, length, 4, 0)
    ring.make_available(0)
    assert malformed(driver)


def test_an_indirect_table_that_was_not_negotiated(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer))[2]
    ring.descriptor(0, DIRECT, 16, 4, 0)
    ring.make_available(0)
    assert malformed(driver)


def test_an_indirect_table_in_an_indirect_table(computer: Computer) -> None:
    driver = disk(computer)
    ring = driver.start(Memory(computer), WANTED | INDIRECT)[2]
    ring.descriptor(0, DIRECT + ring.descriptors + 16, 16, 4, 0)
    ring.descriptor(1, DIRECT, 16, 4, 0)
    ring.make_available(0)
    assert malformed(driver)


def test_queues_that_are_not_there_are_not_notified(computer: Computer) -> None:
    driver = disk(computer)
    driver.start(Memory(computer))
    for offset in range(0, 0x1000, 4):
        computer.write(driver.areas[2] + offset, 2, offset)
    driver.wait()
    assert driver.common(0x14, 1) == 0xF


def test_a_ring_upon_itself_does_not_keep_the_device_for_ever(computer: Computer) -> None:
    """The used index is where the available index is: each answer makes one request more."""
    driver = disk(computer)
    assert driver.negotiate()
    memory = Memory(computer)
    driver.rings = [driver.queue(n, memory) for n in range(2)]
    driver.common(0x16, 2, 2)
    ring = memory.take(0x1000)
    for offset in (0x20, 0x28, 0x30):
        driver.common(offset, 8, ring + DIRECT)
    driver.common(0x1C, 2, 1)
    driver.common(0x14, 1, 0xF)
    memory.put(ring + 2, b"\x01\x00")
    for _ in range(50):
        driver.notify(2)
        driver.wait(100_000)
    assert driver.common(0x14, 1) in (0xF, 0x4F)


# ---- The same registers through configuration space


def test_registers_are_reached_by_configuration_cycles_too(computer: Computer) -> None:
    """4.1.4.9, for those who cannot reach a BAR."""
    driver = disk(computer)
    at = computer.read(driver.where + 0x34, 1)
    while computer.read(driver.where + at + 3, 1) != 5:
        at = computer.read(driver.where + at + 1, 1)
    access = driver.where + at
    computer.write(access + 8, 4, 0x12)
    computer.write(access + 12, 4, 2)
    assert computer.read(access + 16, 4) == 3, "number of queues"
    computer.write(access + 8, 4, 0x14)
    computer.write(access + 12, 4, 1)
    computer.write(access + 16, 4, 1)
    assert driver.common(0x14, 1) == 1
    for bar, offset, length in ((1, 0, 4), (0, 0x4000, 4), (0, 1, 4), (0, 0, 3), (0, 0, 0)):
        computer.write(access + 4, 1, bar)
        computer.write(access + 8, 4, offset)
        computer.write(access + 12, 4, length)
        computer.write(access + 16, 4, 0)
        assert driver.common(0x14, 1) == 1


def test_the_card_is_another_device_than_the_disk(computer: Computer) -> None:
    driver = Driver(computer, 1, SLOTS[1][0])
    assert driver.common(0x12, 2) == 2
    assert driver.offered() >> 5 & 1, "it has an address"
    address = bytes(computer.read(driver.areas[4] + step, 1) for step in range(6))
    assert address == bytes.fromhex("020000000201")
