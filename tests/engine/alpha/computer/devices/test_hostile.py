"""Can a driver that means harm stop the computer, or reach past its windows? Never.

What a driver may choose is chosen here at random: registers, rings, descriptors, requests. One
mebibyte of memory is its own, by one window; not a bit of the rest may change.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from septum.engine.alpha.computer.computer import Computer
from tests.engine.alpha.computer.driver import (
    DIRECT,
    DISK,
    ETHERNET,
    WANTED,
    Driver,
    configuration,
    direct_window,
    machine,
)

MINE, SIZE = 0x100_0000, 1 << 20
TEXT = """
name = "small"
memory = "32M"
[latencies]
ethernet = 1000
disk = 1000
wire = 1000
[[hoses]]
[[hoses.functions]]
slot = 1
device = "ethernet"
address = "02:00:00:00:01:01"
far_address = "02:00:00:00:01:fe"
far_ip = "10.0.1.254"
[[hoses.functions]]
slot = 2
device = "scsi"
disk = "64K"
[[hoses.functions]]
slot = 7
device = "isa-bridge"
"""
OTHERS = 0xA5
FEW = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# Addresses that hit, that miss, and that straddle an end of the window.
addresses = some.one_of(
    some.integers(0, SIZE - 1).map(lambda offset: DIRECT + offset),
    some.integers(0, 0x3000).map(lambda offset: DIRECT + offset),
    some.sampled_from([DIRECT - 8, DIRECT + SIZE - 8, DIRECT + MINE, 0, MINE, (1 << 64) - 16]),
    some.integers(0, (1 << 64) - 1),
)
lengths = some.one_of(some.integers(0, 4096), some.sampled_from([(1 << 32) - 1, 1 << 31, 1 << 20]))
descriptors = some.tuples(
    addresses, lengths, some.integers(0, 7), some.one_of(some.integers(0, 9), some.just(0xFFFF))
)
requests = some.one_of(
    some.binary(max_size=64),
    some.tuples(
        some.sampled_from([0x12, 0x28, 0x2A, 0x88, 0x1A, 0xA0]), some.binary(max_size=15)
    ).map(lambda pair: b"\x01" + bytes(18) + bytes([pair[0]]) + pair[1]),
)


def fresh() -> Computer:
    computer = machine(TEXT)
    computer.memory[:] = OTHERS
    computer.memory[MINE : MINE + SIZE] = 0
    direct_window(computer, 0, MINE, 0)
    return computer


def untouched(computer: Computer) -> bool:
    memory = computer.memory
    return bool(
        np.all(memory[:MINE] == OTHERS) and np.all(memory[MINE + SIZE :] == OTHERS)
    )


def put(computer: Computer, offset: int, data: bytes) -> None:
    at = MINE + offset
    computer.memory[at : at + len(data)] = memoryview(data)


def start(computer: Computer, slot: int, places: list[int], features: int, size: int) -> Driver:
    """Three rings at bus addresses of the driver's choice."""
    driver = Driver(computer, 0, slot)
    assert driver.negotiate(features)
    for number in range(driver.common(0x12, 2)):
        driver.common(0x16, 2, number)
        driver.common(0x18, 2, size)
        for offset, place in zip((0x20, 0x28, 0x30), places, strict=True):
            driver.common(offset, 8, place)
        driver.common(0x1C, 2, 1)
    driver.common(0x14, 1, 0xF)
    return driver


@pytest.mark.parametrize("slot", [ETHERNET, DISK])
@FEW
@given(
    table=some.lists(descriptors, min_size=1, max_size=8),
    heads=some.lists(some.one_of(some.integers(0, 8), some.just(0xFFFF)), max_size=8),
    index=some.one_of(some.integers(0, 9), some.just(0xFFFF)),
    places=some.one_of(
        some.just([DIRECT, DIRECT + 0x1000, DIRECT + 0x2000]),
        some.lists(addresses, min_size=3, max_size=3),
    ),
    features=some.sampled_from([WANTED, WANTED | 3 << 28]),
    content=some.tuples(some.integers(0x3000, SIZE - 200), requests),
)
def test_no_ring_reaches_past_its_window(
    slot: int,
    table: list[tuple[int, int, int, int]],
    heads: list[int],
    index: int,
    places: list[int],
    features: int,
    content: tuple[int, bytes],
) -> None:
    computer = fresh()
    put(computer, 0, b"".join(struct.pack("<QIHH", *one) for one in table))
    put(computer, 0x1000, struct.pack(f"<HH{len(heads)}H", 0, index, *heads))
    put(computer, *content)
    driver = start(computer, slot, places, features, 8)
    for number in range(3):
        driver.notify(number)
    card = computer.hoses[0].functions[ETHERNET << 3]
    card.cable.say(b"\xff" * 14 + bytes(60))  # type: ignore[attr-defined]
    for _ in range(8):
        computer.advance(computer.now + 1000)
    assert untouched(computer)
    assert driver.common(0x14, 1) & 0xF == 0xF
    driver.common(0x14, 1, 0)
    assert driver.common(0x14, 1) == 0, "and a reset brings it back"


@FEW
@given(
    some.lists(
        some.tuples(
            some.sampled_from(["bar", "configuration", "notify"]),
            some.sampled_from([ETHERNET, DISK, 7]),
            some.one_of(some.integers(0, 0x40), some.integers(0, 0x3FFF)),
            some.sampled_from([1, 2, 4, 8]),
            some.one_of(some.integers(0, 255), some.integers(0, (1 << 64) - 1)),
        ),
        max_size=80,
    )
)
def test_no_register_reaches_past_the_window(
    steps: list[tuple[str, int, int, int, int]],
) -> None:
    computer = fresh()
    drivers = {
        slot: start(computer, slot, [DIRECT, DIRECT + 0x1000, DIRECT + 0x2000], WANTED, 8)
        for slot in (ETHERNET, DISK)
    }
    put(computer, 0x1002, b"\x03")
    for what, slot, offset, size, value in steps:
        offset = offset // size * size
        value &= (1 << 8 * size) - 1
        if what == "configuration" or slot not in drivers:
            place = configuration(0, slot, offset & 0xFF)
        elif what == "notify":
            place = drivers[slot].areas[2] + offset % 16
        else:
            place = drivers[slot].areas[1] + offset
        computer.write(place, size, value)
        computer.read(place, size)
        computer.advance(computer.now + 500)
    computer.advance(computer.now + 10_000)
    assert untouched(computer)


def test_the_check_would_notice() -> None:
    computer = fresh()
    computer.memory[MINE - 1] = 0
    assert not untouched(computer)


def test_a_huge_buffer_costs_no_memory() -> None:
    """A descriptor may say four gibibytes; the device moves no more than the request needs."""
    computer = fresh()
    put(computer, 0x3000, b"\x01" + bytes(18) + bytes([0x28, 0, 0, 0, 0, 0, 0, 0, 1]))
    every = (1 << 32) - 1
    put(computer, 0, struct.pack("<QIHH", DIRECT + 0x3000, every, 1, 1))
    put(computer, 16, struct.pack("<QIHH", DIRECT + 0x8000, every, 2, 0))
    put(computer, 0x1000, struct.pack("<HHH", 0, 1, 0))
    driver = start(computer, DISK, [DIRECT, DIRECT + 0x1000, DIRECT + 0x2000], WANTED, 8)
    driver.notify(2)
    driver.wait(2000)
    assert bytes(computer.memory[MINE + 0x2002 : MINE + 0x200C]) == struct.pack(
        "<HII", 1, 0, 108 + 512
    )
    assert untouched(computer) and not computer.hoses[0].pchip.refused_count
