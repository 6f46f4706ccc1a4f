"""What has a software Alpha computer to divide? Its description, in the terms of any machine."""

from __future__ import annotations

from septum.engine.alpha.computer.description import (
    ISA_BRIDGE,
    ComputerDescription,
    FunctionDescription,
    HoseDescription,
)
from septum.engine.alpha.computer.devices.identity import IDENTITIES, header
from septum.layouts import tsunami
from septum.machine import configuration
from septum.machine.model import (
    Ecam,
    Function,
    Iommu,
    IommuGroup,
    IsaDevice,
    Machine,
    MemoryRange,
    Processor,
    RootBus,
)
from septum.units import MiB, PciAddress, Span

FIRMWARE = 4 * MiB  # at the start of memory: the restart parameter block and the VMM's own tables
GIVEN_AWAY = ("serial1",)  # of the ISA bus; the rest is each instance's, played by the VMM


def machine_of(computer: ComputerDescription, source: str = "") -> Machine:
    """The machine that a partition table for this computer divides.

    What a Pchip's DMA windows keep apart is what an IOMMU keeps apart: a whole hose, or, where
    it has windows for each requester, each function. The first serial port is everybody's
    console; the second can be given away.
    """
    memory = Span(FIRMWARE, computer.memory - FIRMWARE)
    return Machine(
        name=computer.name,
        processors=tuple(_processor(number) for number in range(computer.processors)),
        memory=(MemoryRange(memory, "System RAM"),),
        memory_total=memory.size,
        memory_available=memory.size,
        functions=tuple(
            _function(hose, one, _groups(computer))
            for hose in computer.hoses
            for one in hose.functions
        ),
        root_buses=tuple(
            RootBus(hose.number, 0, 0, (), (), is_function=False) for hose in computer.hoses
        ),
        counts_roots=True,
        ecam=tuple(
            Ecam(
                hose.number,
                0,
                0,
                Span(
                    tsunami.hose_address(hose.number, tsunami.PCI_CONFIGURATION),
                    1 << tsunami.CONFIGURATION_BUS_SHIFT,
                ),
                tsunami.CONFIGURATION_FUNCTION_SHIFT,
            )
            for hose in computer.hoses
        ),
        iommu=Iommu(True, True, tuple(_groups(computer))),
        huge_pages=(),
        host_needs=(),
        command_line="",
        hosted=False,
        isa=tuple(
            IsaDevice(part.name, part.ports, part.line)
            for part in computer.isa
            if part.name in GIVEN_AWAY
        ),
        source=source,
    )


def _processor(number: int) -> Processor:
    return Processor(number, 0, number, 0, online=True, apic_id=number)


def _address(hose: HoseDescription, function: FunctionDescription) -> PciAddress:
    return PciAddress(hose.number, 0, function.slot, 0)


def _groups(computer: ComputerDescription) -> list[IommuGroup]:
    members: list[tuple[PciAddress, ...]] = []
    for hose in computer.hoses:
        endpoints = [_address(hose, one) for one in hose.functions if one.device != ISA_BRIDGE]
        if hose.requester_windows:
            members += [(address,) for address in endpoints]
        elif endpoints:
            members.append(tuple(endpoints))
    return [IommuGroup(number, addresses, ()) for number, addresses in enumerate(members)]


def _function(
    hose: HoseDescription, function: FunctionDescription, groups: list[IommuGroup]
) -> Function:
    address = _address(hose, function)
    group = next((one.number for one in groups if address in one.functions), None)
    identity = IDENTITIES[function.device]
    pin = identity.pin
    return configuration.function(address, header(identity))._replace(
        interrupt_line=tsunami.request_bit(hose.number, function.slot, pin) if pin else 0,
        iommu_group=group,
        reset_methods=("device_specific",),
        configuration=b"",  # of the real one; the VMM reads it when the computer is on
        name=function.name,
    )
