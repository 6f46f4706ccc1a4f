"""What should one bear in mind about a function that can be given away?"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from septum.layouts import pci
from septum.machine.kinds import is_bridge
from septum.machine.model import Function, Machine

NO_RESET = "nothing can reset it: the table must accept that"


class Caution(NamedTuple):
    """What may surprise its owner or others, and what helps, if anything does."""

    because: str
    remedy: str = ""


def cautions(machine: Machine, function: Function) -> list[Caution]:
    """All there are about one function."""
    found = [caution(machine, function) for caution in _CAUTIONS]
    return [one for one in found if one is not None]


def _no_reset(machine: Machine, function: Function) -> Caution | None:
    if function.reset_methods:
        return None
    return Caution(NO_RESET)


def _virtual_functions(machine: Machine, function: Function) -> Caution | None:
    virtual = machine.virtual_functions(function.address)
    if not virtual:
        return None
    return Caution(f"whoever takes it removes its virtual functions {', '.join(map(str, virtual))}")


def _physical_function(machine: Machine, function: Function) -> Caution | None:
    if function.physical is None:
        return None
    return Caution(f"is a virtual function: the driver of {function.physical} can take it away")


def _translates_by_itself(machine: Machine, function: Function) -> Caution | None:
    if not is_trusted(machine, function):
        return None
    return Caution(
        "can keep translations of its own (ATS): the IOMMU believes it, so firmware of it that "
        "an owner has changed reaches all memory",
        "boot Linux with pci=noats, unless you trust the card and who owns it",
    )


def _linux_uses_it(machine: Machine, function: Function) -> Caution | None:
    uses = [use.reason for use in machine.host_uses if use.address == function.address]
    return Caution(f"Linux uses it: it {', '.join(uses)}") if uses else None


def is_trusted(machine: Machine, function: Function) -> bool:
    """Whether the IOMMU lets pass what a function says is translated. PCI Express 5.0, 10.1."""
    has_ats = any(
        item.extended and item.identity == pci.ExtendedCapabilityId.ADDRESS_TRANSLATION_SERVICES
        for item in function.capabilities
    )
    return has_ats and not refuses_translated(machine.command_line)


def refuses_translated(command_line: str) -> bool:
    """Whether Linux was told to use no ATS, and so to block what says it is translated."""
    options = [word.partition("=")[2] for word in command_line.split() if word.startswith("pci=")]
    return any("noats" in option.split(",") for option in options)


def _shared_line(machine: Machine, function: Function) -> Caution | None:
    """A conventional function without messages may hold up those it shares a line with.

    PCI Express functions can always silence their pin (Command.intx_disable), older ones
    perhaps: only VFIO, trying, finds out.
    """
    express = any(
        item.identity == pci.CapabilityId.PCI_EXPRESS and not item.extended
        for item in function.capabilities
    )
    messages = function.msi_vectors or function.msix_vectors
    if express or messages or not function.interrupt_pin or not function.interrupt_line:
        return None
    sharers = [
        str(other.address)
        for other in machine.functions
        if other.address != function.address
        and other.interrupt_pin
        and other.interrupt_line == function.interrupt_line
        and not is_bridge(other)
    ]
    if not sharers:
        return None
    return Caution(
        f"shares interrupt line {function.interrupt_line} with {', '.join(sharers)}: "
        "works when it can silence its pin, which VFIO finds out when it takes it"
    )


_CAUTIONS: tuple[Callable[[Machine, Function], Caution | None], ...] = (
    _no_reset,
    _shared_line,
    _translates_by_itself,
    _linux_uses_it,
    _virtual_functions,
    _physical_function,
)
