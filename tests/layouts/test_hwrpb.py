"""Do the structures of the HWRPB lie where an operating system reads them?

Offsets of Linux 6.1, arch/alpha/include/asm/hwrpb.h, counted by hand.
"""

from __future__ import annotations

import pytest

from septum.layouts import hwrpb, palcode
from septum.layouts.cstruct import CStruct

OFFSETS: list[tuple[type[CStruct], dict[str, int]]] = [
    (
        hwrpb.Hwrpb,
        {
            "signature": 8,
            "page_size": 40,
            "last_asn": 56,
            "serial": 64,
            "system_type": 80,
            "cycle_frequency": 112,
            "vptb": 120,
            "processors": 144,
            "processor_offset": 160,
            "terminal_offset": 184,
            "callbacks_offset": 192,
            "memory_offset": 200,
            "configuration_offset": 208,
            "restart": 256,
            "checksum": hwrpb.CHECKSUM_OFFSET,
            "recognition_offset": 312,
        },
    ),
    (
        hwrpb.Slot,
        {
            "flags": hwrpb.SLOT_FLAGS,
            "palcode_revision": 168,
            "type": 176,
            "logout_physical": 216,
            "messages": 296,
            "palcode_available": 464,
        },
    ),
    (hwrpb.MemoryTable, {"clusters": 16}),
    (hwrpb.Cluster, {"pages": 8, "usage": 48}),
    (hwrpb.CallbackBlock, {"dispatch_physical": 8, "fixup_virtual": 16, "entries": 32}),
    (hwrpb.CallbackMap, {"physical": 8, "count": 16}),
    (hwrpb.Procedure, {"address": 8}),
    (hwrpb.Terminal, {"terminal_type": 56}),
    (hwrpb.Recognition, {"name_offset": 16}),
    (
        palcode.ProcessBlock,
        {
            "user_stack": palcode.PCB_USER_STACK,
            "page_table": palcode.PCB_PAGE_TABLE,
            "cycle_counter": palcode.PCB_CYCLES,
            "address_space": 28,
            "unique": palcode.PCB_UNIQUE,
            "flags": palcode.PCB_FLAGS,
        },
    ),
]


@pytest.mark.parametrize(("kind", "offsets"), OFFSETS, ids=lambda one: getattr(one, "__name__", ""))
def test_offsets(kind: type[CStruct], offsets: dict[str, int]) -> None:
    assert {name: kind.offset_of(name) for name in offsets} == offsets


def test_the_signature_reads_backwards_in_memory() -> None:
    """It is a big-endian text in a little-endian quad. ARM III, table 2-1."""
    head = hwrpb.Hwrpb(
        physical=0, size=0, serial=b"", interval_frequency=0, cycle_frequency=0, processors=0,
        processor_size=0, processor_offset=0, terminals=0, terminal_size=0, terminal_offset=0,
        callbacks_offset=0, memory_offset=0, terminal=(), recognition_offset=0,
    )  # fmt: skip
    assert head.to_bytes()[8:16] == b"\0\0\0BPRWH"


def test_entries_and_calls_are_named() -> None:
    assert len(palcode.ENTRY_NAMES) == palcode.Entry.DEBUG + 1
    assert palcode.NAMES[palcode.Call.SWPIPL] == "swpipl"
    assert palcode.CONSOLE_DISPATCH not in palcode.NAMES
    assert palcode.CONSOLE_FIXUP not in palcode.NAMES
