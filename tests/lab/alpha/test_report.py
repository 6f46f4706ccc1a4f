"""Is every line of the report judged? Each fact of a sound one is spoiled in turn, and noticed.

two-systems.json is the report of a `make demo-alpha`; nothing is started here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.engine.alpha.computer.computer import Computer, assign
from septum.engine.alpha.computer.description import load
from septum.engine.alpha.computer.inventory import machine_of
from septum.engine.alpha.vmm.kernel import Kernel
from septum.lab.alpha import demo, report
from septum.lab.alpha.judges import TOLD, failures
from septum.lab.alpha.promise import DIRECT_WINDOW, Promise, promises
from septum.lab.alpha.story import told
from septum.layouts import tsunami
from septum.partitions.table import checked

Place = tuple[str | int, ...]
SAVED = Path(__file__).with_name("two-systems.json")
VERSIONS = {"blue": "6.1.192", "green": "6.12.115"}
ENTRY = 0xFFFFFC0000310000
TOO_MUCH = 10**9


def promised() -> dict[str, Promise]:
    """What the example's table promises on its computer."""
    computer = Computer(load("clipper"))
    assign(computer)
    machine = machine_of(computer.description, "clipper")
    table = checked(str(demo.TABLE), machine, files_exist=lambda path: True)
    kernels = {name: Kernel(name, ENTRY, ()) for name in VERSIONS}
    return promises(table, machine, computer, kernels)


PROMISED = promised()
REPORT: dict[str, Any] = json.loads(SAVED.read_text())


def wrong_lines(said: dict[str, Any]) -> list[str]:
    return [failure.line for failure in failures(said, PROMISED, VERSIONS)]


def test_the_saved_report_is_sound() -> None:
    assert failures(REPORT, PROMISED, VERSIONS) == []


# ---- every leaf


def leaves(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value of a report that is neither a list nor a dictionary, and where it stands."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(part, dict | list):
            yield from leaves(part, (*path, key))
        else:
            yield (*path, key), part


def lists(value: Any, path: Place = ()) -> Iterator[tuple[Place, list[Any]]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(part, list):
            yield (*path, key), part
        if isinstance(part, dict | list):
            yield from lists(part, (*path, key))


def spoiled(value: Any) -> list[Any]:
    """What may stand in its place and is wrong."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [-1, value + TOO_MUCH]
    return [1] if value is None else ["", "spoiled"] if value else ["spoiled"]


def put(path: Place, value: Any) -> Any:
    """Into REPORT; what was there."""
    place: Any = REPORT
    for key in path[:-1]:
        place = place[key]
    before, place[path[-1]] = place[path[-1]], value
    return before


def noticed(path: Place, value: Any) -> bool:
    before = put(path, value)
    try:
        return bool(wrong_lines(REPORT))
    finally:
        put(path, before)


def named(path: Place) -> str:
    """As TOLD names it: a row of the interrupt table by who handles it."""
    if path[0] == "interrupt_table" and len(path) > 1:
        row = REPORT["interrupt_table"][path[1]]
        path = (path[0], row["handled_by"], *path[2:])
    return ".".join(str(part) for part in path)


def is_only_told(path: Place) -> bool:
    return any(named(path) == name or named(path).startswith(f"{name}.") for name in TOLD)


def test_no_leaf_is_without_a_judge() -> None:
    judged = [(path, value) for path, value in leaves(REPORT) if not is_only_told(path)]
    assert len(judged) > 300
    unnoticed = [
        f"{named(path)}: {value!r} may be {wrong!r}"
        for path, value in judged
        for wrong in spoiled(value)
        if not noticed(path, wrong)
    ]
    assert unnoticed == []


def test_what_is_only_told_is_there_and_is_little() -> None:
    only_told = [path for path, _ in leaves(REPORT) if is_only_told(path)]
    assert all(TOLD.values())
    for name in TOLD.keys() - {"failures"}:  # of a sound report there are none
        assert any(named(path) == name or named(path).startswith(name) for path in only_told), name
    assert len(only_told) < 30


def test_nothing_may_be_missing_from_a_list_or_stand_in_it_besides() -> None:
    unnoticed = []
    for path, values in lists(REPORT):
        if is_only_told(path):
            continue
        more = values[-1] if values else "spoiled"
        if isinstance(more, dict):
            more = {key: spoiled(value)[-1] for key, value in more.items()}
        shorter = [[*values[:at], *values[at + 1 :]] for at in range(len(values))]
        for wrong in [*shorter, [*values, f"{more} more" if isinstance(more, str) else more]]:
            if not noticed(path, wrong):
                unnoticed.append(f"{named(path)}: {wrong}")
    assert unnoticed == []


# ---- facts that were believed once


def changed(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        place: Any = said
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to(place[path[-1]]) if callable(to) else to

    return change


BLUE, GREEN = ("instances", "blue"), ("instances", "green")


def blues(*path: str) -> Callable[[dict[str, Any]], None]:
    """Green says what blue says."""

    def change(said: dict[str, Any]) -> None:
        of_blue, of_green = said["instances"]["blue"], said["instances"]["green"]
        for key in path[:-1]:
            of_blue, of_green = of_blue[key], of_green[key]
        of_green[path[-1]] = copy.deepcopy(of_blue[path[-1]])

    return change


def a_third(said: dict[str, Any]) -> None:
    row = {"address": "0001:00:03.0", "vendor:device": "1af4:1048", "class": "0100"}
    said["instances"]["blue"]["pci"].append(row)


def another_s_memory(said: dict[str, Any]) -> None:
    for row in said["instances"]["blue"]["translations"]:
        if row["to"] == "memory":
            row["machine"] = f"{PROMISED['green'].memory.start:#x}"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (blues("ethernet", "card"), "green.ethernet.card"),
        (blues("ethernet", "address"), "green.ethernet.address"),
        (blues("ethernet", "gateway"), "green.ethernet.gateway"),
        (blues("ethernet", "wire", "cards"), "green.ethernet.wire.cards"),
        (blues("ethernet", "wire", "addresses"), "green.ethernet.wire.addresses"),
        (blues("scsi", "label"), "green.scsi.label"),
        (blues("scsi", "bytes"), "green.scsi.bytes"),
        (blues("scsi", "on_disk"), "green.scsi.on_disk"),
        (blues("scsi"), "scsi.written"),
        (blues("pci"), "green.pci"),
        (blues("concealed"), "green.concealed"),
        (blues("translations"), "green.translations"),
        (blues("attempts"), "green.attempts"),
        (blues("os"), "green.os"),
        (a_third, "blue.pci"),
        (another_s_memory, "blue.translations"),
        (changed(*BLUE, "concealed", to=lambda was: [*was, "0000:00:01.0"]), "blue.concealed"),
        (changed(*BLUE, "concealed", to=lambda was: was[4:]), "blue.concealed"),
        (changed(*BLUE, "attempts", 0, "read", to=["00" * 8] * 4), "blue.attempts"),
        (changed(*BLUE, "attempts", 0, "kept", to=False), "blue.attempts"),
        (changed(*BLUE, "meanwhile", to=lambda was: dict.fromkeys(was, 0)), "blue.meanwhile"),
        (changed(*BLUE, "rejected", to=[]), "blue.rejected.memory access"),
        (changed(*GREEN, "aimed", to="84000000 0f"), "green.aimed"),
        (changed(*BLUE, "exits", "during_io", "bus", to=10**6), "blue.exits.during_io.bus"),
        (changed(*BLUE, "counts", "verdict", "accept", to=0), "blue.counts.verdict.accept"),
        (changed(*GREEN, "counts", "verdict", "accept", to=2), "green.counts.verdict"),
        (changed("interrupt_table", to=lambda was: was[5:]), "interrupt_table"),
        (changed("interrupt_table", 5, "handled_by", to="green"), "interrupt_table.Ethernet 1"),
        (changed("at_the_same_time", to=0.0), "at_the_same_time"),
        (changed("afterwards", "bus_masters", to=["SCSI 1"]), "afterwards.bus_masters"),
        (changed("afterwards", "reached", to=["SCSI 1 at 0x0"]), "afterwards.reached"),
    ],
)
def test_a_wrong_fact_is_named(change: Callable[[dict[str, Any]], None], line: str) -> None:
    wrong = copy.deepcopy(REPORT)
    change(wrong)
    assert line in wrong_lines(wrong)


def test_whose_it_is_is_said() -> None:
    wrong = copy.deepcopy(REPORT)
    wrong["instances"]["blue"]["pci"][1]["address"] = "0000:00:03.0"
    said = [str(failure) for failure in failures(wrong, PROMISED, VERSIONS)]
    assert "blue.pci: it lists 0000:00:03.0, which is green's SCSI 2" in said


# ---- what is promised


def test_what_is_tried_is_the_neighbour_s_and_nothing_of_its_own() -> None:
    blue, green = PROMISED["blue"], PROMISED["green"]
    config = tsunami.PCI_CONFIGURATION.start
    second = config + (1 << tsunami.HOSE_SHIFT)
    assert [(one.kind, one.name, one.physical, one.slot) for one in blue.foreign] == [
        ("memory", "description table", green.memory.start + 0x4000, ""),
        ("memory", "kernel", green.memory.start + 0x310000, ""),
        ("configuration", "SCSI 2", second + (3 << 11) + 4, ""),
        ("registers", "SCSI 2", 0x80209000014, ""),
        ("configuration", "Ethernet 2", second + (5 << 11) + 4, ""),
        ("registers", "Ethernet 2", 0x80209004014, ""),
    ]
    assert [(one.kind, one.name, one.physical, one.slot) for one in green.foreign] == [
        ("memory", "description table", blue.memory.start + 0x4000, ""),
        ("memory", "kernel", blue.memory.start + 0x310000, ""),
        ("configuration", "Ethernet 1", config + (1 << 11) + 4, "0000:00:01.0"),
        ("configuration", "SCSI 1", config + (2 << 11) + 4, "0000:00:02.0"),
        ("port", "serial1", 0x801FC0002FF, ""),
    ]
    assert blue.aim - DIRECT_WINDOW == green.memory.start
    assert all(one.physical >= blue.memory.size for one in blue.foreign)


def test_afterwards_finds_what_is_still_open() -> None:
    """A window, a master, a reach: each is seen on the machine itself."""
    computer = Computer(load("one-hose"))
    assign(computer)
    none: dict[str, list[str]] = {"windows_open": [], "bus_masters": [], "reached": []}
    assert report.afterwards(computer) == none
    pchip = tsunami.PCHIP.start
    own = pchip + tsunami.REQUESTER_WINDOWS.start + 3 * tsunami.REQUESTER_STEP
    computer.write(own, 8, 0x80000001)
    computer.write(own + tsunami.REQUESTER_SWITCH, 8, 1)
    computer.write(pchip + tsunami.PchipControl.offset, 8, 1 << 6)
    computer.write(tsunami.PCI_CONFIGURATION.start + (2 << 11) + 4, 2, 6)
    found = report.afterwards(computer)
    assert found["windows_open"] == ["hose 0, slot 3 window 0", "hose 0, monster window"]
    assert found["bus_masters"] == ["SCSI 1"]
    assert "Ethernet 2 at 0x80000000" in found["reached"]
    assert "SCSI 1 at 0x10000000000" in found["reached"]


def test_it_is_told_in_a_hundred_columns() -> None:
    said = told(REPORT, PROMISED)
    assert all(len(line) <= 100 for line in said.splitlines())
    assert "Everything is as the table says" in said
    wrong = {**REPORT, "sound": False, "failures": ["blue.pci: it lists " + "x" * 120]}
    assert "NOT as the table says" in told(wrong, PROMISED)
