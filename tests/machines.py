"""Which computers do the tests decide about? A builder modelled on the lab computer.

a_machine()                            the lab: q35, 2 processors, 4 GiB
a_machine(iommu=..., host_needs=())    the same with fields replaced
a_function("0000:01:00.0", driver=..)  one function, for machines of a test's own
"""

from __future__ import annotations

from typing import Any

from septum.machine.inventory import INTERRUPT_CONTROLLERS
from septum.machine.model import (
    Bar,
    Bridge,
    Capability,
    Ecam,
    Function,
    HostNeed,
    HugePages,
    Iommu,
    IommuGroup,
    Machine,
    MemoryRange,
    Processor,
    RootBus,
)
from septum.units import GiB, KiB, MiB, PciAddress, Span

E1000E = {
    "vendor": 0x8086,
    "device": 0x10D3,
    "class_code": 0x020000,
    "msi_vectors": 1,
    "msix_vectors": 5,
    "interrupt_pin": 1,
    "driver": "e1000e",
    "reset_methods": ("flr", "pm", "bus"),
    "capabilities": (
        Capability(0x01, 0xC8, False),
        Capability(0x05, 0xD0, False),
        Capability(0x10, 0xE0, False),
        Capability(0x11, 0xA0, False),
    ),
    "name": "Intel Corporation 82574L Gigabit Network Connection",
}
LSI53C895A = {
    "vendor": 0x1000,
    "device": 0x0012,
    "class_code": 0x010000,
    "interrupt_pin": 1,
    "driver": "sym53c8xx",
    "reset_methods": (),
    "name": "Broadcom / LSI 53c895a",
}
NVME = {
    "vendor": 0x1B36,
    "device": 0x0010,
    "class_code": 0x010802,
    "msix_vectors": 65,
    "interrupt_pin": 1,
    "driver": "nvme",
    "reset_methods": ("flr",),
    "name": "Red Hat, Inc. QEMU NVM Express Controller",
}
ROOT_PORT = {
    "vendor": 0x1B36,
    "device": 0x000C,
    "class_code": 0x060400,
    "header_type": 1,
    "driver": "pcieport",
    "reset_methods": ("pm",),
    "name": "Red Hat, Inc. QEMU PCIe Root port",
}


def address(text: str) -> PciAddress:
    """Short for PciAddress.parse: "0000:01:00.0" or "01:00.0"."""
    return PciAddress.parse(text)


def a_function(where: str, **changes: Any) -> Function:
    """One function: a plain endpoint without BARs unless told otherwise."""
    fields: dict[str, Any] = {
        "address": address(where),
        "vendor": 0x1AF4,
        "device": 0x1000,
        "subsystem_vendor": 0x1AF4,
        "subsystem_device": 0x1100,
        "class_code": 0xFF0000,
        "revision": 0,
        "header_type": 0,
        "multifunction": False,
        "bars": (),
        "rom": None,
        "capabilities": (),
        "interrupt_pin": 0,
        "interrupt_line": 0,
        "msi_vectors": 0,
        "msix_vectors": 0,
        "iommu_group": None,
        "driver": None,
        "reset_methods": ("flr",),
        "numa_node": -1,
        "bridge": None,
        "parent": None,
        "configuration": b"",
        "consumers": (),
    }
    function = Function(**fields | changes)
    if function.configuration:
        return function
    return function._replace(configuration=a_header(function))


def a_header(function: Function) -> bytes:
    """256 bytes of configuration space that agree with the record. PCI 3.0, 6.1."""
    header = bytearray(256)
    header[0x00:0x02] = function.vendor.to_bytes(2, "little")
    header[0x02:0x04] = function.device.to_bytes(2, "little")
    header[0x04:0x06] = (0x0007).to_bytes(2, "little")
    if function.capabilities:
        header[0x06:0x08] = (0x0010).to_bytes(2, "little")
    header[0x08] = function.revision
    header[0x09:0x0C] = function.class_code.to_bytes(3, "little")
    header[0x0E] = function.header_type | (0x80 if function.multifunction else 0)
    for bar in function.bars:
        flags = {"memory32": 0, "memory64": 4, "io": 1}[bar.kind] | (8 if bar.prefetchable else 0)
        width = 8 if bar.kind == "memory64" else 4
        at = 0x10 + 4 * bar.index
        header[at : at + width] = (bar.span.start | flags).to_bytes(width, "little")
    if function.bridge is None:
        header[0x2C:0x2E] = function.subsystem_vendor.to_bytes(2, "little")
        header[0x2E:0x30] = function.subsystem_device.to_bytes(2, "little")
    else:
        header[0x18] = function.bridge.primary
        header[0x19] = function.bridge.secondary
        header[0x1A] = function.bridge.subordinate
    plain = sorted(c for c in function.capabilities if not c.extended)
    plain.sort(key=lambda capability: capability.offset)
    at = 0x34
    for capability in plain:
        header[at] = capability.offset
        header[capability.offset] = capability.identity
        at = capability.offset + 1
    header[0x3C] = function.interrupt_line if function.interrupt_line < 256 else 0
    header[0x3D] = function.interrupt_pin
    return bytes(header)


def memory_bar(index: int, start: int, size: int, kind: str = "memory32") -> Bar:
    return Bar(index, kind, Span(start, size), False)


def port_bar(index: int, start: int, size: int) -> Bar:
    return Bar(index, "io", Span(start, size), False)


def _ethernet(where: str, base: int, ports: int, **changes: Any) -> Function:
    bars = (
        memory_bar(0, base, 128 * KiB),
        memory_bar(1, base + 128 * KiB, 128 * KiB),
        port_bar(2, ports, 32),
        memory_bar(3, base + 256 * KiB, 16 * KiB),
    )
    return a_function(where, **E1000E | {"bars": bars} | changes)


def _scsi(where: str, base: int, ports: int, **changes: Any) -> Function:
    bars = (
        port_bar(0, ports, 256),
        memory_bar(1, base + 8 * KiB, KiB),
        memory_bar(2, base, 8 * KiB),
    )
    return a_function(where, **LSI53C895A | {"bars": bars} | changes)


def _root_port(where: str, secondary: int, base: int, ports: int, group: int) -> Function:
    bridge = Bridge(0, secondary, secondary, Span(base, 2 * MiB), None, Span(ports, 4 * KiB))
    return a_function(where, **ROOT_PORT, bridge=bridge, iommu_group=group)


def lab_functions() -> tuple[Function, ...]:
    """The functions of the lab computer, sorted by address."""
    return (
        a_function(
            "00:00.0",
            vendor=0x8086,
            device=0x29C0,
            class_code=0x060000,
            iommu_group=0,
            reset_methods=(),
        ),
        _root_port("00:01.0", 1, 0xFEA00000, 0x1000, 1),
        _root_port("00:02.0", 2, 0xFE800000, 0x2000, 2),
        _scsi("00:04.0", 0xFEC10000 - 0x200000, 0xC000, iommu_group=4, interrupt_line=20),
        _scsi("00:05.0", 0xFEC14000 - 0x200000, 0xC100, iommu_group=5, interrupt_line=21),
        a_function(
            "00:06.0",
            **NVME,
            bars=(memory_bar(0, 0x380000000, 16 * KiB, "memory64"),),
            iommu_group=6,
            consumers=("block:nvme0n1",),
        ),
        _ethernet("00:07.0", 0xFEB80000, 0xC200, iommu_group=7, consumers=("net:enp0s7",)),
        a_function(
            "00:1f.0",
            vendor=0x8086,
            device=0x2918,
            class_code=0x060100,
            multifunction=True,
            iommu_group=8,
            driver="lpc_ich",
            reset_methods=(),
        ),
        a_function(
            "00:1f.2",
            vendor=0x8086,
            device=0x2922,
            class_code=0x010601,
            multifunction=True,
            iommu_group=8,
            driver="ahci",
            reset_methods=(),
            bars=(port_bar(4, 0xC240, 32), memory_bar(5, 0xFEB7F000, 4 * KiB)),
        ),
        a_function(
            "00:1f.3",
            vendor=0x8086,
            device=0x2930,
            class_code=0x0C0500,
            multifunction=True,
            iommu_group=8,
            driver="i801_smbus",
            reset_methods=(),
            bars=(port_bar(4, 0x700, 64),),
        ),
        _ethernet(
            "01:00.0",
            0xFEA00000,
            0x1000,
            iommu_group=9,
            parent=address("00:01.0"),
            consumers=("net:enp1s0",),
        ),
        _ethernet(
            "02:00.0",
            0xFE800000,
            0x2000,
            iommu_group=10,
            parent=address("00:02.0"),
            consumers=("net:enp2s0",),
        ),
    )


MSI_WINDOW = Span(0xFEE00000, MiB)


def groups_of(functions: tuple[Function, ...]) -> tuple[IommuGroup, ...]:
    """The IOMMU groups these functions name, each with the MSI window reserved."""
    numbers = sorted({f.iommu_group for f in functions if f.iommu_group is not None})
    return tuple(
        IommuGroup(
            number,
            tuple(f.address for f in functions if f.iommu_group == number),
            (MSI_WINDOW,),
        )
        for number in numbers
    )


def a_machine(**changes: Any) -> Machine:
    """The lab computer, with fields of Machine replaced as told.

    When `functions` is replaced and `iommu` is not, the groups follow the functions.
    """
    functions: tuple[Function, ...] = changes.get("functions", lab_functions())
    fields: dict[str, Any] = {
        "name": "lab",
        "processors": tuple(Processor(n, 0, n, 0, True, n) for n in range(2)),
        "memory": (
            MemoryRange(Span(0, 0x9FC00), "System RAM"),
            MemoryRange(Span(0x9FC00, 0x400), "Reserved"),
            MemoryRange(Span(0xF0000, 0x10000), "Reserved"),
            MemoryRange(Span(MiB, 2 * GiB - MiB - 128 * KiB), "System RAM"),
            MemoryRange(Span(2 * GiB - 128 * KiB, 128 * KiB), "Reserved"),
            MemoryRange(Span(0xB0000000, 256 * MiB), "Reserved"),
            MemoryRange(Span(4 * GiB, 2 * GiB), "System RAM"),
        ),
        "memory_total": 4 * GiB - 128 * MiB,
        "memory_available": 4 * GiB - 512 * MiB,
        "functions": functions,
        "root_buses": (
            RootBus(
                0,
                0,
                255,
                (
                    Span(0xA0000, 0x20000),
                    Span(0x80000000, 0x30000000),
                    Span(0xC0000000, 0x3EC00000),
                    Span(0x180000000, 0x800000000),
                ),
                (Span(0, 0xCF8), Span(0xD00, 0xF300)),
            ),
        ),
        "decoded": INTERRUPT_CONTROLLERS,
        "ecam": (Ecam(0, 0, 255, Span(0xB0000000, 256 * MiB)),),
        "iommu": Iommu(True, True, groups_of(functions)),
        "huge_pages": (HugePages(2 * MiB, 1024, 1024),),
        "host_needs": (
            HostNeed(address("00:06.0"), "holds the root file system (/dev/nvme0n1p1)"),
            HostNeed(address("00:07.0"), "carries the login from 10.0.2.2"),
        ),
        "command_line": "console=ttyS0 intel_iommu=on iommu=nopt quiet",
    }
    return Machine(**fields | changes)
