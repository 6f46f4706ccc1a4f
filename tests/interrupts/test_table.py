"""Has each request one owner, always, and is what is not somebody's refused to him?"""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.errors import TableProblem
from septum.interrupts.counted import Counted
from septum.interrupts.table import (
    ALL,
    DELIVER,
    MACHINE_CHECK,
    MSI,
    MSIX,
    NMI,
    QUEUE,
    REQUIRED,
    SWITCH,
    TIMER,
    VMM,
    InterruptTable,
    Own,
    Refused,
    Row,
    missing,
)
from septum.machine.model import Function
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import MiB, PciAddress
from tests.house.source import ROOT
from tests.machines import a_function

OWN = {request: Own("processor", "the VMM's", request) for request in REQUIRED}
CARD, DISK, NOBODYS = (PciAddress.parse(f"0000:0{n}:00.0") for n in (1, 2, 3))
GOOD = (0xFEE00000, 0x4031)


def function(address: PciAddress, pin: int = 1) -> Function:
    return a_function(str(address), interrupt_pin=pin, msi_vectors=4, msix_vectors=3)


FUNCTIONS = tuple(map(function, (CARD, DISK, NOBODYS)))


def partition(name: str, functions: Sequence[PciAddress], **more: object) -> Partition:
    one = Partition(
        name, "/k", None, "", MemorySlice(64 * MiB, 0), Processors((0,), False, 100),
        tuple(functions),
    )  # fmt: skip
    return one._replace(**more)  # type: ignore[arg-type]


BLUE = partition("blue", [CARD], isa=("serial1",))
GREEN = partition("green", [DISK], interrupts=QUEUE)


@pytest.fixture
def table() -> InterruptTable:
    return InterruptTable((BLUE, GREEN), FUNCTIONS, OWN)


# ---- one owner each


ADDRESSES = [PciAddress(0, bus, slot, 0) for bus in (0, 1) for slot in range(4)]


@given(
    some.dictionaries(some.sampled_from(ADDRESSES), some.sampled_from(["blue", "green", "red"])),
    some.lists(some.tuples(some.sampled_from(ADDRESSES), some.integers(0, 5)), max_size=12),
)
def test_one_owner_a_request_always(
    owners: dict[PciAddress, str], wires: list[tuple[PciAddress, int]]
) -> None:
    """Whatever is given to whom, and however it is wired: a line is one owner's, or refused."""
    partitions = [
        partition(name, sorted(a for a, whose in owners.items() if whose == name))
        for name in ("blue", "green", "red")
    ]
    table = InterruptTable(partitions, [function(address) for address in ADDRESSES], OWN)
    on: dict[int, str] = {}
    for address, line in wires:
        whose = owners.get(address, VMM)
        assert table.owner(address) == whose
        try:
            row = table.wire("INTx A", address, f"DRIR {line}")
        except TableProblem:
            assert on[line] != whose, "it was refused for no reason"
            continue
        assert row.owner == on.setdefault(line, whose) == whose
    for line, whose in on.items():
        found = table.at(f"DRIR {line}")
        assert found is not None and found.owner == whose
    assert missing(table.rows()) == []
    for address, whose in owners.items():
        listed = [row for row in table.rows() if str(address) in str(row["device"]).split(", ")]
        assert {row["handled_by"] for row in listed} == {whose}, "each device has its rows"


def test_a_device_with_two_owners_is_refused() -> None:
    with pytest.raises(TableProblem, match="has two owners: blue and green"):
        InterruptTable((BLUE, partition("green", [CARD])), FUNCTIONS, OWN)
    with pytest.raises(TableProblem, match="serial1 has two owners"):
        InterruptTable((BLUE, partition("green", [], isa=("serial1",))), FUNCTIONS, OWN)


def test_what_the_vmm_keeps_is_on_a_line_of_its_own(table: InterruptTable) -> None:
    table.wire("INTx A", CARD, "DRIR 8")
    with pytest.raises(TableProblem, match="DRIR 8 has two owners: blue and VMM"):
        table.keep("error", Own("Pchip 0", "", "DRIR 8"))
    table.keep("error", Own("Pchip 0", "", "DRIR 62"))
    with pytest.raises(TableProblem, match="DRIR 62 has two owners: VMM and green"):
        table.wire("INTx A", DISK, "DRIR 62")


def test_who_has_something_on_a_bus_or_in_a_slot() -> None:
    shared = InterruptTable(
        (partition("blue", [PciAddress(0, 0, 1, 0)]), partition("green", [PciAddress(0, 0, 3, 0)])),
        (),
        OWN,
    )
    assert shared.owners_at(0) == {"blue", "green"}
    assert shared.owners_at(0, 3) == {"green"} and shared.owners_at(1) == set()
    assert shared.owners_at(0, 2) == set()


# ---- now, at once, or later


@given(some.sampled_from([SWITCH, QUEUE]), some.booleans())
def test_deliver_switch_or_queue(way: str, runs: bool) -> None:
    table = InterruptTable((partition("blue", [CARD], interrupts=way),), FUNCTIONS, OWN)
    row = table.wire("INTx A", CARD, "DRIR 8")
    assert row.ask(owner_runs=runs) == (DELIVER if runs else way)


def test_what_is_the_vmm_s_is_delivered(table: InterruptTable) -> None:
    assert table.wire("INTx A", NOBODYS, "DRIR 9").ask(owner_runs=False) == DELIVER
    kvm = InterruptTable((GREEN,), FUNCTIONS, OWN, delivery=DELIVER)
    assert kvm.wire("INTx A", DISK, "x").ask(owner_runs=False) == DELIVER


# ---- connecting


def messages(table: InterruptTable) -> dict[str, tuple[object, object]]:
    return {
        str(row["request"]): (row["handled_by"], row["handler"])
        for row in table.rows()
        if str(row["request"]).startswith("MSI")
    }


def test_an_owner_s_vector_is_connected_and_withdrawn(table: InterruptTable) -> None:
    row = table.connect_message("blue", CARD, MSIX, 2, "vfio-msix[2]", GOOD)
    assert isinstance(row, Row) and row.owner == "blue"
    assert messages(table) == {"MSI-X 2": ("blue", "vector 49 of processor 0")}
    table.connect_message("blue", CARD, MSIX, 2, "vfio-msix[2]", (0xFEE01000, 0x4022))
    assert messages(table) == {"MSI-X 2": ("blue", "vector 34 of processor 1")}
    table.withdraw("vfio-msix[2]")
    assert messages(table) == {}


@pytest.mark.parametrize(
    ("by", "address", "kind", "number", "message", "why"),
    [
        ("green", CARD, MSIX, 0, GOOD, "green does not own it"),
        ("blue", NOBODYS, MSIX, 0, GOOD, "blue does not own it"),
        ("blue", PciAddress(0, 9, 0, 0), MSIX, 0, GOOD, "no such function"),
        ("blue", CARD, MSIX, 3, GOOD, "3 vectors of MSI-X"),
        ("blue", CARD, MSI, 4, GOOD, "4 vectors of MSI"),
        ("blue", CARD, MSI, -1, GOOD, "4 vectors of MSI"),
        ("blue", CARD, MSI, 0, (0x1000, 0x31), "no processor listens"),
        ("blue", CARD, MSI, 0, (0xFEE00000, 3), "vector 3 is not for interrupts"),
    ],
)
def test_what_may_not_be_connected(
    table: InterruptTable,
    by: str,
    address: PciAddress,
    kind: str,
    number: int,
    message: tuple[int, int],
    why: str,
) -> None:
    answer = table.connect_message(by, address, kind, number, "line", message)
    assert isinstance(answer, Refused) and why in answer.why
    row = table.at("line")
    assert row is None or (row.owner, row.handler) == (by, f"refused: {answer.why}")


def test_lines_are_connected_to_their_owner(table: InterruptTable) -> None:
    answer = table.connect_line("green", CARD, "vfio-intx", "GSI 16, level")
    assert answer == Refused("green does not own it")
    row = table.connect_line("blue", CARD, "vfio-intx", "GSI 16, level")
    assert isinstance(row, Row) and (row.request, row.handler) == ("INTx A", "GSI 16, level")
    pinless = InterruptTable((BLUE,), (function(CARD, pin=0),), OWN)
    assert pinless.connect_line("blue", CARD, "x", "") == Refused("it has no interrupt pin")


STEPS = some.lists(
    some.tuples(
        some.sampled_from(["connect", "withdraw", "forget"]),
        some.sampled_from(["blue", "green", "nobody"]),
        some.sampled_from([CARD, DISK, NOBODYS]),
        some.integers(-1, 4),
        some.sampled_from([GOOD, (0, 0), (0x1000, 0x31)]),
    ),
    max_size=30,
)


@given(STEPS)
def test_nobody_hears_what_is_another_s(
    steps: list[tuple[str, str, PciAddress, int, tuple[int, int]]],
) -> None:
    """Against a plain model: owner, number and message decide, and nothing else."""
    table = InterruptTable((BLUE, GREEN), FUNCTIONS, OWN)
    owners = {CARD: "blue", DISK: "green"}
    heard: dict[str, str] = {}
    for what, by, address, number, message in steps:
        line = f"vfio-msix[{number}]({address})"
        if what == "withdraw":
            table.withdraw(line)
            heard.pop(line, None)
        elif what == "forget":
            table.forget(address)
            heard = {name: whose for name, whose in heard.items() if str(address) not in name}
        else:
            answer = table.connect_message(by, address, MSIX, number, line, message)
            allowed = owners.get(address) == by and 0 <= number < 3
            assert isinstance(answer, Row) == (allowed and message == GOOD)
            if allowed:
                heard[line] = by
        for name in heard:
            row = table.at(name)
            assert row is not None and row.owner == heard[name]
        assert missing(table.rows()) == []


# ---- the listing


def test_a_table_without_a_required_row_cannot_be_made() -> None:
    for request in REQUIRED:
        without = {key: own for key, own in OWN.items() if key != request}
        with pytest.raises(ValueError, match="interrupt table"):
            InterruptTable((BLUE,), FUNCTIONS, without)


def test_processors_requests_are_counted_as_they_are_fielded(table: InterruptTable) -> None:
    for _ in range(3):
        table.fielded(TIMER)
    table.fielded(MACHINE_CHECK)
    counts = {row["request"]: row["count"] for row in table.rows()[:5]}
    assert counts == {"NMI": 0, "machine check": 1, "timer": 3, "interprocessor": 0,
                      "cycle counter": 0}  # fmt: skip


def test_a_row_is_what_listings_show(table: InterruptTable) -> None:
    row = table.wire("INTx A", DISK, "DRIR 8", "SCSI 1")
    row.count += 2
    assert row.shown() == {
        "instance": "green",
        "request": "INTx A",
        "line": "DRIR 8",
        "device": "SCSI 1",
        "handled_by": "green",
        "delivery": "queue",
        "handler": "not registered",
        "count": 2,
    }
    assert row.shown(Counted("IRQ 9", 7)) == {**row.shown(), "line": "IRQ 9", "count": 7}
    table.keep("GSI 4", Own("serial 1", "played", is_counted=False), "blue")
    last = table.rows()[-1]
    assert (last["instance"], last["handled_by"], last["count"]) == ("blue", VMM, None)


def test_vectors_stand_in_their_order() -> None:
    many = a_function(str(CARD), msix_vectors=12)
    table = InterruptTable((BLUE,), (many,), OWN)
    for number in (10, 2, 11, 0):
        table.connect_message("blue", CARD, MSIX, number, f"line {number}", GOOD)
    assert list(messages(table)) == ["MSI-X 0", "MSI-X 2", "MSI-X 10", "MSI-X 11"]


def test_a_faulty_listing_is_noticed(table: InterruptTable) -> None:
    table.wire("INTx A", CARD, "DRIR 8")
    rows = table.rows()
    assert missing(rows) == []
    assert missing(rows[1:]) == ["NMI has 0 rows"]
    assert missing([rows[0], *rows]) == ["NMI has 2 rows"]
    assert missing([{**rows[0], "count": None}, *rows[1:]]) == ["NMI is not counted"]
    assert missing([{**rows[0], "handled_by": "blue"}, *rows[1:]]) == ["NMI is handled by blue"]
    assert missing([{**rows[0], "instance": "blue"}, *rows[1:]]) == ["NMI has 0 rows"]
    card = next(row for row in rows if row["line"] == "DRIR 8")
    assert missing([*rows, {**card, "handled_by": "green"}]) == ["DRIR 8 has two owners"]
    assert {row["instance"] for row in rows if row["request"] == NMI} == {ALL}


# ---- and nobody else decides


@pytest.mark.parametrize(
    "path",
    [
        "engine/alpha/vmm/fielding.py",
        "engine/alpha/vmm/palcode/interrupts.py",
        "instance/interrupts.py",
    ],
)
def test_who_fields_or_connects_looks_no_owner_up(path: str) -> None:
    """What a partition has is asked of the table: these read none of its fields."""
    tree = ast.parse((ROOT / "septum" / path).read_text())
    read = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not read & {"partition", "partitions", "functions", "without_reset"}
    assert read & {"at", "connect_message", "owners_at"}, "and the table is asked"
