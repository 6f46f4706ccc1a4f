"""What does an instance read about its computer? Firmware's HWRPB, copied and edited. [0033]

Firmware describes the whole computer once. The copy an instance gets has its own memory from
address 0, its own processors and the ISA devices that are exposed to it [0043, 0045]; what is
another's is absent, not marked. Pure: bytes in, bytes out.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from septum.errors import MachineProblem
from septum.layouts import hwrpb
from septum.layouts.cstruct import CStruct
from septum.units import Span

__all__ = ["Exposed", "IsaEntry", "Run", "edited", "isa_devices", "memory_runs", "processors"]

_QUAD = 8
_WORD = (1 << 64) - 1

S = TypeVar("S", bound=CStruct)


class Run(NamedTuple):
    """One memory cluster: first page frame, how many, who may use it (hwrpb.Usage)."""

    start: int
    pages: int
    usage: int


class IsaEntry(NamedTuple):
    """One device of the ISA bus."""

    name: str
    ports: Span
    line: int


class Exposed(NamedTuple):
    """What one instance may find.

    `memory`: its slice in the machine's addresses, bytes, whole pages; it finds it from 0.
    `console_pages`: of these, the first that its console keeps. `physical`: where the copy is
    to stand, in the instance's own addresses. `logout`: where machine checks are described.
    """

    memory: Span
    processors: tuple[int, ...]
    isa: frozenset[str]
    console_pages: int
    physical: int
    logout: int


# ---- reading


def memory_runs(table: bytes) -> tuple[Run, ...]:
    """The memory clusters, in order. MachineProblem when the table is not one."""
    head = _head(table)
    start = head.memory_offset
    count = _read(table, start, hwrpb.MemoryTable).clusters
    runs = []
    for number in range(count):
        cluster = _read(table, _cluster_at(start, number), hwrpb.Cluster)
        runs.append(Run(cluster.start, cluster.pages, cluster.usage))
    return tuple(runs)


def processors(table: bytes) -> int:
    """How many processors may be used."""
    head = _head(table)
    usable = hwrpb.SlotFlag.USABLE
    slots = (_slot_at(head, number) for number in range(head.processors))
    return sum(_read(table, at, hwrpb.Slot).flags & usable == usable for at in slots)


def isa_devices(table: bytes) -> tuple[IsaEntry, ...]:
    """The devices of the ISA bus."""
    head = _head(table)
    if not head.configuration_offset:
        return ()
    block = _read(table, head.configuration_offset, hwrpb.Configuration)
    found = []
    for number in range(block.entries):
        one = _read(table, _isa_at(head, number), hwrpb.IsaDevice)
        found.append(IsaEntry(_name(one), Span(one.port, one.ports), one.line))
    return tuple(found)


def _head(table: bytes) -> hwrpb.Hwrpb:
    head = _read(table, 0, hwrpb.Hwrpb)
    if head.signature != hwrpb.SIGNATURE:
        raise _unsound("it does not begin as one")
    if head.checksum != checksum(table):
        raise _unsound("its checksum is wrong")
    return head


def _read(table: bytes, at: int, kind: type[S]) -> S:
    size = kind.SIZE
    if at < 0 or at + size > len(table):
        raise _unsound(f"{kind.__name__} at {at} lies outside of its {len(table)} bytes")
    return kind.from_buffer_copy(table, at)


def _unsound(because: str) -> MachineProblem:
    return MachineProblem(
        "the restart parameter block cannot be read",
        because=because,
        remedy="firmware builds it when the computer is switched on: report this",
    )


def _slot_at(head: hwrpb.Hwrpb, number: int) -> int:
    return head.processor_offset + number * head.processor_size


def _cluster_at(start: int, number: int) -> int:
    return start + hwrpb.MemoryTable.SIZE + number * hwrpb.Cluster.SIZE


def _isa_at(head: hwrpb.Hwrpb, number: int) -> int:
    at = head.configuration_offset
    return at + hwrpb.Configuration.SIZE + number * hwrpb.IsaDevice.SIZE


# ---- checksums


def summed(data: bytes) -> int:
    """The sum of little-endian quads modulo 2**64."""
    quads = range(0, len(data), _QUAD)
    return sum(int.from_bytes(data[at : at + _QUAD], "little") for at in quads) & _WORD


def checksum(table: bytes) -> int:
    """What the fixed part's checksum must be. ARM III, table 2-1."""
    return summed(table[: hwrpb.CHECKSUM_QUADS * _QUAD])


# ---- editing


def edited(table: bytes, exposed: Exposed) -> bytes:
    """The copy for one instance. MachineProblem when the table, or what is exposed, is unsound."""
    head = _head(table)
    copy = bytearray(table)
    _edit_memory(copy, head, exposed)
    _edit_processors(copy, head, exposed)
    _edit_callbacks(copy, head, exposed)
    if head.configuration_offset:
        _edit_isa(copy, head, exposed)
    fixed = _read(bytes(copy), 0, hwrpb.Hwrpb)
    fixed.physical = exposed.physical
    fixed.primary = 0
    fixed.processors = len(exposed.processors)
    _put(copy, 0, fixed)
    fixed.checksum = checksum(bytes(copy))
    _put(copy, 0, fixed)
    return bytes(copy)


def _put(copy: bytearray, at: int, struct: CStruct) -> None:
    copy[at : at + struct.SIZE] = struct.to_bytes()


def _edit_memory(copy: bytearray, head: hwrpb.Hwrpb, exposed: Exposed) -> None:
    """Clusters of the slice, renumbered from 0; the rest is gone. The order is kept."""
    first, size = (value // hwrpb.PAGE_SIZE for value in exposed.memory)
    runs = _own_runs(memory_runs(bytes(copy)), first, size, exposed.console_pages)
    room = (head.configuration_offset or head.recognition_offset) - head.memory_offset
    used = _cluster_at(0, len(runs))
    if used > room:
        raise _unsound(f"{len(runs)} memory clusters do not fit where the table keeps them")
    end = max(_cluster_at(0, len(memory_runs(bytes(copy)))), used)
    start = head.memory_offset
    copy[start : start + end] = bytes(end)
    _put(copy, start, hwrpb.MemoryTable(clusters=len(runs)))
    for number, run in enumerate(runs):
        cluster = hwrpb.Cluster(start=run.start, pages=run.pages, tested=run.pages, usage=run.usage)
        _put(copy, _cluster_at(start, number), cluster)
    total = summed(bytes(copy[start : start + used]))
    _put(copy, start, hwrpb.MemoryTable(checksum=total, clusters=len(runs)))


def _own_runs(runs: tuple[Run, ...], first: int, size: int, console_pages: int) -> list[Run]:
    own: list[Run] = []
    covered = 0
    for run in sorted(runs):
        start, end = max(run.start, first), min(run.start + run.pages, first + size)
        if start >= end:
            continue
        if run.usage != hwrpb.Usage.SYSTEM:
            raise _unsound("memory that the console keeps lies in an instance's slice")
        covered += end - start
        own.append(Run(start - first, end - start, run.usage))
    if covered != size or size <= console_pages:
        raise _unsound(f"of {size} pages to be exposed it describes {covered}")
    return _split(own, console_pages)


def _split(own: list[Run], console_pages: int) -> list[Run]:
    """The first pages are the console's: this HWRPB, the page tables the OS begins with."""
    found = []
    for run in own:
        kept = min(max(console_pages - run.start, 0), run.pages)
        if kept:
            found.append(Run(run.start, kept, hwrpb.Usage.CONSOLE))
        if kept < run.pages:
            found.append(Run(run.start + kept, run.pages - kept, run.usage))
    return found


def _edit_processors(copy: bytearray, head: hwrpb.Hwrpb, exposed: Exposed) -> None:
    """Slots of its processors, numbered from 0."""
    known = range(head.processors)
    if not exposed.processors or any(number not in known for number in exposed.processors):
        raise _unsound(f"it has no processors {exposed.processors}: it has {head.processors}")
    original = bytes(copy)
    size = head.processor_size
    for number in known:
        at = _slot_at(head, number)
        copy[at : at + size] = bytes(size)
    for number, machine_number in enumerate(exposed.processors):
        slot = _read(original, _slot_at(head, machine_number), hwrpb.Slot)
        slot.logout_physical = exposed.logout
        slot.palcode_physical = slot.palcode_scratch_physical = 0
        slot.console_log_physical = slot.console_log_size = 0
        _put(copy, _slot_at(head, number), slot)


def _edit_callbacks(copy: bytearray, head: hwrpb.Hwrpb, exposed: Exposed) -> None:
    """The console's code moves with the table it belongs to."""
    moved = exposed.physical - head.physical
    block = _read(bytes(copy), head.callbacks_offset, hwrpb.CallbackBlock)
    block.dispatch_physical += moved
    block.fixup_physical += moved
    _put(copy, head.callbacks_offset, block)
    for number in range(block.entries):
        at = head.callbacks_offset + hwrpb.CallbackBlock.SIZE + number * hwrpb.CallbackMap.SIZE
        one = _read(bytes(copy), at, hwrpb.CallbackMap)
        one.physical += moved
        _put(copy, at, one)


def _edit_isa(copy: bytearray, head: hwrpb.Hwrpb, exposed: Exposed) -> None:
    """Concealed devices are not in the list; their places at its end are empty."""
    at = head.configuration_offset
    block = _read(bytes(copy), at, hwrpb.Configuration)
    every = [
        _read(bytes(copy), _isa_at(head, number), hwrpb.IsaDevice)
        for number in range(block.entries)
    ]
    kept = [one for one in every if _name(one) in exposed.isa]
    copy[at : at + block.size] = bytes(block.size)
    for number, one in enumerate(kept):
        _put(copy, _isa_at(head, number), one)
    block.entries, block.checksum = len(kept), 0
    _put(copy, at, block)
    block.checksum = summed(bytes(copy[at : at + block.size]))
    _put(copy, at, block)


def _name(device: hwrpb.IsaDevice) -> str:
    return str(device.name, "ascii", "replace")  # type: ignore[call-overload,no-any-return]
