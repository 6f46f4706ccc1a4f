"""How does a Linux/x86 kernel want to be started? The boot protocol's numbers.

Source: Documentation/arch/x86/boot.rst and zero-page.rst of Linux 6.12; struct boot_params in
arch/x86/include/uapi/asm/bootparam.h.
"""

from __future__ import annotations

# boot_params ("zero page") offsets, bytes
SETUP_SECTS = 0x1F1
BOOT_FLAG = 0x1FE
HEADER = 0x202
VERSION = 0x206
TYPE_OF_LOADER = 0x210
LOADFLAGS = 0x211
RAMDISK_IMAGE = 0x218
RAMDISK_SIZE = 0x21C
CMD_LINE_PTR = 0x228
KERNEL_ALIGNMENT = 0x230
INITRD_ADDR_MAX = 0x22C
XLOADFLAGS = 0x236
CMDLINE_SIZE = 0x238
PAYLOAD_OFFSET = 0x248
PAYLOAD_LENGTH = 0x24C
INIT_SIZE = 0x260
ACPI_RSDP_ADDR = 0x070
E820_ENTRIES = 0x1E8
E820_TABLE = 0x2D0
E820_ENTRY = "<QQI"  # address, size, type
E820_ENTRY_SIZE = 20
E820_MAX = 128

BOOT_FLAG_MAGIC = 0xAA55
HEADER_MAGIC = b"HdrS"
PROTOCOL_2_12 = 0x20C
LOADER_UNDEFINED = 0xFF  # "no assigned id"
LOADED_HIGH = 0x01
ALIGNMENT = 0x1000000
SECTOR = 512


# Where we lay things below 640 KiB; all of it is ordinary memory to the kernel later.
GDT_ADDRESS = 0x500
ZERO_PAGE_ADDRESS = 0x7000
STACK_ADDRESS = 0x8000
PML4_ADDRESS = 0x9000
PDPT_ADDRESS = 0xA000
PAGE_DIRECTORY_ADDRESS = 0xB000  # four pages: 4 GiB of 2 MiB pages
COMMAND_LINE_ADDRESS = 0x20000
COMMAND_LINE_LIMIT = 2048  # COMMAND_LINE_SIZE of Linux/x86
LOWEST_KERNEL = 0x100000
# As high as kernels of every protocol version take an initrd: the header's initrd_addr_max.
INITRD_LIMIT = 0x7FFFFFFF

# Flat 64-bit segments: boot.rst, "64-bit boot protocol": __BOOT_CS 0x10, __BOOT_DS 0x18
BOOT_CS = 0x10
BOOT_DS = 0x18
GDT = (0, 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF)
SEGMENT_LIMIT = 0xFFFFFFFF
CODE_TYPE = 11
DATA_TYPE = 3

# Paging entries and control registers. Intel SDM volume 3, 4.5 and 2.5; volume 4 for EFER.
PRESENT_WRITABLE = 0x3
LARGE_PAGE = 0x83
CR0_LONG_MODE = 0x80050033
CR4_PAE = 0x20
EFER_LONG_MODE = 0x500
RFLAGS_RESET = 0x2

# Magic of what a bzImage's payload may be packed with (boot.rst, payload_offset)
GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\x00"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LZ4_MAGIC = b"\x02\x21\x4c\x18"
ELF_MAGIC = b"\x7fELF"
