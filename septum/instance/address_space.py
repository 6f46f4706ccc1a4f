"""Who answers for each address of an instance, and what is installed of it? Its ports and memory.

The maps and the leases decide; here is done what they say: a memory slot for what its processors
may reach, an IOMMU mapping for what its devices may, and both undone when they are taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from septum.engine.kvm.machine import VirtualMachine
from septum.errors import HostProblem, Problem
from septum.host.vfio import Container, Device
from septum.memory.slices import Slice
from septum.translation.leases import DEVICES, PROCESSOR, SIDES, Cut, Lease, Leases, leased
from septum.translation.pci_config import BarState
from septum.translation.physical import (
    Access,
    Memory,
    PhysicalMap,
    Region,
    Registers,
    memory,
    played,
)
from septum.translation.placing import Placement, Regions
from septum.translation.verdict import Emulate
from septum.units import PAGE, PciAddress, Span

HELD_BACK = Emulate(0, "held back: every access is traced")


class AddressSpace:
    """Ports, memory and leases of one instance."""

    def __init__(self, machine: VirtualMachine, say: Callable[[str], None]) -> None:
        self.machine = machine
        self.say = say
        self.ports = PhysicalMap(1)
        self.memory = PhysicalMap(PAGE)
        self.leases = Leases()
        self.emulated: dict[str, int] = {}  # accesses to registers that stayed trapped, by owner
        self._placement = Placement(self.memory, self.ports)
        self._held_back: set[tuple[PciAddress, int | None]] = set()
        self._slots: dict[Span, int] = {}
        self._memory_at = 0  # of its slice, in this process
        self._devices: dict[PciAddress, Device] = {}
        self._container: Container | None = None
        self._told: set[tuple[str, str]] = set()

    # ---- what stands there

    def give_memory(self, own: Slice, host: int) -> None:
        """Its slice, which lies at `host` in this process in one piece; all of it is leased."""
        self._memory_at = host
        for region in memory(own):
            self.memory.place(region)
            self._grant(region, (PROCESSOR,))

    def join(self, container: Container) -> None:
        """From now on its devices reach what it holds, through this IOMMU map."""
        self._container = container
        for region in self.memory.regions:
            if isinstance(region.what, Memory):
                self._grant(region, (DEVICES,))

    def play(self, span: Span, by: str, access: Access) -> None:
        """Something of the VMM's at guest-physical addresses."""
        self.memory.place(played(span, by, access))

    # ---- registers of its functions

    def withdraw(self, function: PciAddress, bars: Sequence[BarState]) -> None:
        """BARs that are not so (any longer) answer no more; what led there is taken away."""
        for region in self._placement.withdraw(function, bars):
            self._remove(self.leases.drop(self.memory.pages_of(region.span)))
            self.memory.let_go(region.span)

    def place(
        self, device: Device, function: PciAddress, bars: Sequence[BarState], regions_of: Regions
    ) -> None:
        """Let BARs answer where their owner has put them, and be reached without a trap."""
        self._devices[function] = device
        placed = self._placement.place(function, bars, regions_of)
        for bar, why in placed.refused:
            self.say(f"{function} BAR {bar.index} is not placed: {why}")
        for region in placed.regions:
            if isinstance(region.what, Registers) and self._is_held_back(region.what):
                self.memory.withhold(region.span, HELD_BACK)
            self._grant(region, SIDES)

    def touch(self, address: int) -> None:
        """A trapped access to registers: judged, and leased if that is well."""
        if self.leases.covers(address) is not None:
            return  # another processor's touch came first, while this one was on its way here
        region = self.memory.find(address)
        if region is None:
            return
        if self.memory.judge(address).granted:
            self._grant(region, SIDES, address)
        else:
            self.emulated[region.owner] = self.emulated.get(region.owner, 0) + 1

    def revoke(self, function: PciAddress, bar: int | None, hold_back: bool = False) -> list[Lease]:
        """Take back what leads to a function's registers, or to one BAR's, from both sides.

        The next access traps and is judged anew; with `hold_back` all do, until let_go().
        """
        if hold_back:
            self._held_back.add((function, bar))
        taken = []
        for region in self._placement.of(function, bar):
            if hold_back:
                self.memory.withhold(region.span, HELD_BACK)
            cuts = self.leases.revoke(self.memory.pages_of(region.span))
            self._remove(cuts)
            taken += [cut.taken for cut in cuts]
        return taken

    def is_traced(self, function: PciAddress, bar: int | None) -> bool:
        """Whether revoke() held back just these registers, and let_go() did not follow yet."""
        return (function, bar) in self._held_back

    def let_go(self, function: PciAddress, bar: int | None) -> None:
        """Judge accesses to these registers by what stands there again."""
        self._held_back.discard((function, bar))
        for region in self._placement.of(function, bar):
            self.memory.let_go(region.span)

    def _is_held_back(self, what: Registers) -> bool:
        return not self._held_back.isdisjoint(((what.function, what.bar), (what.function, None)))

    # ---- installing and removing

    def _grant(self, region: Region, sides: tuple[str, ...], touched: int | None = None) -> None:
        """Lease what the verdicts on a region let; of it the run that was touched, if one was."""
        span = region.span if touched is None else Span(touched, 1)
        for judgement in list(self.memory.judged(span)):
            if judgement.region is not region:
                continue
            for side in sides:
                whole = leased(judgement, side)
                for lease in self.leases.missing(whole) if whole is not None else ():
                    if not self._installed(lease):
                        return
                    self.leases.grant(lease)

    def _installed(self, lease: Lease) -> bool:
        """Memory must be; registers that Linux will not map are forwarded, access by access."""
        if lease.side == DEVICES and self._container is None:
            return False
        try:
            self._install(lease)
        except HostProblem as problem:
            if isinstance(lease.what, Memory):
                raise
            use = "mapped" if lease.side == PROCESSOR else "reached by its owner's devices"
            if (lease.owner, use) not in self._told:  # an owner may switch decoding as it likes
                self._told.add((lease.owner, use))
                self.say(f"{lease.owner} is not {use}: {problem}")
            if lease.side == PROCESSOR:
                self.memory.withhold(lease.span, Emulate(0, "Linux does not let it be mapped"))
            return False
        return True

    def _install(self, lease: Lease) -> None:
        span, what = lease.span, lease.what
        if isinstance(what, Memory):
            host = self._memory_at + what.offset
        elif isinstance(what, Registers):
            host = self._devices[what.function].mapped(what.bar) + what.offset
        else:
            raise Problem(f"{lease.owner} has nothing to map")
        if lease.side == PROCESSOR:
            self._slots[span] = self.machine.map(span.start, span.size, host)
        elif self._container is not None:
            self._container.map(host, span.start, span.size)

    def _remove(self, cuts: Iterable[Cut]) -> None:
        """Undo what was installed, and install again what stays of it."""
        for cut in cuts:
            span = cut.lease.span
            if cut.lease.side == PROCESSOR:
                self.machine.unmap(self._slots.pop(span))
            elif self._container is not None:
                self._container.unmap(span.start, span.size)
            for left in cut.left:
                self._install(left)
