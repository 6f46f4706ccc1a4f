"""Who may interrupt whom? The interrupt table of the patent [0037-0039], one for both platforms.

A row is a request: what asks, on which line of the machine and for which device; who owns it, an
instance or the VMM; what is done with it while its owner does not run; the handler that the
owner's operating system registered; and how often it was handled. Owners come from the
partitions, handlers from what the systems program. Whoever fields an interrupt (alpha) or
connects one (pc) asks here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from septum.errors import TableProblem
from septum.interrupts.counted import Counted
from septum.interrupts.message import handler_of, refusal
from septum.machine.model import Function
from septum.partitions.model import Partition
from septum.units import PciAddress

VMM = "VMM"
ALL = "(all)"  # whose rows are everybody's; no instance can have this name

# What is done with a request while its owner does not run. [0038] While it runs: DELIVER, always.
DELIVER, QUEUE, SWITCH = "deliver", "queue", "switch"

# What a processor requests by itself. [0039] Shared, so the VMM handles it; each has a row.
NMI, MACHINE_CHECK, TIMER = "NMI", "machine check", "timer"
INTERPROCESSOR, CYCLE_COUNTER = "interprocessor", "cycle counter"
REQUIRED = (NMI, MACHINE_CHECK, TIMER, INTERPROCESSOR, CYCLE_COUNTER)

INTX, MSI, MSIX = "INTx", "MSI", "MSI-X"
_PINS = "?ABCD"

MessageWords = tuple[int, int]  # address, data
Device = PciAddress | str  # a function, or an ISA device by its name


class Own(NamedTuple):
    """What the VMM keeps for itself, as a platform describes it."""

    device: str
    handler: str
    line: str = ""
    delivery: str = DELIVER
    is_counted: bool = True  # False: nobody counts it


class Row:
    """One request. Handler and count change while the instances run."""

    __slots__ = (
        "count", "delivery", "device", "handler", "instance", "is_counted", "line", "owner",
        "request",
    )  # fmt: skip

    def __init__(self, request: str, owner: str, instance: str, own: Own) -> None:
        self.request = request
        self.owner = owner  # an instance's name, or VMM
        self.instance = instance  # whose listing it stands in, or ALL
        self.device, self.handler, self.line, self.delivery, self.is_counted = own
        self.count = 0

    def ask(self, owner_runs: bool) -> str:
        """It requests: DELIVER it now, SWITCH to its owner, or QUEUE it? [0038]"""
        return DELIVER if owner_runs else self.delivery

    def shown(self, counted: Counted | None = None) -> dict[str, object]:
        """As listings and reports show it; with Linux's count, where Linux counts."""
        count = self.count if self.is_counted else None
        return {
            "instance": self.instance,
            "request": self.request,
            "line": counted.line if counted else self.line,
            "device": self.device,
            "handled_by": self.owner,
            "delivery": self.delivery,
            "handler": self.handler,
            "count": counted.count if counted else count,
        }


class Refused(NamedTuple):
    """A request that is not connected, and why."""

    why: str


class InterruptTable:
    """The table of one computer, or of what one process of the VMM has in hand of it.

    `own` describes what its processors request: all of REQUIRED, in that order. `delivery` is
    for requests of instances; without it, it is as each partition says. TableProblem when a
    device has two owners.
    """

    def __init__(
        self,
        partitions: Iterable[Partition],
        functions: Iterable[Function],
        own: Mapping[str, Own],
        *,
        delivery: str = "",
    ) -> None:
        if tuple(own) != REQUIRED:
            raise ValueError(f"an interrupt table has rows for {REQUIRED}, not {tuple(own)}")
        self._own = {request: Row(request, VMM, ALL, own[request]) for request in REQUIRED}
        self._functions = {function.address: function for function in functions}
        self._owners: dict[Device, str] = {}
        self._delivery: dict[str, str] = {}
        self._rows: dict[str, Row] = {}  # by line
        self._devices: dict[str, list[Device]] = {}  # by line
        self._kept: list[Row] = []
        for partition in partitions:
            self._delivery[partition.name] = delivery or partition.interrupts
            devices: list[Device] = [*partition.functions, *partition.isa]
            for device in devices:
                before = self._owners.setdefault(device, partition.name)
                if before != partition.name:
                    raise _two_owners(str(device), before, partition.name)

    # ---- whose is it?

    def owner(self, device: Device) -> str:
        """The instance that a device belongs to; VMM when it was given to none."""
        return self._owners.get(device, VMM)

    def owners_at(self, domain: int, slot: int | None = None) -> set[str]:
        """The instances with a function on a root bus, or in one slot of it."""
        return {
            owner
            for device, owner in self._owners.items()
            if isinstance(device, PciAddress)
            and device.domain == domain
            and slot in (None, device.device)
        }

    def at(self, line: str) -> Row | None:
        """Whose is this request line of the machine? None: nothing is on it."""
        return self._rows.get(line)

    def own(self, request: str) -> Row:
        """The row of a processor's own request, one of REQUIRED."""
        return self._own[request]

    def fielded(self, request: str) -> None:
        """A processor's own request was handled."""
        self._own[request].count += 1

    # ---- what requests

    def wire(self, request: str, device: Device, line: str, name: str = "") -> Row:
        """A device is on a request line. TableProblem when another owner's is on it too."""
        owner = self.owner(device)
        row = self._rows.get(line)
        if row is not None and row.owner != owner:
            raise _two_owners(f"request line {line}", row.owner, owner)
        self._devices.setdefault(line, []).append(device)
        if row is not None:
            row.device += f", {name or device}"
            return row
        if owner == VMM:
            own = Own(name or str(device), "given to no instance", line)
            row = Row(request, VMM, ALL, own)
        else:
            own = Own(name or str(device), "not registered", line, self._delivery[owner])
            row = Row(request, owner, owner, own)
        self._rows[line] = row
        return row

    def keep(self, request: str, own: Own, instance: str = ALL) -> Row:
        """A request that the VMM handles itself; of all, or played for one instance."""
        row = Row(request, VMM, instance, own)
        if instance == ALL and own.line:
            before = self._rows.setdefault(own.line, row)
            if before is not row:
                raise _two_owners(f"request line {own.line}", before.owner, VMM)
        self._kept.append(row)
        return row

    # ---- what is connected

    def connect_line(self, by: str, address: PciAddress, line: str, handler: str) -> Row | Refused:
        """May an instance hear a function's interrupt line? Then it is connected."""
        function = self._function_of(by, address)
        if isinstance(function, Refused):
            return function
        if not function.interrupt_pin:
            return Refused("it has no interrupt pin")
        request = f"{INTX} {_PINS[function.interrupt_pin]}"
        return self._connected(request, by, address, line, handler)

    def connect_message(
        self, by: str, address: PciAddress, kind: str, number: int, line: str, message: MessageWords
    ) -> Row | Refused:
        """May a vector of a function reach an instance as this message? Then it is connected.

        What its owner programmed and was refused has a row too, that says why.
        """
        function = self._function_of(by, address)
        if isinstance(function, Refused):
            return function
        vectors = function.msix_vectors if kind == MSIX else function.msi_vectors
        if not 0 <= number < vectors:
            return Refused(f"it has {vectors} vectors of {kind}")
        why = refusal(*message)
        handler = f"refused: {why}" if why else handler_of(*message)
        row = self._connected(f"{kind} {number}", by, address, line, handler)
        return Refused(why) if why else row

    def withdraw(self, line: str) -> None:
        """Nobody hears it any more."""
        self._rows.pop(line, None)
        self._devices.pop(line, None)

    def forget(self, device: Device) -> None:
        """Nothing of a device is heard any more."""
        for line in [line for line, on_it in self._devices.items() if on_it == [device]]:
            self.withdraw(line)

    def _function_of(self, by: str, address: PciAddress) -> Function | Refused:
        function = self._functions.get(address)
        if function is None:
            return Refused("the machine has no such function")
        if self._owners.get(address) != by:
            return Refused(f"{by} does not own it")
        return function

    def _connected(
        self, request: str, by: str, address: PciAddress, line: str, handler: str
    ) -> Row:
        own = Own(str(address), handler, line, self._delivery[by], is_counted=False)
        row = self._rows[line] = Row(request, by, by, own)
        self._devices[line] = [address]
        return row

    # ---- the whole table

    def rows(self, counted: Mapping[str, Counted] | None = None) -> list[dict[str, object]]:
        """The processors' own requests, those of each device, and what the VMM keeps or plays.

        `counted`: what the machine's Linux counted, by line.
        """
        seen = counted or {}
        return [row.shown(seen.get(row.line)) for row in self._listed()]

    def _listed(self) -> Iterator[Row]:
        yield from self._own.values()
        heard = [row for line, row in self._rows.items() if line in self._devices]
        asking = {device for devices in self._devices.values() for device in devices}
        silent = [
            Row("none", owner, owner, Own(str(device), "not connected", "", "", False))
            for device, owner in self._owners.items()
            if device in self._functions and device not in asking
        ]
        yield from sorted([*heard, *silent], key=_place)
        yield from self._kept


def _place(row: Row) -> tuple[str, str, int]:
    """Where a row stands: by device, and the vectors of one in their order."""
    kind, _, number = row.request.rpartition(" ")
    return row.device, kind, int(number) if number.isdecimal() else 0


def _two_owners(what: str, one: str, other: str) -> TableProblem:
    return TableProblem(
        f"{what} has two owners: {one} and {other}",
        because="an interrupt has one handler, and its owner has it",
        remedy="give what shares a request line to one instance",
    )


def missing(rows: Iterable[Mapping[str, object]]) -> list[str]:
    """What is wrong with the listing of a whole table, in words: of what each one must have.

    Each of REQUIRED once, handled by the VMM and counted; and one owner a request.
    """
    listed, wrong = list(rows), []
    for request in REQUIRED:
        found = [row for row in listed if row["request"] == request and row["instance"] == ALL]
        if len(found) != 1:
            wrong.append(f"{request} has {len(found)} rows")
        elif found[0]["handled_by"] != VMM:
            wrong.append(f"{request} is handled by {found[0]['handled_by']}")
        elif not isinstance(found[0]["count"], int):
            wrong.append(f"{request} is not counted")
    owners: dict[tuple[object, ...], object] = {}
    for row in listed:
        asked = row["line"], row["device"], row["request"]
        if row["line"] and owners.setdefault(asked, row["handled_by"]) != row["handled_by"]:
            wrong.append(f"{row['line']} has two owners")
    return wrong
