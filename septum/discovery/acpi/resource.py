"""How are a device's addresses and interrupts written in its _CRS? ACPI 6.4, 6.4."""

from __future__ import annotations

from septum.discovery.acpi import aml
from septum.layouts import acpi
from septum.units import Span


def template(*descriptors: bytes) -> bytes:
    """ResourceTemplate () { descriptors }."""
    return aml.buffer(b"".join(descriptors) + acpi.END_TAG)


def buses(first: int, last: int) -> bytes:
    """The bus numbers below a root, both inclusive."""
    return acpi.WordSpace(
        kind=acpi.KIND_BUS,
        flags=acpi.PRODUCED,
        specific=0,
        minimum=first,
        maximum=last,
        size=last - first + 1,
    ).to_bytes()


def port_window(span: Span) -> bytes:
    """I/O ports a root passes on."""
    return acpi.WordSpace(
        kind=acpi.KIND_IO,
        flags=acpi.PRODUCED,
        specific=acpi.ENTIRE_RANGE,
        minimum=span.start,
        maximum=span.end - 1,
        size=span.size,
    ).to_bytes()


def memory_window(span: Span) -> bytes:
    """Memory addresses a root passes on, as narrow a descriptor as holds them."""
    form = acpi.DwordSpace if span.end <= acpi.DWORD_END else acpi.QwordSpace
    return _memory(form, span, acpi.PRODUCED)


def fixed_memory(span: Span) -> bytes:
    """Memory addresses a device itself takes."""
    if span.end <= acpi.DWORD_END:
        return acpi.FixedMemory32(base=span.start, size=span.size).to_bytes()
    return _memory(acpi.QwordSpace, span, acpi.CONSUMED)


def _memory(form: type[acpi.DwordSpace | acpi.QwordSpace], span: Span, flags: int) -> bytes:
    return form(
        kind=acpi.KIND_MEMORY,
        flags=flags,
        specific=acpi.READ_WRITE,
        minimum=span.start,
        maximum=span.end - 1,
        size=span.size,
    ).to_bytes()


def ports(span: Span) -> bytes:
    """I/O ports a device itself takes: up to 255."""
    return acpi.IoDescriptor(minimum=span.start, maximum=span.start, size=span.size).to_bytes()


def irq(number: int) -> bytes:
    """An ISA interrupt of its own: edge, active high."""
    return acpi.IrqDescriptor(mask=1 << number).to_bytes()
