"""Of what is a lab computer made, and what does QEMU have to be told to be one?

A computer is described by a file (computers/two-of-each.toml is the usual one). Needed of
each: an IOMMU with interrupt remapping, and a processor that virtualizes.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from septum.errors import Problem
from septum.units import MiB, parse_size

COMPUTERS = Path(__file__).parent / "computers"
USUAL = "two-of-each"
DEVICES = ("e1000e", "e1000", "ich9-ahci", "igb", "lsi53c895a", "nvme")
ACCELERATORS = ("tcg", "kvm")

FIRST_ROOT = "00"

# Linux counts on a timer that keeps time with its processor, and panics when it does not; here
# either may wait for something else that this machine does
EVERY_COMMAND_LINE = "no_timer_check"

_PLACE = re.compile(r"([0-9a-f]{2}):([01][0-9a-f])\.([0-7])")


class Root(NamedTuple):
    """One more root bus, and where on bus 0 QEMU has the function that stands for it."""

    bus: str
    at: str


class Switch(NamedTuple):
    """A PCIe switch behind a root port of its own at `port`; what names it stands below it."""

    name: str
    port: str


class Function(NamedTuple):
    """A PCI function: `at` its place on a root bus, or behind a root port of its own at `port`,
    or on a port of its own below a `switch`."""

    name: str
    device: str
    at: str = ""
    port: str = ""
    switch: str = ""
    network: str = ""
    disks: tuple[str, ...] = ()
    ssh: bool = False


class Computer(NamedTuple):
    """A lab computer; memory in bytes; kernel, initrd and disks are names of built files."""

    name: str
    memory: int
    processors: int
    kernel: str
    initrd: str
    command_line: str
    functions: tuple[Function, ...]
    roots: tuple[Root, ...] = ()
    switches: tuple[Switch, ...] = ()


class Way(NamedTuple):
    """How a computer is run this time."""

    accelerator: str = "tcg"
    icount: bool = False
    more_command_line: str = ""
    more_arguments: tuple[str, ...] = ()


class Places(NamedTuple):
    """Where one run keeps its files, and the port on which its ssh is reached."""

    serial_log: Path
    monitor: Path
    process_file: Path
    ssh_port: int


def read_computer(name_or_path: str = USUAL) -> Computer:
    """The computer of a file, or of a name in computers/. Raises Problem."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = COMPUTERS / f"{name_or_path}.toml"
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        known = ", ".join(sorted(found.stem for found in COMPUTERS.glob("*.toml")))
        raise Problem(f"there is no lab computer {name_or_path}", remedy=f"take {known}") from None
    except tomllib.TOMLDecodeError as error:
        raise Problem(f"{path} is not TOML", because=str(error)) from None
    try:
        return computer_of(content)
    except (KeyError, TypeError, ValueError) as error:
        because = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        raise Problem(f"{path} describes no computer", because=because) from None


def computer_of(content: dict[str, object]) -> Computer:
    """Check the content of a computer file. Raises ValueError, KeyError or TypeError."""
    content = dict(content)
    functions = tuple(
        Function(**{**item, "disks": tuple(item.get("disks", ()))})
        for item in _listed(content, "functions")
    )
    roots = tuple(Root(**item) for item in _listed(content, "roots", ()))
    switches = tuple(Switch(**item) for item in _listed(content, "switches", ()))
    for function in functions:
        if function.device not in DEVICES:
            raise ValueError(f"{function.name}: {function.device} is none of {', '.join(DEVICES)}")
        if function.switch and function.switch not in [switch.name for switch in switches]:
            raise ValueError(f"{function.name}: there is no switch {function.switch}")
    _check_places(functions, roots, switches)
    if sum(function.ssh for function in functions) != 1:
        raise ValueError("exactly one function must have ssh = true")
    content["memory"] = parse_size(str(content["memory"]))
    return Computer(functions=functions, roots=roots, switches=switches, **content)  # type: ignore[arg-type]


def _listed(content: dict[str, object], key: str, *missing: tuple[()]) -> list[dict[str, Any]]:
    listed = content.pop(key, *missing)
    if not isinstance(listed, (list, tuple)):
        raise ValueError(f"{key} must be an array of tables")
    return list(listed)


def _check_places(
    functions: tuple[Function, ...], roots: tuple[Root, ...], switches: tuple[Switch, ...]
) -> None:
    """Each stands somewhere, on a root bus that is there, and alone."""
    places = []
    for function in functions:
        given = [where for where in (function.at, function.port, function.switch) if where]
        if len(given) != 1 or not (function.switch or _PLACE.fullmatch(given[0])):
            why = "give one of at, port and switch; a place is such as 00:05.0"
            raise ValueError(f"{function.name}: {why}")
        if not function.switch:
            places.append(given[0])
    for place in [*(root.at for root in roots), *(switch.port for switch in switches)]:
        if not _PLACE.fullmatch(place):
            raise ValueError(f"{place!r} is no place such as 00:05.0")
        places.append(place)
    buses = [FIRST_ROOT, *(root.bus for root in roots)]
    for place in places:
        if place[:2] not in buses:
            raise ValueError(f"{place} is on no root bus: there are {', '.join(buses)}")
    for what in (places, buses):
        if twice := sorted({one for one in what if what.count(one) > 1}):
            raise ValueError(f"two stand at {twice[0]}")


def qemu_arguments(
    computer: Computer, files: dict[str, Path], places: Places, way: Way
) -> list[str]:
    """QEMU's arguments for a computer. Disks are never written: each run has its own layer."""
    words = ["-name", f"septum-lab-{computer.name}"]
    words += ["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
    words += ["-machine", "q35,kernel-irqchip=split", "-m", f"{computer.memory // MiB}M"]
    words += ["-smp", str(computer.processors), *_accelerator(way)]
    words += ["-device", "intel-iommu,intremap=on,caching-mode=on"]
    words += ["-kernel", str(files[computer.kernel]), "-initrd", str(files[computer.initrd])]
    line = f"{computer.command_line} {EVERY_COMMAND_LINE} {way.more_command_line}"
    words += ["-append", line.strip()]
    words += ["-chardev", f"file,id=serial,path={places.serial_log}", "-serial", "chardev:serial"]
    words += ["-qmp", f"unix:{places.monitor},server=on,wait=off"]
    words += ["-pidfile", str(places.process_file)]
    for root in computer.roots:
        ids = f"id=root-{root.bus},bus_nr={int(root.bus, 16)}"
        words += ["-device", f"pxb-pcie,{ids},{_on_root_bus(root.at)}"]
    for number, switch in enumerate(computer.switches, len(computer.functions) + 1):
        words += _root_port(number, switch.port)
        words += ["-device", f"x3130-upstream,id={switch.name},bus=port-{number}"]
    for number, function in enumerate(computer.functions, 1):
        words += _function(function, number, files, places.ssh_port)
    return [*words, *way.more_arguments]


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


def _function(function: Function, number: int, files: dict[str, Path], port: int) -> list[str]:
    words: list[str] = []
    where = f"bus=port-{number},addr=00.0"
    if function.at:
        where = _on_root_bus(function.at)
    elif function.port:
        words += _root_port(number, function.port)
    else:
        ids = f"id=port-{number},chassis={number},slot={number}"
        words += ["-device", f"xio3130-downstream,{ids},bus={function.switch}"]
    device = f"{function.device},id={function.name},{where}"
    if function.network:
        net = f"user,id=net-{number},net={function.network}"
        if function.ssh:
            net += f",hostfwd=tcp:127.0.0.1:{port}-:22"
        words += ["-netdev", net]
        device += f",netdev=net-{number},mac={mac_address(number)}"
    if function.device == "nvme":
        device += f",serial={function.name}"
    words += ["-device", device]
    for unit, disk in enumerate(function.disks):
        drive = f"{function.name}-{unit}"
        words += ["-drive", f"if=none,id={drive},format=raw,snapshot=on,file={files[disk]}"]
        kind = f"nvme-ns,bus={function.name},nsid={unit + 1}"
        if function.device == "ich9-ahci":
            kind = f"ide-hd,bus={function.name}.{unit}"
        elif function.device != "nvme":
            kind = f"scsi-hd,bus={function.name}.0,scsi-id={unit}"
        if function.device != "nvme":
            kind += f",serial={drive}"
        words += ["-device", f"{kind},drive={drive}"]
    return words


def mac_address(number: int) -> str:
    """What QEMU is told to give the Ethernet card that is the computer's function `number`."""
    return f"52:54:00:00:00:{number:02x}"


def _root_port(number: int, place: str) -> list[str]:
    ids = f"id=port-{number},chassis={number},slot={number}"
    return ["-device", f"pcie-root-port,{ids},{_on_root_bus(place)}"]


def _on_root_bus(place: str) -> str:
    bus, slot = _qemu_place(place)
    return f"bus={bus},addr={slot}"


def _qemu_place(place: str) -> tuple[str, str]:
    """QEMU's names for a root bus and a place on it."""
    match = _PLACE.fullmatch(place)
    assert match is not None
    return "pcie.0" if match[1] == FIRST_ROOT else f"root-{match[1]}", f"{match[2]}.{match[3]}"
