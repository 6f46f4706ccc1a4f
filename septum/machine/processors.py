"""Which processors has this machine, and which belong together?"""

from __future__ import annotations

from septum.errors import MachineProblem
from septum.machine.files import HostFiles
from septum.machine.model import Processor

_FOLDER = "/sys/devices/system/cpu"
_NODES = "/sys/devices/system/node"
_MOST = 1 << 16  # no kernel is built for more


def processors(files: HostFiles) -> tuple[Processor, ...]:
    """Every processor Linux knows, sorted by number; MachineProblem when it shows none."""
    present = number_list(files.read_text(f"{_FOLDER}/present"), f"{_FOLDER}/present")
    online = set(number_list(files.read_text(f"{_FOLDER}/online", ""), f"{_FOLDER}/online"))
    apic_ids = _apic_ids(files.read_text("/proc/cpuinfo", ""))
    nodes = _nodes(files)
    found = []
    for number in present:
        topology = f"{_FOLDER}/cpu{number}/topology"
        found.append(
            Processor(
                number=number,
                package=whole(files.read_text(f"{topology}/physical_package_id", ""), -1),
                core=whole(files.read_text(f"{topology}/core_id", ""), -1),
                numa_node=nodes.get(number, -1),
                online=number in online or not online,
                apic_id=apic_ids.get(number, -1),
            )
        )
    return tuple(found)


def number_list(text: str, source: str) -> tuple[int, ...]:
    """Numbers of Linux's list form, "0-3,8"; MachineProblem when it is not one."""
    numbers: set[int] = set()
    for piece in text.split(",") if text else ():
        first, dash, last = piece.strip().partition("-")
        low, high = whole(first, -1), whole(last if dash else first, -1)
        if not 0 <= low <= high < _MOST:
            raise MachineProblem(
                f"{source} is not a list of numbers",
                because=f"it holds {piece[:40]!r}",
                remedy="is this a complete capture?",
            )
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))


def whole(text: str, default: int, base: int = 10) -> int:
    """The number a file holds, or `default` when it holds none."""
    try:
        return int(text, base)
    except ValueError:
        return default


def _nodes(files: HostFiles) -> dict[int, int]:
    nodes = {}
    for name in files.names(_NODES):
        if name.startswith("node") and name[4:].isdecimal():
            path = f"{_NODES}/{name}/cpulist"
            for number in number_list(files.read_text(path, ""), path):
                nodes[number] = int(name[4:])
    return nodes


def _apic_ids(text: str) -> dict[int, int]:
    """From /proc/cpuinfo; a paragraph a processor, as arch/x86/kernel/cpu/proc.c writes it."""
    ids = {}
    number = -1
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "processor":
            number = whole(value, -1)
        elif key.strip() == "apicid" and number >= 0:
            ids[number] = whole(value, -1)
    return ids
