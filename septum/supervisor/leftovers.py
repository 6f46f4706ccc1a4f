"""What did instances leave behind that are no more? Looks only; `septum ps` tidies.

Each answer is one of doctor's: it does not keep other instances from running.
"""

from __future__ import annotations

import os

from septum.errors import Problem
from septum.host import processes
from septum.host.channel import connect
from septum.host.claim import VFIO_DRIVER, driver_of
from septum.host.journal import Entry, Journal
from septum.host.runtime import RunDirectory
from septum.machine.readiness import Check
from septum.supervisor.conflicts import runs_alone

_TIDY = "septum ps tries again, and says why"


def leftovers(directory: RunDirectory, root: str = "/") -> tuple[Check, ...]:
    """Claims, drivers, instances and sockets; each a yes when nothing is left of it."""
    return (_claims(directory, root), _held(directory, root), *_processes(directory))


def _claims(directory: RunDirectory, root: str) -> Check:
    """What the dead have not given back."""
    journal = Journal(directory.claims)
    damaged, lost = journal.damaged(), journal.abandoned()
    if damaged:
        problem = next(iter(damaged.values()))
        return _check("claims", "no", f"{problem.what}: {problem.because}", problem.remedy)
    if not lost:
        return _check("claims", "yes", "everything is given back that was taken")
    told = "; ".join(f"{one.address} of {one.instance or 'nobody'}: {_drivers(one, root)}"
                     for one in lost)  # fmt: skip
    drivers = " ".join(sorted({one.driver for one in lost if one.driver}))
    remedy = f"{_TIDY}; see dmesg" + (f"; modprobe {drivers}" if drivers else "")
    return _check("claims", "no", f"not given back: {told}", remedy)


def _drivers(entry: Entry, root: str) -> str:
    if not os.path.isdir(os.path.join(root, "sys/bus/pci/devices", entry.address)):
        return "it is gone from this machine"
    now = driver_of(entry.address, root)
    return f"{entry.driver or 'no driver'} had it, {now or 'no driver'} has it"


def _held(directory: RunDirectory, root: str) -> Check:
    """Functions that somebody gave to vfio-pci by name, and of which no journal knows."""
    known = {entry.address for entry in Journal(directory.claims).entries()}
    folder = os.path.join(root, "sys/bus/pci/devices")
    strays = [
        address
        for address in sorted(os.listdir(folder) if os.path.isdir(folder) else ())
        if address not in known and _is_overridden(os.path.join(folder, address))
    ]
    if not strays:
        return _check("drivers", "yes", "no function is kept from its driver without an owner")
    return _check(
        "drivers",
        "poor",
        f"{', '.join(strays)}: only {VFIO_DRIVER} may have it, and no instance does",
        "if no other program uses it: echo > /sys/bus/pci/devices/ADDRESS/driver_override, "
        f"echo ADDRESS > /sys/bus/pci/drivers/{VFIO_DRIVER}/unbind, "
        "echo ADDRESS > /sys/bus/pci/drivers_probe",
    )


def _is_overridden(device: str) -> bool:
    try:
        with open(os.path.join(device, "driver_override"), encoding="ascii") as file:
            return file.read().strip() == VFIO_DRIVER
    except OSError:
        return False


def _processes(directory: RunDirectory) -> list[Check]:
    process = processes.read_process(directory.supervisor)
    is_alive = process is not None and process.is_alive
    answers = _answers(directory.control)
    if is_alive and not answers and process is not None:
        supervisor = _check(
            "supervisor",
            "no",
            f"its process {process.number} runs and does not answer",
            f"kill {process.number}; then septum ps gives back what its instances had",
        )
    elif answers:
        supervisor = _check("supervisor", "yes", "it runs")
    else:
        supervisor = _check("supervisor", "yes", "none runs; septum up starts one")
    return [supervisor, _instances(directory, has_supervisor=answers or is_alive)]


def _instances(directory: RunDirectory, *, has_supervisor: bool) -> Check:
    orphans: list[str] = []
    stale: list[str] = []
    for name in directory.instances():
        if has_supervisor or runs_alone(directory, name):
            continue
        process = processes.read_process(directory.process_of(name))
        (orphans if process is not None and process.is_alive else stale).append(name)
    if not has_supervisor and os.path.exists(directory.control):
        stale.append("the supervisor's socket")
    if orphans:
        found = f"without a supervisor: {', '.join(orphans)}"
        return _check("instances", "no", found, "septum ps ends them, and gives back what they had")
    if stale:
        found = f"left by instances that are no more: {', '.join(stale)}"
        return _check("instances", "poor", found, "septum ps removes it")
    return _check("instances", "yes", "each has a process and somebody who keeps it")


def _answers(path: str) -> bool:
    try:
        stream = connect(path)
    except (Problem, OSError):
        return False
    if stream is None:
        return False
    stream.close()
    return True


def _check(question: str, answer: str, found: str, remedy: str = "") -> Check:
    return Check(question, answer, found, remedy, stops=False)
