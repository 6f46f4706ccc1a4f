"""Do the rows of septum show say what is so? And is a lease taken back when it is asked for?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from septum.discovery.view import View
from septum.engine.kvm.exits import answer
from septum.errors import Problem
from septum.instance.answers import answers, translation_rows
from septum.instance.boot import respond
from septum.interrupts.table import ALL, missing
from septum.layouts import vfio
from septum.machine.model import MemoryRange, RootBus
from septum.memory.slices import Part, Slice
from septum.units import MiB, PciAddress, Span
from tests.instance.fakes import FUNCTION, MEMORY, MSI, MSIX, TABLE, TABLE_BAR, FakeDevice, Owner
from tests.machines import memory_bar

HOST_BRIDGE, PLACEHOLDER = PciAddress(0, 0, 0, 0), PciAddress(0, 2, 0, 0)
NAME = str(FUNCTION.address)
COUNTS = f"""\
           CPU0       CPU1
 33:          7          1  IR-PCI-MSI-{NAME}    0-edge      vfio-msi[0]({NAME})
NMI:          1          2   Non-maskable interrupts
LOC:         30         40   Local timer interrupts
PMI:          1          2   Performance monitoring interrupts
RES:          1          2   Rescheduling interrupts
CAL:         10         20   Function call interrupts
TLB:        100        200   TLB shootdowns
MCE:          0          0   Machine check exceptions
 20:        117         87  IR-IO-APIC   20-fasteoi   vfio-intx({NAME})
 29:          2          3  IR-PCI-MSIX-{NAME}    0-edge      vfio-msix[0]({NAME})
"""


class Counts:
    """What KVM counted of one processor."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.count = counts.get


class Asked:
    """An instance with one function, and the questions it answers."""

    def __init__(self) -> None:
        self.owner = Owner()
        self.ended: list[str] = []
        seen = View(
            "blue", (FUNCTION,), (), (PLACEHOLDER,), (HOST_BRIDGE,),
            (RootBus(0, 0, 255, (), ()),), (),
        )  # fmt: skip
        owned = {FUNCTION.address: self.owner.function}
        self.buses = respond(seen, owned)
        self.lock = threading.Lock()
        processors = SimpleNamespace(
            lock=self.lock,
            statistics=(Counts({"irq_injections": 900, "nmi_injections": 0}), Counts({})),
            counts={"reasons": self.owner.stop.reasons, "owners": self.owner.stop.owners},
        )
        ram = Span(0, 64 * MiB)
        memory = Slice((Part(ram, 0, None),))
        body: Any = SimpleNamespace(
            plan=SimpleNamespace(
                partition=SimpleNamespace(name="blue"), machine=None, seen=seen, memory=memory,
                memory_map=(MemoryRange(ram, "usable"),), interrupts=self.owner.table,
            ),
            memory=SimpleNamespace(huge=True),
            space=self.owner.space,
            processors=processors,
            outcome=SimpleNamespace(end=lambda reason, detail: self.ended.append(reason)),
            link=SimpleNamespace(
                lock=self.lock, later=lambda seconds, call: self.later.append((seconds, call))
            ),
        )
        self.later: list[tuple[float, Callable[[], None]]] = []
        linux: Any = SimpleNamespace(read=lambda: COUNTS)
        self.answers = answers(body, owned, self.buses, linux)

    def rows(self, ask: str, **more: object) -> list[dict[str, Any]]:
        said: Any = self.answers[ask]({"ask": ask, **more})["rows"]
        assert not self.lock.locked()
        return list(said)


@pytest.fixture
def asked() -> Iterator[Asked]:
    asked = Asked()
    yield asked
    asked.owner.interrupts.close()


def test_devices(asked: Asked) -> None:
    rows = {row["address"]: row for row in asked.rows("devices")}
    assert rows[NAME]["vendor:device"] == "8086:10d3" and rows[NAME]["class"] == "020000"
    assert (rows[NAME]["answers"], rows[NAME]["interrupts"]) == ("itself", "INTx")
    assert rows[str(HOST_BRIDGE)]["answers"] == "VMM (host bridge)"
    assert rows[str(PLACEHOLDER)]["answers"] == "VMM (placeholder)"
    assert list(rows) == sorted(rows)


def test_memory(asked: Asked) -> None:
    (row,) = asked.rows("memory")
    assert row == {
        "guest": "0x0-0x3ffffff",
        "bytes": 64 * MiB,
        "kind": "usable",
        "backing": "huge pages",
    }


def test_interrupts_of_a_line(asked: Asked) -> None:
    (row,) = (row for row in asked.rows("interrupts") if row["device"] == NAME)
    assert row == {
        "instance": "blue",
        "request": "INTx A",
        "line": "IRQ 20",
        "device": NAME,
        "handled_by": "blue",
        "delivery": "deliver",
        "handler": "GSI 17, level",
        "count": 204,
    }


def test_interrupts_of_messages(asked: Asked) -> None:
    asked.owner.enable_msix()
    asked.owner.vector(0, 0xFEE01000, 0x4023)
    asked.owner.vector(1, 0xFEE00000, 0x4024, masked=1)
    rows = [row for row in asked.rows("interrupts") if row["device"] == NAME]
    assert [(row["request"], row["handler"], row["count"]) for row in rows] == [
        ("MSI-X 0", "vector 35 of processor 1", 5)
    ]
    asked.owner.configure(MSIX + 2, 2, 0)
    asked.owner.configure(MSI + 4, 4, 0xFEE00000)
    asked.owner.configure(MSI + 12, 2, 0x21)
    asked.owner.configure(MSI + 2, 2, 1)
    rows = [row for row in asked.rows("interrupts") if row["device"] == NAME]
    assert [(row["request"], row["line"], row["count"]) for row in rows] == [("MSI 0", "IRQ 33", 8)]
    assert {"VMM"} == {r["handled_by"] for r in asked.rows("interrupts") if r["device"] != NAME}


def test_every_row_there_must_be(asked: Asked) -> None:
    rows = asked.rows("interrupts")
    assert missing(rows) == []
    own = {row["request"]: (row["line"], row["count"]) for row in rows[:5]}
    assert own == {
        "NMI": ("NMI", 3),
        "machine check": ("MCE", 0),
        "timer": ("LOC", 70),
        "interprocessor": ("RES+CAL+TLB", 333),
        "cycle counter": ("PMI", 3),
    }
    assert {row["instance"] for row in rows[:5]} == {ALL}


def test_what_kvm_counted_and_what_nobody_counts(asked: Asked) -> None:
    rows = {
        (row["device"], row["request"]): row["count"]
        for row in asked.rows("interrupts")
        if "virtual processor" in row["device"]
    }
    assert rows == {
        ("virtual processor 0", "interrupt"): 900,
        ("virtual processor 0", "NMI"): 0,
        ("virtual processor 1", "interrupt"): None,
        ("virtual processor 1", "NMI"): None,
    }


def test_no_interrupts_are_a_row_too(asked: Asked) -> None:
    asked.owner.interrupts.use_nothing()
    (row,) = (row for row in asked.rows("interrupts") if row["device"] == NAME)
    assert (row["request"], row["handler"], row["count"]) == ("none", "not connected", None)
    assert asked.rows("devices")[1]["interrupts"] == "none"


def test_translations_name_both_sides(asked: Asked) -> None:
    """Leased when decoding is switched on; after a revoke, not before the next touch."""

    def held() -> dict[str, tuple[str, str]]:
        return {
            row["guest"]: (row["verdict"], row["held by"]) for row in asked.rows("translations")
        }

    window = f"{MEMORY:#x}-{MEMORY + 128 * 1024 - 1:#x}"
    assert held()["0x0-0x3ffffff"] == ("accept", "processor")
    assert held()[window] == ("accept", "processor")
    asked.owner.space.join(asked.owner.container)
    asked.owner.command(0)
    assert window not in held()
    asked.owner.command(2)
    assert held()[window] == ("accept", "processor, devices")
    assert held()["0x0-0x3ffffff"] == ("accept", "processor, devices")
    rows = asked.rows("revoke", function=NAME, bar=0)
    assert [row["side"] for row in rows] == ["devices", "processor"]
    assert held()[window] == ("accept", "no: asks at the next touch")
    asked.owner.load(MEMORY)
    assert held()[window] == ("accept", "processor, devices")


def test_exits_and_leases_are_counted(asked: Asked) -> None:
    asked.rows("revoke", function=NAME)
    asked.owner.load(MEMORY)
    counted = {(row["by"], row["what"]): row["exits"] for row in asked.rows("exits")}
    assert counted[("reason", "memory read")] == 1
    assert counted[("answered by", f"{NAME} BAR 0")] == 1
    memory_and_two_bars = 3
    assert counted[("lease", "granted, processor")] == memory_and_two_bars + 1
    assert counted[("lease", "revoked, processor")] == 2
    assert counted[("lease", "granted, devices")] == 0, "it has no IOMMU map here"


def test_probes(asked: Asked) -> None:
    assert asked.buses.read(FUNCTION.address, 0, 4) == 0x10D38086
    assert asked.buses.read(PciAddress(0, 0, 31, 0), 0, 4) == 0xFFFFFFFF
    assert asked.buses.read(HOST_BRIDGE, 0, 2) != 0xFFFF
    asked.buses.write(FUNCTION.address, 0, 4, 0)
    asked.buses.write(HOST_BRIDGE, 0, 4, 0)
    asked.buses.write(PciAddress(0, 0, 31, 0), 4, 2, 7)
    rows = {row["address"]: row for row in asked.rows("probes")}
    assert rows[NAME]["answer"] == "exposed" and rows[NAME]["refused"] == 1
    assert rows["0000:00:1f.0"]["answer"] == "absent"
    assert rows["0000:00:1f.0"]["because"] == "nothing is there"
    assert rows[str(HOST_BRIDGE)]["answer"] == "emulated"


def test_revoke_one_bar(asked: Asked) -> None:
    (row,) = asked.rows("revoke", function=NAME, bar=1)
    assert row["to"] == f"{NAME} BAR 1" and row["guest"].startswith(f"{TABLE_BAR:#x}-")
    assert asked.owner.machine.spans == [Span(MEMORY, 128 * 1024)]
    assert len(asked.rows("revoke", function=NAME)) == 1
    assert asked.rows("revoke", function=NAME) == []


def test_revoke_and_trace_for_a_while(asked: Asked) -> None:
    assert len(asked.rows("revoke", function=NAME, hold=2.5)) == 2
    for _ in range(3):
        assert asked.owner.load(MEMORY) == 0, "every access is traced"
    traced = [row for row in asked.rows("translations") if row["to"] == f"{NAME} BAR 0"]
    assert traced[0]["accesses"] == 3
    with pytest.raises(Problem, match="traced already"):
        asked.rows("revoke", function=NAME, hold=3)
    ((seconds, let_go),) = asked.later
    assert seconds == 2.5
    let_go()
    asked.owner.load(MEMORY)
    assert asked.owner.load(MEMORY) is None


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"function": "nonsense"},
        {"function": "0000:09:00.0"},
        {"function": NAME, "bar": "x"},
        {"function": NAME, "bar": [1]},
        {"function": NAME, "hold": "long"},
        {"function": NAME, "hold": -1},
        {"function": NAME, "hold": "inf"},
        {"function": NAME, "hold": "nan"},
        {"function": NAME, "hold": float("nan")},
        {"function": NAME, "bar": 6},
        {"function": NAME, "bar": True},
        {"function": NAME, "color": 6},
    ],
)
def test_bad_wishes_are_problems(asked: Asked, message: dict[str, object]) -> None:
    with pytest.raises(Problem, match="revoke") as told:
        asked.rows("revoke", **message)
    assert told.value.because
    assert len(asked.owner.machine.spans) == 2


def test_stop(asked: Asked) -> None:
    assert asked.rows("stop") == [] and asked.ended == ["stopped"]


def test_the_table_is_trapped_beside_its_lease(asked: Asked) -> None:
    asked.owner.processor.at_memory(TABLE_BAR + TABLE, 4)
    answer(asked.owner.stop)
    rows = {row["guest"]: row for row in asked.rows("translations")}
    leased = rows[f"{TABLE_BAR:#x}-{TABLE_BAR + TABLE - 1:#x}"]
    table = rows[f"{TABLE_BAR + TABLE:#x}-{TABLE_BAR + TABLE + 3 * 16 - 1:#x}"]
    assert (leased["to"], leased["verdict"]) == (f"{NAME} BAR 1", "accept")
    assert (table["to"], table["verdict"]) == (f"interrupt table of {NAME}", "emulate")
    assert "a page of both" in table["because"]


def test_a_bar_smaller_than_its_page_is_not_trapped_once_it_is_leased(asked: Asked) -> None:
    small = memory_bar(0, MEMORY, 1024)
    device = FakeDevice()
    device.regions = (device.regions[0]._replace(size=1024), *device.regions[1:])
    owner = Owner(function=FUNCTION._replace(bars=(small, *FUNCTION.bars[1:])), device=device)
    asked_of = [row for row in translation_rows(owner.space) if row["to"] == f"{NAME} BAR 0"]
    assert [(row["verdict"], row["held by"]) for row in asked_of] == [("accept", "processor")]
    assert Span(MEMORY, 4096) in owner.machine.spans
    owner.interrupts.close()


def test_interrupts_are_still_those_it_began_with(asked: Asked) -> None:
    assert asked.owner.interrupts.kind == vfio.PCI_INTX_IRQ
