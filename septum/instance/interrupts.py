"""How do a device's interrupts reach its owner? Eventfds from VFIO to KVM, and the routes.

Nothing of ours runs when one is delivered: VFIO signals an eventfd, KVM's irqfd raises the
vector. We are asked only when the owner changes a message or a mask. A masked vector is
disconnected: what arrives stays counted in the eventfd and is delivered when it is connected
again, as a pending bit would be.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from septum.engine.kvm.machine import VirtualMachine
from septum.engine.kvm.routing import entries
from septum.errors import explained
from septum.host.vfio import Device
from septum.interrupts.routes import Message, Numbers
from septum.layouts import vfio


class Vector(NamedTuple):
    """One message-signalled vector of a device, as connected now."""

    gsi: int
    event: int


class Routes:
    """The one routing table of an instance; each device changes its own messages in it."""

    def __init__(self, machine: VirtualMachine) -> None:
        self.machine = machine
        self.numbers = Numbers()
        self._messages: dict[int, Message] = {}
        machine.route(entries(()))

    def set(self, message: Message) -> None:
        """Add or change one message; nothing when it is there already."""
        if self._messages.get(message.gsi) != message:
            self._messages[message.gsi] = message
            self.machine.route(entries(self._messages.values()))

    def message(self, gsi: int) -> Message | None:
        return self._messages.get(gsi)


class DeviceInterrupts:
    """The interrupts of one owned device: the line, or MSI, or MSI-X; one kind at a time."""

    def __init__(self, device: Device, routes: Routes, line_gsi: int) -> None:
        self.device = device
        self.routes = routes
        self.line_gsi = line_gsi  # 0: it has no line
        self.kind = -1  # VFIO's index of the kind in use, -1 none
        self._line: tuple[int, int] | None = None  # trigger, unmask
        self._vectors: dict[int, list[Vector]] = {}  # by kind, made once
        self._count = 0  # vectors of the kind in use
        self._connected: set[int] = set()  # vectors of the kind in use that reach the guest

    def close(self) -> None:
        """Disconnect all; the device can interrupt nobody any more."""
        self.use_nothing()
        for vectors in self._vectors.values():
            for vector in vectors:
                os.close(vector.event)
        for event in self._line or ():
            os.close(event)

    def use_line(self) -> None:
        """INTx, level-triggered: masked by VFIO when it fires, unmasked at end of interrupt."""
        if self.kind == vfio.PCI_INTX_IRQ or not self.line_gsi:
            return
        self.use_nothing()
        if self._line is None:
            self._line = (_eventfd(), _eventfd())
        trigger, unmask = self._line
        self.routes.machine.irqfd(trigger, self.line_gsi, resample=unmask)
        self.kind = vfio.PCI_INTX_IRQ
        # The trigger first: VFIO refuses an unmask eventfd for a line that is not in use.
        self.device.connect(vfio.PCI_INTX_IRQ, [trigger])
        self.device.connect_unmask(vfio.PCI_INTX_IRQ, unmask)

    def use_messages(self, kind: int, count: int) -> None:
        """MSI or MSI-X with `count` vectors; none reaches the guest before connect()."""
        if (self.kind, self._count) == (kind, count):
            return
        self.use_nothing()
        vectors = self._vectors.get(kind, [])
        if len(vectors) < count:
            gsis = self.routes.numbers.take(count - len(vectors))
            vectors = [*vectors, *(Vector(gsi, _eventfd()) for gsi in gsis)]
            self._vectors[kind] = vectors
        self.device.connect(kind, [vector.event for vector in vectors[:count]])
        self.kind, self._count = kind, count

    def use_line_or_nothing(self) -> None:
        """No messages: the line, when the function has one."""
        if self.kind != vfio.PCI_INTX_IRQ:
            self.use_nothing()
            self.use_line()

    def use_nothing(self) -> None:
        """As after reset: no interrupts."""
        if self.kind < 0:
            return
        for number in sorted(self._connected):
            self.mask(number)
        if self.kind == vfio.PCI_INTX_IRQ and self._line is not None:
            self.routes.machine.irqfd_off(self._line[0], self.line_gsi)
        kind, self.kind, self._count = self.kind, -1, 0
        self.device.disconnect(kind)

    def connect(self, number: int, address: int, data: int) -> None:
        """Let a vector of the kind in use reach the guest as this message."""
        vector = self._vectors[self.kind][number]
        self.routes.set(Message(vector.gsi, address, data))
        if number not in self._connected:
            self.routes.machine.irqfd(vector.event, vector.gsi)
            self._connected.add(number)

    def mask(self, number: int) -> None:
        """Keep a vector of the kind in use from the guest."""
        if number in self._connected:
            vector = self._vectors[self.kind][number]
            self.routes.machine.irqfd_off(vector.event, vector.gsi)
            self._connected.discard(number)

    def handler(self, number: int) -> Message | None:
        """The message a connected vector of the kind in use is delivered as."""
        if number not in self._connected:
            return None
        return self.routes.message(self._vectors[self.kind][number].gsi)

    @property
    def connected(self) -> tuple[int, ...]:
        return tuple(sorted(self._connected))


def _eventfd() -> int:
    with explained("cannot connect an interrupt", {errno.EMFILE: "raise ulimit -n"}):
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    raise AssertionError  # explained() raises
