"""How do a device's interrupts reach its owner? Eventfds from VFIO to KVM, and the routes.

Nothing of ours runs when one is delivered: VFIO signals an eventfd, KVM's irqfd raises the
vector. We are asked only when the owner changes a message or a mask, and ask the interrupt table
whether it may. A masked vector is disconnected: what arrives stays counted in the eventfd and is
delivered when it is connected again, as a pending bit would be.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress

from septum.engine.kvm.machine import VirtualMachine
from septum.engine.kvm.routing import RoutingTable
from septum.errors import HostProblem, Problem, explained
from septum.host.processes import more_files
from septum.host.vfio import Device
from septum.interrupts import table as words
from septum.interrupts.counted import Counted, added_up, counts
from septum.interrupts.routes import Numbers, RoutedMessage
from septum.interrupts.table import InterruptTable, Own, Refused
from septum.layouts import vfio
from septum.machine.model import Function
from septum.partitions.model import Partition
from septum.units import PciAddress

_KINDS = {vfio.PCI_MSI_IRQ: words.MSI, vfio.PCI_MSIX_IRQ: words.MSIX}
_NAMES = {vfio.PCI_MSI_IRQ: "vfio-msi", vfio.PCI_MSIX_IRQ: "vfio-msix"}
_NOBODY = -1  # in place of an eventfd
_BELOW = "Linux, below the VMM"
# What the machine's processors request goes to its Linux, whose words for it these are.
_OWN = {
    words.NMI: Own("processors", _BELOW, "NMI", is_counted=False),
    words.MACHINE_CHECK: Own("processors", _BELOW, "MCE", is_counted=False),
    words.TIMER: Own("local APIC timers", _BELOW, "LOC", is_counted=False),
    words.INTERPROCESSOR: Own("processors", _BELOW, "RES+CAL+TLB", is_counted=False),
    words.CYCLE_COUNTER: Own("performance counters", _BELOW, "PMI", is_counted=False),
}
_PLAYED = (
    ("GSI 4", Own("serial 1", "emulated 16550A", is_counted=False)),
    ("GSI 0", Own("PIT", "emulated by KVM", is_counted=False)),
    ("LVT timer", Own("local APIC timer", "emulated by KVM", is_counted=False)),
    ("IPI", Own("interprocessor", "emulated by KVM", is_counted=False)),
    ("GSI 9", Own("ACPI SCI", "emulated power button", is_counted=False)),
)


def table_of(partition: Partition, functions: tuple[Function, ...]) -> InterruptTable:
    """The interrupt table as far as one instance is concerned: KVM delivers all that is its."""
    table = InterruptTable((partition,), functions, _OWN, delivery=words.DELIVER)
    for request, own in _PLAYED:
        table.keep(request, own, partition.name)
    return table


def counted(text: str) -> dict[str, Counted]:
    """What Linux counted, by the lines of the table. `text` is that of /proc/interrupts."""
    found = counts(text)
    for own in _OWN.values():
        total = added_up(found, own.line.split("+"))
        if total is not None:
            found[own.line] = total
    return found


class Vector:
    """One message-signalled vector of a device: its eventfd, and its GSI once it was connected."""

    __slots__ = ("event", "gsi")

    def __init__(self, event: int) -> None:
        self.event = event
        self.gsi = 0


class Routes:
    """The one routing table of an instance; each device changes its own messages in it."""

    def __init__(
        self,
        machine: VirtualMachine,
        table: InterruptTable,
        name: str,
        say: Callable[[str], None],
    ) -> None:
        self.machine = machine
        self.table = table
        self.name = name  # the instance's
        self.say = say
        self.numbers = Numbers()
        self._messages: dict[int, RoutedMessage] = {}
        self._table = RoutingTable()
        machine.route(self._table)

    def set(self, message: RoutedMessage) -> None:
        """Add or change one message; nothing when it is there already."""
        if self._messages.get(message.gsi) != message:
            self._messages[message.gsi] = message
            self._table.put(message)
            self.machine.route(self._table)


class DeviceInterrupts:
    """The interrupts of one owned device: the line, or MSI, or MSI-X; one kind at a time."""

    def __init__(self, device: Device, routes: Routes, line_gsi: int) -> None:
        self.device = device
        self.routes = routes
        self.address = PciAddress.parse(device.address)
        # 0: it has no line; VFIO's word counts (some devices' pins are known not to work).
        self.line_gsi = line_gsi if device.interrupts[vfio.PCI_INTX_IRQ].vectors else 0
        self.kind = -1  # VFIO's index of the kind in use, -1 none
        self.line_changed: Callable[[], None] = lambda: None  # it is heard now, or no more
        self._line: tuple[int, int] | None = None  # trigger, unmask
        self._vectors: dict[int, dict[int, Vector]] = {}  # by kind and number, made once
        self._asked = 0  # vectors of the kind in use, as its owner asked for
        self._signalled: set[int] = set()  # of these, what VFIO signals
        self._connected: set[int] = set()  # of these, what reaches the guest
        self._said: set[str] = set()
        if line_gsi and not self.line_gsi:
            self._say_once(f"{self.address} has no interrupt line that works: it goes on without")

    def close(self) -> None:
        """Disconnect all; the device can interrupt nobody any more."""
        self.use_nothing()
        for vectors in self._vectors.values():
            for vector in vectors.values():
                os.close(vector.event)
        self._vectors.clear()
        for event in self._line or ():
            os.close(event)
        self._line = None

    # ---- the line

    def use_line(self) -> None:
        """INTx, level-triggered: masked by VFIO when it fires, unmasked at end of interrupt.

        When Linux refuses it the device goes on without: its driver may want messages anyway.
        """
        if self.kind == vfio.PCI_INTX_IRQ or not self.line_gsi:
            return
        self.use_nothing()
        name, handler = f"vfio-intx({self.address})", f"GSI {self.line_gsi}, level"
        answer = self.routes.table.connect_line(self.routes.name, self.address, name, handler)
        if isinstance(answer, Refused):
            self._say_once(f"the line of {self.address} is not connected: {answer.why}")
            return
        try:
            self._connect_line()
        except HostProblem as problem:
            self.routes.table.forget(self.address)
            self._say_once(f"{self.address} goes on without its interrupt line: {problem}")

    def _connect_line(self) -> None:
        if self._line is None:
            self._line = (_eventfd(), _eventfd())
        trigger, unmask = self._line
        machine, device = self.routes.machine, self.device
        machine.irqfd(trigger, self.line_gsi, resample=unmask)
        try:
            # The trigger first: VFIO refuses an unmask eventfd for a line that is not in use.
            device.connect(vfio.PCI_INTX_IRQ, [trigger])
        except HostProblem:
            machine.irqfd_off(trigger, self.line_gsi)
            raise
        self.kind = vfio.PCI_INTX_IRQ
        try:
            device.connect_unmask(vfio.PCI_INTX_IRQ, unmask)
        except HostProblem:
            self.use_nothing()
            raise
        self.line_changed()

    def use_line_or_nothing(self) -> None:
        """No messages: the line, when the function has one."""
        if self.kind != vfio.PCI_INTX_IRQ:
            self.use_nothing()
            self.use_line()

    def use_nothing(self) -> None:
        """As after reset: no interrupts."""
        self.routes.table.forget(self.address)
        if self.kind < 0:
            return
        for number in sorted(self._connected):
            self._disconnect(number)
        if self.kind == vfio.PCI_INTX_IRQ and self._line is not None:
            self.routes.machine.irqfd_off(self._line[0], self.line_gsi)
        kind, self.kind, self._asked = self.kind, -1, 0
        self._signalled.clear()
        if kind == vfio.PCI_INTX_IRQ:
            with suppress(HostProblem):  # a device that is gone says nothing anyway
                self.line_changed()
        self.device.disconnect(kind)

    # ---- messages

    def use_messages(self, kind: int, count: int) -> None:
        """MSI or MSI-X with `count` vectors; none reaches the guest before connect()."""
        if (self.kind, self._asked) == (kind, count):
            return
        self.use_nothing()
        if self.device.interrupts[kind].one_by_one:
            # Linux gives each vector when its owner first unmasks it, and none before.
            self.device.connect(kind, [_NOBODY])
        else:
            self._signal_all(kind, count)
        self.kind, self._asked = kind, count

    def _signal_all(self, kind: int, count: int) -> None:
        """Have VFIO signal all vectors of a kind; fewer, when Linux has no more to give."""
        vectors: list[Vector] = []
        why = "Linux has no more to give"
        try:
            for number in range(min(count, self.device.interrupts[kind].vectors)):
                vectors.append(self._vector(kind, number))
        except HostProblem as problem:
            if not vectors:
                raise
            why = f"{problem.because}, and {problem.remedy}"
        events = [vector.event for vector in vectors]
        done = self.device.connect(kind, events)
        if done < 0:
            done = self.device.connect(kind, events[:-done])
        if done <= 0:
            raise HostProblem(
                f"{self.address} cannot use {_KINDS[kind]}", because="Linux has no vectors for it"
            )
        self._signalled.update(range(done))
        if done < count:
            self._say_once(f"{self.address} has {done} of its {count} vectors: {why}")

    def connect(self, number: int, address: int, data: int) -> None:
        """Let a vector of the kind in use reach the guest as this message, if it may."""
        table, name = self.routes.table, self._name(number)
        kind, message = _KINDS[self.kind], (address, data)
        answer = table.connect_message(self.routes.name, self.address, kind, number, name, message)
        if isinstance(answer, Refused):
            self._disconnect(number)
            return
        try:
            reaches = self._connect(number, address, data)
        except Problem:
            table.withdraw(name)
            raise
        if not reaches:
            table.withdraw(name)

    def _connect(self, number: int, address: int, data: int) -> bool:
        """Whether Linux has this vector to give."""
        if number not in self._signalled:
            if not self.device.interrupts[self.kind].one_by_one:
                return False
            self.device.connect(self.kind, [self._vector(self.kind, number).event], number)
            self._signalled.add(number)
        vector = self._vector(self.kind, number)
        if not vector.gsi:
            vector.gsi = self.routes.numbers.take(1)[0]
        self.routes.set(RoutedMessage(vector.gsi, address, data))
        if number not in self._connected:
            self.routes.machine.irqfd(vector.event, vector.gsi)
            self._connected.add(number)
        return True

    def mask(self, number: int) -> None:
        """Keep a vector of the kind in use from the guest."""
        self.routes.table.withdraw(self._name(number))
        self._disconnect(number)

    def _disconnect(self, number: int) -> None:
        if number in self._connected:
            vector = self._vectors[self.kind][number]
            self.routes.machine.irqfd_off(vector.event, vector.gsi)
            self._connected.discard(number)

    def _vector(self, kind: int, number: int) -> Vector:
        vectors = self._vectors.setdefault(kind, {})
        if number not in vectors:
            vectors[number] = Vector(_eventfd())
        return vectors[number]

    def _name(self, number: int) -> str:
        """What Linux calls one of its interrupts, in /proc/interrupts."""
        return f"{_NAMES[self.kind]}[{number}]({self.address})"

    def _say_once(self, text: str) -> None:
        """Its owner can make the same happen as often as it likes."""
        if text not in self._said:
            self._said.add(text)
            self.routes.say(text)


def _eventfd() -> int:
    """One more; where this process may have no more files, as many as it may be let have."""
    try:
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EMFILE:
            more_files()
    with explained("cannot connect an interrupt", {errno.EMFILE: "ulimit -Hn may be raised"}):
        return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    raise AssertionError  # explained() raises
