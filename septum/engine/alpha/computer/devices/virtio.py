"""How does a driver talk to a virtio device on PCI? The modern transport. VIRTIO 1.2, 4.1.

One BAR with four areas: common configuration, interrupt status, the device's own configuration,
notifications. Its interrupt is the pin; it has no MSI-X, as nothing on this computer has.
ACCESS_PLATFORM is offered and must be taken: addresses in the rings are bus addresses, that the
Pchip's windows translate.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from septum.engine.alpha.computer.devices.function import MemoryPort, PciFunction
from septum.engine.alpha.computer.devices.identity import Identity
from septum.engine.alpha.computer.devices.queue import Malformed, Queue
from septum.engine.alpha.computer.devices.timeline import Timeline
from septum.layouts import pci, virtio

_DEMANDED = 1 << virtio.VERSION_1 | 1 << virtio.ACCESS_PLATFORM
_OFFERED = _DEMANDED | 1 << virtio.INDIRECT_DESCRIPTORS | 1 << virtio.EVENT_INDEX
_WORD = 32
AT_ONCE = 16  # requests; then the latency again, so that no ring keeps a device for itself
_ACCESS = 250  # cycles a DMA access keeps the bus: long chains take their time too
_Status = virtio.DeviceStatus
_DRIVER_OK = _Status.mask("driver_ok")
_FEATURES_OK = _Status.mask("features_ok")
_NEEDS_RESET = _Status.mask("needs_reset")
_At = virtio.Common
_ADDRESSES = {  # offset of each half: which address, which half
    _At.QUEUE_DESCRIPTORS: ("descriptors", 0),
    _At.QUEUE_DESCRIPTORS + 4: ("descriptors", 1),
    _At.QUEUE_DRIVER: ("driver", 0),
    _At.QUEUE_DRIVER + 4: ("driver", 1),
    _At.QUEUE_DEVICE: ("device", 0),
    _At.QUEUE_DEVICE + 4: ("device", 1),
}


class Kind(NamedTuple):
    """What makes a virtio device this one."""

    identity: Identity
    features: int
    queues: tuple[int, ...]  # the size of each
    configuration: bytes


class VirtioFunction(PciFunction):
    """A virtio device: `serve` is called `latency` cycles after a driver's notice."""

    def __init__(
        self, slot: int, port: MemoryPort, timeline: Timeline, latency: int, kind: Kind
    ) -> None:
        areas = _capabilities(len(kind.configuration))
        super().__init__(slot, port, kind.identity, (virtio.BAR_SIZE,), areas)
        self.timeline = timeline
        self.queues = tuple(Queue(size) for size in kind.queues)
        self.configuration = bytearray(kind.configuration)
        self.notices = 0  # of drivers
        self.interrupts = 0  # asked for
        self._latency = latency
        self._offered = kind.features | _OFFERED
        self._era = 0  # counts resets: what was begun before one is not finished
        self._access = self._access_capability()
        self._busy_until = 0  # cycle
        self.reset()

    def reset(self) -> None:
        """As after power-on: nothing negotiated, no queue set up, no work under way."""
        self._era += 1
        self.status = 0
        self.accepted = 0  # features
        self._feature_select = [0, 0]  # the device's, the driver's
        self._queue_select = 0
        self._interrupt_status = 0
        self._due: set[int] = set()  # queues about to be served
        for queue in self.queues:
            queue.reset()
        self.interrupt(0)

    # ---- The device's part

    def serve(self, number: int) -> bool:
        """Look into queue `number`; whether more waits there. Malformed where it is not sound."""
        return False

    def done(self, queue: Queue) -> None:
        """Interrupt the driver if it wants to hear that requests of this queue were given back."""
        if queue.wants_interrupt(self):
            self._raise(virtio.QUEUE_INTERRUPT)

    def _raise(self, reason: int) -> None:
        self._interrupt_status |= reason
        self.interrupts += 1
        self.interrupt(1)

    @property
    def is_running(self) -> bool:
        """Did the driver say that it is ready, and may the device master the bus?"""
        return self.status & (_DRIVER_OK | _NEEDS_RESET) == _DRIVER_OK and self.is_master

    def guarded(self, number: int) -> None:
        """Serve queue `number`; a ring that is not sound ends the work until a reset. 2.1.2."""
        before, more = self.accesses, False
        try:
            more = self.serve(number)
        except Malformed:
            self.status |= _NEEDS_RESET
            self._raise(virtio.CONFIGURATION_INTERRUPT)
        begun = max(self._busy_until, self.timeline.now)
        self._busy_until = begun + _ACCESS * (self.accesses - before)
        if more:
            self._plan(number)

    def _notify(self, number: int) -> None:
        if number < len(self.queues):
            self.notices += 1
            self._plan(number)

    def _plan(self, number: int) -> None:
        if number not in self._due and self.queues[number].enabled and self.is_running:
            self._due.add(number)
            wait = max(self._latency, self._busy_until - self.timeline.now)
            self.timeline.after(wait, partial(self._now, number, self._era))

    def _now(self, number: int, era: int) -> None:
        if era == self._era:
            self._due.discard(number)
            if self.is_running:
                self.guarded(number)

    def commanded(self) -> None:
        """Mastering the bus may have been allowed again: look into every queue."""
        for number in range(len(self.queues)):
            self._plan(number)

    # ---- The BAR

    def read_bar(self, number: int, offset: int, size: int) -> int:
        """One register; a quadword is two words."""
        if size > 4:
            low = self.read_bar(number, offset, 4)
            return low | self.read_bar(number, offset + 4, 4) << _WORD
        area, inside = offset & -virtio.AREA_SIZE, offset % virtio.AREA_SIZE
        if area == virtio.INTERRUPT_AT:
            return self._read_interrupt_status() if not inside else 0
        if area == virtio.COMMON_AT:
            return self._read_common(inside) & (1 << 8 * size) - 1
        if area == virtio.DEVICE_AT:
            return int.from_bytes(self.configuration[inside : inside + size], "little")
        return 0

    def write_bar(self, number: int, offset: int, size: int, value: int) -> None:
        """One register; a quadword is two words."""
        if size > 4:
            self.write_bar(number, offset, 4, value & virtio.WORD)
            self.write_bar(number, offset + 4, 4, value >> _WORD)
            return
        area, inside = offset & -virtio.AREA_SIZE, offset % virtio.AREA_SIZE
        if area == virtio.NOTIFY_AT:
            self._notify(inside // virtio.NOTIFY_MULTIPLIER)
        elif area == virtio.COMMON_AT:
            self._write_common(inside, value & (1 << 8 * size) - 1)
        elif area == virtio.DEVICE_AT:
            self.write_device(inside, size, value)

    def write_device(self, offset: int, size: int, value: int) -> None:
        """A store to the device's own configuration: most have nothing to write."""

    def _read_interrupt_status(self) -> int:
        value, self._interrupt_status = self._interrupt_status, 0
        self.interrupt(0)
        return value

    @property
    def _queue(self) -> Queue | None:
        number = self._queue_select
        return self.queues[number] if number < len(self.queues) else None

    def _read_common(self, offset: int) -> int:
        queue = self._queue
        if offset in _ADDRESSES:
            name, half = _ADDRESSES[offset]
            return getattr(queue, name) >> _WORD * half & virtio.WORD if queue else 0
        if offset == _At.STATUS:
            return self.status
        if offset == _At.DEVICE_FEATURE:
            return _word_of(self._offered, self._feature_select[0])
        if offset == _At.DRIVER_FEATURE:
            return _word_of(self.accepted, self._feature_select[1])
        return {
            _At.DEVICE_FEATURE_SELECT: self._feature_select[0],
            _At.DRIVER_FEATURE_SELECT: self._feature_select[1],
            _At.MSIX_CONFIGURATION: virtio.NO_VECTOR,
            _At.QUEUES: len(self.queues),
            _At.QUEUE_SELECT: self._queue_select,
            _At.QUEUE_SIZE: queue.size if queue else 0,
            _At.QUEUE_MSIX: virtio.NO_VECTOR,
            _At.QUEUE_ENABLE: int(queue.enabled) if queue else 0,
            _At.QUEUE_NOTIFY_OFFSET: self._queue_select if queue else 0,
        }.get(offset, 0)

    def _write_common(self, offset: int, value: int) -> None:
        if offset == _At.STATUS:
            self._write_status(value)
        elif offset == _At.DEVICE_FEATURE_SELECT:
            self._feature_select[0] = value
        elif offset == _At.DRIVER_FEATURE_SELECT:
            self._feature_select[1] = value
        elif offset == _At.DRIVER_FEATURE:
            self._accept(value)
        elif offset == _At.QUEUE_SELECT:
            self._queue_select = value & virtio.HALF
        elif self._queue is not None:
            self._write_queue(self._queue, offset, value)

    def _accept(self, value: int) -> None:
        word = self._feature_select[1]
        if word < 2 and not self.status & _FEATURES_OK:
            kept = self.accepted & ~(virtio.WORD << _WORD * word)
            self.accepted = kept | (value & _word_of(self._offered, word)) << _WORD * word

    def _write_status(self, value: int) -> None:
        if not value:
            self.reset()
            return
        value = value & pci.BYTE & ~_NEEDS_RESET | self.status & _NEEDS_RESET
        if self.accepted & _DEMANDED != _DEMANDED:
            value &= ~_FEATURES_OK
        begins = value & _DRIVER_OK & ~self.status
        self.status = value
        if begins:
            self.commanded()

    def _write_queue(self, queue: Queue, offset: int, value: int) -> None:
        if queue.enabled:
            return  # 4.1.4.3.2: not to be changed any more
        if offset in _ADDRESSES:
            name, half = _ADDRESSES[offset]
            kept = getattr(queue, name) & ~(virtio.WORD << _WORD * half)
            setattr(queue, name, kept | value << _WORD * half)
        elif offset == _At.QUEUE_SIZE:
            is_power = 0 < value <= queue.largest and not value & value - 1
            queue.size = value if is_power else queue.size
        elif offset == _At.QUEUE_ENABLE and value == 1:
            queue.indirect = bool(self.accepted >> virtio.INDIRECT_DESCRIPTORS & 1)
            queue.event_index = bool(self.accepted >> virtio.EVENT_INDEX & 1)
            queue.enabled = True

    # ---- The same registers through configuration space. 4.1.4.9

    def _access_capability(self) -> int:
        """Where the PCI access capability stands; its fields are made writable."""
        at = self.space[pci.CapabilitiesPointer.offset]
        while self.space[at + 3] != virtio.PCI_ACCESS:
            at = self.space[at + 1]
        first, end = at + virtio.PCI_ACCESS_BAR, at + virtio.PCI_ACCESS_SIZE
        self._writable[first] = pci.BYTE
        first = at + virtio.PCI_ACCESS_OFFSET
        self._writable[first:end] = bytes([pci.BYTE]) * (end - first)
        return at

    def _accessed(self) -> tuple[int, int] | None:
        """Offset and size in the BAR that the capability names; None if it may not be."""
        at = self._access
        word = partial(super().read_configuration, size=4)
        offset, size = word(at + virtio.PCI_ACCESS_OFFSET), word(at + virtio.PCI_ACCESS_LENGTH)
        is_sound = size in (1, 2, 4) and offset % size == 0 and offset < virtio.BAR_SIZE
        return (offset, size) if is_sound and not self.space[at + virtio.PCI_ACCESS_BAR] else None

    def read_configuration(self, offset: int, size: int) -> int:
        """Configuration space; the access capability's data is read from the BAR."""
        if offset == self._access + virtio.PCI_ACCESS_DATA:
            place = self._accessed()
            if place is not None:
                value = self.read_bar(0, *place)
                self.space[offset : offset + 4] = value.to_bytes(4, "little")
        return super().read_configuration(offset, size)

    def write_configuration(self, offset: int, size: int, value: int) -> None:
        """Configuration space; the access capability's data is written to the BAR."""
        super().write_configuration(offset, size, value)
        if offset == self._access + virtio.PCI_ACCESS_DATA:
            place = self._accessed()
            if place is not None:
                self.write_bar(0, *place, value & (1 << 8 * place[1]) - 1)


def _word_of(features: int, word: int) -> int:
    return features >> _WORD * word & virtio.WORD if word < 2 else 0


def _capabilities(configuration: int) -> tuple[bytes, ...]:
    """Where the areas are. Offsets and lengths in bytes."""
    plain = virtio.CAPABILITY.size
    vendor = virtio.VENDOR_SPECIFIC

    def area(kind: int, offset: int, length: int, size: int = plain) -> bytes:
        return virtio.CAPABILITY.pack(vendor, 0, size, kind, 0, 0, offset, length)

    notify = area(
        virtio.NOTIFY, virtio.NOTIFY_AT, virtio.AREA_SIZE, virtio.NOTIFY_CAPABILITY_SIZE
    )
    multiplier = virtio.NOTIFY_MULTIPLIER.to_bytes(4, "little")
    return (
        area(virtio.COMMON, virtio.COMMON_AT, virtio.Common.SIZE),
        area(virtio.INTERRUPT_STATUS, virtio.INTERRUPT_AT, 1),
        area(virtio.DEVICE, virtio.DEVICE_AT, configuration),
        notify + multiplier,
        area(virtio.PCI_ACCESS, 0, 0, virtio.PCI_ACCESS_SIZE) + bytes(4),
    )
