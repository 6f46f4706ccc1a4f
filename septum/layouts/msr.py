"""Which model-specific registers does firmware leave set, and what do their bits mean?

Source: Intel 64 and IA-32 Software Developer's Manual ("SDM"), volume 4 (numbers) and volume 3A,
11.11 (memory type range registers). AMD64 Architecture Programmer's Manual, volume 2, 7.7, has
the same registers under the same numbers.
"""

from __future__ import annotations

MISC_ENABLE = 0x1A0  # IA32_MISC_ENABLE. SDM 4, table 2-2
FAST_STRINGS = 1 << 0

# Memory types. SDM 3A, table 11-8.
UNCACHEABLE = 0x00
WRITE_BACK = 0x06

# The first MiB has registers of its own: a byte a part, eight parts a register. SDM 3A, 11.11.2.2
FIXED_64K = 0x250  # 0 to 7FFFFH
FIXED_16K_LOW = 0x258  # 80000H to 9FFFFH
FIXED_16K_VIDEO = 0x259  # A0000H to BFFFFH: video memory
FIXED_4K = tuple(range(0x268, 0x270))  # C0000H to FFFFFH
EVERY_PART = 0x01010101_01010101  # times a type: all eight parts have it

# A pair for each range above: its base with its type, then its mask. SDM 3A, 11.11.2.3
VARIABLE_BASE = 0x200
RANGES = 8  # pairs that KVM has: KVM_NR_VAR_MTRR of arch/x86/include/asm/kvm_host.h
RANGE_VALID = 1 << 11  # of the mask

DEFAULT_TYPE = 0x2FF  # IA32_MTRR_DEF_TYPE. SDM 3A, 11.11.2.1
FIXED_ENABLE = 1 << 10
ENABLE = 1 << 11
