"""Who answers for each address of an instance? Its ports and its guest-physical addresses.

Holds the two trap maps and the leases; installs a lease at the first touch of a BAR and takes
it back when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from septum.engine.kvm.machine import VirtualMachine
from septum.errors import HostProblem
from septum.host.vfio import Device
from septum.translation.leases import Lease, Leases, Window, judge
from septum.translation.pci_config import BarState
from septum.translation.trap_map import TrapMap
from septum.units import PciAddress, Span

BarRead = Callable[[int, int, int], int]  # (BAR, offset, width) -> value
BarWrite = Callable[[int, int, int, int], None]


class AddressSpace:
    """Ports, windows and leases of one instance."""

    def __init__(self, machine: VirtualMachine, ram: Iterable[Span], say: Callable[[str], None]):
        self.machine = machine
        self.say = say
        self.ports = TrapMap()
        self.memory = TrapMap()
        self.leases = Leases()
        self.emulated: dict[str, int] = {}  # accesses to leasable BARs that stayed trapped
        self._ram = tuple(ram)

    def ports_of(self, address: PciAddress, bar: BarState, read: BarRead, write: BarWrite) -> None:
        """An I/O BAR: KVM cannot map ports, so each access is forwarded."""
        index = bar.index
        self.ports.add(
            bar.span,
            _owner(address, index),
            lambda offset, width: read(index, offset, width),
            lambda offset, width, value: write(index, offset, width, value),
        )

    def window_of(self, window: Window, device: Device, read: BarRead, write: BarWrite) -> None:
        """A memory BAR: leased at its first touch; Problem when something else answers there."""
        for span in self._ram:
            if span.overlaps(window.guest):
                raise HostProblem(f"BAR {window.bar} at {window.guest} overlaps memory")
        bar, start = window.bar, window.guest.start

        def touched_read(offset: int, width: int) -> int:
            self._touch(window, device, start + offset)
            return read(bar, offset, width)

        def touched_write(offset: int, width: int, value: int) -> None:
            self._touch(window, device, start + offset)
            write(bar, offset, width, value)

        self.memory.add(window.guest, _owner(window.function, bar), touched_read, touched_write)

    def forget(self, address: PciAddress, bar: int) -> None:
        """A BAR answers there no longer: its owner moved it or switched decoding off."""
        for slot in self.leases.slots_of(address, bar):
            self.machine.unmap(slot)
            self.leases.drop(slot)
        self.ports.remove(_owner(address, bar))
        self.memory.remove(_owner(address, bar))

    def revoke(self, address: PciAddress | None = None, bar: int | None = None) -> list[Lease]:
        """Take leases back: all, a function's, or a BAR's. The next access traps again."""
        taken = []
        for slot in self.leases.slots_of(address, bar):
            self.machine.unmap(slot)
            taken.append(self.leases.revoke(slot))
        return taken

    def _touch(self, window: Window, device: Device, address: int) -> None:
        """Decide on a trapped access to a BAR; from now on it does not trap if that is well."""
        if self.leases.covers(window.function, window.bar, address):
            return  # another processor's touch came first, while this one was on its way here
        held_back = self.leases.is_held_back(window.function, window.bar)
        judgement = judge(window, address, held_back)
        lease = judgement.lease
        if lease is None:
            owner = _owner(window.function, window.bar)
            self.emulated[owner] = self.emulated.get(owner, 0) + 1
            return
        try:
            host = device.mapped(window.bar) + lease.offset
            slot = self.machine.map(lease.guest.start, lease.guest.size, host)
        except HostProblem as problem:
            self.say(f"{window.function} BAR {window.bar} is not mapped: {problem}")
            self.leases.hold_back(window.function, [window.bar])
            return
        self.leases.install(slot, lease)


def _owner(address: PciAddress, bar: int) -> str:
    return f"{address} BAR {bar}"
