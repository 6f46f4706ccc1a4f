"""What does the alpha platform say when it is asked? Rows of plain values, as the pc's."""

from __future__ import annotations

from septum.discovery.hwrpb import isa_devices, memory_runs
from septum.engine.alpha.processor import state as s
from septum.engine.alpha.vmm.instance import Instance
from septum.engine.alpha.vmm.monitor import Monitor
from septum.layouts import alpha as a
from septum.layouts import hwrpb, palcode
from septum.translation import leases
from septum.units import PciAddress

Rows = list[dict[str, object]]

_WORD = (1 << 64) - 1
_KINDS = {hwrpb.Usage.SYSTEM: "usable", hwrpb.Usage.CONSOLE: "console (HWRPB, page tables)"}


def devices(instance: Instance) -> Rows:
    """What the instance can find on its buses and its ISA bus, and who answers for it."""
    rows: Rows = []
    for at, owned in instance.owned.items():
        function = owned.function
        rows.append(
            {
                "address": str(function.address),
                "machine": str(at),
                "vendor:device": f"{function.vendor:04x}:{function.device:04x}",
                "class": f"{function.class_code:06x}",
                "answers": "itself",
                "interrupts": "line" if function.interrupt_pin else "none",
                "reset": "",
                "name": name_of(instance, at),
            }
        )
    for shared in instance.seen.shared:
        rows.append({"address": str(shared.address), "answers": "VMM (ISA bridge)"})
    for device in isa_devices(instance.table):
        own = device.name in instance.partition.isa
        rows.append(
            {
                "address": f"ISA {device.ports}",
                "answers": "itself" if own else "VMM (played)",
                "name": device.name,
            }
        )
    return sorted(rows, key=lambda row: str(row["address"]))


def name_of(instance: Instance, address: PciAddress) -> str:
    """What the machine file calls a function."""
    described = instance.world.computer.description.function(address.domain, address.device)
    return described.name if described else ""


def memory(instance: Instance) -> Rows:
    """The memory its HWRPB tells of, and where in the machine it lies."""
    rows: Rows = []
    for run in memory_runs(instance.table):
        start, size = run.start << a.PAGE_SHIFT, run.pages << a.PAGE_SHIFT
        rows.append(
            {
                "guest": f"{start:#x}-{start + size - 1:#x}",
                "bytes": size,
                "kind": _KINDS.get(run.usage, "reserved"),
                "backing": f"machine {instance.memory.start + start:#x}",
            }
        )
    return rows


def probes(instance: Instance) -> Rows:
    """What was looked for in configuration space, and how that was answered."""
    return instance.responder.probes.rows()


def translations(instance: Instance) -> Rows:
    """What the instance holds, what is played for it, and what it was refused."""
    pal = instance.pal
    rows: Rows = leases.rows(pal.physical, pal.leases)
    for (what, why), count in sorted(instance.rejections.items()):
        rows.append(
            {"guest": what, "to": "", "verdict": "reject", "because": why, "accesses": count}
        )
    return rows


def interrupts(monitor: Monitor) -> Rows:
    """The interrupt table of the whole machine, as the patent's example has it [0039]."""
    for one in monitor.instances.values():
        if one.starts:
            one.interrupts.programmed(one.ended is None)
    return monitor.interrupts.rows()


def exits(instance: Instance) -> Rows:
    """How often it left for the VMM, by kind; a kind's first word says what is counted."""
    rows: Rows = []
    for name, count in sorted(instance.counters.items()):
        by, _, what = name.partition(" ")
        rows.append({"by": by, "what": what or by, "exits": count})
    for function, name in palcode.NAMES.items():
        inside = instance.pal.st[s.CALL_COUNTS + function]
        if inside:
            rows.append({"by": "call without exit", "what": name, "exits": inside})
    return [*rows, *leases.counts(instance.pal.leases)]


def last_words(instance: Instance) -> dict[str, object]:
    """Why it ended, with its registers and its last trap."""
    pal = instance.pal
    return {
        "ended": instance.ended,
        "last_trap": pal.last_trap,
        "pc": f"{pal.st[0] & _WORD:#x}",
        "ps": pal.status,
        "registers": [f"{value & _WORD:#x}" for value in pal.r],
    }
