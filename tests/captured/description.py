"""How is a computer written down that nobody here has? As cards, expanded to sysfs and procfs."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from septum.machine.capture import CapturedFiles

Entries = dict[str, bytes | str | None]
Bars = tuple[tuple[int, str, int, int], ...]  # index, kind as in model.Bar, start, size

FLAGS = {"io": 0x40101, "memory32": 0x40200, "memory64": 0x140204, "prefetchable64": 0x14220C}
PCIE = {"endpoint": 0x0, "root_port": 0x4, "to_pci": 0x7, "integrated": 0x9}


class Card(NamedTuple):
    """One function. `behind` is the bridge above it; `secondary` makes it a bridge."""

    address: str
    identity: str  # "8086:1533"
    code: int  # class, 24 bits
    group: int | None
    driver: str = ""
    behind: str = ""
    secondary: tuple[int, int] | None = None  # secondary, subordinate
    window: tuple[int, int] | None = None  # memory: start, size
    bars: Bars = ()
    rom: tuple[int, int] | None = None
    pin: int = 0
    line: int = 0
    msi: int = 0
    msix: int = 0
    express: str = "endpoint"  # a key of PCIE, or "" for a conventional function
    reset: str = "flr"
    node: int = -1
    multifunction: bool = False
    makes: tuple[str, ...] = ()  # "net/eno1", "nvme/nvme0/nvme0n1", below its folder
    boot_vga: bool = False


class Computer(NamedTuple):
    """The rest of a computer; what it does not name is left out."""

    name: str
    cards: tuple[Card, ...]
    topology: tuple[tuple[int, int, int], ...]  # a processor each: package, core, node
    iomem: str
    ioports: str
    reserved: Mapping[int, str]  # by group, besides the message window
    mounts: Sequence[tuple[str, str, str]]  # major:minor, mount point, source
    swaps: str
    devices: Mapping[str, str]  # path of a link: what it says
    route: str
    interrupts: str
    memory_kib: int
    files: Mapping[str, str]


def expanded(computer: Computer) -> CapturedFiles:
    """The files of the computer, as if its capture had been opened."""
    entries: Entries = {}
    for card in computer.cards:
        _card(entries, card, computer)
    _processors(entries, computer)
    for group in sorted({card.group for card in computer.cards if card.group is not None}):
        folder = f"/sys/kernel/iommu_groups/{group}"
        text = computer.reserved.get(group, "") + "0x00000000fee00000 0x00000000feefffff msi\n"
        entries[f"{folder}/reserved_regions"] = text.encode()
    mounts = [
        f"{30 + place} 1 {numbers} / {where} rw - ext4 {source} rw\n"
        for place, (numbers, where, source) in enumerate(computer.mounts)
    ]
    texts = {
        "/proc/iomem": computer.iomem,
        "/proc/ioports": computer.ioports,
        "/proc/self/mountinfo": "".join(mounts),
        "/proc/swaps": computer.swaps,
        "/proc/self/net/route": computer.route,
        "/proc/interrupts": computer.interrupts,
        "/proc/sys/kernel/hostname": f"{computer.name}\n",
        "/proc/meminfo": f"MemTotal: {computer.memory_kib} kB\nMemAvailable: "
        f"{computer.memory_kib // 2} kB\n",
        **computer.files,
    }
    entries.update({path: text.encode() for path, text in texts.items()})
    entries.update(computer.devices)
    return CapturedFiles(entries)


def _card(entries: Entries, card: Card, computer: Computer) -> None:
    above = {other.address: other for other in computer.cards}
    way = [card.address]
    while above[way[0]].behind:
        way.insert(0, above[way[0]].behind)
    root = f"pci{way[0][:7]}"
    folder = f"/sys/devices/{root}/{'/'.join(way)}"
    up = "../" * (len(way) + 2)
    entries[f"/sys/bus/pci/devices/{card.address}"] = f"../../../{folder.removeprefix('/sys/')}"
    entries[f"{folder}/config"] = configuration(card)
    entries[f"{folder}/resource"] = _resource(card)
    entries[f"{folder}/irq"] = f"{card.line}\n".encode()
    entries[f"{folder}/numa_node"] = f"{card.node}\n".encode()
    if card.reset:
        entries[f"{folder}/reset_method"] = f"{card.reset}\n".encode()
    if card.driver:
        entries[f"{folder}/driver"] = f"{up}bus/pci/drivers/{card.driver}"
    if card.boot_vga:
        entries[f"{folder}/boot_vga"] = b"1\n"
    if card.group is not None:
        entries[f"{folder}/iommu_group"] = f"{up}kernel/iommu_groups/{card.group}"
        entries[f"/sys/kernel/iommu_groups/{card.group}/devices/{card.address}"] = (
            f"../../../../{folder.removeprefix('/sys/')}"
        )
    for made in card.makes:
        parts = made.split("/")
        if "block" in parts or parts[0] == "nvme":
            kind, whole = "block", parts.index("block") + 1 if "block" in parts else 2
            for end in range(whole, len(parts)):
                where = f"../../{folder.removeprefix('/sys/')}/{'/'.join(parts[: end + 1])}"
                entries[f"/sys/class/{kind}/{parts[end]}"] = where
        elif parts[0] == "drm":
            for end in range(1, len(parts)):
                where = f"../../{folder.removeprefix('/sys/')}/{'/'.join(parts[: end + 1])}"
                entries[f"/sys/class/drm/{parts[end]}"] = where
        else:
            where = f"../../{folder.removeprefix('/sys/')}/{made}"
            entries[f"/sys/class/{parts[-2]}/{parts[-1]}"] = where


def configuration(card: Card) -> bytes:
    """Configuration space with the capabilities the card names."""
    space = bytearray(4096 if card.express else 256)
    vendor, device = (int(word, 16) for word in card.identity.split(":"))
    kind = (1 if card.secondary else 0) | (0x80 if card.multifunction else 0)
    struct.pack_into("<HHHHB", space, 0, vendor, device, 0x0406, 0x0010, 1)
    space[9:12] = card.code.to_bytes(3, "little")
    space[0x0E], space[0x3C], space[0x3D] = kind, min(card.line, 255), card.pin
    for index, shape, start, _ in card.bars:
        low = {"io": 1, "memory32": 0, "memory64": 4, "prefetchable64": 0xC}[shape]
        width = 8 if shape.endswith("64") else 4
        space[0x10 + 4 * index : 0x10 + 4 * index + width] = (start | low).to_bytes(width, "little")
    if card.secondary:
        space[0x18:0x1B] = bytes((int(card.address[5:7], 16), *card.secondary))
        space[0x1C:0x1E] = b"\xf0\x00"
        start, size = card.window or (0x100000, 0)
        struct.pack_into("<HH", space, 0x20, start >> 16, (start + size - 0x100000) >> 16)
        struct.pack_into("<HH", space, 0x24, 0xFFF1, 0x0001)
    else:
        struct.pack_into("<HH", space, 0x2C, vendor, 0x0001)
    _capabilities(space, card)
    return bytes(space)


def _capabilities(space: bytearray, card: Card) -> None:
    found = [(0x01, 0x40, 8, 0x0003)]
    if card.msi:
        found.append((0x05, 0x50, 24, 0x0180 | (card.msi.bit_length() - 1) << 1))
    if card.msix:
        found.append((0x11, 0x70, 12, card.msix - 1))
    if card.express:
        found.append((0x10, 0xA0, 60, 0x0002 | PCIE[card.express] << 4))
        struct.pack_into("<I", space, 0x100, 0x0001 | 2 << 16 | 0x140 << 20)
        struct.pack_into("<I", space, 0x140, 0x000D | 1 << 16)
    at = 0x34
    for identity, offset, _, control in found:
        space[at] = offset
        struct.pack_into("<BBH", space, offset, identity, 0, control)
        at = offset + 1


def _resource(card: Card) -> bytes:
    lines = ["0x0000000000000000 0x0000000000000000 0x0000000000000000"] * 13
    for index, shape, start, size in card.bars:
        lines[index] = f"{start:#018x} {start + size - 1:#018x} {FLAGS[shape]:#018x}"
    if card.rom:
        start, size = card.rom
        lines[6] = f"{start:#018x} {start + size - 1:#018x} {0x46200:#018x}"
    return ("\n".join(lines) + "\n").encode()


def _processors(entries: Entries, computer: Computer) -> None:
    folder = "/sys/devices/system/cpu"
    last = len(computer.topology) - 1
    entries[f"{folder}/present"] = entries[f"{folder}/online"] = f"0-{last}\n".encode()
    text = ""
    nodes: dict[int, list[int]] = {}
    for number, (package, core, node) in enumerate(computer.topology):
        entries[f"{folder}/cpu{number}/topology/physical_package_id"] = f"{package}\n".encode()
        entries[f"{folder}/cpu{number}/topology/core_id"] = f"{core}\n".encode()
        nodes.setdefault(node, []).append(number)
        text += f"processor\t: {number}\napicid\t\t: {package * 32 + number}\n\n"
    for node, numbers in nodes.items():
        path = f"/sys/devices/system/node/node{node}/cpulist"
        entries[path] = (",".join(map(str, numbers)) + "\n").encode()
    entries["/proc/cpuinfo"] = text.encode()
