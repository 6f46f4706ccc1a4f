"""What happens when an instance touches a function it owns? One object a function.

Configuration accesses get their verdict from the function's ConfigurationSpace and are carried
out here; BARs are leased at their first touch (story 3); the MSI-X table stays trapped.
"""

from __future__ import annotations

from septum.errors import HostProblem, Problem
from septum.host.vfio import Container, Device
from septum.instance.address_space import AddressSpace
from septum.instance.interrupts import DeviceInterrupts
from septum.interrupts.msix import Change, MsixTable
from septum.layouts import pci, vfio
from septum.machine.model import Function
from septum.translation.leases import Window, open_runs
from septum.translation.pci_config import BarState, ConfigurationSpace, Effect
from septum.translation.verdict import Accept, Emulate, Modify, all_ones
from septum.units import PAGE, Span, align_up


class OwnedFunction:
    """One exposed function of a running instance."""

    def __init__(
        self, function: Function, device: Device, interrupts: DeviceInterrupts, space: AddressSpace
    ) -> None:
        self.function = function
        self.address = function.address
        self.device = device
        self.interrupts = interrupts
        self.space = space
        self.configuration = ConfigurationSpace(
            function, device.configuration(), interrupts.line_gsi
        )
        msix = self.configuration.msix
        self.msix_table = MsixTable(msix.vectors) if msix is not None else None
        self._placed: tuple[BarState, ...] = ()
        self._effects = {
            Effect.COMMAND: self.place_bars,
            Effect.BAR: self.place_bars,
            Effect.MSI: self._messages_changed,
            Effect.MSIX: self._messages_changed,
            Effect.RESET: self.reset,
        }

    # ---- configuration space (story 2)

    def read(self, offset: int, width: int) -> int:
        """A configuration read, carried out."""
        verdict = self.configuration.read(offset, width)
        match verdict:
            case Emulate(value=value):
                return value
            case Accept():
                return self.device.read(vfio.PCI_CONFIG_REGION, offset, width)
            case Modify():
                found = self.device.read(vfio.PCI_CONFIG_REGION, offset, width)
                return self.configuration.merge(offset, width, found)
        return all_ones(width)

    def write(self, offset: int, width: int, value: int) -> str:
        """A configuration write, carried out; why it was refused, or nothing."""
        verdict, effect = self.configuration.write(offset, width, value)
        why = ""
        match verdict:
            case Accept():
                self.device.write(vfio.PCI_CONFIG_REGION, offset, width, value)
            case Modify(value=instead):
                self.device.write(vfio.PCI_CONFIG_REGION, offset, width, instead)
            case Emulate():
                pass
            case _:
                why = verdict.why
        if effect is not None:
            try:
                self._effects[effect]()
            except Problem as problem:
                self._say(problem)
        return why

    def reset(self) -> None:
        """As a function-level reset leaves it: nothing decoded, no interrupts, no leases."""
        try:
            self.interrupts.use_nothing()
            if self.device.can_reset:
                self.device.reset()
        finally:
            self.configuration.reset()
            command = pci.Command.offset
            # VFIO restores what it saved before the reset: decoding, perhaps bus mastering.
            self.device.write(vfio.PCI_CONFIG_REGION, command, 2, int(self.configuration.command))
            if self.msix_table is not None:
                self.msix_table.reset()
            self.place_bars()
            self.interrupts.use_line()

    # ---- base address registers (story 3)

    def place_bars(self) -> None:
        """Let the BARs answer where their owner has put them now."""
        placed = self.configuration.bars
        if placed == self._placed:
            return
        for bar in self._placed:
            if bar not in placed:
                self.space.forget(self.address, bar.index)
        for bar in placed:
            if bar.enabled and bar not in self._placed:
                self._answer(bar)
        self._placed = placed

    def window(self, bar: BarState) -> Window:
        """A memory BAR with what must stay trapped in it."""
        region = self.device.regions[bar.index]
        return Window(self.address, bar.index, bar.span, self._trapped(bar.index), region.can_map)

    def share_registers_with_own_devices(self, container: Container) -> None:
        """Map the memory BARs for DMA at their own addresses, as far as they are not trapped.

        Some devices are bus masters of their own registers (the 53C895A fetches its script from
        its on-chip RAM by bus address), and an owner's devices may talk to each other.
        """
        for bar in self.configuration.bars:
            window = self.window(bar)
            if bar.kind == "io" or not window.mappable or bar.span.start % PAGE:
                continue
            host = self.device.mapped(bar.index)
            for run in open_runs(window):
                container.map(host + run.start, bar.span.start + run.start, run.size)

    def _trapped(self, bar: int) -> tuple[Span, ...]:
        msix = self.configuration.msix
        if msix is None or self.msix_table is None:
            return ()
        spans = []
        if msix.table_bar == bar:
            spans.append(Span(msix.table_offset, self.msix_table.size))
        if msix.pba_bar == bar:
            spans.append(Span(msix.pba_offset, align_up(msix.vectors, 64) // 8))
        return tuple(spans)

    def _answer(self, bar: BarState) -> None:
        try:
            if bar.kind == "io":
                self.space.ports_of(self.address, bar, self._bar_read, self._bar_write)
            else:
                self.space.window_of(self.window(bar), self.device, self._bar_read, self._bar_write)
        except Problem as problem:
            # The owner put it over something else that answers: as on a real bus, it has no use.
            self.space.say(f"{self.address} BAR {bar.index} is not placed: {problem.what}")

    def _bar_read(self, bar: int, offset: int, width: int) -> int:
        table = self._table_offset(bar, offset)
        if table is not None and self.msix_table is not None:
            return self.msix_table.read(table, width)
        return self.device.read(bar, offset, width)

    def _bar_write(self, bar: int, offset: int, width: int, value: int) -> None:
        table = self._table_offset(bar, offset)
        if table is None or self.msix_table is None:
            self.device.write(bar, offset, width, value)
            return
        for change in self.msix_table.write(table, width, value):
            try:
                self._vector_changed(change)
            except Problem as problem:
                self._say(problem)

    def _table_offset(self, bar: int, offset: int) -> int | None:
        msix = self.configuration.msix
        if msix is None or self.msix_table is None or bar != msix.table_bar:
            return None
        inside = offset - msix.table_offset
        return inside if 0 <= inside < self.msix_table.size else None

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
        self.space.say(f"{self.address}: {problem}")

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
                self.space.say(f"{self.address} was not reset: {problem}")
