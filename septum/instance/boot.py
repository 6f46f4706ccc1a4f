"""How does an instance come to life? Story 1, in order: claim, reserve, arm, connect, load, run.

Everything taken stands on one stack, so whatever goes wrong, and whenever, it is given back in
reverse: interrupts first, then bus mastering, then the functions, then memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from septum.discovery.acpi.tables import Tables, description_tables
from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.routing import Routing, route
from septum.discovery.view import View, view
from septum.engine.kvm import start
from septum.engine.kvm.kernel import Kernel, prepared
from septum.engine.kvm.machine import VirtualMachine
from septum.errors import HostProblem
from septum.host.claim import Claim
from septum.host.journal import Journal
from septum.host.memory import GuestMemory, require_locked_memory
from septum.host.runtime import RunDirectory
from septum.host.vfio import Container, Device
from septum.instance.address_space import AddressSpace
from septum.instance.answers import answers
from septum.instance.board import legacy_ports
from septum.instance.buses import Buses
from septum.instance.console import Console
from septum.instance.interrupts import DeviceInterrupts, Routes
from septum.instance.link import Link
from septum.instance.owned import OwnedFunction
from septum.instance.processors import Processors
from septum.layouts import uart, vfio, x86
from septum.machine.model import Machine
from septum.memory.layout import Slice, slice_of
from septum.partitions.model import Partition
from septum.shared.power import POWER_OFF, RESET, PowerManagement
from septum.state import Ending
from septum.units import PciAddress, size_text

Report = Callable[[str, Mapping[str, object]], None]

_ENDINGS = {POWER_OFF: "powered off", RESET: "reset"}


class Outcome:
    """How it ends: the first reason given counts."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self.ending = Ending("failed", "it ended without a reason")

    def end(self, reason: str, detail: str = "") -> None:
        if not self._ended.is_set():
            self.ending = Ending(_ENDINGS.get(reason, reason), detail)
            self._ended.set()

    def wait(self) -> Ending:
        self._ended.wait()
        return self.ending


def run(
    partition: Partition,
    machine: Machine,
    directory: RunDirectory,
    report: Report,
    *,
    terminal: bool = False,
) -> Ending:
    """The whole life of one instance, in this process; Problem when it cannot start.

    `report` hears of each stage and of the state "running". With `terminal` its serial port is
    also this process's standard input and output.
    """

    def stage(text: str) -> None:
        report("stage", {"text": text})

    seen = view(machine, partition)
    memory_slice = slice_of(machine, partition)
    stage("preparing the kernel")
    kernel = prepared(partition.kernel)
    outcome = Outcome()
    with ExitStack() as held:
        memory = held.enter_context(GuestMemory(memory_slice.size, directory.claims))
        stage(f"has {size_text(memory.size)} of memory, {_pages(memory)}")
        claim(partition, directory, held, stage)
        guest = held.enter_context(VirtualMachine())
        space = AddressSpace(guest, memory_slice.ram, stage)
        routes = Routes(guest)
        lock = threading.Lock()
        console = Console(
            directory.log_of(partition.name), lambda level: guest.irq_line(_SERIAL, level), lock
        )
        held.callback(console.close)
        processors = Processors(
            partition.name, guest, space, partition.processors.numbers, lock
        )
        link = Link(console, processors.lock, partition.name)
        held.callback(link.close)
        routing = route(seen)
        owned = hand_over(
            seen, routing, memory, memory_slice, guest, routes, space, held, stage, link, outcome
        )
        buses = Buses(seen, owned)
        mechanism = ConfigurationMechanism(buses, seen.ecam)
        legacy_ports(space.ports, console.port, PowerManagement(outcome.end), mechanism)
        arm_ecam(space, seen, mechanism)
        tables = description_tables(seen, range(len(partition.processors.numbers)), routing)
        load(memory, memory_slice, partition, kernel, tables)
        start.enter(processors.first.processor, kernel.entry)
        processors.on_end = outcome.end
        link.answers = answers(
            partition,
            machine,
            seen,
            memory_slice,
            memory,
            owned,
            buses,
            space,
            processors,
            console,
            outcome.end,
        )
        if terminal:
            link.terminal(0, 1)
        link.serve(directory.control_of(partition.name), directory.console_of(partition.name))
        held.callback(processors.stop)
        processors.start()
        report("state", {"state": "running"})
        return outcome.wait()


_SERIAL = uart.SERIAL_1_GSI


def claim(
    partition: Partition, directory: RunDirectory, held: ExitStack, stage: Callable[[str], None]
) -> None:
    """Take every function from Linux."""
    journal = Journal(directory.claims)
    for address in partition.functions:
        stage(f"claiming {address}")
        held.enter_context(Claim(str(address), journal, partition.name))


def hand_over(
    seen: View,
    routing: Routing,
    memory: GuestMemory,
    memory_slice: Slice,
    guest: VirtualMachine,
    routes: Routes,
    space: AddressSpace,
    held: ExitStack,
    stage: Callable[[str], None],
    link: Link,
    outcome: Outcome,
) -> dict[PciAddress, OwnedFunction]:
    """Give the guest its memory, and its functions the same memory and their registers."""
    container = None
    if seen.functions:
        require_locked_memory(memory.size)
        container = held.enter_context(Container())
    devices = {
        function.address: _opened(container, function.address, function.iommu_group)
        for function in seen.functions
        if container is not None
    }
    offset = 0
    for span in memory_slice.ram:
        guest.map(span.start, span.size, memory.address + offset)
        if container is not None:
            container.map(memory.address + offset, span.start, span.size)
        offset += span.size
    owned = {}
    for function in seen.functions:
        device = devices[function.address]
        if device.can_reset:
            stage(f"resetting {function.address}")
            device.reset()
        interrupts = DeviceInterrupts(device, routes, routing.gsi_of.get(function.address, 0))
        one = OwnedFunction(function, device, interrupts, space)
        held.callback(one.quiet)
        if container is not None:
            one.share_registers_with_own_devices(container)
        one.place_bars()
        interrupts.use_line()
        _notice_when_wanted_back(one, link, outcome)
        owned[function.address] = one
    return owned


def arm_ecam(space: AddressSpace, seen: View, mechanism: ConfigurationMechanism) -> None:
    """Let the memory-mapped configuration areas answer."""
    for area in seen.ecam:
        base = area.span.start

        def read(offset: int, width: int, base: int = base) -> int:
            return mechanism.ecam_read(base + offset, width)

        def write(offset: int, width: int, value: int, base: int = base) -> None:
            mechanism.ecam_write(base + offset, width, value)

        space.memory.add(area.span, "PCI configuration (ECAM)", read, write)


def load(
    memory: GuestMemory,
    memory_slice: Slice,
    partition: Partition,
    kernel: Kernel,
    tables: Tables,
) -> None:
    """Write kernel, initrd, command line, memory map and description tables into memory."""
    for address, blob in tables.blobs:
        memory.view[address : address + len(blob)] = blob
    memory_map = [start.E820(entry.span, x86.E820_TYPES[entry.kind]) for entry in memory_slice.e820]
    low_end = memory_slice.ram[0].size
    start.load(
        memory.view[:low_end],
        low_end,
        kernel,
        start.Start(partition.initrd, partition.command_line, memory_map, tables.address),
    )


def _opened(container: Container, address: PciAddress, group: int | None) -> Device:
    if group is None:
        raise HostProblem(
            f"{address} has no IOMMU group",
            because="the IOMMU is off",
            remedy="boot with intel_iommu=on or amd_iommu=on",
        )
    return container.device(str(address), group)


def _notice_when_wanted_back(one: OwnedFunction, link: Link, outcome: Outcome) -> None:
    """End when Linux wants a function back: its driver was unbound, or it was pulled out."""
    event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def wanted() -> None:
        os.eventfd_read(event)
        outcome.end("failed", f"Linux wants {one.address} back: it was unbound or removed")

    one.device.connect(vfio.PCI_REQ_IRQ, [event])
    link.watch(event, wanted)


def _pages(memory: GuestMemory) -> str:
    return "huge pages" if memory.huge else "plain pages"
