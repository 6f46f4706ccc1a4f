"""Which functions can reach each other past the IOMMU, below a PCIe switch?

A switch leads what one function writes to an address of another's straight to that one, unless
the port above the writer has Access Control Services (ACS) and sends all of it upstream, where
the IOMMU is. Linux 6.12 puts what stands below ports without ACS into groups of their own all
the same: it asks about ACS on the way up from a port, and not at the port itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from septum.layouts import pci
from septum.machine.configuration import value
from septum.machine.model import Function, Machine
from septum.units import PciAddress

# As Linux has it before it calls functions apart: REQ_ACS_FLAGS of drivers/iommu/iommu.c
_NEEDED = pci.AccessControl.mask(
    "source_validation", "request_redirect", "completion_redirect", "upstream_forwarding"
)


def reachable(machine: Machine, function: Function) -> tuple[PciAddress, ...]:
    """The functions below the same switches that it can reach, or that can reach it."""
    functions = {one.address: one for one in machine.functions}
    mine = dict(_ports(functions, function))
    if not mine:
        return ()
    found = []
    for other in machine.functions:
        if other.address == function.address or other.is_bridge:
            continue
        for switch, port in _ports(functions, other):
            own = mine.get(switch)
            if own is not None and own != port and not (_is_apart(own) and _is_apart(port)):
                found.append(other.address)
                break
    return tuple(found)


def _ports(
    functions: dict[PciAddress, Function], function: Function
) -> Iterator[tuple[PciAddress, Function]]:
    """On the way up: each switch, by its upstream port, and its downstream port on the way."""
    above = functions.get(function.parent) if function.parent is not None else None
    while above is not None:
        over = functions.get(above.parent) if above.parent is not None else None
        if over is not None and _port_type(above) == pci.ExpressPort.DOWNSTREAM:
            yield over.address, above
        above = over


def _port_type(function: Function) -> int | None:
    for item in function.capabilities:
        if item.identity == pci.CapabilityId.PCI_EXPRESS and not item.extended:
            word = value(function.configuration, pci.ExpressCapabilities, item.offset)
            return int(pci.ExpressCapabilities(word).port_type)
    return None


def _is_apart(port: Function) -> bool:
    """Whether it sends all upstream. Who is not root cannot read it: then Linux is believed."""
    if len(port.configuration) <= pci.CONFIGURATION_SIZE:
        return True
    for item in port.capabilities:
        if item.extended and item.identity == pci.ExtendedCapabilityId.ACCESS_CONTROL_SERVICES:
            able = value(port.configuration, pci.AccessControlCapabilities, item.offset)
            control = value(port.configuration, pci.AccessControl, item.offset)
            # As Linux has it, what a port cannot be told it does not let happen
            return control & _NEEDED & able == _NEEDED & able
    return False
