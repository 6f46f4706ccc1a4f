"""What does QEMU have to be told to be a lab computer?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from septum.errors import Problem
from septum.lab.computer import (
    ACCELERATORS,
    EVERY_COMMAND_LINE,
    FIRST_ROOT,
    Computer,
    Function,
    Way,
    mac_address,
    root_place,
    root_places,
)
from septum.lab.devices import KINDS, drive_name
from septum.units import MiB

# QEMU 10.0.2 has the DMA of amd-iommu's devices translated with pt=off only: with it on, which
# is the default, a driver that Linux gives translated addresses waits for its device for ever.
_IOMMUS = {
    "intel": "intel-iommu,intremap=on,caching-mode=on",
    "amd": "amd-iommu,intremap=on,pt=off",
}


class Places(NamedTuple):
    """Where one run keeps its files, and the port on which its ssh is reached."""

    serial_log: Path
    monitor: Path
    process_file: Path
    ssh_port: int


def qemu_arguments(
    computer: Computer, files: dict[str, Path], places: Places, way: Way
) -> list[str]:
    """QEMU's arguments for a computer. Disks are never written: each run has its own layer."""
    words = ["-name", f"septum-lab-{computer.name}"]
    words += ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
    words += ["-machine", "q35,kernel-irqchip=split", "-m", f"{computer.memory // MiB}M"]
    words += ["-smp", str(computer.processors), *_accelerator(way)]
    words += ["-device", _IOMMUS[computer.iommu]]
    words += ["-kernel", str(files[computer.kernel]), "-initrd", str(files[computer.initrd])]
    words += ["-append", " ".join(filter(None, _command_line(computer, way)))]
    words += ["-chardev", f"file,id=serial,path={places.serial_log}", "-serial", "chardev:serial"]
    words += ["-qmp", f"unix:{places.monitor},server=on,wait=off"]
    words += ["-pidfile", str(places.process_file)]
    for device in _devices(computer, files, places.ssh_port):
        words += device
    return [*words, *way.more_arguments]


def _command_line(computer: Computer, way: Way) -> list[str]:
    """The kernel's, with what tells the host's first process which Ethernet card is its own."""
    own = [number for number, one in enumerate(computer.functions, 1) if one.ssh]
    said = [f"septum-lab.ethernet={mac_address(number)}" for number in own]
    return [computer.command_line, EVERY_COMMAND_LINE, *said, way.more_command_line]


def _accelerator(way: Way) -> list[str]:
    if way.accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    if way.accelerator != "tcg":
        remedy = f"take one of {', '.join(ACCELERATORS)}"
        raise Problem(f"there is no accelerator {way.accelerator}", remedy=remedy)
    # 57-bit addresses are left out: SVM's nested paging in QEMU knows 48 bits only
    processor = ["-cpu", "max,+svm,-la57,-erms,-fsrm"]
    if way.icount:
        return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", *processor]
    return ["-accel", "tcg,thread=multi", *processor]


def _devices(computer: Computer, files: dict[str, Path], ssh_port: int) -> list[list[str]]:
    """All that stands on its buses, each after what it stands behind."""
    shared = _slots_of_several(computer)
    found = []
    for root in computer.roots:
        ids = f"id=root-{root.bus},bus_nr={int(root.bus, 16)}"
        found.append(["-device", f"pxb-pcie,{ids},{_on_root_bus(root.at, shared)}"])
    for number, switch in enumerate(computer.switches, len(computer.functions) + 1):
        found.append(_root_port(number, switch.port, shared))
        found.append(["-device", f"x3130-upstream,id={switch.name},bus=port-{number}"])
    for number, bridge in enumerate(computer.bridges, 1):
        more = f",chassis_nr={number}" if bridge.device == "pci-bridge" else ""
        where = _on_root_bus(bridge.at, shared)
        found.append(["-device", f"{bridge.device},id={bridge.name},{where}{more}"])
    ports: dict[str, str] = {}
    for number, function in enumerate(computer.functions, 1):
        if function.port and function.port not in ports:
            ports[function.port] = f"port-{number}"
            acs = all(one.acs for one in computer.functions if one.port == function.port)
            found.append(_root_port(number, function.port, shared, acs=acs))
        if function.switch:
            ids = f"id=port-{number},chassis={number},slot={number}"
            found.append(["-device", f"xio3130-downstream,{ids},bus={function.switch}"])
        if function.at:
            where = _on_root_bus(function.at, shared)
        else:
            bus = function.bridge or ports.get(function.port) or f"port-{number}"
            where = _on_bus(bus, function.slot, shared, behind=function.bridge or function.port)
        found += _function(function, number, where, files, ssh_port)
    return found


def _slots_of_several(computer: Computer) -> set[tuple[str, str]]:
    """The devices with several functions: what they stand on or behind, and their number."""
    slots = [root_place(place) for place in root_places(computer)]
    slots += [
        (one.bridge or one.port, one.slot) for one in computer.functions if one.bridge or one.port
    ]
    devices = [(bus, slot.partition(".")[0]) for bus, slot in slots]
    return {device for device in devices if devices.count(device) > 1}


def _function(
    function: Function, number: int, where: str, files: dict[str, Path], ssh_port: int
) -> list[list[str]]:
    """The device, after what feeds it, before what stands behind it."""
    kind = KINDS[function.device]
    found = [[option, value.format(id=function.name)] for option, value in kind.backends]
    drives = [drive_name(function.name, unit) for unit, _ in enumerate(function.disks)]
    for drive, disk in zip(drives, function.disks, strict=True):
        how = f"if=none,id={drive},format=raw,snapshot=on,file={files[disk]}"
        found.append(["-drive", how])
    words = [function.device, f"id={function.name}", where]
    if function.network:
        net = f"user,id=net-{number},net={function.network}"
        if function.ssh:
            net += f",hostfwd=tcp:127.0.0.1:{ssh_port}-:22"
        found.append(["-netdev", net])
        words += [f"netdev=net-{number}", f"mac={mac_address(number)}"]
    words += [kind.options.format(id=function.name), function.options]
    found.append(["-device", ",".join(filter(None, words))])
    found += [["-device", one.format(id=function.name)] for one in kind.attached]
    for unit, drive in enumerate(drives if kind.disk else ()):
        disk = kind.disk.format(id=function.name, unit=unit, number=unit + 1)
        found.append(["-device", f"{disk},drive={drive}"])
    return found


def _root_port(
    number: int, place: str, shared: set[tuple[str, str]], *, acs: bool = True
) -> list[str]:
    ids = f"id=port-{number},chassis={number},slot={number}"
    without = "" if acs else ",disable-acs=on"
    return ["-device", f"pcie-root-port,{ids},{_on_root_bus(place, shared)}{without}"]


def _on_root_bus(place: str, shared: set[tuple[str, str]]) -> str:
    """QEMU's words for a place on a root bus."""
    bus, slot = root_place(place)
    name = "pcie.0" if bus == FIRST_ROOT else f"root-{bus}"
    return _on_bus(name, slot, shared, behind=bus)


def _on_bus(name: str, slot: str, shared: set[tuple[str, str]], *, behind: str) -> str:
    """QEMU's words for a slot of a bus: function 0 says when others are of its device."""
    device, _, function = slot.partition(".")
    several = function == "0" and (behind, device) in shared
    return f"bus={name},addr={slot}" + (",multifunction=on" if several else "")
