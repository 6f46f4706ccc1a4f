"""What does a running instance say when it is asked? Rows of septum show; button and plug."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from septum import protocol
from septum.discovery.responder import Responder
from septum.discovery.view import View
from septum.engine.kvm.statistics import IRQ_INJECTIONS, NMI_INJECTIONS
from septum.errors import Problem
from septum.host.kept import KeptFile
from septum.host.memory import GuestMemory
from septum.instance.address_space import AddressSpace
from septum.instance.body import Body, Plan
from septum.instance.interrupts import counted
from septum.instance.owned import OwnedFunction
from septum.instance.processors import Processors
from septum.interrupts.table import VMM, InterruptTable, Own, Row
from septum.layouts import vfio
from septum.messages import Message
from septum.sockets.link import Answer, Link
from septum.translation.leases import Lease, rows
from septum.translation.leases import counts as lease_counts
from septum.units import PciAddress

_KINDS = {vfio.PCI_INTX_IRQ: "INTx", vfio.PCI_MSI_IRQ: "MSI", vfio.PCI_MSIX_IRQ: "MSI-X"}
_INJECTED = {"interrupt": IRQ_INJECTIONS, "NMI": NMI_INJECTIONS}

Rows = list[dict[str, object]]


def answers(
    body: Body,
    owned: Mapping[PciAddress, OwnedFunction],
    responder: Responder,
    linux: KeptFile,
) -> dict[str, Answer]:
    """One function a question; each returns what is sent back. `linux` is /proc/interrupts."""
    plan, space, processors = body.plan, body.space, body.processors
    name = plan.partition.name

    def stop(message: Message) -> Mapping[str, object]:
        body.outcome.end("stopped", "")
        return {"rows": []}

    def press(message: Message) -> Mapping[str, object]:
        with processors.lock:
            return {"rows": [{"heard": body.power.press()}]}

    def revoke(message: Message) -> Mapping[str, object]:
        return {"rows": _revoked(message, owned, space, body.link)}

    def rows_of(make: Callable[[], Rows]) -> Answer:
        def answer(message: Message) -> Mapping[str, object]:
            with processors.lock:
                return {"rows": make()}

        return answer

    return {
        "stop": stop,
        "press": press,
        "revoke": revoke,
        "devices": rows_of(lambda: device_rows(plan.seen, owned)),
        "memory": rows_of(lambda: memory_rows(plan, body.memory)),
        "interrupts": rows_of(lambda: interrupt_rows(name, plan.interrupts, processors, linux)),
        "probes": rows_of(responder.probes.rows),
        "translations": rows_of(lambda: translation_rows(space)),
        "exits": rows_of(lambda: exit_rows(processors, space)),
    }


def device_rows(seen: View, owned: Mapping[PciAddress, OwnedFunction]) -> Rows:
    """What the instance can find on its buses, and who answers for it."""
    rows: Rows = []
    for function in (*seen.functions, *seen.bridges):
        at = seen.machine(function.address)
        one = owned.get(at)
        rows.append(
            {
                "address": str(function.address),
                "machine": str(at),
                "vendor:device": f"{function.vendor:04x}:{function.device:04x}",
                "class": f"{function.class_code:06x}",
                "answers": "itself" if one else "VMM (bridge on the way)",
                "interrupts": _KINDS.get(one.interrupts.kind, "none") if one else "none",
                "reset": ("yes" if one.device.can_reset else "none") if one else "",
                "name": function.name,
            }
        )
    rows.extend(
        {"address": str(address), "answers": "VMM (host bridge)"} for address in seen.host_bridges
    )
    rows.extend(
        {"address": str(address), "answers": "VMM (placeholder)"} for address in seen.placeholders
    )
    return sorted(rows, key=lambda row: str(row["address"]))


def memory_rows(plan: Plan, memory: GuestMemory) -> Rows:
    """The memory map the instance was told, and what stands behind it."""
    pages = "huge pages" if memory.huge else "plain pages"
    return [
        {
            "guest": str(entry.span),
            "bytes": entry.span.size,
            "kind": entry.kind,
            "backing": pages if any(r.overlaps(entry.span) for r in plan.memory.ram) else "none",
        }
        for entry in plan.memory_map
    ]


def interrupt_rows(
    name: str, table: InterruptTable, processors: Processors, linux: KeptFile
) -> Rows:
    """The interrupt table [0039], and what KVM counted at each virtual processor."""
    rows = table.rows(counted(linux.read()))
    for number, statistics in enumerate(processors.statistics):
        for request, what in _INJECTED.items():
            row = Row(request, VMM, name, Own(f"virtual processor {number}", "injected by KVM"))
            rows.append({**row.shown(), "count": statistics.count(what)})
    return rows


def translation_rows(space: AddressSpace) -> Rows:
    """What the instance reaches without a trap, by which side, and what stays trapped."""
    found = rows(space.memory, space.leases)
    for row in found:
        if row["to"] in space.emulated and row["verdict"] == "emulate":
            row["accesses"] = space.emulated[str(row["to"])]
    return found


def _lease_row(lease: Lease) -> dict[str, object]:
    return {
        "guest": str(lease.span),
        "to": lease.owner,
        "machine": "" if lease.machine is None else f"{lease.machine:#x}",
        "side": lease.side,
    }


def exit_rows(processors: Processors, space: AddressSpace) -> Rows:
    """How often the instance left for the VMM's process, by reason and by who answered."""
    counted = processors.counts
    rows: Rows = [
        {"by": kind, "what": what, "exits": number}
        for kind, numbers in (("reason", counted["reasons"]), ("answered by", counted["owners"]))
        for what, number in sorted(numbers.items())
    ]
    rows.extend(lease_counts(space.leases))
    return rows


def _revoked(
    message: Message,
    owned: Mapping[PciAddress, OwnedFunction],
    space: AddressSpace,
    link: Link,
) -> Rows:
    """Take leases back; with "hold", trace every access for that many seconds."""
    protocol.asked({**message, "ask": "revoke"}, protocol.INSTANCE, "an instance")
    bar, hold = message.get("bar"), message.get("hold") or 0
    try:
        address = PciAddress.parse(str(message.get("function", "")))
    except ValueError as error:
        raise Problem("cannot revoke", because=str(error)) from error
    one = owned.get(address)
    if one is None:
        raise Problem(
            f"cannot revoke translations of {address}",
            because="this instance does not own it",
            remedy="septum show devices",
        )
    with link.lock:
        if hold > 0 and space.is_traced(address, bar):  # one would end the other
            raise Problem(f"{address} is traced already", remedy="wait until that is over")
        taken = space.revoke(address, bar, hold_back=hold > 0)
    if hold > 0:

        def let_go() -> None:
            with link.lock:
                space.let_go(address, bar)

        link.later(hold, let_go)
    return [_lease_row(lease) for lease in taken]
