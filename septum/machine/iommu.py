"""What stands between this machine's devices and its memory?"""

from __future__ import annotations

from septum.machine.files import HostFiles
from septum.machine.model import Iommu, IommuGroup
from septum.machine.processors import whole
from septum.units import PciAddress, Span

_UNITS = "/sys/class/iommu"
_GROUPS = "/sys/kernel/iommu_groups"


def iommu(files: HostFiles) -> Iommu:
    """The IOMMU as Linux uses it now; absent when Linux has not switched it on."""
    groups = tuple(
        _group(files, int(name))
        for name in sorted(files.names(_GROUPS), key=lambda name: whole(name, -1))
        if name.isdecimal()
    )
    units = files.names(_UNITS)
    return Iommu(
        present=bool(groups and units),
        interrupt_remapping=bool(units) and _remaps_interrupts(files),
        groups=groups,
    )


def _group(files: HostFiles, number: int) -> IommuGroup:
    functions = []
    for name in files.names(f"{_GROUPS}/{number}/devices"):
        try:
            functions.append(PciAddress.parse(name))
        except ValueError:
            continue  # devices that are not PCI have groups too
    reserved, direct = [], []
    for line in files.read_text(f"{_GROUPS}/{number}/reserved_regions", "").splitlines():
        words = line.split()
        # A "direct-relaxable" one may be given up: VFIO does not count it either.
        if len(words) != 3 or words[2] == "direct-relaxable":
            continue
        low, high = whole(words[0], -1, 0), whole(words[1], -1, 0)
        if 0 <= low <= high:
            reserved.append(Span(low, high - low + 1))
            if words[2] == "direct":
                direct.append(reserved[-1])
    # Linux, Documentation/ABI/testing/sysfs-kernel-iommu_groups
    kind = files.read_text(f"{_GROUPS}/{number}/type", "")
    return IommuGroup(number, tuple(sorted(functions)), tuple(reserved), tuple(direct), kind)


def _remaps_interrupts(files: HostFiles) -> bool:
    """Linux names every interrupt chip below a remapping one "IR-...", Intel's and AMD's alike."""
    return any(
        word.startswith(("IR-IO-APIC", "IR-PCI-MSI"))
        for line in files.read_text("/proc/interrupts", "").splitlines()
        for word in line.split()
    )
