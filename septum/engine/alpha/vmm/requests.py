"""What may interrupt on this computer? The rows of the interrupt table. [0038-0039]

Functions have wires of their own to the Cchip, which tells of all by one pin (DRIR says which).
ISA devices have one of it together, behind the ISA interrupt controllers.
"""

from __future__ import annotations

from collections.abc import Iterable

from septum.engine.alpha.computer.description import ComputerDescription
from septum.interrupts.table import (
    CYCLE_COUNTER,
    INTERPROCESSOR,
    INTX,
    MACHINE_CHECK,
    NMI,
    QUEUE,
    TIMER,
    InterruptTable,
    Own,
)
from septum.layouts import tsunami
from septum.machine.model import Function, IsaDevice
from septum.partitions.model import Partition

ISA = "ISA"
ISA_PLAYED = "ISA, played"  # the line of all devices that the VMM plays for each
_PINS = "?ABCD"
_OWN = {
    NMI: Own("halt button", "none is wired: counted", "irq_h 4-5"),
    MACHINE_CHECK: Own("chipset", "as entInt type 2", "irq_h 0"),
    TIMER: Own("interval timer", "as entInt type 1, one by one", "irq_h 2", QUEUE),
    INTERPROCESSOR: Own("processor", "nobody but itself to call", "irq_h 3"),
    CYCLE_COUNTER: Own("processor", "ends time slices", "PCTR"),
}


def interrupt_table(
    described: ComputerDescription,
    functions: Iterable[Function],
    isa: Iterable[IsaDevice],
    partitions: Iterable[Partition],
) -> InterruptTable:
    """The one table of a computer. TableProblem when a request line would have two owners."""
    found = tuple(functions)
    table = InterruptTable(partitions, found, _OWN)
    for function in found:
        address, pin = function.address, function.interrupt_pin
        if address.device in tsunami.SLOTS and pin:
            bit = tsunami.request_bit(address.domain, address.device, pin)
            one = described.function(address.domain, address.device)
            name = one.name if one else ""
            table.wire(f"{INTX} {_PINS[pin]}", address, drir(bit), name)
    for device in isa:
        table.wire(ISA, device.name, isa_line(device.line))
    table.keep(
        ISA, Own("interrupt controllers", "asked which line it is", drir(tsunami.ISA_REQUEST))
    )
    for hose in range(len(described.hoses)):
        line = drir(tsunami.PCHIP_ERROR_REQUEST - hose)
        table.keep("error", Own(f"Pchip {hose}", "recorded as the device's, cleared", line))
    table.keep(ISA, Own("played ISA devices", "as entInt type 3", ISA_PLAYED))
    return table


def drir(bit: int) -> str:
    """The name of a device's request line."""
    return f"DRIR {bit}"


def isa_line(number: int) -> str:
    """The name of a line of the ISA interrupt controllers."""
    return f"ISA {number}"
