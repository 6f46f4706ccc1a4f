"""What has a driver put into a virtqueue? A split queue, read and answered by DMA. VIRTIO 1.2, 2.7.

Everything in a ring was written by a driver: it is looked at once, and never believed. What no
driver may write raises Malformed, and the device asks to be reset.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from septum.layouts import virtio

_INDEX = virtio.INDEX_BITS
_SIZE = virtio.DESCRIPTOR.size


class Malformed(Exception):
    """A ring, or a chain in it, that no driver may make."""


class BusMaster(Protocol):
    """A function's way to memory by DMA."""

    def read_memory(self, address: int, length: int) -> bytes: ...

    def write_memory(self, address: int, data: bytes | memoryview) -> None: ...


class Buffer(NamedTuple):
    """A run of bus addresses."""

    address: int
    length: int


class Chain(NamedTuple):
    """One request: buffers the device reads, then buffers it writes."""

    head: int
    readable: tuple[Buffer, ...]
    writable: tuple[Buffer, ...]

    @property
    def room(self) -> int:
        """Bytes the device may write."""
        return sum(buffer.length for buffer in self.writable)


class Queue:
    """One virtqueue as its driver set it up: `size` entries, three bus addresses."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self.reset()

    def reset(self) -> None:
        """As after power-on."""
        self.size = self.largest
        self.enabled = False
        self.descriptors = self.driver = self.device = 0
        self.indirect = self.event_index = False  # features
        self._next = 0  # of the available ring
        self._used = 0
        self._signalled = 0  # the used index when the driver was last interrupted

    def take(self, bus: BusMaster) -> Chain | None:
        """The next request, or None when there is none."""
        available = _half(bus, self.driver + virtio.RING_INDEX)
        waiting = available - self._next & _INDEX
        if not waiting:
            return None
        if waiting > self.size:
            raise Malformed(f"{waiting} requests are available in a queue of {self.size}")
        at = self._next % self.size * virtio.AVAILABLE_ENTRY
        head = _half(bus, self.driver + virtio.RING_ENTRIES + at)
        self._next = self._next + 1 & _INDEX
        return self._chain(bus, head)

    def rearm(self, bus: BusMaster) -> bool:
        """Ask to be notified of the next request; whether one has come meanwhile."""
        if self.event_index:
            entries = self.size * virtio.USED_ENTRY.size
            bus.write_memory(
                self.device + virtio.RING_ENTRIES + entries, self._next.to_bytes(2, "little")
            )
        return _half(bus, self.driver + virtio.RING_INDEX) != self._next

    def _chain(self, bus: BusMaster, head: int) -> Chain:
        table, count, number = self.descriptors, self.size, head
        readable: list[Buffer] = []
        writable: list[Buffer] = []
        for _ in range(2 * self.size):
            if number >= count:
                raise Malformed(f"descriptor {number} of {count}")
            address, length, flags, following = virtio.DESCRIPTOR.unpack(
                bus.read_memory(table + number * _SIZE, _SIZE)
            )
            if flags & virtio.DESCRIPTOR_INDIRECT:
                if table != self.descriptors or flags & virtio.DESCRIPTOR_NEXT:
                    raise Malformed("an indirect descriptor where none may be")
                table, count, number = address, self._indirect_count(length), 0
                continue
            if flags & virtio.DESCRIPTOR_WRITE:
                writable.append(Buffer(address, length))
            elif writable:
                raise Malformed("a buffer to read after one to write")
            else:
                readable.append(Buffer(address, length))
            if not flags & virtio.DESCRIPTOR_NEXT:
                return Chain(head, tuple(readable), tuple(writable))
            number = following
        raise Malformed("a chain that is longer than its queue")

    def _indirect_count(self, length: int) -> int:
        if not self.indirect:
            raise Malformed("an indirect descriptor that was not negotiated")
        if not length or length % _SIZE:
            raise Malformed(f"an indirect table of {length} bytes")
        return length // _SIZE

    def give_back(self, bus: BusMaster, chain: Chain, written: int) -> None:
        """The request is done; `written` bytes are in its writable buffers."""
        at = self._used % self.size * virtio.USED_ENTRY.size
        bus.write_memory(
            self.device + virtio.RING_ENTRIES + at, virtio.USED_ENTRY.pack(chain.head, written)
        )
        self._used = self._used + 1 & _INDEX
        bus.write_memory(self.device + virtio.RING_INDEX, self._used.to_bytes(2, "little"))

    def wants_interrupt(self, bus: BusMaster) -> bool:
        """Is the driver to be interrupted for what was given back since it last was? 2.7.10."""
        before, self._signalled = self._signalled, self._used
        if before == self._used:
            return False
        if self.event_index:
            entries = self.size * virtio.AVAILABLE_ENTRY
            event = _half(bus, self.driver + virtio.RING_ENTRIES + entries)
            return (self._used - event - 1 & _INDEX) < (self._used - before & _INDEX)
        flags = _half(bus, self.driver + virtio.RING_FLAGS)
        return not flags & virtio.NO_INTERRUPT


def gather(bus: BusMaster, buffers: tuple[Buffer, ...], most: int, skip: int = 0) -> bytes:
    """What the buffers hold after the first `skip` bytes: at most `most` bytes."""
    parts: list[bytes] = []
    for address, length in buffers:
        if not most:
            break
        start = min(skip, length)
        skip -= start
        part = min(length - start, most)
        if part:
            parts.append(bus.read_memory(address + start, part))
            most -= part
    return parts[0] if len(parts) == 1 else b"".join(parts)


def scatter(
    bus: BusMaster, buffers: tuple[Buffer, ...], data: bytes | memoryview, skip: int = 0
) -> int:
    """Put `data` into the buffers after their first `skip` bytes; how much of it fitted."""
    view = memoryview(data)
    done = 0
    for address, length in buffers:
        if done == len(view):
            break
        start = min(skip, length)
        skip -= start
        part = min(length - start, len(view) - done)
        if part:
            bus.write_memory(address + start, view[done : done + part])
            done += part
    return done


def _half(bus: BusMaster, address: int) -> int:
    return int.from_bytes(bus.read_memory(address, 2), "little")
