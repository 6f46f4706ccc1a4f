"""What does the supervisor do about each thing it can be asked?"""

from __future__ import annotations

import time
from collections.abc import Callable

from septum import protocol
from septum.errors import NotRunning, Problem
from septum.host.journal import Journal
from septum.messages import Message
from septum.protocol import machine_of, partitions_of
from septum.sockets.askers import Asker
from septum.state import ACTIVE, RUNNING, WAITING
from septum.supervisor.conflicts import refuse_conflicts, runs_alone, runs_already
from septum.supervisor.instances import Instance
from septum.supervisor.keeper import SHUTDOWN_SECONDS, Keeper, Stop
from septum.supervisor.requests import AGAIN, GONE, STARTED, OpenRequests
from septum.units import parse_duration

MOST_KEPT = 256  # instances, those that have ended too


def up(requests: OpenRequests, asker: Asker, message: Message) -> None:
    """Start instances; the asker hears of each stage, and in the end that it is done."""
    wanted, machine = partitions_of(message), machine_of(message)
    keeper = requests.keeper
    if keeper.is_ending:
        raise NotRunning("the supervisor is about to end", remedy="try again in a moment")
    if message["platform"] != requests.platform:
        raise NotRunning(
            f"nothing starts on {machine.name} now",
            because=f"the supervisor that runs keeps instances of the platform {requests.platform}",
            remedy="septum down ends those; or name another run directory in SEPTUM_RUN",
        )
    active = [instance.partition for instance in keeper.active()]
    refuse_conflicts(wanted, active)
    names = tuple(partition.name for partition in wanted)
    for name in names:
        if runs_alone(keeper.place.directory, name):
            raise runs_already(name)
    if len(keeper.instances) + len(names) > MOST_KEPT:
        raise Problem(
            f"nothing starts on {machine.name} now",
            because=f"{len(keeper.instances)} instances are kept already",
            remedy="septum down forgets those that have ended",
        )
    requests.add(asker, names, STARTED)
    for partition in wanted:
        keeper.instances[partition.name] = Instance(partition, machine)
    for name in names:
        keeper.start(keeper.instances[name])


def take_back(requests: OpenRequests, asker: Asker, message: Message) -> None:
    """Stop what this asker started and has not yet seen to its end."""
    requests.take_back(asker)


def down(requests: OpenRequests, asker: Asker, message: Message) -> None:
    """End instances, all without a name, and forget them when everything is given back."""
    keeper = requests.keeper
    names = meant(keeper, message)
    within = seconds_to_shut_down(keeper, message)
    look_again(requests)
    requests.add(asker, names, GONE)
    for name in names:
        if keeper.instances[name].is_active:
            keeper.stop(keeper.instances[name], Stop(within))


def reboot(requests: OpenRequests, asker: Asker, message: Message) -> None:
    """End instances as down() does, and start each again when it has ended."""
    keeper = requests.keeper
    names = meant(keeper, message)
    within = seconds_to_shut_down(keeper, message)
    for name in names:
        state = keeper.instances[name].state
        if state not in (RUNNING, WAITING):
            raise NotRunning(
                f"{name} cannot be rebooted",
                because=f"it is {state}",
                remedy="try again in a moment" if state in ACTIVE else f"septum up TABLE {name}",
            )
    requests.add(asker, names, AGAIN)
    for name in names:
        keeper.stop(keeper.instances[name], Stop(within, starts_again=True))


def meant(keeper: Keeper, message: Message) -> tuple[str, ...]:
    """The instances a question is about; NotRunning when there is none of that name, or at all."""
    instances = keeper.instances
    names = tuple(message.get("names") or instances)
    unknown = [name for name in names if name not in instances]
    if unknown or not names:
        known = ", ".join(sorted(instances))
        raise NotRunning(
            f"{unknown[0]} does not run" if unknown else "nothing runs",
            because=f"the instances are {known}" if known else "no instance was started",
            remedy="septum ps lists them" if known else "septum up TABLE starts some",
        )
    return names


def seconds_to_shut_down(keeper: Keeper, message: Message) -> float:
    """How long systems get after the power button; Problem: no time at all, or no such button."""
    asked = message["within"]
    if asked is None and not keeper.has_power_button and message["ask"] == "down":
        return 0.0
    try:
        within = SHUTDOWN_SECONDS if asked is None else parse_duration(asked)
    except ValueError as error:
        raise Problem("no system can be shut down so", because=str(error)) from error
    if within and not keeper.has_power_button:
        raise Problem(
            "these systems cannot be asked to shut down",
            because="their computer has no power button that their kernels know",
            remedy="shut them down from inside, or pull the plug with --now",
        )
    return within


def listing(requests: OpenRequests, asker: Asker, message: Message) -> None:
    """One row an instance."""
    look_again(requests)
    now = time.monotonic()
    instances = requests.keeper.instances
    rows = [instances[name].row(now) for name in sorted(instances)]
    requests.send(asker, {"rows": rows})


def look_again(requests: OpenRequests) -> None:
    """What an instance kept may have come back since it ended."""
    keeper = requests.keeper
    kept = [instance for instance in keeper.instances.values() if instance.kept]
    unreturned = Journal(keeper.place.directory.claims).unreturned() if kept else []
    for instance in kept:
        instance.look_again(unreturned)


ANSWERS: dict[str, Callable[[OpenRequests, Asker, Message], None]] = {
    "up": up,
    "take back": take_back,
    "down": down,
    "reboot": reboot,
    "list": listing,
}
assert ANSWERS.keys() == protocol.SUPERVISOR.keys(), "each question has its answer"
