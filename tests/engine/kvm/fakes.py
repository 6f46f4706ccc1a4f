"""What does a processor look like to whoever answers its exits? The page KVM would share."""

from __future__ import annotations

import struct
from typing import Any

from septum.engine.kvm.exits import Stop
from septum.layouts import kvm
from septum.translation.physical import PhysicalMap
from septum.units import PAGE

DATA = 512  # where the values of port instructions stand in the page


class Processor:
    """Made to stop for any reason, without KVM."""

    def __init__(self) -> None:
        self.number = 0
        self.page = bytearray(4096)
        self.run_area = memoryview(self.page)
        self.header: Any = kvm.RunHeader.from_buffer(self.page)
        self.io: Any = kvm.RunIo.from_buffer(self.page, kvm.RUN_UNION)
        self.mmio: Any = kvm.RunMmio.from_buffer(self.page, kvm.RUN_UNION)
        self.internal: Any = kvm.RunInternal.from_buffer(self.page, kvm.RUN_UNION)

    def registers(self) -> kvm.Registers:
        return kvm.Registers(rip=0x1000)

    def at_port(self, port: int, width: int, values: tuple[int, ...] | int) -> None:
        """Stopped at OUT (values) or at IN (how many)."""
        self.header.exit_reason = kvm.Exit.IO
        self.io.direction = int(not isinstance(values, int))
        self.io.size, self.io.port, self.io.data_offset = width, port, DATA
        self.io.count = values if isinstance(values, int) else len(values)
        if not isinstance(values, int):
            text = b"".join(value.to_bytes(width, "little") for value in values)
            self.page[DATA : DATA + len(text)] = text

    def got(self) -> tuple[int, ...]:
        """What IN was answered."""
        width, count = self.io.size, self.io.count
        form = {1: "B", 2: "H", 4: "I"}[width]
        return struct.unpack_from(f"<{count}{form}", self.page, DATA)

    def at_memory(self, address: int, width: int, value: int | None = None) -> None:
        """Stopped at a load, or at a store of a value."""
        self.header.exit_reason = kvm.Exit.MMIO
        self.mmio.phys_addr, self.mmio.len = address, width
        self.mmio.is_write = int(value is not None)
        self.mmio.data = value or 0


def entries(table: bytes) -> list[Any]:
    """A routing table as KVM is handed it: each entry, as many as its header says."""
    header: Any = kvm.IrqRoutingHeader.from_buffer_copy(table)
    size = kvm.IrqRoutingEntry.SIZE
    assert len(table) == kvm.IrqRoutingHeader.SIZE + header.nr * size
    starts = range(kvm.IrqRoutingHeader.SIZE, len(table), size)
    return [kvm.IrqRoutingEntry.from_buffer_copy(table, start) for start in starts]


def stopped(
    ports: PhysicalMap | None = None, memory: PhysicalMap | None = None
) -> tuple[Stop, Processor]:
    processor: Any = Processor()
    return Stop(processor, ports or PhysicalMap(1), memory or PhysicalMap(PAGE)), processor
