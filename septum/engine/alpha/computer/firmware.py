"""What does the computer's firmware tell an operating system? One HWRPB for the whole machine.

Built when the computer is switched on, from what it is made of. It is true of the machine, not
of an instance: every processor, all memory, all ISA devices. discovery.hwrpb edits copies.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.discovery.hwrpb import IsaEntry, Run, checksum, summed
from septum.errors import MachineProblem
from septum.layouts import hwrpb, palcode
from septum.layouts.cstruct import CStruct

CODE = hwrpb.PAGE_SIZE  # the console's code stands in the page after the table
SIZE = 2 * hwrpb.PAGE_SIZE
INTERVAL_HZ = 1024
_CODE_STEP = 16
_SERIAL = b"SEPTUM-1"
_PALCODE_REVISION = 1
NO_LINE = (1 << 64) - 1  # of a device that interrupts nobody
_LARGEST_NUMBER = 8  # slots that fit


class Inventory(NamedTuple):
    """What firmware found: bytes of memory as runs of pages, processors, ISA devices."""

    name: str
    memory: tuple[Run, ...]
    processors: int
    frequency: int  # Hz
    isa: tuple[IsaEntry, ...]


class _Layout(NamedTuple):
    """Byte offsets of the variable parts within the table."""

    slots: int
    terminal: int
    callbacks: int
    memory: int
    configuration: int
    recognition: int
    end: int


def build(inventory: Inventory, physical: int) -> bytes:
    """The table and the console's code, to be put at a physical address (a page's start).

    MachineProblem when the computer has more than the table's page can say.
    """
    plan = _layout(inventory)
    if plan.end > CODE or not 1 <= inventory.processors <= _LARGEST_NUMBER:
        raise MachineProblem(
            "the computer's firmware cannot describe it",
            because=f"its table would take {plan.end} bytes; it has {CODE}",
            remedy="describe fewer processors, memory ranges or ISA devices",
        )
    table = bytearray(SIZE)
    _put(table, 0, _fixed(inventory, plan, physical))
    for number in range(inventory.processors):
        _put(table, plan.slots + number * hwrpb.Slot.SIZE, _slot())
    terminal = hwrpb.Terminal(
        type=hwrpb.TERMINAL_SERIAL, terminal_type=hwrpb.TERMINAL_SERIAL, rest=()
    )
    _put(table, plan.terminal, terminal)
    _put_callbacks(table, plan.callbacks, physical)
    _put_memory(table, plan.memory, inventory.memory)
    _put_isa(table, plan.configuration, inventory.isa)
    _put_name(table, plan.recognition, inventory.name)
    total = checksum(bytes(table))
    at = hwrpb.CHECKSUM_OFFSET
    table[at : at + palcode.QUAD] = total.to_bytes(palcode.QUAD, "little")
    return bytes(table)


def _layout(inventory: Inventory) -> _Layout:
    # An instance's copy may have one cluster more: its console's pages.
    clusters = hwrpb.MemoryTable.SIZE + (len(inventory.memory) + 1) * hwrpb.Cluster.SIZE
    isa = hwrpb.Configuration.SIZE + len(inventory.isa) * hwrpb.IsaDevice.SIZE
    callbacks = hwrpb.CallbackBlock.SIZE + hwrpb.CallbackMap.SIZE + 2 * hwrpb.Procedure.SIZE
    sizes = (
        hwrpb.Hwrpb.SIZE,
        inventory.processors * hwrpb.Slot.SIZE,
        hwrpb.Terminal.SIZE,
        callbacks,
        clusters,
        isa,
        hwrpb.Recognition.SIZE + palcode.QUAD + _padded(inventory.name),
    )
    offsets = [sum(sizes[:number]) for number in range(1, len(sizes) + 1)]
    return _Layout(*offsets)


def _padded(name: str) -> int:
    step = palcode.QUAD
    return (len(name) + step) // step * step


def _put(table: bytearray, at: int, struct: CStruct) -> None:
    table[at : at + struct.SIZE] = struct.to_bytes()


def _fixed(inventory: Inventory, plan: _Layout, physical: int) -> hwrpb.Hwrpb:
    return hwrpb.Hwrpb(
        physical=physical,
        size=plan.end,
        serial=_SERIAL,
        interval_frequency=INTERVAL_HZ * hwrpb.FREQUENCY_SCALE,
        cycle_frequency=inventory.frequency,
        processors=inventory.processors,
        processor_size=hwrpb.Slot.SIZE,
        processor_offset=plan.slots,
        terminals=1,
        terminal_size=hwrpb.Terminal.SIZE,
        terminal_offset=plan.terminal,
        callbacks_offset=plan.callbacks,
        memory_offset=plan.memory,
        configuration_offset=plan.configuration,
        terminal=(),
        recognition_offset=plan.recognition,
    )


def _slot() -> hwrpb.Slot:
    return hwrpb.Slot(
        process=(),
        flags=hwrpb.SlotFlag.USABLE | hwrpb.SlotFlag.CONTEXT_VALID,
        palcode_revision=_PALCODE_REVISION,
        serial=_SERIAL,
        logout_size=palcode.LOGOUT_SIZE,
        halt=(),
        messages=(),
        palcode_available=(),
    )


def _put_callbacks(table: bytearray, at: int, physical: int) -> None:
    """Two routines of two instructions each: a call of ours, and return. ARM III, 2.3.7."""
    dispatch = at + hwrpb.CallbackBlock.SIZE + hwrpb.CallbackMap.SIZE
    fixup = dispatch + hwrpb.Procedure.SIZE
    block = hwrpb.CallbackBlock(
        dispatch_virtual=hwrpb.VIRTUAL + dispatch,
        dispatch_physical=physical + dispatch,
        fixup_virtual=hwrpb.VIRTUAL + fixup,
        fixup_physical=physical + fixup,
        entries=1,
        pages=SIZE // hwrpb.PAGE_SIZE,
    )
    _put(table, at, block)
    pages = hwrpb.CallbackMap(
        virtual=hwrpb.VIRTUAL, physical=physical, count=SIZE // hwrpb.PAGE_SIZE
    )
    _put(table, at + hwrpb.CallbackBlock.SIZE, pages)
    calls = ((dispatch, palcode.CONSOLE_DISPATCH), (fixup, palcode.CONSOLE_FIXUP))
    for number, (descriptor, call) in enumerate(calls):
        code = CODE + number * _CODE_STEP
        _put(table, descriptor, hwrpb.Procedure(address=hwrpb.VIRTUAL + code))
        words = call.to_bytes(4, "little") + palcode.RETURN_TO_CALLER.to_bytes(4, "little")
        table[code : code + len(words)] = words


def _put_memory(table: bytearray, at: int, runs: tuple[Run, ...]) -> None:
    _put(table, at, hwrpb.MemoryTable(clusters=len(runs)))
    end = at + hwrpb.MemoryTable.SIZE
    for run in runs:
        cluster = hwrpb.Cluster(start=run.start, pages=run.pages, tested=run.pages, usage=run.usage)
        _put(table, end, cluster)
        end += hwrpb.Cluster.SIZE
    total = summed(bytes(table[at:end]))
    _put(table, at, hwrpb.MemoryTable(checksum=total, clusters=len(runs)))


def _put_isa(table: bytearray, at: int, devices: tuple[IsaEntry, ...]) -> None:
    size = hwrpb.Configuration.SIZE + len(devices) * hwrpb.IsaDevice.SIZE
    block = hwrpb.Configuration(size=size, entries=len(devices))
    _put(table, at, block)
    for number, device in enumerate(devices):
        entry = hwrpb.IsaDevice(
            name=device.name.encode("ascii"),
            slot=number,
            port=device.ports.start,
            ports=device.ports.size,
            line=device.line & NO_LINE,
        )
        _put(table, at + hwrpb.Configuration.SIZE + number * hwrpb.IsaDevice.SIZE, entry)
    block.checksum = summed(bytes(table[at : at + size]))
    _put(table, at, block)


def _put_name(table: bytearray, at: int, name: str) -> None:
    """The name stands after its length. Linux arch/alpha/kernel/setup.c."""
    _put(table, at, hwrpb.Recognition(member=hwrpb.SYSTEM_TSUNAMI))
    text = name.encode("ascii", "replace")
    start = at + hwrpb.Recognition.SIZE
    step = palcode.QUAD
    table[start : start + step] = (len(text) + 1).to_bytes(step, "little")
    table[start + step : start + step + len(text)] = text
