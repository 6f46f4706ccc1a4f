"""What happens when an instance touches a function it owns? One object a function.

Configuration accesses are carried out by their verdicts (story 2); BARs are leased while they are
decoded (story 3); the MSI-X table stays trapped.
"""

from __future__ import annotations

from collections.abc import Iterator

from septum.errors import HostProblem, Problem
from septum.host.vfio import Device
from septum.instance.address_space import AddressSpace
from septum.instance.interrupts import DeviceInterrupts
from septum.interrupts.msix import Change, MsixTable
from septum.layouts import pci, vfio
from septum.machine.model import Bar, Function
from septum.translation.carried import CarriedOut, Read, Write
from septum.translation.pci_config import BarState, ConfigurationSpace, Effect
from septum.translation.physical import Access, Region, Registers, played, registers, split
from septum.translation.verdict import all_ones
from septum.units import PciAddress, Span, align_up

_TABLE = "interrupt table"
_PENDING = "its page is beside the interrupt table"


class OwnedFunction:
    """One exposed function of a running instance: as the instance sees it, and `at` the machine."""

    def __init__(
        self,
        function: Function,
        device: Device,
        interrupts: DeviceInterrupts,
        space: AddressSpace,
        at: PciAddress | None = None,
    ) -> None:
        self.function = function
        self.at = at or function.address
        self.device = device
        self.interrupts = interrupts
        self.space = space
        configuration = device.configuration()
        self._require_the_same(configuration)
        self.configuration = ConfigurationSpace(function, configuration, interrupts.line_gsi)
        msix = self.configuration.msix
        self.msix_table = MsixTable(msix.vectors) if msix is not None else None
        self._after = {
            Effect.COMMAND: self.place_bars,
            Effect.BAR: self.place_bars,
            Effect.MSI: self._messages_changed,
            Effect.MSIX: self._messages_changed,
            Effect.RESET: self.reset,
        }
        self.carried = CarriedOut(
            self.configuration,
            lambda offset, width: device.read(vfio.PCI_CONFIG_REGION, offset, width),
            self._configure,
            self._before_it_is_written,
            self._after_it_is_written,
        )
        # How a probe is answered (discovery.responder.Space).
        self.read, self.write = self.carried.read, self.carried.write
        interrupts.line_changed = self._write_command

    def _require_the_same(self, configuration: bytes) -> None:
        """What VFIO lets us touch is what the inventory has: no other card, no resized one."""
        function = self.function
        identity = pci.Identity(int.from_bytes(configuration[:4], "little"))
        known = function.device << pci.VendorId.width | function.vendor
        if identity == all_ones(len(configuration[:4])):
            raise HostProblem(
                f"nothing answers at {self.at}",
                because="its configuration space reads all ones, as when a card is not there",
                remedy="seat it anew, or switch the machine off and on: a reset left it so",
            )
        if identity != known:
            raise HostProblem(
                f"another card stands at {self.at}",
                because=f"it was {known:08x}, device and vendor, and is {identity:08x}",
                remedy="look again: septum scan; then start it again",
            )
        for bar in function.bars:
            there = self.device.regions[bar.index].size
            if there != bar.span.size:
                raise HostProblem(
                    f"BAR {bar.index} of {self.at} is not what it was",
                    because=f"it had {bar.span.size} bytes, and VFIO offers {there}",
                    remedy="look again: septum scan; then start it again",
                )

    # ---- configuration space (story 2)

    def _before_it_is_written(self, effect: Effect) -> None:
        """What the owner switches off or moves is out of reach before the device obeys."""
        if effect in (Effect.COMMAND, Effect.BAR):
            self.space.withdraw(self.at, self._answering())

    def _after_it_is_written(self, effect: Effect) -> None:
        try:
            self._after[effect]()
        except Problem as problem:
            self._say(problem)

    def reset(self) -> None:
        """As a function-level reset leaves it: nothing decoded, no interrupts, no leases."""
        try:
            self.interrupts.use_nothing()
            self.space.withdraw(self.at, ())
            if self.device.can_reset:
                self.device.reset()
        finally:
            self.configuration.reset()
            # VFIO restores what it saved before the reset: decoding, perhaps bus mastering.
            self._write_command()
            if self.msix_table is not None:
                self.msix_table.reset()
            self.place_bars()
            self.interrupts.use_line()

    def _configure(self, offset: int, width: int, value: int) -> None:
        """Write a register of the device; its line stays silent while nobody hears it."""
        if self.interrupts.kind != vfio.PCI_INTX_IRQ:
            value |= _silent_line(offset, width)
        self.device.write(vfio.PCI_CONFIG_REGION, offset, width, value)

    def _write_command(self) -> None:
        """The device's command register, as its owner wants it."""
        self._configure(pci.Command.offset, 2, int(self.configuration.command))

    # ---- base address registers (story 3)

    def place_bars(self) -> None:
        """Let the BARs answer where their owner has put them now."""
        bars = self._answering()
        self.space.withdraw(self.at, bars)
        self.space.place(self.device, self.at, bars, self._regions_of)

    def _answering(self) -> tuple[BarState, ...]:
        return tuple(bar for bar in self.configuration.bars if bar.enabled)

    def _regions_of(self, bar: BarState) -> list[Region]:
        """A BAR, divided where the interrupt table or its pending bits stand in it."""
        index, start = bar.index, bar.span.start
        machine = next(one for one in self.function.bars if one.index == index)
        if bar.kind == "io":
            what = Registers(self.at, index)
            closed = "KVM cannot map ports"
            access = split(start, *self._forwarded(index))
            return [registers(bar.span, what, machine.span.start, access, closed=closed)]
        return list(self._divided(bar, machine))

    def _divided(self, bar: BarState, machine: Bar) -> Iterator[Region]:
        start, end, at = bar.span.start, bar.span.size, 0
        can_map = self.device.regions[bar.index].can_map
        closed = "" if can_map else "the host does not let this BAR be mapped"
        for span, by in (*self._trapped(bar.index), (Span(end, 0), "")):
            if span.start > at:
                part = Span(start + at, span.start - at)
                yield self._registers(part, bar, machine, closed)
            if by == _TABLE:
                name = f"{_TABLE} of {self.at}"
                yield played(Span(start + span.start, span.size), name, self._table_access(start))
            elif by:
                yield self._registers(Span(start + span.start, span.size), bar, machine, by)
            at = span.end

    def _registers(self, span: Span, bar: BarState, machine: Bar, closed: str) -> Region:
        offset = span.start - bar.span.start
        # VFIO lets a BAR smaller than a page be mapped where nothing else lies in that page.
        alone = span == bar.span and not closed
        what = Registers(self.at, bar.index, offset)
        there = machine.span.start + offset
        return registers(span, what, there, self._touched(bar), closed=closed, alone=alone)

    def _touched(self, bar: BarState) -> Access:
        """An access that trapped: judged, and done for the owner meanwhile."""
        forwarded = split(bar.span.start, *self._forwarded(bar.index))

        def access(address: int, width: int, value: int | None) -> int:
            self.space.touch(address)
            return forwarded(address, width, value)

        return access

    def _forwarded(self, bar: int) -> tuple[Read, Write]:
        device = self.device
        return (
            lambda offset, width: device.read(bar, offset, width),
            lambda offset, width, value: device.write(bar, offset, width, value),
        )

    def _trapped(self, bar: int) -> list[tuple[Span, str]]:
        """What of a BAR must stay trapped, in order: the MSI-X table, and the bits behind it."""
        msix = self.configuration.msix
        if msix is None or self.msix_table is None:
            return []
        spans = []
        if msix.table_bar == bar:
            spans.append((Span(msix.table_offset, self.msix_table.size), _TABLE))
        if msix.pba_bar == bar:
            spans.append((Span(msix.pba_offset, align_up(msix.vectors, 64) // 8), _PENDING))
        return sorted(spans)

    def _table_access(self, start: int) -> Access:
        """The table as the owner wrote it; the machine's own has what the host wants."""
        table, msix = self.msix_table, self.configuration.msix
        assert table is not None and msix is not None
        first = start + msix.table_offset

        def access(address: int, width: int, value: int | None) -> int:
            if value is None:
                return table.read(address - first, width)
            for change in table.write(address - first, width, value):
                try:
                    self._vector_changed(change)
                except Problem as problem:
                    self._say(problem)
            return 0

        return access

    # ---- interrupts (story 4)

    def _vector_changed(self, change: Change) -> None:
        msix = self.configuration.msix
        if msix is None or self.interrupts.kind != vfio.PCI_MSIX_IRQ:
            return
        if change.masked or msix.masked:
            self.interrupts.mask(change.vector)
        else:
            self.interrupts.connect(change.vector, change.address, change.data)

    def _messages_changed(self) -> None:
        msix, msi = self.configuration.msix, self.configuration.msi
        if msix is not None and msix.enabled and self.msix_table is not None:
            self.interrupts.use_messages(vfio.PCI_MSIX_IRQ, msix.vectors)
            for vector in range(msix.vectors):
                self._vector_changed(self.msix_table.entry(vector))
        elif msi is not None and msi.enabled:
            self.interrupts.use_messages(vfio.PCI_MSI_IRQ, msi.vectors)
            for vector in range(msi.vectors):
                if msi.mask >> vector & 1:
                    self.interrupts.mask(vector)
                else:
                    # Consecutive messages: the low bits of data count. PCI 3.0, 6.8.1.6.
                    self.interrupts.connect(vector, msi.address, msi.data | vector)
        else:
            self.interrupts.use_line_or_nothing()

    def _say(self, problem: Problem) -> None:
        """Linux would not do what the owner's write asks for: the owner goes on without it."""
        self.space.say(f"{self.at}: {problem}")

    # ---- giving it back

    def quiet(self) -> None:
        """No more interrupts, no more DMA: before the memory it could write to is freed."""
        try:
            self.interrupts.close()
        finally:
            self._stop_bus_mastering()

    def _stop_bus_mastering(self) -> None:
        command = pci.Command(self.device.read(vfio.PCI_CONFIG_REGION, pci.Command.offset, 2))
        self.device.write(
            vfio.PCI_CONFIG_REGION, pci.Command.offset, 2, int(command.but(bus_master=0))
        )
        if self.device.can_reset:
            try:
                self.device.reset()
            except HostProblem as problem:
                self.space.say(f"{self.at} was not reset: {problem}")


def silence(device: Device) -> None:
    """Let a device's line say nothing, until somebody hears it. PCI 3.0, 6.2.2.

    What nobody fields, Linux takes for a fault of the line: it shuts it, for whoever else is on it.
    """
    command = pci.Command(device.read(vfio.PCI_CONFIG_REGION, pci.Command.offset, 2))
    device.write(
        vfio.PCI_CONFIG_REGION, pci.Command.offset, 2, int(command.but(intx_disable=1))
    )


def _silent_line(offset: int, width: int) -> int:
    """The bits of a write to configuration space that silence the line; none elsewhere."""
    bits = pci.Command.mask("intx_disable") << 8 * pci.Command.offset >> 8 * offset
    return bits & all_ones(width)
