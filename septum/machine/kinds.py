"""Of what kind is a function: a bridge, a part of the platform, or one that manages the machine?"""

from __future__ import annotations

from septum.layouts import pci
from septum.machine.model import Function, Machine


def is_bridge(function: Function) -> bool:
    """Whether it leads to another bus and so goes along with what stands there."""
    return function.header_type != pci.HEADER_ENDPOINT


def is_isa_bridge(function: Function) -> bool:
    """Whether it leads to the ISA bus."""
    return function.class_code >> pci.SUBCLASS_SHIFT == pci.SubClass.ISA_BRIDGE


def is_platform(function: Function) -> bool:
    """Whether it is part of the platform itself: host and ISA bridges, the IOMMU."""
    if function.class_code >> pci.BASE_CLASS_SHIFT == pci.BaseClass.BRIDGE:
        return True
    return function.class_code >> pci.SUBCLASS_SHIFT in (
        pci.SubClass.IOMMU,
        pci.SubClass.EVENT_COLLECTOR,
    )


def manages(machine: Machine, function: Function) -> str:
    """What of the machine itself a function manages, past its own task; "" for the most.

    Who owns it owns the machine: firmware, memory modules, voltages, the processor's own keys.
    Serial buses of Intel's for peripherals look alike, and have a driver of their own (intel-lpss).
    """
    kind = function.class_code >> pci.SUBCLASS_SHIFT
    if kind == pci.SubClass.SMBUS:
        return "the bus of memory modules and sensors (SMBus)"
    if kind == pci.SubClass.IPMI:
        return "the board's management controller (IPMI)"
    if kind == pci.SubClass.ENCRYPTION_OTHER and function.vendor == pci.AMD:
        return "the platform's security processor (PSP)"
    if function.vendor != pci.INTEL or function.parent is not None:
        return ""
    if function.driver == "intel-lpss":
        return ""
    if kind == pci.SubClass.SERIAL_BUS_OTHER:
        return "the flash memory of the firmware (SPI)"
    if kind == pci.SubClass.MEMORY_OTHER:
        return "power and registers of the chipset"
    if any(_is_engine(other) for other in machine.functions if _same_slot(other, function)):
        return "the management engine (MEI)"
    return ""


def _is_engine(function: Function) -> bool:
    return (
        function.class_code >> pci.SUBCLASS_SHIFT == pci.SubClass.COMMUNICATION_OTHER
        and function.driver != "intel-lpss"
    )


def _same_slot(one: Function, other: Function) -> bool:
    return one.address._replace(function=0) == other.address._replace(function=0)
