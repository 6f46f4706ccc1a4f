"""septum scan: what is here, what could be divided, what not and why?"""

from __future__ import annotations

import argparse
import os

from septum.admin.cli.listing import in_json, table
from septum.machine import capture
from septum.machine.division import Divisibility, division
from septum.machine.files import HostFiles
from septum.machine.inventory import inventory
from septum.machine.kinds import is_bridge
from septum.machine.model import Function, Machine
from septum.machine.names import Names, named
from septum.machine.session import login_environment
from septum.platforms.pc import whole
from septum.units import GiB, MiB, PciAddress, size_text

HELP = "show what this machine has and what of it could be divided"

_COLUMNS = ("function", "divide", "group", "driver", "used_by", "kind", "name")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument(
        "--capture", metavar="FILE", help="also keep what was read, as FILE.tar.xz or FILE.tar.gz"
    )
    parser.add_argument(
        "--machine", metavar="CAPTURE", help="look at a captured machine instead of this one"
    )


def run(options: argparse.Namespace) -> int:
    """Print the machine. MachineProblem when it, or the capture, cannot be read."""
    machine, left_out = read(options.machine, options.capture)
    names = Names.installed()
    machine = named(machine, names)
    answers = division(machine)
    if options.json:
        import json

        print(json.dumps({"machine": in_json(machine), "division": in_json(answers)}, indent=1))
        return 0
    print("\n".join(summary(machine)))
    print()
    print(tree(machine, answers, names))
    notes = remarks(machine, answers)
    if notes:
        print()
        print("\n".join(notes))
    if options.capture:
        print(f"\ncaptured in {options.capture}")
        for path in left_out:
            print(f"  left out, not readable: {path}")
    return 0


def read(captured: str | None, keep: str | None) -> tuple[Machine, tuple[str, ...]]:
    """This machine, or a captured one; kept in the file `keep`, if any, with what it lacks."""
    if captured is None:
        files = HostFiles()
        machine = inventory(files, login_environment(HostFiles(), os.environ))
    else:
        files = capture.opened(captured)
        machine = inventory(files)
    return whole(machine), capture.pack(files, keep) if keep else ()


def summary(machine: Machine) -> list[str]:
    """The lines above the tree."""
    online = [processor for processor in machine.processors if processor.online]
    cores = {(processor.package, processor.core) for processor in online}
    packages = {processor.package for processor in online}
    nodes = {processor.numa_node for processor in online}
    pools = ", ".join(
        f"{pool.total} of {size_text(pool.size)} ({pool.free} free)"
        for pool in machine.huge_pages
        if pool.total
    )
    lines = [
        f"machine     {machine.name}",
        f"processors  {len(online)} online of {len(machine.processors)}: {len(cores)} cores, "
        f"{len(packages)} packages, {len(nodes)} NUMA nodes",
        f"memory      {_amount(machine.memory_total)}, "
        f"{_amount(machine.memory_available)} to spare",
        f"huge pages  {pools or 'none reserved'}",
        f"IOMMU       {_iommu(machine)}",
        f"PCI         {len(machine.functions)} functions, {len(machine.root_buses)} root buses: "
        + ", ".join(f"{root.domain:04x}:{root.first:02x}" for root in machine.root_buses),
    ]
    return lines + [f"not known   {text}" for text in machine.unknown]


def _amount(size: int) -> str:
    return f"{size / GiB:.1f} GiB" if size >= GiB else f"{size / MiB:.0f} MiB"


def _iommu(machine: Machine) -> str:
    if not machine.iommu.present:
        return "none in use"
    remapping = "with" if machine.iommu.interrupt_remapping else "WITHOUT"
    return f"{len(machine.iommu.groups)} groups, {remapping} interrupt remapping"


def tree(machine: Machine, answers: tuple[Divisibility, ...], names: Names) -> str:
    """The functions, each below the bridge it stands behind."""
    verdicts = {answer.address: answer for answer in answers}
    numbers = {reason: number for number, reason in enumerate(_reasons(machine, answers), 1)}
    rows = []
    for depth, function in _descended(machine.functions):
        answer = verdicts[function.address]
        note = None if is_bridge(function) else numbers.get((answer.because, answer.remedy))
        rows.append(
            {
                "function": "  " * depth + str(function.address),
                "divide": _verdict(function, answer) + (f" ({note})" if note else ""),
                "group": function.iommu_group,
                "driver": function.driver,
                "used_by": ", ".join(function.consumers),
                "kind": names.kind(function.class_code) or f"class {function.class_code:06x}",
                "name": function.name or f"{function.vendor:04x}:{function.device:04x}",
            }
        )
    return table(rows, _COLUMNS)


def _verdict(function: Function, answer: Divisibility) -> str:
    if is_bridge(function):
        return "bridge"
    if not answer.possible:
        return "no"
    return "as group" if answer.together else "yes"


def _descended(functions: tuple[Function, ...]) -> list[tuple[int, Function]]:
    """Depth first from the roots; a parent that is not listed makes its children roots."""
    there = {function.address for function in functions}
    below: dict[PciAddress | None, list[Function]] = {}
    for function in functions:
        parent = function.parent if function.parent in there else None
        below.setdefault(parent, []).append(function)
    found: list[tuple[int, Function]] = []
    ahead = [(0, function) for function in reversed(below.get(None, []))]
    while ahead:
        depth, function = ahead.pop()
        found.append((depth, function))
        children = below.pop(function.address, [])
        ahead.extend((depth + 1, child) for child in reversed(children))
    return found


def _reasons(machine: Machine, answers: tuple[Divisibility, ...]) -> list[tuple[str, str]]:
    """Each reason once; that of bridges is plain from the tree."""
    bridges = {function.address for function in machine.functions if is_bridge(function)}
    wanted = (answer for answer in answers if answer.because and answer.address not in bridges)
    return list(dict.fromkeys((answer.because, answer.remedy) for answer in wanted))


def remarks(machine: Machine, answers: tuple[Divisibility, ...]) -> list[str]:
    """Each reason, numbered as in the tree, with its remedy."""
    lines = []
    for number, (because, remedy) in enumerate(_reasons(machine, answers), 1):
        lines.append(f"({number}) {because}")
        if remedy:
            lines.append(f"    try: {remedy}")
    return lines
