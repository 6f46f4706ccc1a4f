"""Which devices does the namespace name? Processors, PCI roots, a serial port, what is taken."""

from __future__ import annotations

from collections.abc import Sequence

from septum.discovery.acpi import aml, resource
from septum.discovery.routing import Route
from septum.discovery.view import View
from septum.layouts import acpi, pci, uart, x86
from septum.machine.model import Ecam, RootBus
from septum.units import Span


def namespace(seen: View, processors: int, routes: Sequence[Route]) -> bytes:
    """The AML of the DSDT: sleep states and \\_SB with every device. ACPI 6.4, chapter 5.3."""
    devices = [_processor(number) for number in range(processors)]
    devices += [_root(number, root, routes) for number, root in enumerate(seen.root_buses)]
    devices.append(_motherboard(seen.ecam))
    devices.append(_serial())
    sleep = aml.integer(acpi.SLEEP_TYPE_OFF)
    nothing = aml.integer(0)
    off = aml.name("\\_S5", aml.package(sleep, sleep, nothing, nothing))
    return off + aml.scope("\\_SB", *devices)


def _processor(number: int) -> bytes:
    return aml.device(
        f"C{number:03X}",
        aml.name("_HID", aml.string(acpi.PROCESSOR_HID)),
        aml.name("_UID", aml.integer(number)),
    )


def _root(number: int, root: RootBus, routes: Sequence[Route]) -> bytes:
    """One PCI root with the machine's own windows. PCI Firmware 3.2, 4.1.3 and 4.1.4."""
    return aml.device(
        f"PC{number:02X}",
        aml.name("_HID", aml.eisa(acpi.PCI_EXPRESS_ROOT_HID)),
        aml.name("_CID", aml.eisa(acpi.PCI_ROOT_HID)),
        aml.name("_UID", aml.integer(number)),
        aml.name("_SEG", aml.integer(root.domain)),
        aml.name("_BBN", aml.integer(root.first)),
        aml.name("_CRS", resource.template(*_windows(number, root))),
        aml.name("_PRT", _routing(root, routes)),
    )


def _windows(number: int, root: RootBus) -> list[bytes]:
    found = [resource.buses(root.first, root.last)]
    if number == 0:
        mechanism = Span(pci.ADDRESS_PORT, pci.DATA_PORT - pci.ADDRESS_PORT + pci.BAR_SIZE)
        found.append(resource.ports(mechanism))
    found += [resource.port_window(span) for span in root.io if span.end <= acpi.WORD_END]
    # Below 1 MiB lie VGA and firmware, which no instance decodes.
    found += [resource.memory_window(span) for span in root.memory if span.start >= x86.LEGACY_END]
    return found


def _routing(root: RootBus, routes: Sequence[Route]) -> bytes:
    """Which pin of which device raises which GSI; level, active low. ACPI 6.4, 6.2.13."""
    entries = [
        aml.package(
            aml.integer(entry.device << acpi.PRT_DEVICE_SHIFT | acpi.PRT_ANY_FUNCTION),
            aml.integer(entry.pin),
            aml.integer(0),
            aml.integer(entry.gsi),
        )
        for entry in routes
        if entry.domain == root.domain and root.first <= entry.bus <= root.last
    ]
    return aml.package(*entries)


def _motherboard(areas: Sequence[Ecam]) -> bytes:
    """What is taken by no device the OS drives. Linux uses an ECAM only where this says so."""
    taken = [resource.fixed_memory(area.span) for area in areas]
    for start, size in (
        (acpi.PM1A_EVENT, acpi.PM1A_EVENT_SIZE),
        (acpi.PM1A_CONTROL, acpi.PM1A_CONTROL_SIZE),
        (acpi.PM_TIMER, acpi.PM_TIMER_SIZE),
    ):
        taken.append(resource.ports(Span(start, size)))
    return aml.device(
        "MBRD",
        aml.name("_HID", aml.eisa(acpi.MOTHERBOARD_HID)),
        aml.name("_UID", aml.integer(0)),
        aml.name("_CRS", resource.template(*taken)),
    )


def _serial() -> bytes:
    return aml.device(
        "COM1",
        aml.name("_HID", aml.eisa(acpi.SERIAL_HID)),
        aml.name("_UID", aml.integer(1)),
        aml.name(
            "_CRS",
            resource.template(
                resource.ports(uart.SERIAL_1),
                resource.irq(uart.SERIAL_1_GSI),
            ),
        ),
    )
