"""Does the disk behind the controller answer commands as SPC-4, SBC-3 and VIRTIO 1.2 say?"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from septum.engine.alpha.computer.devices.controller import ScsiController
from septum.engine.alpha.computer.devices.disk import Disk
from septum.engine.alpha.computer.devices.scsi import ScsiDisk
from septum.errors import MachineProblem
from tests.engine.alpha.computer.driver import DISK, WANTED, Driver, Memory, powered

BLOCKS = 32768  # of "clipper"'s disks
ILLEGAL_REQUEST = 5


class Answer(NamedTuple):
    length: int  # of the used ring
    residual: int
    status: int
    response: int
    sense: bytes
    data: bytes


class Desk:
    """A driver of the first hose's controller, running."""

    def __init__(self) -> None:
        self.computer = powered()
        self.driver = Driver(self.computer, 0, DISK)
        self.memory = Memory(self.computer)
        self.rings = self.driver.start(self.memory, WANTED)
        controller = self.computer.hoses[0].functions[DISK << 3]
        assert isinstance(controller, ScsiController)
        self.controller = controller

    def command(
        self, *cdb: int, out: bytes = b"", room: int = 0, unit: bytes = b"\x01" + bytes(7)
    ) -> Answer:
        request = unit + bytes(11) + bytes(cdb).ljust(32, b"\0")
        rooms = [108, *([room] if room else [])]
        _, places = self.rings[2].offer([request, *([out] if out else [])], rooms)
        self.driver.notify(2)
        self.driver.wait()
        ((_, length),) = self.rings[2].collect()
        raw = self.memory.get(places[0], 108)
        sense_length, residual, _, status, response = struct.unpack("<IIHBB", raw[:12])
        data = self.memory.get(places[1], room) if room else b""
        return Answer(length, residual, status, response, raw[12 : 12 + sense_length], data)

    def refused(self, *cdb: int, room: int = 0, out: bytes = b"") -> int:
        """The additional sense code of a command that must be an illegal request."""
        answer = self.command(*cdb, room=room, out=out)
        assert (answer.status, answer.response, answer.length) == (2, 0, 108)
        assert answer.sense[0] == 0x70 and answer.sense[2] == ILLEGAL_REQUEST
        return int.from_bytes(answer.sense[12:14], "big")


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---- What it is


def test_inquiry(desk: Desk) -> None:
    answer = desk.command(0x12, 0, 0, 0, 36, room=36)
    assert answer.status == 0 and answer.length == 144
    assert answer.data[0] == 0 and answer.data[4] == 31 and answer.data[8:20] == b"SEPTUM  DISK"


def test_a_shorter_allocation_gives_less_and_says_so(desk: Desk) -> None:
    answer = desk.command(0x12, 0, 0, 0, 5, room=36)
    assert answer.length == 108 + 5 and answer.residual == 31


def test_product_pages(desk: Desk) -> None:
    pages = desk.command(0x12, 1, 0, 0, 255, room=255)
    listed = pages.data[4 : 4 + pages.data[3]]
    assert list(listed) == [0x00, 0x80, 0x83, 0xB0, 0xB1]
    for page in listed:
        answer = desk.command(0x12, 1, page, 0, 255, room=255)
        assert answer.status == 0 and answer.data[1] == page
        assert answer.length == 108 + 4 + int.from_bytes(answer.data[2:4], "big")
    assert desk.command(0x12, 1, 0x80, 0, 255, room=10).data[4:10] == b"SCSI-1"
    assert desk.refused(0x12, 1, 0xC0, 0, 255, room=255) == 0x2400
    assert desk.refused(0x12, 0, 0x80, 0, 255, room=255) == 0x2400


def test_capacity(desk: Desk) -> None:
    ten = desk.command(0x25, room=8)
    assert struct.unpack(">II", ten.data) == (BLOCKS - 1, 512)
    sixteen = desk.command(0x9E, 0x10, *bytes(8), 0, 0, 0, 32, room=32)
    assert struct.unpack(">QI", sixteen.data[:12]) == (BLOCKS - 1, 512)
    assert desk.refused(0x9E, 0x11) == 0x2400


def test_mode_pages(desk: Desk) -> None:
    """sd asks for page 8 (cache) in six bytes, and for all pages."""
    answer = desk.command(0x1A, 0, 0x08, 0, 192, room=192)
    assert answer.data[0] == 3 + 20 and answer.data[4:7] == b"\x08\x12\x04"
    every = desk.command(0x1A, 8, 0x3F, 0, 192, room=192)
    assert every.data[0] == 3 + 20 + 12
    ten = desk.command(0x5A, 0, 0x08, 0, 0, 0, 0, 0, 192, room=192)
    assert int.from_bytes(ten.data[:2], "big") == 6 + 20 and ten.data[8:11] == b"\x08\x12\x04"
    changeable = desk.command(0x1A, 0, 0x48, 0, 192, room=192)
    assert changeable.data[6] == 0
    assert desk.refused(0x1A, 0, 0x01, 0, 192, room=192) == 0x2400


def test_units(desk: Desk) -> None:
    answer = desk.command(0xA0, *bytes(8), 16, room=16)
    assert answer.data == struct.pack(">II", 8, 0) + bytes(8)


def test_other_targets_and_units_are_not_there(desk: Desk) -> None:
    assert desk.command(0, unit=b"\x01\x01" + bytes(6)).response == 3
    assert desk.command(0, unit=b"\x00\x00" + bytes(6)).response == 3
    assert desk.command(0, unit=b"\x01\x00\x40\x01" + bytes(4)).response == 12
    assert desk.command(0, unit=b"\x01\x00\x40\x00" + bytes(4)).response == 0


def test_harmless_commands_succeed(desk: Desk) -> None:
    for operation in (0x00, 0x1B, 0x1E, 0x2F, 0x35, 0x91):
        assert desk.command(operation).status == 0, hex(operation)


def test_a_command_that_is_not_known(desk: Desk) -> None:
    assert desk.refused(0xEE, room=64) == 0x2000
    sense = desk.command(0x03, 0, 0, 0, 18, room=18)
    assert sense.data[2] == ILLEGAL_REQUEST and sense.data[12] == 0x20
    assert desk.command(0x03, 0, 0, 0, 18, room=18).data[2] == 0, "told once"


# ---- Its blocks


def test_what_is_written_is_read_by_every_command(desk: Desk) -> None:
    data = os.urandom(1024)
    writes = {
        6: (0x0A, 0, 0, 7, 2),
        10: (0x2A, 0, 0, 0, 0, 9, 0, 0, 2),
        16: (0x8A, 0, *bytes(7), 11, 0, 0, 0, 2),
    }
    for cdb in writes.values():
        answer = desk.command(*cdb, out=data)
        assert (answer.status, answer.length, answer.residual) == (0, 108, 0)
    for first in (7, 9, 11):
        for cdb in (
            (0x08, 0, 0, first, 2),
            (0x28, 0, 0, 0, 0, first, 0, 0, 2),
            (0x88, 0, *bytes(7), first, 0, 0, 0, 2),
        ):
            answer = desk.command(*cdb, room=1024)
            assert answer.data == data and answer.length == 108 + 1024
    disk = desk.controller.target
    assert (disk.reads, disk.writes) == (18, 6)
    assert bytes(disk.disk.content[7 * 512 : 13 * 512]) == data * 3


def test_six_bytes_and_no_count_are_256_blocks(desk: Desk) -> None:
    answer = desk.command(0x08, 0, 0, 0, 0, room=256 * 512)
    assert answer.length == 108 + 256 * 512 and answer.residual == 0


@pytest.mark.parametrize(
    "cdb",
    [
        (0x28, 0, 0, 0, 0x7F, 0xFF, 0, 0, 2),
        (0x28, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1),
        (0x88, 0, *b"\xff" * 8, 0, 0, 0, 1),
        (0x88, 0, *bytes(8), 0xFF, 0xFF, 0xFF, 0xFF),
        (0x08, 0x1F, 0xFF, 0xFF, 1),
        (0x2A, 0, 0, 0, 0x80, 0, 0, 0, 1),
    ],
)
def test_blocks_beyond_the_end(desk: Desk, cdb: tuple[int, ...]) -> None:
    assert desk.refused(*cdb, room=512, out=bytes(512)) == 0x2100


def test_room_for_less_gets_less(desk: Desk) -> None:
    answer = desk.command(0x28, 0, 0, 0, 0, 0, 0, 0, 4, room=512)
    assert answer.length == 108 + 512


def test_less_given_is_less_written(desk: Desk) -> None:
    desk.command(0x2A, 0, 0, 0, 0, 0, 0, 0, 2, out=b"A" * 600)
    content = desk.controller.target.disk.content
    assert bytes(content[:1024]) == b"A" * 600 + bytes(424)


def test_a_request_that_is_too_short_fails(desk: Desk) -> None:
    ring = desk.rings[2]
    for out, room in (([b"\x01" + bytes(10)], [108]), ([b"\x01" + bytes(50)], [20])):
        _, places = ring.offer(out, room)
        desk.driver.notify(2)
        desk.driver.wait()
        assert len(ring.collect()) == 1
        assert desk.memory.get(places[0], 12)[11] == 9, "VIRTIO_SCSI_S_FAILURE"
    ring.offer([], [4])
    ring.offer([b"\x01" + bytes(50)], [])
    desk.driver.notify(2)
    desk.driver.wait()
    assert len(ring.collect()) == 2


def test_task_management_has_nothing_to_do(desk: Desk) -> None:
    for request, room, expected in ((bytes(24), 1, b"\0"), (b"\x01" + bytes(15), 5, bytes(5))):
        _, places = desk.rings[0].offer([request], [room])
        desk.memory.put(places[0], b"\xee" * room)
        desk.driver.notify(0)
        desk.driver.wait()
        assert desk.rings[0].collect()[0][1] == room
        assert desk.memory.get(places[0], room) == expected


def test_event_buffers_are_kept(desk: Desk) -> None:
    desk.rings[1].offer([], [16])
    desk.driver.notify(1)
    desk.driver.wait()
    assert desk.rings[1].collect() == []


def test_sizes_of_sense_and_command_are_the_driver_s(desk: Desk) -> None:
    settings_at = desk.driver.areas[4]
    desk.computer.write(settings_at + 0x18, 4, 16)
    desk.computer.write(settings_at + 0x14, 4, 18)
    request = b"\x01" + bytes(18) + bytes([0xEE]).ljust(16, b"\0")
    _, places = desk.rings[2].offer([request], [12 + 18])
    desk.driver.notify(2)
    desk.driver.wait()
    assert desk.rings[2].collect()[0][1] == 30
    assert desk.memory.get(places[0], 30)[12] == 0x70
    desk.computer.write(settings_at + 0x18, 4, 0)
    desk.computer.write(settings_at + 0x18, 4, 5000)
    desk.computer.write(settings_at, 4, 99)
    assert desk.computer.read(settings_at + 0x18, 4) == 16
    assert desk.computer.read(settings_at, 4) == 1


# ---- Disks


def test_a_file_keeps_what_is_written(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"a" * 1024 + b"rest")
    disk = Disk.file(str(image))
    assert disk.blocks == 2 and disk.writable, "what is no whole block is not there"
    disk.content[512:1024] = b"b" * 512
    disk.flush()
    assert image.read_bytes() == b"a" * 512 + b"b" * 512 + b"rest"


def test_a_disk_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    target = ScsiDisk(Disk(bytearray(1024), writable=False), "x")
    result = target.execute(bytes([0x2A, 0, 0, 0, 0, 0, 0, 0, 1]).ljust(16, b"\0"))
    assert result.status == 2 and result.sense[2] == 7
    assert target.execute(bytes([0x1A, 0, 8, 0, 32]).ljust(16, b"\0")).data[2] == 0x80


@pytest.mark.parametrize("content", [None, b"", b"short"])
def test_a_file_that_is_no_disk(tmp_path: Path, content: bytes | None) -> None:
    image = tmp_path / "disk.img"
    if content is not None:
        image.write_bytes(content)
    with pytest.raises(MachineProblem, match=r"disk\.img"):
        Disk.file(str(image))


@settings(max_examples=500)
@given(some.binary(min_size=16, max_size=32))
def test_whatever_the_command_there_is_an_answer(command: bytes) -> None:
    target = ScsiDisk(Disk(bytearray(8 * 512)), "x")
    for operation in (command[0], *target._handlers):
        result = target.execute(bytes([operation]) + command[1:])
        assert result.status in (0, 2) and bool(result.sense) == bool(result.status)
        assert len(result.data) <= 8 * 512
