"""What do a SCSI disk's commands look like? Sources: SPC-4 and SBC-3 (T10), sections beside."""

from __future__ import annotations

import struct

# ---- Commands: first byte of a CDB
TEST_UNIT_READY = 0x00  # SPC-4 6.47
REQUEST_SENSE = 0x03  # SPC-4 6.39
READ_6, WRITE_6 = 0x08, 0x0A  # SBC-3 5.7, 5.29
INQUIRY = 0x12  # SPC-4 6.6
MODE_SENSE_6 = 0x1A  # SPC-4 6.11
START_STOP_UNIT = 0x1B  # SBC-3 5.25
PREVENT_REMOVAL = 0x1E  # SPC-4 6.18
READ_CAPACITY_10 = 0x25  # SBC-3 5.15
READ_10, WRITE_10 = 0x28, 0x2A  # SBC-3 5.8, 5.30
VERIFY_10 = 0x2F  # SBC-3 5.26
SYNCHRONIZE_CACHE_10 = 0x35  # SBC-3 5.22
MODE_SENSE_10 = 0x5A  # SPC-4 6.12
READ_16, WRITE_16 = 0x88, 0x8A  # SBC-3 5.10, 5.32
SYNCHRONIZE_CACHE_16 = 0x91  # SBC-3 5.23
SERVICE_ACTION_IN_16 = 0x9E  # SBC-3 5.16
REPORT_LUNS = 0xA0  # SPC-4 6.33

READ_CAPACITY_16 = 0x10  # service action
SERVICE_ACTION_BITS = 0x1F

# ---- Where a CDB says what
ADDRESS_6_BITS = 0x1FFFFF  # of bytes 1 to 3
BLOCKS_6_ZERO = 256  # READ (6) of 0 blocks
VITAL_PRODUCT_DATA = 0x01  # EVPD, of INQUIRY's byte 1
PAGE_BITS = 0x3F  # of MODE SENSE's byte 2
NO_BLOCK_DESCRIPTORS = 0x08  # DBD, of MODE SENSE's byte 1
CHANGEABLE = 1  # page control: which bits can be changed. SPC-4 6.11.1
PAGE_CONTROL_SHIFT = 6
PAGE_CONTROL_BITS = 0x3

# ---- Status. SAM-5 5.3.1
GOOD, CHECK_CONDITION = 0x00, 0x02

# ---- Sense data, fixed format. SPC-4 4.5.3
SENSE_CURRENT = 0x70
SENSE_SIZE = 18
SENSE_ADDITIONAL = 10  # bytes after byte 7
SENSE_KEY_AT, SENSE_LENGTH_AT, SENSE_CODE_AT = 2, 7, 12
NO_SENSE, MEDIUM_ERROR, ILLEGAL_REQUEST, DATA_PROTECT = 0x0, 0x3, 0x5, 0x7
INVALID_COMMAND = 0x2000  # additional sense code and qualifier. SPC-4 annex F
ADDRESS_OUT_OF_RANGE = 0x2100
INVALID_FIELD = 0x2400
WRITE_PROTECTED = 0x2700

# ---- INQUIRY. SPC-4 6.6.2
DISK = 0x00  # peripheral: connected direct access device
NOBODY = 0x7F  # no logical unit here
SPC_3 = 0x05  # version
RESPONSE_FORMAT = 0x02
COMMAND_QUEUE = 0x02  # byte 7
INQUIRY_SIZE = 36
VENDOR_SIZE, PRODUCT_SIZE, REVISION_SIZE = 8, 16, 4
PAGES, SERIAL_NUMBER, IDENTIFICATION, BLOCK_LIMITS = 0x00, 0x80, 0x83, 0xB0  # VPD pages
BLOCK_CHARACTERISTICS = 0xB1
PAGE_HEADER = struct.Struct(">BBH")
ASCII, VENDOR_DESIGNATOR = 0x02, 0x01  # of page 83h's one designator
BLOCK_LIMITS_SIZE = 0x3C
SOLID_STATE = 1  # medium rotation rate

# ---- MODE SENSE. SPC-4 7.5; SBC-3 6.4
CACHING_PAGE, CONTROL_PAGE, ALL_PAGES = 0x08, 0x0A, 0x3F
WRITE_CACHE = 0x04
CACHING_SIZE, CONTROL_SIZE = 18, 10
WRITE_PROTECT = 0x80  # device-specific parameter

# ---- Capacity. SBC-3 5.15.2, 5.16.2
CAPACITY_10 = struct.Struct(">II")
CAPACITY_16 = struct.Struct(">QI20x")
LARGEST_10 = 0xFFFF_FFFF

BLOCK_SIZE = 512
UNIT_LIST = struct.Struct(">II")  # REPORT LUNS: bytes of the list, reserved
UNIT_ENTRY = 8
