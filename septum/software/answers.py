"""What is an instance of a software computer asked while it runs, and what does it answer?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from septum.engine.alpha.vmm import show
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.monitor import Monitor
from septum.errors import Problem
from septum.interrupts.table import ALL
from septum.messages import Message
from septum.sockets.link import Answer
from septum.units import PciAddress


def answers(monitor: Monitor, instance: Instance) -> dict[str, Answer]:
    """One function a question; each returns what is sent back."""

    def rows_of(make: Callable[[Instance], show.Rows]) -> Answer:
        return lambda message: {"rows": make(instance)}

    def stop(message: Message) -> Mapping[str, object]:
        monitor.stop(instance.name)
        return {"rows": []}

    def revoke(message: Message) -> Mapping[str, object]:
        try:
            address = PciAddress.parse(str(message.get("function", "")))
        except ValueError as error:
            raise Problem("cannot revoke", because=str(error)) from error
        if message.get("hold"):
            raise Problem(
                "a software computer holds nothing back",
                because="it counts every trap as it is: septum show exits",
                remedy="leave --hold out",
            )
        return {"rows": revoked(instance, address, message.get("bar"))}

    return {
        "stop": stop,
        "revoke": revoke,
        "devices": rows_of(show.devices),
        "memory": rows_of(show.memory),
        "interrupts": lambda message: {"rows": interrupt_rows(monitor, instance.name)},
        "probes": rows_of(show.probes),
        "translations": rows_of(show.translations),
        "exits": rows_of(show.exits),
    }


def interrupt_rows(monitor: Monitor, name: str) -> show.Rows:
    """Of the computer's one interrupt table, what one instance handles, and the VMM for all."""
    return [row for row in show.interrupts(monitor) if row["instance"] in (ALL, name)]


def revoked(instance: Instance, address: PciAddress, bar: object) -> show.Rows:
    """Take back what leads to a function's registers; the leases that were held."""
    if address not in instance.partition.functions:
        raise Problem(
            f"cannot revoke translations of {address}",
            because="this instance does not own it",
            remedy="septum show devices",
        )
    taken = instance.revoke_bar(address, None if bar is None else int(str(bar)))
    return [
        {
            "guest": str(lease.span),
            "to": lease.owner,
            "machine": f"{lease.machine or 0:#x}",
            "side": lease.side,
        }
        for lease in taken
    ]
