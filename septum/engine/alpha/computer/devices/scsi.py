"""What does a SCSI disk answer to a command? One logical unit. SPC-4, SBC-3.

It takes a command descriptor block and gives a result; the data goes where the transport puts
it. Whatever the block holds, there is an answer: a command that is not known, or not sound, ends
with CHECK CONDITION and says so in its sense data.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.engine.alpha.computer.devices.disk import Disk
from septum.layouts import scsi

_VENDOR, _PRODUCT, _REVISION = "SEPTUM", "DISK", "1"


class Result(NamedTuple):
    """A command's end. `data` is for the initiator; `expects` is where its data shall go."""

    status: int = scsi.GOOD
    sense: bytes = b""
    data: bytes | memoryview = b""
    expects: memoryview | None = None


class _Refused(Exception):
    """CHECK CONDITION, with its sense key and code."""

    def __init__(self, key: int, code: int) -> None:
        super().__init__(key, code)
        self.key, self.code = key, code


class ScsiDisk:
    """One logical unit on a disk; `name` becomes its serial number."""

    def __init__(self, disk: Disk, name: str) -> None:
        self.disk = disk
        self.reads = self.writes = 0  # blocks
        self.commands = 0
        self._serial = name.encode("ascii", "replace").replace(b" ", b"-")
        self._last_sense = sense(scsi.NO_SENSE, 0)
        self._handlers = {
            scsi.TEST_UNIT_READY: self._nothing,
            scsi.REQUEST_SENSE: self._request_sense,
            scsi.INQUIRY: self._inquiry,
            scsi.MODE_SENSE_6: self._mode_sense_6,
            scsi.MODE_SENSE_10: self._mode_sense_10,
            scsi.START_STOP_UNIT: self._nothing,
            scsi.PREVENT_REMOVAL: self._nothing,
            scsi.VERIFY_10: self._nothing,
            scsi.READ_CAPACITY_10: self._capacity_10,
            scsi.SERVICE_ACTION_IN_16: self._service_action,
            scsi.READ_6: self._read,
            scsi.READ_10: self._read,
            scsi.READ_16: self._read,
            scsi.WRITE_6: self._write,
            scsi.WRITE_10: self._write,
            scsi.WRITE_16: self._write,
            scsi.SYNCHRONIZE_CACHE_10: self._synchronize,
            scsi.SYNCHRONIZE_CACHE_16: self._synchronize,
            scsi.REPORT_LUNS: self._report_units,
        }

    def execute(self, command: bytes) -> Result:
        """One command descriptor block, padded with zeroes to 16 bytes at least."""
        self.commands += 1
        try:
            handler = self._handlers.get(command[0])
            if handler is None:
                raise _Refused(scsi.ILLEGAL_REQUEST, scsi.INVALID_COMMAND)
            return handler(command)
        except _Refused as refused:
            self._last_sense = sense(refused.key, refused.code)
            return Result(scsi.CHECK_CONDITION, self._last_sense)

    def _nothing(self, command: bytes) -> Result:
        return Result()

    def _request_sense(self, command: bytes) -> Result:
        data, self._last_sense = self._last_sense, sense(scsi.NO_SENSE, 0)
        return Result(data=data[: command[4]])

    # ---- What it is

    def _inquiry(self, command: bytes) -> Result:
        allocation = int.from_bytes(command[3:5], "big")
        if command[1] & scsi.VITAL_PRODUCT_DATA:
            return Result(data=self._product_page(command[2])[:allocation])
        if command[2]:
            raise _Refused(scsi.ILLEGAL_REQUEST, scsi.INVALID_FIELD)
        return Result(data=_inquiry_data(scsi.DISK)[:allocation])

    def _product_page(self, page: int) -> bytes:
        pages = {
            scsi.PAGES: b"",
            scsi.SERIAL_NUMBER: self._serial,
            scsi.IDENTIFICATION: self._designator(),
            scsi.BLOCK_LIMITS: bytes(scsi.BLOCK_LIMITS_SIZE),
            scsi.BLOCK_CHARACTERISTICS: scsi.SOLID_STATE.to_bytes(2, "big").ljust(
                scsi.BLOCK_LIMITS_SIZE, b"\0"
            ),
        }
        if page not in pages:
            raise _Refused(scsi.ILLEGAL_REQUEST, scsi.INVALID_FIELD)
        content = bytes(pages) if page == scsi.PAGES else pages[page]
        return scsi.PAGE_HEADER.pack(scsi.DISK, page, len(content)) + content

    def _designator(self) -> bytes:
        name = _VENDOR.ljust(scsi.VENDOR_SIZE).encode() + self._serial
        return bytes([scsi.ASCII, scsi.VENDOR_DESIGNATOR, 0, len(name)]) + name

    def _report_units(self, command: bytes) -> Result:
        allocation = int.from_bytes(command[6:10], "big")
        data = scsi.UNIT_LIST.pack(scsi.UNIT_ENTRY, 0) + bytes(scsi.UNIT_ENTRY)
        return Result(data=data[:allocation])

    def _mode_sense_6(self, command: bytes) -> Result:
        pages = self._mode_pages(command)
        parameter = 0 if self.disk.writable else scsi.WRITE_PROTECT
        data = bytes([len(pages) + 3, 0, parameter, 0]) + pages
        return Result(data=data[: command[4]])

    def _mode_sense_10(self, command: bytes) -> Result:
        pages = self._mode_pages(command)
        parameter = 0 if self.disk.writable else scsi.WRITE_PROTECT
        data = (len(pages) + 6).to_bytes(2, "big") + bytes([0, parameter, 0, 0, 0, 0]) + pages
        return Result(data=data[: int.from_bytes(command[7:9], "big")])

    def _mode_pages(self, command: bytes) -> bytes:
        asked = command[2] & scsi.PAGE_BITS
        control = command[2] >> scsi.PAGE_CONTROL_SHIFT & scsi.PAGE_CONTROL_BITS
        cache = bytes([scsi.WRITE_CACHE if control != scsi.CHANGEABLE else 0])
        pages = {
            scsi.CACHING_PAGE: cache.ljust(scsi.CACHING_SIZE, b"\0"),
            scsi.CONTROL_PAGE: bytes(scsi.CONTROL_SIZE),
        }
        wanted = list(pages) if asked == scsi.ALL_PAGES else [asked]
        if not set(wanted) <= set(pages):
            raise _Refused(scsi.ILLEGAL_REQUEST, scsi.INVALID_FIELD)
        return b"".join(bytes([page, len(pages[page])]) + pages[page] for page in wanted)

    def _capacity_10(self, command: bytes) -> Result:
        last = min(self.disk.blocks - 1, scsi.LARGEST_10)
        return Result(data=scsi.CAPACITY_10.pack(last, scsi.BLOCK_SIZE))

    def _service_action(self, command: bytes) -> Result:
        if command[1] & scsi.SERVICE_ACTION_BITS != scsi.READ_CAPACITY_16:
            raise _Refused(scsi.ILLEGAL_REQUEST, scsi.INVALID_FIELD)
        data = scsi.CAPACITY_16.pack(self.disk.blocks - 1, scsi.BLOCK_SIZE)
        return Result(data=data[: int.from_bytes(command[10:14], "big")])

    # ---- Its blocks

    def _blocks(self, command: bytes) -> memoryview:
        """The part of the disk that a command names."""
        kind = command[0]
        if kind in (scsi.READ_6, scsi.WRITE_6):
            first = int.from_bytes(command[1:4], "big") & scsi.ADDRESS_6_BITS
            count = command[4] or scsi.BLOCKS_6_ZERO
        elif kind in (scsi.READ_16, scsi.WRITE_16, scsi.SYNCHRONIZE_CACHE_16):
            first = int.from_bytes(command[2:10], "big")
            count = int.from_bytes(command[10:14], "big")
        else:
            first = int.from_bytes(command[2:6], "big")
            count = int.from_bytes(command[7:9], "big")
        if first + count > self.disk.blocks:
            raise _Refused(scsi.ILLEGAL_REQUEST, scsi.ADDRESS_OUT_OF_RANGE)
        return self.disk.content[first * scsi.BLOCK_SIZE : (first + count) * scsi.BLOCK_SIZE]

    def _read(self, command: bytes) -> Result:
        data = self._blocks(command)
        self.reads += len(data) // scsi.BLOCK_SIZE
        return Result(data=data)

    def _write(self, command: bytes) -> Result:
        place = self._blocks(command)
        if not self.disk.writable:
            raise _Refused(scsi.DATA_PROTECT, scsi.WRITE_PROTECTED)
        self.writes += len(place) // scsi.BLOCK_SIZE
        return Result(expects=place)

    def _synchronize(self, command: bytes) -> Result:
        self._blocks(command)
        self.disk.flush()
        return Result()


def _inquiry_data(peripheral: int) -> bytes:
    text = (
        _VENDOR.ljust(scsi.VENDOR_SIZE)
        + _PRODUCT.ljust(scsi.PRODUCT_SIZE)
        + _REVISION.ljust(scsi.REVISION_SIZE)
    )
    after = scsi.INQUIRY_SIZE - 5
    head = [peripheral, 0, scsi.SPC_3, scsi.RESPONSE_FORMAT, after, 0, 0, scsi.COMMAND_QUEUE]
    return bytes(head) + text.encode()


def sense(key: int, code: int) -> bytes:
    """Sense data in the fixed format: a key, and an additional code with its qualifier."""
    data = bytearray(scsi.SENSE_SIZE)
    data[0] = scsi.SENSE_CURRENT
    data[scsi.SENSE_KEY_AT] = key
    data[scsi.SENSE_LENGTH_AT] = scsi.SENSE_ADDITIONAL
    data[scsi.SENSE_CODE_AT : scsi.SENSE_CODE_AT + 2] = code.to_bytes(2, "big")
    return bytes(data)
