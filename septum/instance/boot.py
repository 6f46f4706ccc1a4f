"""How does an instance come to life? Story 1, in order: claim, reserve, arm, connect, load, run.

Everything taken stands on one stack, so whatever goes wrong, and whenever, it is given back in
reverse: interrupts first, then bus mastering, then the functions, then memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from septum.discovery.acpi.tables import description_tables
from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.routing import route
from septum.discovery.view import view
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
from septum.instance.body import Body, Outcome, Plan
from septum.instance.buses import Buses
from septum.instance.console import Console
from septum.instance.interrupts import DeviceInterrupts, Routes, table_of
from septum.instance.link import Link
from septum.instance.owned import OwnedFunction
from septum.instance.processors import Processors
from septum.layouts import uart, vfio, x86
from septum.machine.model import Function, Machine
from septum.memory.layout import slice_of
from septum.partitions.model import Partition
from septum.shared.power import PowerManagement
from septum.state import Ending
from septum.units import PciAddress, size_text

Report = Callable[[str, Mapping[str, object]], None]
Stage = Callable[[str], None]


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

    plan = planned(partition, machine)
    stage("preparing the kernel")
    kernel = prepared(partition.kernel)
    with ExitStack() as held:
        memory = reserve(plan, directory, held, stage)
        claim(partition, directory, held, stage)
        body = assemble(plan, memory, directory, held, stage)
        owned = hand_over(body, held, stage)
        buses = Buses(plan.seen, owned)
        arm(body, buses)
        load(body, kernel)
        start.enter(body.processors.first.processor, kernel.entry)
        body.link.answers = answers(body, owned, buses)
        if terminal:
            body.link.terminal(0, 1)
        body.link.serve(directory.control_of(partition.name), directory.console_of(partition.name))
        held.callback(body.processors.stop)
        body.processors.start()
        report("state", {"state": "running"})
        return body.outcome.wait()


def planned(partition: Partition, machine: Machine) -> Plan:
    """What it will see, and where; nothing is taken yet."""
    seen = view(machine, partition)
    interrupts = table_of(partition, seen.functions)
    return Plan(partition, machine, seen, slice_of(machine, partition), route(seen), interrupts)


def reserve(plan: Plan, directory: RunDirectory, held: ExitStack, stage: Stage) -> GuestMemory:
    """Take its memory from Linux."""
    # Devices need all of it to stay put; without any, only what is touched needs to be there.
    grow = bool(plan.seen.functions)
    memory = held.enter_context(GuestMemory(plan.memory.size, directory.claims, grow=grow))
    pages = "huge pages" if memory.huge else "plain pages"
    stage(f"has {size_text(memory.size)} of memory, {pages}")
    return memory


def claim(partition: Partition, directory: RunDirectory, held: ExitStack, stage: Stage) -> None:
    """Take every function from Linux."""
    journal = Journal(directory.claims)
    for address in partition.functions:
        stage(f"claiming {address}")
        held.enter_context(Claim(str(address), journal, partition.name))


def assemble(
    plan: Plan, memory: GuestMemory, directory: RunDirectory, held: ExitStack, stage: Stage
) -> Body:
    """Make the empty computer: memory, processors, console; no functions yet."""
    partition = plan.partition
    guest = held.enter_context(VirtualMachine())
    if not partition.processors.own:
        guest.give_away_idle_time()
    offset = 0
    for span in plan.memory.ram:
        guest.map(span.start, span.size, memory.address + offset)
        offset += span.size
    space = AddressSpace(guest, plan.memory.ram, stage)
    lock = threading.Lock()
    console = Console(
        directory.log_of(partition.name),
        lambda level: guest.irq_line(uart.SERIAL_1_GSI, level),
        lock,
    )
    held.callback(console.close)
    outcome = Outcome()
    numbers, count = partition.processors.numbers, partition.processors.found
    processors = Processors(partition.name, guest, space, numbers, count, lock)
    processors.on_end = outcome.end
    link = Link(console, lock, partition.name)
    held.callback(link.close)
    return Body(plan, memory, guest, space, processors, console, link, outcome)


def hand_over(body: Body, held: ExitStack, stage: Stage) -> dict[PciAddress, OwnedFunction]:
    """Give the functions the guest's memory, and the guest the functions."""
    plan = body.plan
    routes = Routes(body.guest, plan.interrupts, plan.partition.name, body.space.say)
    functions = plan.seen.functions
    if not functions:
        return {}
    require_locked_memory(body.memory.size)
    container = held.enter_context(Container())
    devices = [_opened(container, function) for function in functions]
    offset = 0
    for span in body.plan.memory.ram:
        container.map(body.memory.address + offset, span.start, span.size)
        offset += span.size
    owned = {}
    for function, device in zip(functions, devices, strict=True):
        if device.can_reset:
            stage(f"resetting {function.address}")
            device.reset()
        line = body.plan.routing.gsi_of.get(function.address, 0)
        interrupts = DeviceInterrupts(device, routes, line)
        one = OwnedFunction(function, device, interrupts, body.space)
        held.callback(one.quiet)
        one.share_registers_with_own_devices(container)
        one.place_bars()
        interrupts.use_line()
        _notice_when_wanted_back(one, body.link, body.outcome)
        owned[function.address] = one
    return owned


def arm(body: Body, buses: Buses) -> None:
    """Let the board's ports and the configuration areas answer."""
    mechanism = ConfigurationMechanism(buses, body.plan.seen.ecam)
    power = PowerManagement(body.outcome.end)
    legacy_ports(body.space.ports, body.console.port, power, mechanism)
    for area in body.plan.seen.ecam:
        base = area.span.start

        def read(offset: int, width: int, base: int = base) -> int:
            return mechanism.ecam_read(base + offset, width)

        def write(offset: int, width: int, value: int, base: int = base) -> None:
            mechanism.ecam_write(base + offset, width, value)

        body.space.memory.add(area.span, "PCI configuration (ECAM)", read, write)


def load(body: Body, kernel: Kernel) -> None:
    """Write kernel, initrd, command line, memory map and description tables into memory."""
    plan, view_of_memory = body.plan, body.memory.view
    partition = plan.partition
    tables = description_tables(plan.seen, range(partition.processors.found), plan.routing)
    for address, blob in tables.blobs:
        view_of_memory[address : address + len(blob)] = blob
    memory_map = [start.E820(entry.span, x86.E820_TYPES[entry.kind]) for entry in plan.memory.e820]
    low_end = plan.memory.ram[0].size
    start.load(
        view_of_memory[:low_end],
        low_end,
        kernel,
        start.Start(partition.initrd, partition.command_line, memory_map, tables.address),
    )


def _opened(container: Container, function: Function) -> Device:
    if function.iommu_group is None:
        raise HostProblem(
            f"{function.address} has no IOMMU group",
            because="the IOMMU is off",
            remedy="boot with intel_iommu=on or amd_iommu=on",
        )
    return container.device(str(function.address), function.iommu_group)


def _notice_when_wanted_back(one: OwnedFunction, link: Link, outcome: Outcome) -> None:
    """End when Linux wants a function back: its driver was unbound, or it was pulled out."""
    event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def wanted() -> None:
        os.eventfd_read(event)
        outcome.end("failed", f"Linux wants {one.address} back: it was unbound or removed")

    one.device.connect(vfio.PCI_REQ_IRQ, [event])
    link.watch(event, wanted)
