"""Where do the fixed things of an x86 PC lie in physical memory?

Documents: Intel 64 and IA-32 Software Developer's Manual ("SDM"); Intel 82093AA I/O APIC
datasheet ("IOAPIC"); Intel 440FX and Q35 datasheets, system address map ("chipset");
Linux Documentation/arch/x86/zero-page.rst and boot.rst ("Linux").
"""

from __future__ import annotations

# The first MiB as the IBM PC divided it. Chipset; Linux, boot.rst "memory layout".
EBDA = 0x9FC00  # extended BIOS data area: the last KiB of conventional memory
VIDEO_MEMORY = 0xA0000  # VGA memory and option ROMs: not RAM for the system
BIOS_AREA = 0xE0000  # where RSDP and MP table are looked for. ACPI 6.3, 5.2.5.1
LEGACY_END = 0x100000

# Below 4 GiB. Chipset.
IO_APIC = 0xFEC00000  # IOAPIC 3.1
IO_APIC_SIZE = 0x1000
LOCAL_APIC = 0xFEE00000  # SDM 3A, 11.4.1
LOCAL_APIC_SIZE = 0x100000  # also the window of message-signaled interrupts. SDM 3A, 11.11.1
FOUR_GIB = 0x1_0000_0000

# Type numbers of the memory map as firmware tells it. ACPI 6.3, 15 (address range types).
E820_TYPES = {"usable": 0x1, "reserved": 0x2, "acpi": 0x3}
