"""What has this computer? The whole of it, read once, in one record."""

from __future__ import annotations

from collections.abc import Mapping

from septum.layouts import x86
from septum.machine.consumers import consumers
from septum.machine.files import HostFiles
from septum.machine.iommu import iommu
from septum.machine.memory import huge_pages, memory_map, memory_totals
from septum.machine.model import Machine
from septum.machine.needs import linux
from septum.machine.pci import functions
from septum.machine.processors import processors
from septum.machine.roots import root_buses
from septum.units import Span

# Every PC answers there itself, whatever its buses decode.
INTERRUPT_CONTROLLERS = (
    Span(x86.IO_APIC, x86.IO_APIC_SIZE),
    Span(x86.LOCAL_APIC, x86.LOCAL_APIC_SIZE),
)


def inventory(files: HostFiles, environ: Mapping[str, str] | None = None) -> Machine:
    """Read a computer, live or captured. Changes nothing.

    `environ` is the login's, which is to be protected; none for a capture.
    MachineProblem when something essential cannot be read or makes no sense; what merely
    stays hidden from a reader who is not root is named in the machine's `unknown`.
    """
    unknown: list[str] = []
    found = functions(files, consumers(files), unknown)
    own = linux(files, environ or {}, found)
    unknown += own.unknown
    roots, ecam = root_buses(files, found, unknown)
    total, available = memory_totals(files)
    return Machine(
        name=files.read_text("/proc/sys/kernel/hostname", "unnamed"),
        processors=processors(files),
        memory=memory_map(files),
        memory_total=total,
        memory_available=available,
        functions=found,
        root_buses=roots,
        ecam=ecam,
        iommu=iommu(files),
        huge_pages=huge_pages(files),
        host_needs=own.needs,
        host_uses=own.uses,
        command_line=files.read_text("/proc/cmdline", ""),
        unknown=tuple(unknown),
        decoded=INTERRUPT_CONTROLLERS,
    )
