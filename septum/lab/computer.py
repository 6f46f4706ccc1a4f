"""Of what is a lab computer made, and what does QEMU have to be told to be one?

A computer is described by a file (computers/two-of-each.toml is the usual one). Needed of
each: an IOMMU with interrupt remapping, and a processor that virtualizes.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

from septum.errors import Problem
from septum.units import MiB, parse_size

COMPUTERS = Path(__file__).parent / "computers"
USUAL = "two-of-each"
DEVICES = ("e1000e", "e1000", "ich9-ahci", "igb", "lsi53c895a", "nvme")
ACCELERATORS = ("tcg", "kvm")

_PLACE = re.compile(r"00:([01][0-9a-f])\.([0-7])")


class Function(NamedTuple):
    """A PCI function: on bus 0 `at` its place, or behind a root port at `port`."""

    name: str
    device: str
    at: str = ""
    port: str = ""
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
    listed = content.pop("functions")
    if not isinstance(listed, list):
        raise ValueError("functions must be an array of tables")
    functions = []
    for item in listed:
        made = Function(**{**item, "disks": tuple(item.get("disks", ()))})
        if made.device not in DEVICES:
            raise ValueError(f"{made.name}: {made.device} is none of {', '.join(DEVICES)}")
        if not _PLACE.fullmatch(made.at or made.port) or (made.at and made.port):
            raise ValueError(f"{made.name}: give either at or port, a place such as 00:05.0")
        functions.append(made)
    places = [function.at or function.port for function in functions]
    twice = sorted({place for place in places if places.count(place) > 1})
    if twice:
        raise ValueError(f"two functions stand at {twice[0]}")
    if sum(function.ssh for function in functions) != 1:
        raise ValueError("exactly one function must have ssh = true")
    memory = parse_size(str(content.pop("memory")))
    return Computer(memory=memory, functions=tuple(functions), **content)  # type: ignore[arg-type]


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
    words += ["-append", f"{computer.command_line} {way.more_command_line}".strip()]
    words += ["-chardev", f"file,id=serial,path={places.serial_log}", "-serial", "chardev:serial"]
    words += ["-qmp", f"unix:{places.monitor},server=on,wait=off"]
    words += ["-pidfile", str(places.process_file)]
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
    bus, place = "pcie.0", function.at
    if function.port:
        bus, place = f"port-{number}", "00:00.0"
        ids = f"id={bus},chassis={number},slot={number}"
        where = _qemu_place(function.port)
        words += ["-device", f"pcie-root-port,{ids},bus=pcie.0,addr={where}"]
    device = f"{function.device},id={function.name},bus={bus},addr={_qemu_place(place)}"
    if function.network:
        net = f"user,id=net-{number},net={function.network}"
        if function.ssh:
            net += f",hostfwd=tcp:127.0.0.1:{port}-:22"
        words += ["-netdev", net]
        device += f",netdev=net-{number},mac=52:54:00:00:00:{number:02x}"
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
        words += ["-device", f"{kind},drive={drive}"]
    return words


def _qemu_place(place: str) -> str:
    match = _PLACE.fullmatch(place)
    assert match is not None
    return f"{match[1]}.{match[2]}"
