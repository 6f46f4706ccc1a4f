"""Does the inventory say what lspci said of the same computer, and what was written down?"""

from __future__ import annotations

import os
import re

import pytest

from septum.errors import MachineProblem
from septum.machine.capture import CapturedFiles
from septum.machine.inventory import inventory
from septum.machine.model import Ecam, Function
from septum.units import GiB, PciAddress, Span
from tests.captured import lab, laptop, workstation

HERE = os.path.join(os.path.dirname(__file__), "..", "captured")


def at(text: str) -> PciAddress:
    return PciAddress.parse(text)


def lspci() -> dict[PciAddress, dict[str, str]]:
    """The records of `lspci -Dvmmnnk`, run in the lab when it was captured."""
    with open(os.path.join(HERE, "lab.lspci")) as file:
        records = file.read().strip().split("\n\n")
    found = {}
    for record in records:
        fields = dict(re.split(r":\s+", line, maxsplit=1) for line in record.splitlines())
        found[at(fields["Slot"])] = fields
    return found


def number(text: str) -> int:
    match = re.search(r"\[([0-9a-f]{4})\]$", text)
    assert match
    return int(match[1], 16)


def test_the_lab_is_what_lspci_says() -> None:
    machine = inventory(lab())
    witness = lspci()
    assert [function.address for function in machine.functions] == sorted(witness)
    for function in machine.functions:
        said = witness[function.address]
        assert function.vendor == number(said["Vendor"])
        assert function.device == number(said["Device"])
        assert function.class_code >> 8 == number(said["Class"])
        assert function.class_code & 0xFF == int(said["ProgIf"], 16)
        assert function.revision == int(said.get("Rev", "0"), 16)
        assert function.driver == said.get("Driver")
        assert function.iommu_group == int(said["IOMMUGroup"])
        if not function.is_bridge and "SVendor" in said:
            assert function.subsystem_vendor == number(said["SVendor"])
            assert function.subsystem_device == number(said["SDevice"])


def in_lspcis_words(function: Function) -> list[str]:
    """The lines `lspci -vvv` has for what we read."""
    lines = []
    for bar in function.bars:
        shape = "64-bit" if bar.kind == "memory64" else "32-bit"
        fetch = "prefetchable" if bar.prefetchable else "non-prefetchable"
        size = f"{bar.span.size >> 10}K" if bar.span.size >= 1024 else f"{bar.span.size}"
        if bar.kind == "io":
            lines.append(f"Region {bar.index}: I/O ports at {bar.span.start:04x} [size={size}]")
        else:
            where = f"Memory at {bar.span.start:08x} ({shape}, {fetch})"
            lines.append(f"Region {bar.index}: {where} [size={size}]")
    if function.bridge:
        bridge = function.bridge
        lines.append(
            f"Bus: primary={bridge.primary:02x}, secondary={bridge.secondary:02x}, "
            f"subordinate={bridge.subordinate:02x}, sec-latency=0"
        )
        for label, span, digits in (
            ("I/O", bridge.io, 4),
            ("Memory", bridge.memory, 8),
            ("Prefetchable memory", bridge.prefetchable, 8),
        ):
            assert span
            last = span.end - 1
            lines.append(f"{label} behind bridge: {span.start:0{digits}x}-{last:0{digits}x}")
    for item in function.capabilities:
        version = " v" if item.extended else "]"
        lines.append(f"Capabilities: [{item.offset:02x}{version}")
    return lines


def test_the_labs_registers_are_what_lspci_says() -> None:
    with open(os.path.join(HERE, "lab.lspci-v")) as file:
        paragraphs = re.split(r"^(?=0000:)", file.read(), flags=re.M)[1:]
    machine = inventory(lab())
    assert len(paragraphs) == len(machine.functions)
    for function, paragraph in zip(machine.functions, paragraphs, strict=True):
        ours = in_lspcis_words(function)
        said = [line.strip() for line in paragraph.splitlines()[1:] if "IOMMU" not in line]
        assert len(ours) == len(said), (function.address, ours, said)
        for line in ours:
            assert any(theirs.startswith(line) for theirs in said), (function.address, line)
        for count in re.findall(r"MSI-X: Enable. Count=(\d+)", paragraph):
            assert function.msix_vectors == int(count)


def test_the_lab_as_a_whole() -> None:
    machine = inventory(lab())
    assert machine.name == "lab"
    assert [processor.apic_id for processor in machine.processors] == [0, 1]
    assert machine.ecam == (Ecam(0, 0, 255, Span(0xB0000000, 0x10000000)),)
    (root,) = machine.root_buses
    assert (root.domain, root.first, root.last) == (0, 0, 255)
    assert Span(0xA0000, 0x20000) in root.memory
    assert Span(0xC0000000, 0xFEC00000 - 0xC0000000) in root.memory
    assert all(area.span not in root.memory for area in machine.ecam)
    assert root.io[0] == Span(0, 0xCF8)
    assert machine.iommu.present and machine.iommu.interrupt_remapping
    group = machine.group(7)
    assert group and group.functions == (at("00:1f.0"), at("00:1f.2"), at("00:1f.3"))
    assert group.reserved == (Span(0xFEE00000, 0x100000),)
    assert machine.unknown == ()
    owned = machine.function(at("01:00.0"))
    assert owned and owned.parent == at("00:05.0") and owned.consumers == ("net:enp1s0",)
    reasons = {(need.address, need.reason) for need in machine.host_needs}
    assert (at("00:02.0"), "holds the root file system (/dev/nvme0n1)") in reasons
    assert (at("00:01.0"), "carries the default route (enp0s1)") in reasons
    assert {need.address for need in machine.host_needs} == {at("00:01.0"), at("00:02.0")}


def test_the_workstation() -> None:
    machine = inventory(workstation())
    assert len(machine.processors) == 16
    assert {processor.numa_node for processor in machine.processors} == {0, 1}
    assert [(root.first, root.last) for root in machine.root_buses] == [
        (0x00, 0x16), (0x17, 0x39), (0x3A, 0x7F), (0x80, 0x84), (0x85, 0xFF),
    ]  # fmt: skip
    assert machine.root_buses[3].memory[0] == Span(0xD3800000, 0xE1000000 - 0xD3800000)
    assert machine.ecam[0].span.size == 0x10000000
    card = machine.function(at("18:00.0"))
    assert card and card.parent == at("17:00.0") and card.multifunction
    assert [bar.index for bar in card.bars] == [0, 1, 3, 5]
    assert card.bars[1].prefetchable and card.bars[1].kind == "memory64"
    assert card.rom == Span(0x9F000000, 0x80000)
    sound = machine.function(at("18:00.1"))
    assert sound and sound.consumers == ("sound:card0",)
    assert machine.huge_pages[0] == (2 << 20, 8192, 8000)
    assert machine.memory_total == 98 * GiB
    group = machine.group(20)
    assert group and group.direct == (Span(0x6F000000, 0x100000),)


def test_the_laptop_hides_addresses_from_its_user() -> None:
    machine = inventory(laptop())
    assert machine.root_buses[0].memory == () and machine.ecam == ()
    assert any("/proc/iomem" in text for text in machine.unknown)
    assert machine.iommu.present and not machine.iommu.interrupt_remapping
    old = machine.function(at("05:01.0"))
    assert old and old.parent == at("04:00.0") and old.bars[0].kind == "io"
    group = machine.group(1)
    assert group and group.direct == ()  # "direct-relaxable" stands in nobody's way


def test_without_root_the_header_is_all_there_is() -> None:
    files = lab()
    assert isinstance(files, CapturedFiles)
    for path, content in files.entries.items():
        if path.endswith("/config") and isinstance(content, bytes):
            files.entries[path] = content[:64]
    machine = inventory(files)
    assert all(not function.capabilities for function in machine.functions)
    assert any("64 bytes" in text for text in machine.unknown)


@pytest.mark.parametrize("captured", [lab, workstation, laptop])
def test_addresses_are_sorted_and_parents_exist(captured: object) -> None:
    machine = inventory(captured())  # type: ignore[operator]
    addresses = [function.address for function in machine.functions]
    assert addresses == sorted(set(addresses))
    for function in machine.functions:
        assert function.parent is None or function.parent in addresses


def test_an_empty_folder_is_a_problem(tmp_path: object) -> None:
    from septum.machine.capture import opened

    with pytest.raises(MachineProblem, match="cannot read"):
        inventory(opened(str(tmp_path)))
