"""Do the boot protocol's numbers agree with <asm/bootparam.h>?"""

from __future__ import annotations

import platform
import struct
from itertools import pairwise

import pytest

from septum.layouts import boot
from tests.layouts.headers import values

HEADERS = ("linux/types.h", "asm/bootparam.h")

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="asm/bootparam.h is of x86 only"
)


def test_the_zero_page() -> None:
    page, header = "struct boot_params", "hdr."
    names = {
        "hdr.setup_sects": boot.SETUP_SECTS,
        "hdr.boot_flag": boot.BOOT_FLAG,
        "hdr.header": boot.HEADER,
        "hdr.version": boot.VERSION,
        "hdr.type_of_loader": boot.TYPE_OF_LOADER,
        "hdr.loadflags": boot.LOADFLAGS,
        "hdr.ramdisk_image": boot.RAMDISK_IMAGE,
        "hdr.ramdisk_size": boot.RAMDISK_SIZE,
        "hdr.initrd_addr_max": boot.INITRD_ADDR_MAX,
        "hdr.cmd_line_ptr": boot.CMD_LINE_PTR,
        "hdr.kernel_alignment": boot.KERNEL_ALIGNMENT,
        "hdr.xloadflags": boot.XLOADFLAGS,
        "hdr.cmdline_size": boot.CMDLINE_SIZE,
        "hdr.payload_offset": boot.PAYLOAD_OFFSET,
        "hdr.payload_length": boot.PAYLOAD_LENGTH,
        "hdr.init_size": boot.INIT_SIZE,
        "acpi_rsdp_addr": boot.ACPI_RSDP_ADDR,
        "e820_entries": boot.E820_ENTRIES,
        "e820_table": boot.E820_TABLE,
    }
    assert all(name.startswith(header) or "." not in name for name in names)
    expected = {f"offsetof({page}, {name})": offset for name, offset in names.items()}
    expected |= {
        f"sizeof({page})": 4096,
        "sizeof(struct boot_e820_entry)": boot.E820_ENTRY_SIZE,
        "E820_MAX_ENTRIES_ZEROPAGE": boot.E820_MAX,
        "LOADED_HIGH": boot.LOADED_HIGH,
    }
    assert values(HEADERS, tuple(expected)) == expected


def test_formats_and_places() -> None:
    assert struct.calcsize(boot.E820_ENTRY) == boot.E820_ENTRY_SIZE
    tables = (
        (boot.GDT_ADDRESS, 8 * len(boot.GDT)),
        (boot.ZERO_PAGE_ADDRESS, 4096),
        (boot.PML4_ADDRESS, 6 * 4096),
        (boot.COMMAND_LINE_ADDRESS, boot.COMMAND_LINE_LIMIT),
    )
    ordered = sorted(tables)
    assert all(
        start + length <= following
        for (start, length), (following, _) in pairwise(ordered)
    )
    assert ordered[-1][0] + ordered[-1][1] <= boot.LOWEST_KERNEL
    assert boot.PDPT_ADDRESS == boot.PML4_ADDRESS + 4096
    assert boot.PAGE_DIRECTORY_ADDRESS == boot.PML4_ADDRESS + 2 * 4096
