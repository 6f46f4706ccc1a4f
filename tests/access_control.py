"""A computer whose switches keep apart what stands below them, which QEMU's do not."""

from __future__ import annotations

from septum.layouts import pci
from septum.machine.model import Capability, Function, Machine

_PLACE = 0xF00  # in extended configuration space, where QEMU's ports have nothing
ALL = pci.AccessControl.mask(
    "source_validation", "request_redirect", "completion_redirect", "upstream_forwarding"
)


def with_access_control(
    machine: Machine, *ports: str, able: int = ALL, control: int = ALL, size: int = 0x1000
) -> Machine:
    """The machine with ACS at these bridges, or at all that have none, set to `control`."""
    return machine._replace(
        functions=tuple(
            _port(one, able, control, size)
            if one.is_bridge and (not ports or str(one.address) in ports)
            else one
            for one in machine.functions
        )
    )


def _port(function: Function, able: int, control: int, size: int) -> Function:
    identity = pci.ExtendedCapabilityId.ACCESS_CONTROL_SERVICES
    if any(one.extended and one.identity == identity for one in function.capabilities):
        return function
    space = bytearray(function.configuration.ljust(0x1000, b"\0"))
    at = _PLACE + pci.AccessControlCapabilities.offset
    space[at : at + 4] = (able | control << 16).to_bytes(4, "little")
    found = (*function.capabilities, Capability(identity, _PLACE, extended=True))
    return function._replace(capabilities=found, configuration=bytes(space[:size]))
