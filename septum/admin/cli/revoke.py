"""What is taken back from a running instance?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from septum import protocol
from septum.admin.cli.show import listing
from septum.errors import Problem
from septum.host.channel import ask
from septum.host.runtime import RunDirectory
from septum.units import PciAddress

HELP = "Take back translations of a function's registers: the next access is decided anew."
BARS = range(6)  # PCI 3.0, 6.2.5.1: an endpoint has six


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the instance")
    parser.add_argument("address", metavar="ADDRESS", help="its function, such as 0000:01:00.0")
    parser.add_argument("--bar", type=int, choices=BARS, help="this one only (default: all)")
    parser.add_argument(
        "--hold",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="grant nothing anew for so long: every access traps (default: 0)",
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")


def run(options: Namespace) -> int:
    try:
        address = PciAddress.parse(options.address)
    except ValueError as error:
        raise Problem(
            f"{options.address} is no function", because=str(error), remedy="septum ps lists them"
        ) from error
    question = protocol.question(
        "revoke", protocol.INSTANCE, function=str(address), bar=options.bar, hold=options.hold
    )
    control = RunDirectory.from_environment().control_of(options.name)
    rows = protocol.rows_of(ask(control, question, options.name))
    if options.json:
        import json

        print(json.dumps(rows, indent=2))
    else:
        print(listing(rows) or f"{options.name} held no translation of {address}")
    return 0
