"""How does an instance come to life? Story 1: plan, reserve, claim, assemble, hand over, arm, load.

Everything taken stands on one stack, so whatever goes wrong, and whenever, it is given back in
reverse: interrupts first, then bus mastering, then the functions, then memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

from septum.confinement import calls
from septum.discovery.acpi.tables import description_tables
from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.responder import Responder
from septum.discovery.routing import route
from septum.discovery.view import View, view
from septum.engine.kvm import start
from septum.engine.kvm.kernel import Kernel, prepared
from septum.engine.kvm.machine import VirtualMachine
from septum.errors import HostProblem
from septum.host.claim import Claim
from septum.host.journal import Journal
from septum.host.kept import KeptFile
from septum.host.memory import GuestMemory, require_locked_memory
from septum.host.processes import Process
from septum.host.runtime import RunDirectory
from septum.host.vfio import Container, Device
from septum.instance.address_space import AddressSpace
from septum.instance.answers import answers
from septum.instance.board import legacy_ports
from septum.instance.body import Body, Outcome, Plan
from septum.instance.confined import Narrow, confine, not_confined
from septum.instance.interrupts import DeviceInterrupts, Routes, table_of
from septum.instance.owned import OwnedFunction, silence
from septum.instance.processors import Processors
from septum.layouts import acpi, uart, x86
from septum.machine.model import Function, Machine
from septum.memory.e820 import memory_map
from septum.memory.layout import holes
from septum.memory.mtrr import uncached
from septum.memory.slices import slices
from septum.messages import Report
from septum.partitions.model import Partition
from septum.rate_limit import RateLimit
from septum.shared.power import PowerManagement
from septum.sockets.console import Console
from septum.sockets.link import Link
from septum.state import Ending
from septum.translation import pci_emulated
from septum.units import PciAddress, size_text

Stage = Callable[[str], None]


def run(
    partition: Partition,
    machine: Machine,
    directory: RunDirectory,
    report: Report,
    *,
    terminal: bool = False,
    confined: bool = False,
    keeper: Process | None = None,
) -> Ending:
    """The whole life of one instance, in this process; Problem when it cannot start.

    `report` hears of each stage and of the state "running". With `terminal` its serial port is
    also this process's standard input and output. `confined`, this process gives up all it does
    not need before the instance runs. What was taken from Linux, its parent then has to give back;
    so has a keeper, which may hand it to this instance's next life.
    """

    def stage(text: str) -> None:
        report("stage", {"text": text})

    plan = planned(partition, machine)
    stage("preparing the kernel")
    kernel = prepared(partition.kernel)
    with ExitStack() as taken, ExitStack() as held:
        memory = reserve(plan, directory, taken, stage, keeper)
        claim(partition, directory, taken, stage, keeper)
        body = assemble(plan, memory, directory, held, stage)
        owned = hand_over(body, held, stage)
        responder = respond(plan.seen, owned)
        arm(body, responder)
        load(body, kernel)
        start.enter(body.processors.first.processor, kernel.entry)
        linux = KeptFile("/proc/interrupts")
        held.callback(linux.close)
        body.link.answers = answers(body, owned, responder, linux)
        if terminal:
            body.link.terminal(0, 1)
        body.link.listen(directory.control_of(partition.name), directory.console_of(partition.name))
        narrow: Narrow = not_confined
        if confined:
            taken.pop_all()  # from here on this process can give nothing back
            narrow = confine(body, owned, directory.instance(partition.name), stage)
        body.link.begin(partial(narrow, calls.LINK))
        held.callback(body.processors.stop)
        body.processors.start(partial(narrow, calls.PROCESSOR))
        narrow(calls.MAIN)
        report("state", {"state": "running"})
        return body.outcome.wait()


def planned(partition: Partition, machine: Machine) -> Plan:
    """What it will see, and where; nothing is taken yet."""
    seen = view(machine, partition)
    own = slices(machine, [partition])[partition.name]
    # Whose an interrupt is is known by where its function is on the machine.
    functions = tuple(one._replace(address=seen.machine(one.address)) for one in seen.functions)
    return Plan(
        partition,
        machine,
        seen,
        own,
        memory_map(machine, own),
        route(seen),
        table_of(partition, functions),
    )


def reserve(
    plan: Plan,
    directory: RunDirectory,
    held: ExitStack,
    stage: Stage,
    keeper: Process | None = None,
) -> GuestMemory:
    """Take its memory from Linux."""
    # Devices need all of it to stay put; without any, only what is touched needs to be there.
    grow, name = bool(plan.seen.functions), plan.partition.name
    memory = held.enter_context(
        GuestMemory(plan.memory.size, directory.claims, grow=grow, instance=name, keeper=keeper)
    )
    pages = "huge pages" if memory.huge else "plain pages"
    stage(f"has {size_text(memory.size)} of memory, {pages}")
    return memory


def claim(
    partition: Partition,
    directory: RunDirectory,
    held: ExitStack,
    stage: Stage,
    keeper: Process | None = None,
) -> None:
    """Take every function from Linux, or over from this instance's last life."""
    journal = Journal(directory.claims)
    for address in partition.functions:
        stage(f"claiming {address}")
        held.enter_context(Claim(str(address), journal, partition.name, keeper=keeper))


def assemble(
    plan: Plan, memory: GuestMemory, directory: RunDirectory, held: ExitStack, stage: Stage
) -> Body:
    """Make the empty computer: memory, processors, console; no functions yet."""
    partition = plan.partition
    guest = held.enter_context(VirtualMachine())
    if not partition.processors.own:
        guest.give_away_idle_time()
    seen_as = uncached(plan.memory.ram, holes(plan.machine, partition.functions))
    guest.describe(nested=partition.nested, uncached=seen_as)
    if partition.nested and not guest.can_nest:
        stage("it finds no virtualization: load kvm_intel or kvm_amd with nested=1")
    space = AddressSpace(guest, limited(stage, held))
    space.give_memory(plan.memory, memory.address)
    lock = threading.Lock()
    console = Console(
        directory.log_of(partition.name),
        lambda level: guest.irq_line(uart.SERIAL_1_GSI, level),
        lock,
        log_size=partition.log_size,
        log_count=partition.log_count,
    )
    held.callback(console.close)
    outcome = Outcome()
    power = PowerManagement(outcome.end, lambda level: guest.irq_line(acpi.SCI, level))
    numbers, count = partition.processors.numbers, partition.processors.found
    processors = Processors(partition.name, guest, space, numbers, count, lock)
    processors.on_end = outcome.end
    link = Link(console, lock, partition.name)
    held.callback(link.close)
    return Body(plan, memory, guest, space, processors, console, power, link, outcome)


def limited(stage: Stage, held: ExitStack) -> Stage:
    """To say what a guest can cause as often as it likes; at the end, how much was not said."""
    limit = RateLimit()

    def say(text: str) -> None:
        for line in limit.let(text):
            stage(line)

    def rest() -> None:
        for line in limit.rest():
            stage(line)

    held.callback(rest)
    return say


def hand_over(body: Body, held: ExitStack, stage: Stage) -> dict[PciAddress, OwnedFunction]:
    """Give the functions the guest's memory, and the guest the functions."""
    plan = body.plan
    routes = Routes(body.guest, plan.interrupts, plan.partition.name, body.space.say)
    functions = plan.seen.functions
    if not functions:
        return {}
    from septum.instance import notices

    require_locked_memory(body.memory.size)
    container = held.enter_context(Container(body.guest, stage))
    places = [body.plan.seen.machine(function.address) for function in functions]
    devices = [
        _opened(container, function, at) for function, at in zip(functions, places, strict=True)
    ]
    body.space.join(container)
    owned = {}
    for function, device, at in zip(functions, devices, places, strict=True):
        if device.can_reset:
            stage(f"resetting {at}")
            device.reset()
        line = body.plan.routing.gsi_of.get(function.address, 0)
        interrupts = DeviceInterrupts(device, routes, line)
        one = OwnedFunction(function, device, interrupts, body.space, at)
        held.callback(one.quiet)
        one.place_bars()
        interrupts.use_line()
        notices.watch(device, at, body)
        owned[at] = one
    return owned


def respond(seen: View, owned: Mapping[PciAddress, OwnedFunction]) -> Responder:
    """Who answers a probe: its own functions, and what is played for it."""
    spaces = {one.function.address: one for one in owned.values()}
    return Responder(seen, spaces, pci_emulated.played(seen))


def arm(body: Body, responder: Responder) -> None:
    """Let the board's ports and the configuration areas answer."""
    mechanism = ConfigurationMechanism(responder, body.plan.seen.ecam)
    legacy_ports(body.space.ports, body.console.port, body.power, mechanism)
    for area in body.plan.seen.ecam:
        body.space.play(area.span, "PCI configuration (ECAM)", mechanism.ecam_access)


def load(body: Body, kernel: Kernel) -> None:
    """Write kernel, initrd, command line, memory map and description tables into memory."""
    plan, view_of_memory = body.plan, body.memory.view
    partition = plan.partition
    tables = description_tables(plan.seen, range(partition.processors.found), plan.routing)
    for address, blob in tables.blobs:
        view_of_memory[address : address + len(blob)] = blob
    told = [start.E820(entry.span, x86.E820_TYPES[entry.kind]) for entry in plan.memory_map]
    low_end = plan.memory.ram[0].size
    start.load(
        view_of_memory[:low_end],
        low_end,
        kernel,
        start.Start(partition.initrd, partition.command_line, told, tables.address),
    )


def _opened(container: Container, function: Function, at: PciAddress) -> Device:
    if function.iommu_group is None:
        raise HostProblem(
            f"{at} has no IOMMU group",
            because="the IOMMU is off",
            remedy="boot with intel_iommu=on or amd_iommu=on",
        )
    device = container.device(str(at), function.iommu_group)
    silence(device)
    return device
