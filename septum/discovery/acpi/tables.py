"""Which tables does an instance find in memory, and where?

RSDP, RSDT, XSDT, FADT, FACS, MADT, MCFG and DSDT, written from the instance's view and laid
one after the other in the area where an OS searches for the first. ACPI 6.4, 5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from septum.discovery.acpi.dsdt import namespace
from septum.discovery.routing import Routing
from septum.discovery.view import View
from septum.errors import MachineProblem
from septum.layouts import acpi, pci, x86
from septum.units import align_up


class Tables(NamedTuple):
    """The address of the RSDP, and each table's address and bytes, in ascending order."""

    address: int
    blobs: tuple[tuple[int, bytes], ...]


class _Area:
    """Guest memory being filled from the bottom."""

    def __init__(self, start: int, end: int) -> None:
        self._next, self._end = start, end
        self.blobs: list[tuple[int, bytes]] = []

    def take(self, size: int) -> int:
        """Room for a table; MachineProblem when the area is full."""
        address = align_up(self._next, acpi.TABLE_ALIGNMENT)
        if address + size > self._end:
            raise MachineProblem(
                "the description tables do not fit below 1 MiB",
                because=f"{address + size - self._end} bytes too many",
                remedy="give the instance fewer processors or functions",
            )
        self._next = address + size
        return address

    def place(self, blob: bytes) -> int:
        address = self.take(len(blob))
        self.blobs.append((address, blob))
        return address


def description_tables(
    seen: View,
    processors: Sequence[int],
    routing: Routing,
    base: int = x86.BIOS_AREA,
    end: int = x86.LEGACY_END,
) -> Tables:
    """Write the tables for a view, processors (their APIC IDs) and interrupt routing.

    `base` (64-byte aligned) is where the RSDP goes; nothing reaches `end`. MachineProblem
    when they do not fit.
    """
    area = _Area(base, end)
    rsdp = area.take(len(acpi.Rsdp(rsdt=0, xsdt=0).to_bytes()))
    facs = area.place(acpi.Facs().to_bytes())
    aml = namespace(seen, len(processors), routing.prt)
    dsdt = area.place(table(acpi.Signature.DSDT, acpi.Revision.DSDT, aml))
    listed = [
        area.place(fadt(facs, dsdt)),
        area.place(madt(processors)),
    ]
    if seen.ecam:
        listed.append(area.place(mcfg(seen)))
    rsdt = area.place(_pointers(acpi.Signature.RSDT, acpi.Revision.RSDT, listed, 4))
    xsdt = area.place(_pointers(acpi.Signature.XSDT, acpi.Revision.XSDT, listed, 8))
    area.blobs.append((rsdp, _rsdp(rsdt, xsdt)))
    return Tables(rsdp, tuple(sorted(area.blobs)))


def table(signature: bytes, revision: int, body: bytes) -> bytes:
    """A header with the right length and checksum, and the body."""
    return _finished(lambda header: header.to_bytes() + body, signature, revision)


def _finished(build: Callable[[acpi.Header], bytes], signature: bytes, revision: int) -> bytes:
    header = acpi.Header(signature=signature, revision=revision, length=0)
    header.length = len(build(header))
    blob = bytearray(build(header))
    blob[acpi.CHECKSUM_OFFSET] = checksum(blob)
    return bytes(blob)


def checksum(blob: bytes | bytearray) -> int:
    """The byte that makes the sum of all bytes zero, given that it is zero now."""
    return -sum(blob) % (1 << 8)


def _pointers(signature: bytes, revision: int, addresses: Sequence[int], width: int) -> bytes:
    body = b"".join(address.to_bytes(width, "little") for address in addresses)
    return table(signature, revision, body)


def _rsdp(rsdt: int, xsdt: int) -> bytes:
    blob = bytearray(acpi.Rsdp(rsdt=rsdt, xsdt=xsdt).to_bytes())
    blob[acpi.RSDP_CHECKSUM_OFFSET] = checksum(blob[: acpi.RSDP_V1_SIZE])
    blob[acpi.RSDP_EXTENDED_CHECKSUM_OFFSET] = checksum(blob)
    return bytes(blob)


def fadt(facs: int, dsdt: int) -> bytes:
    """Fixed hardware: PM1 blocks, power button, timer, reset register; no SMI, no GPEs."""
    flags = acpi.FadtFlags(0).but(
        wbinvd=1,
        proc_c1=1,
        sleep_button_is_not_fixed=1,
        rtc_wake_is_not_fixed=1,
        timer_is_32_bits=1,
        reset_register_supported=1,
    )
    # What is said to be absent is not probed for, seconds long.
    boot = acpi.BootArchitecture(0).but(legacy_devices=1, no_vga=1, no_aspm=1, no_cmos_rtc=1)

    def build(header: acpi.Header) -> bytes:
        return acpi.Fadt(
            header=header,
            facs=facs,
            dsdt=dsdt,
            boot_architecture=int(boot),
            flags=int(flags),
            reset=_port(acpi.RESET_PORT, 1, acpi.ACCESS_BYTE),
            x_facs=facs,
            x_dsdt=dsdt,
            x_pm1a_event=_port(acpi.PM1A_EVENT, acpi.PM1A_EVENT_SIZE, acpi.ACCESS_WORD),
            x_pm1b_event=acpi.Address(),
            x_pm1a_control=_port(acpi.PM1A_CONTROL, acpi.PM1A_CONTROL_SIZE, acpi.ACCESS_WORD),
            x_pm1b_control=acpi.Address(),
            x_pm2_control=acpi.Address(),
            x_pm_timer=_port(acpi.PM_TIMER, acpi.PM_TIMER_SIZE, acpi.ACCESS_DWORD),
            x_gpe0=acpi.Address(),
            x_gpe1=acpi.Address(),
            sleep_control=acpi.Address(),
            sleep_status=acpi.Address(),
        ).to_bytes()

    return _finished(build, acpi.Signature.FADT, acpi.Revision.FADT)


def _port(number: int, size: int, access: int) -> acpi.Address:
    return acpi.Address(space=acpi.SPACE_IO, bit_width=8 * size, access_size=access, address=number)


def madt(processors: Sequence[int]) -> bytes:
    """Interrupt controllers: a local APIC each, one I/O APIC, the two ISA exceptions."""
    entries = [acpi.MadtBody().to_bytes()]
    for uid, apic_id in enumerate(processors):
        if apic_id <= acpi.LARGEST_APIC_ID:
            entries.append(acpi.LocalApic(uid=uid, apic_id=apic_id).to_bytes())
        else:
            entries.append(acpi.LocalX2Apic(uid=uid, apic_id=apic_id).to_bytes())
    entries.append(acpi.IoApic().to_bytes())
    for source, gsi, flags in (
        (acpi.PIT_IRQ, acpi.PIT_GSI, acpi.INTI_CONFORMS),
        (acpi.SCI, acpi.SCI, acpi.INTI_ACTIVE_HIGH_LEVEL),
    ):
        entries.append(acpi.SourceOverride(source=source, gsi=gsi, flags=flags).to_bytes())
    entries.append(acpi.LocalApicNmi().to_bytes())
    return table(acpi.Signature.MADT, acpi.Revision.MADT, b"".join(entries))


def mcfg(seen: View) -> bytes:
    """Where configuration space is mapped."""
    entries = [
        acpi.McfgEntry(
            base=area.span.start - (area.first_bus << pci.ECAM_BUS_SHIFT),
            segment=area.domain,
            first_bus=area.first_bus,
            last_bus=area.last_bus,
        ).to_bytes()
        for area in seen.ecam
    ]
    body = bytes(acpi.MCFG_RESERVED_SIZE) + b"".join(entries)
    return table(acpi.Signature.MCFG, acpi.Revision.MCFG, body)
