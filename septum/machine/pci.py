"""Which PCI functions has this machine, where do they stand and what has Linux made of them?"""

from __future__ import annotations

from collections.abc import Mapping

from septum.errors import MachineProblem
from septum.layouts import pci, sysfs
from septum.machine import configuration
from septum.machine.files import HostFiles
from septum.machine.model import Bar, Function
from septum.machine.processors import whole
from septum.units import PciAddress, Span

DEVICES = "/sys/bus/pci/devices"


def functions(
    files: HostFiles, consumers: Mapping[PciAddress, tuple[str, ...]], unknown: list[str]
) -> tuple[Function, ...]:
    """Every function, sorted by address; what could not be read is added to `unknown`.

    MachineProblem when a function's files cannot be made sense of.
    """
    found = []
    hidden = 0
    for name in files.names(DEVICES):
        try:
            address = PciAddress.parse(name)
        except ValueError:
            continue
        function = _function(files, address, consumers.get(address, ()))
        if function is None:
            unknown.append(f"{address} does not answer: it is powered down or gone")
            continue
        found.append(function)
        hidden += len(function.configuration) == pci.HEADER_SIZE
    if hidden:
        unknown.append(
            f"capabilities of {hidden} functions: only root may read beyond the first 64 bytes"
        )
    return tuple(sorted(_with_parents(found), key=lambda function: function.address))


def _function(
    files: HostFiles, address: PciAddress, consumers: tuple[str, ...]
) -> Function | None:
    folder = f"{DEVICES}/{address}"
    space = files.read_bytes(f"{folder}/config", b"")
    identity = _identity(files, folder, space)
    if identity is None:
        return None
    said = configuration.function(address, space)
    bars, rom = _resources(files, folder, said.header_type)
    line = whole(files.read_text(f"{folder}/irq", ""), 0)
    group = files.read_link(f"{folder}/iommu_group").rpartition("/")[2]
    return said._replace(
        vendor=identity.vendor,
        device=identity.device,
        bars=bars,
        rom=rom,
        # With MSI on, the file tells the first message's number instead.
        interrupt_line=0 if configuration.uses_msi(space, said.capabilities) else line,
        iommu_group=int(group) if group.isdecimal() else None,
        driver=files.read_link(f"{folder}/driver").rpartition("/")[2] or None,
        reset_methods=_reset_methods(files, folder),
        numa_node=whole(files.read_text(f"{folder}/numa_node", ""), -1),
        parent=_parent(files.read_link(folder)),
        consumers=consumers,
        physical=next(iter(on_the_way(files.read_link(f"{folder}/physfn"))), None),
    )


def _identity(files: HostFiles, folder: str, space: bytes) -> pci.Identity | None:
    """Vendor and device; None when nothing answers. MachineProblem on a cut-off file."""
    if len(space) < pci.HEADER_SIZE:
        if not files.exists(f"{folder}/config"):
            return None  # unplugged since its folder was listed
        raise MachineProblem(
            f"{folder}/config is cut off",
            because=f"it has {len(space)} bytes; a header has {pci.HEADER_SIZE}",
            remedy="capture the machine again: septum scan --capture FILE.tar.xz",
        )
    identity = pci.Identity(configuration.value(space, pci.Identity))
    if identity.vendor != pci.NO_DEVICE:
        return identity
    # A virtual function's own header says so little; Linux knows from the physical one.
    # SR-IOV 1.1, 3.4.1.1.
    vendor = whole(files.read_text(f"{folder}/vendor", ""), pci.NO_DEVICE, 0)
    device = whole(files.read_text(f"{folder}/device", ""), pci.NO_DEVICE, 0)
    return None if vendor == pci.NO_DEVICE else identity.but(vendor=vendor, device=device)


def _reset_methods(files: HostFiles, folder: str) -> tuple[str, ...]:
    methods = tuple(files.read_text(f"{folder}/reset_method", "").split())
    # Linux before 5.15 says only that there is some way.
    return methods or (("reset",) if files.exists(f"{folder}/reset") else ())


def _resources(
    files: HostFiles, folder: str, layout: int
) -> tuple[tuple[Bar, ...], Span | None]:
    """BARs and expansion ROM as assigned; unassigned ones are not there."""
    path = f"{folder}/resource"
    count = {pci.HEADER_ENDPOINT: pci.ENDPOINT_BARS, pci.HEADER_BRIDGE: pci.BRIDGE_BARS}
    bars = []
    rom = None
    for number, text in enumerate(files.read_text(path, "").splitlines()):
        if number > sysfs.ROM_LINE:
            break
        span, flags = _resource(path, text)
        if span is None:
            continue
        if number == sysfs.ROM_LINE:
            rom = span
        elif number < count.get(layout, 1):
            bars.append(Bar(number, _kind(flags), span, bool(flags & sysfs.RESOURCE_PREFETCH)))
    return tuple(bars), rom


def _resource(path: str, text: str) -> tuple[Span | None, int]:
    words = text.split()
    numbers = [whole(word, -1, 16) for word in words]
    if len(numbers) != 3 or min(numbers) < 0 or (numbers[1] and numbers[1] < numbers[0]):
        raise MachineProblem(
            f"{path} has a line that is not start, end and flags",
            because=f"it is {text[:60]!r}",
            remedy="capture the machine again: septum scan --capture FILE.tar.xz",
        )
    first, last, flags = numbers
    kinds = sysfs.RESOURCE_IO | sysfs.RESOURCE_MEMORY
    if not flags & kinds or flags & sysfs.RESOURCE_UNSET or not last:
        return None, flags
    return Span(first, last - first + 1), flags


def _kind(flags: int) -> str:
    if flags & sysfs.RESOURCE_IO:
        return "io"
    return "memory64" if flags & sysfs.RESOURCE_MEMORY_64 else "memory32"


def on_the_way(path: str) -> list[PciAddress]:
    """The PCI functions a path of /sys/devices goes through, outermost first."""
    found = []
    for part in path.split("/"):
        if part.count(":") == 2 and "." in part:
            try:
                found.append(PciAddress.parse(part))
            except ValueError:
                continue
    return found


def root_of(path: str) -> tuple[int, int] | None:
    """Domain and bus of the PCI root a path of /sys/devices goes through, the innermost."""
    for part in reversed(path.split("/")):
        domain, colon, bus = part.removeprefix("pci").partition(":")
        if colon and part.startswith("pci"):
            numbers = whole(domain, -1, 16), whole(bus, -1, 16)
            return numbers if min(numbers) >= 0 else None
    return None


def _parent(link: str) -> PciAddress | None:
    """The bridge before the last name of a device's link; None on a root bus.

    A root bus inside another function (Intel's VMD) breaks the chain there.
    """
    parts = link.split("/")
    return on_the_way(parts[-2])[-1] if len(parts) > 1 and on_the_way(parts[-2]) else None


def _with_parents(found: list[Function]) -> list[Function]:
    """Where the links told nothing, a bridge whose secondary bus it is is the parent."""
    bridges = {
        (item.address.domain, item.bridge.secondary): item.address
        for item in found
        if item.bridge is not None and item.bridge.secondary
    }
    return [
        item
        if item.parent is not None
        else item._replace(parent=bridges.get((item.address.domain, item.address.bus)))
        for item in found
    ]
