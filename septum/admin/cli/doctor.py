"""septum doctor: can this computer run instances? Each no with its remedy."""

from __future__ import annotations

import argparse
import os

from septum.admin.cli import tables
from septum.admin.cli.listing import in_json, table
from septum.machine.files import HostFiles
from septum.machine.inventory import inventory
from septum.machine.readiness import Check, facts, readiness, ready

HELP = "say whether this computer can run instances, and what to do where it cannot"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("--json", action="store_true", help="print the answers as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the answers; 0 when instances can run here and nothing was left behind, 1 when not."""
    checks = examine()
    if options.json:
        import json

        print(json.dumps({"ready": ready(checks), "checks": in_json(checks)}, indent=1))
    else:
        print(told(checks))
    return 0 if all(check.answer != "no" for check in checks) else 1


def examine() -> tuple[Check, ...]:
    """This computer's answers, and what was left behind. Runs the self-test guest."""
    import resource

    from septum.engine.kvm.selftest import selftest
    from septum.host import kernel_log
    from septum.supervisor.leftovers import leftovers

    files = HostFiles()
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    known = facts(
        files,
        inventory(files),
        selftest(),
        kernel_log.messages(),
        root=os.geteuid() == 0,
        locked_memory=-1 if limit == resource.RLIM_INFINITY else limit,
    )
    return (*readiness(known), *leftovers(tables.place().directory))


def told(checks: tuple[Check, ...]) -> str:
    """The answers as a listing, what to try below each that is not yes, and the sum."""
    rows = [check._asdict() for check in checks]
    lines = table(rows, ("question", "answer", "found")).splitlines()
    text = [lines[0]]
    for check, line in zip(checks, lines[1:], strict=True):
        text.append(line)
        if check.remedy and check.answer != "yes":
            text.append(f"    try: {check.remedy}")
    bad = sum(check.answer == "no" and check.stops for check in checks)
    left = sum(check.answer == "no" and not check.stops for check in checks)
    sentence = "this computer can run instances"
    if bad:
        sentence = f"this computer cannot run instances yet: {bad} of {len(checks)} say no"
    if left:
        sentence += f"; {left} of what was left behind needs attention"
    return "\n".join([*text, "", sentence])
