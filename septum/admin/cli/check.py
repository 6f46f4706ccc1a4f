"""septum check: is a partition table sound on this machine, or on a captured one?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter

from septum.admin.cli import tables
from septum.admin.cli.listing import in_json, table
from septum.discovery.view import view
from septum.machine.cautions import NO_RESET, cautions
from septum.machine.model import Machine
from septum.partitions.findings import UnsoundTable
from septum.partitions.model import Partition, PartitionTable
from septum.settings import manual
from septum.units import size_text

HELP = "say whether a partition table is sound: what is owned by whom, or all that is wrong"
INSTANCES = ("instance", "memory", "processors", "kernel")
FUNCTIONS = ("function", "owner", "linux_driver", "used_by")


def arguments(parser: ArgumentParser) -> None:
    """The command's own arguments; its help ends with all that a table can say."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = f"what a table can say:\n\n{manual()}"
    parser.add_argument("table", metavar="TABLE", help="the partition table's file")
    parser.add_argument(
        "--machine", metavar="CAPTURE", help="check for a captured machine instead of this one"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def run(options: Namespace) -> int:
    """0 when the table is sound, 1 when it is not; MachineProblem for an unreadable machine."""
    is_capture = bool(options.machine)
    try:
        draft = tables.draft_of(options.table)
        platform = tables.platform_of(draft)
        if is_capture:
            machine = platform.captured(draft, options.machine)
        else:
            machine = platform.machine(draft)
        sound = tables.sound_table(draft, machine, is_capture=is_capture)
    except UnsoundTable as refused:
        print(refused_json(refused) if options.json else refused)
        return 1
    if options.json:
        print(sound_json(sound, machine, not is_capture))
        return 0
    print("\n".join(summary(sound, machine)))
    if is_capture:
        print(f"\nnot checked: kernel and initrd files, because {machine.name} is a capture")
    return 0


def summary(sound: PartitionTable, machine: Machine) -> list[str]:
    """The lines for people: who owns what."""
    count = len(sound.partitions)
    lines = [f"sound: {count} instance{'s' * (count != 1)} on {machine.name}", ""]
    lines.append(table([_instance(one) for one in sound.partitions], INSTANCES))
    owned = [row for one in sound.partitions for row in _functions(machine, one)]
    if owned:
        # Only where a bus is presented as another are the two addresses not the same.
        moved = any(row["found_at"] != row["function"] for row in owned)
        lines += ["", table(owned, (*FUNCTIONS, *(("found_at",) if moved else ())))]
    told = _cautions(sound, machine)
    if told:
        lines += ["", "bear in mind:"]
    for one in told:
        lines.append(f"  {one['function']} {one['because']}")
        if one["remedy"]:
            lines.append(f"    try: {one['remedy']}")
    return lines


def _cautions(sound: PartitionTable, machine: Machine) -> list[dict[str, str]]:
    """What a sound table's writer should know; that a function has no reset, the table says."""
    functions = [machine.function(at) for one in sound.partitions for at in one.functions]
    return [
        {"function": str(function.address), "because": one.because, "remedy": one.remedy}
        for function in functions
        if function is not None and machine.hosted
        for one in cautions(machine, function)
        if one.because != NO_RESET
    ]


def _instance(partition: Partition) -> dict[str, object]:
    memory, processors = partition.memory, partition.processors
    numbers = ",".join(str(number) for number in processors.numbers)
    how = "own" if processors.own else f"share, weight {processors.weight}"
    if processors.count:
        how = f"finds {processors.count}; {how}"
    lent = f" and {size_text(memory.float)} to lend" if memory.float else ""
    return {
        "instance": partition.name,
        "memory": size_text(memory.base) + lent,
        "processors": f"{numbers} ({how})",
        "kernel": partition.kernel,
    }


def _functions(machine: Machine, owner: Partition) -> list[dict[str, object]]:
    """Its functions; `found_at` is where it will find them."""
    numbers = view(machine, owner).numbers
    rows: list[dict[str, object]] = []
    for address in owner.functions:
        function = machine.function(address)
        rows.append(
            {
                "function": str(address),
                "owner": owner.name,
                "linux_driver": function.driver if function else None,
                "used_by": function.consumers if function else None,
                "found_at": str(numbers.address(address)),
            }
        )
    return rows


def sound_json(sound: PartitionTable, machine: Machine, files_checked: bool) -> str:
    """The answer for programs, when the table is sound."""
    import json

    answer = {
        "sound": True,
        "table": sound.path,
        "machine": machine.name,
        "files_checked": files_checked,
        "platform": sound.platform,
        "instances": in_json(sound.partitions),
        "cautions": _cautions(sound, machine),
    }
    return json.dumps(answer, indent=2)


def refused_json(refused: UnsoundTable) -> str:
    """The answer for programs, when it is not."""
    import json

    findings = [
        {
            "file": finding.where.file,
            "line": finding.where.line,
            "key": finding.where.key,
            "what": finding.what,
            "because": finding.because,
            "remedy": finding.remedy,
        }
        for finding in refused.findings
    ]
    return json.dumps({"sound": False, "table": refused.path, "findings": findings}, indent=2)
