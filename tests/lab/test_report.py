"""Does the report notice everything that is not as the table says?"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from septum.lab import demo, report
from septum.lab.story import COLUMNS, told

TABLE = {
    "instances": [
        {
            "name": name,
            "memory": {"base": memory, "float": 0},
            "processors": {"numbers": [0, 1], "own": False, "weight": 100, "count": 0},
            "functions": functions,
        }
        for name, memory, functions in (
            ("blue", 768 << 20, ["0000:00:03.0", "0000:01:00.0"]),
            ("green", 512 << 20, ["0000:00:04.0", "0000:02:00.0"]),
        )
    ]
}


def function(address: str, identity: str, kind: int, parent: str | None = None) -> dict[str, Any]:
    vendor, device = (int(part, 16) for part in identity.split(":"))
    made = {"address": address, "vendor": vendor, "device": device}
    return {**made, "class_code": kind, "parent": parent}


MACHINE = {
    "functions": [
        function("0000:00:00.0", "8086:29c0", 0x060000),
        function("0000:00:01.0", "8086:10d3", 0x020000),
        function("0000:00:03.0", "1000:0012", 0x010000),
        function("0000:00:04.0", "1000:0012", 0x010000),
        function("0000:00:05.0", "1b36:000c", 0x060400),
        function("0000:00:06.0", "1b36:000c", 0x060400),
        function("0000:00:1f.0", "8086:2918", 0x060100),
        function("0000:00:1f.2", "8086:2922", 0x010601),
        function("0000:01:00.0", "8086:10d3", 0x020000, "0000:00:05.0"),
        function("0000:02:00.0", "8086:10d3", 0x020000, "0000:00:06.0"),
    ]
}
PROMISED = report.promises(TABLE, MACHINE)


def instance(name: str, scsi: str, bridge: str, ethernet: str, memory: int) -> dict[str, Any]:
    theirs = [function["address"] for function in MACHINE["functions"]]
    listed = [("0000:00:00.0", "1b36:0008", "0600"), (scsi, "1000:0012", "0100")]
    listed += [(bridge, "1b36:000c", "0604"), (ethernet, "8086:10d3", "0200")]
    mine = {at for at, _, _ in listed}
    return {
        "os": f"Linux {name} 6.1.0 #1 SMP Debian x86_64 GNU/Linux",
        "pci": [
            {"address": at, "vendor:device": identity, "class": kind}
            for at, identity, kind in listed
        ],
        "memory_bytes": memory - (385 << 10),
        "memory_usable_bytes": int(memory * 0.93),
        "processors": 2,
        "ethernet": {
            "interface": "eth0", "address": "10.1.0.15/24", "gateway": "10.1.0.2",
            "lease": True, "pings_sent": 110, "pings_answered": 110,
        },
        "scsi": {
            "bytes_written": 8 << 20, "bytes_read": 9 << 20,
            "written": "d41d", "read": "d41d", "equal": True,
        },
        "exits": {
            "until_init": {"port read": 700, "port write": 900},
            "during_io": {"port write": 300},
            "msix_device": {},
        },
        "concealed": [at for at in theirs if at.startswith("0000:00") and at not in mine],
        "on_processors": [0, 1],
    }  # fmt: skip


def interrupt(name: str, request: str, device: str, by: str, count: int | None) -> dict[str, Any]:
    row = {"instance": name, "request": request, "device": device, "handled_by": by}
    return {**row, "handler": "vector 33", "count": count}


ROWS = [
    interrupt("blue", "INTx A", "0000:00:03.0", "blue", 700),
    interrupt("blue", "MSI-X 0", "0000:01:00.0", "blue", 50),
    interrupt("blue", "GSI 4", "serial 1", "VMM", None),
    interrupt("green", "INTx A", "0000:00:04.0", "green", 60),
    interrupt("green", "MSI-X 0", "0000:02:00.0", "green", 40),
]


def sound() -> dict[str, Any]:
    """A report in which everything is right."""
    earlier = [{**row, "count": row["count"] and row["count"] - 20} for row in ROWS]
    return {
        "instances": {
            "blue": instance("blue", "0000:00:03.0", "0000:00:05.0", "0000:01:00.0", 768 << 20),
            "green": instance("green", "0000:00:04.0", "0000:00:06.0", "0000:02:00.0", 512 << 20),
        },
        "interrupt_table": report.interrupt_table(earlier, ROWS),
        "at_the_same_time": 4.5,
        "given_back": {
            "drivers": {"0000:01:00.0": ["e1000e", "e1000e"], "0000:00:03.0": ["", ""]},
            "huge_pages": [0, 0],
            "claims": [],
            "faults": [],
        },
        "seconds": {"lab": 15.0, "blue until init": 9.5, "total": 80.0},
    }


def test_promises() -> None:
    blue = PROMISED["blue"]
    assert (blue.memory, blue.processors) == (768 << 20, 2)
    assert blue.functions["0000:01:00.0"] == ("8086:10d3", "0200")
    assert blue.on_the_way == ("0000:00:05.0",)
    assert blue.others["0000:02:00.0"] == "green"
    assert blue.others["0000:00:01.0"] == blue.others["0000:00:06.0"] == "the host"
    assert blue.of_class(report.SCSI) == "0000:00:03.0"
    assert blue.of_class("0300") == ""


def test_what_is_right_has_no_failure() -> None:
    assert report.failures(sound(), PROMISED) == []


def listed(address: str) -> dict[str, str]:
    return {"address": address, "vendor:device": "8086:10d3", "class": "0200"}


def hide_own(found: dict[str, Any]) -> None:
    found["instances"]["blue"]["pci"].pop()


def list_greens(found: dict[str, Any]) -> None:
    found["instances"]["blue"]["pci"].append(listed("0000:02:00.0"))


def list_hosts(found: dict[str, Any]) -> None:
    found["instances"]["green"]["pci"].append(listed("0000:00:01.0"))


def list_phantom(found: dict[str, Any]) -> None:
    found["instances"]["green"]["pci"].append(listed("0000:00:09.0"))


def foreign_interrupt(found: dict[str, Any]) -> None:
    row = interrupt("blue", "MSI-X 0", "0000:02:00.0", "blue", 3)
    found["interrupt_table"].append({**row, "added": 0})


def no_msix(found: dict[str, Any]) -> None:
    found["interrupt_table"][1]["request"] = "INTx A"


def no_interrupt(found: dict[str, Any]) -> None:
    found["interrupt_table"][3]["added"] = 0


def by_the_vmm(found: dict[str, Any]) -> None:
    found["interrupt_table"][0]["handled_by"] = "VMM"


def silent(found: dict[str, Any]) -> None:
    del found["instances"]["green"]


def changed(*path: str, to: object) -> Callable[[dict[str, Any]], None]:
    """Set one value of the report."""

    def change(found: dict[str, Any]) -> None:
        for key in path[:-1]:
            found = found[key]
        found[path[-1]] = to

    return change


def blues(*path: str, to: object) -> Callable[[dict[str, Any]], None]:
    return changed("instances", "blue", *path, to=to)


WRONG: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("blue.pci", hide_own),
    ("blue.pci", list_greens),
    ("green.pci", list_hosts),
    ("green.pci", list_phantom),
    ("green", silent),
    ("interrupt_table", foreign_interrupt),
    ("interrupt_table", no_msix),
    ("interrupt_table", no_interrupt),
    ("interrupt_table", by_the_vmm),
    ("blue.os", blues("os", to="Linux green 6.12")),
    ("blue.memory_bytes", blues("memory_bytes", to=(768 << 20) - (384 << 10))),
    ("blue.memory_usable_bytes", blues("memory_usable_bytes", to=100 << 20)),
    ("blue.processors", blues("processors", to=1)),
    ("blue.ethernet.lease", blues("ethernet", "lease", to=False)),
    ("blue.ethernet.pings_answered", blues("ethernet", "pings_answered", to=109)),
    ("blue.ethernet.pings_answered", blues("ethernet", "pings_sent", to=0)),
    ("blue.scsi.equal", blues("scsi", "equal", to=False)),
    ("blue.scsi.bytes_written", blues("scsi", "bytes_written", to=4096)),
    ("blue.scsi.bytes_read", blues("scsi", "bytes_read", to=0)),
    ("blue.exits.until_init", blues("exits", "until_init", to={})),
    ("blue.exits.msix_device", blues("exits", "msix_device", to={"0000:01:00.0 BAR 0": 1})),
    ("blue.concealed", blues("concealed", to=[])),
    ("at_the_same_time", changed("at_the_same_time", to=0.0)),
    ("given_back.drivers", changed("given_back", "drivers", "0000:01:00.0", to=["e1000e", ""])),
    ("given_back.huge_pages", changed("given_back", "huge_pages", to=[0, 384])),
    ("given_back.claims", changed("given_back", "claims", to=["0000:01:00.0.json"])),
    ("given_back.faults", changed("given_back", "faults", to=["DMAR: fault addr"])),
]


@pytest.mark.parametrize(("line", "spoil"), WRONG, ids=[f"{n}-{w[0]}" for n, w in enumerate(WRONG)])
def test_what_is_wrong_is_named(line: str, spoil: Callable[[dict[str, Any]], None]) -> None:
    found = sound()
    spoil(found)
    failed = report.failures(found, PROMISED)
    assert line in {failure.line for failure in failed}
    assert {failure.line.split(".")[0] for failure in failed} == {line.split(".")[0]}


def test_an_own_function_concealed_is_named() -> None:
    found = sound()
    found["instances"]["blue"]["concealed"].append("0000:00:03.0")
    assert [str(one) for one in report.failures(found, PROMISED)] == [
        "blue.concealed: its own 0000:00:03.0 was answered as absent"
    ]


def test_facts_are_read() -> None:
    text = (
        "os Linux blue 6.1.0-42-amd64 #1 SMP x86_64 GNU/Linux\nprocessors 2\n"
        "memory_bytes 804912128\nmemory_kib 725580 kB\n"
        "pci 0000:00:00.0 0600: 1b36:0008\npci 0000:00:03.0 0100: 1000:0012 (rev 01)\n"
    )
    found = report.facts(text)
    assert found["os"].endswith("GNU/Linux")
    assert (found["processors"], found["memory_bytes"]) == (2, 804912128)
    assert found["memory_usable_bytes"] == 725580 << 10
    assert found["pci"][1] == {
        "address": "0000:00:03.0",
        "vendor:device": "1000:0012",
        "class": "0100",
    }


@pytest.mark.parametrize("received", ["110 received", "110 packets received"])
def test_pings_of_both_kinds_are_counted(received: str) -> None:
    text = (
        "lease eth0 10.2.0.15/24\ngateway 10.2.0.2\n"
        "10 packets transmitted, 10 received, 0% packet loss, time 911ms\n"
        f"110 packets transmitted, {received}, 0% packet loss\n"
    )
    found = report.ethernet(text)
    assert (found["interface"], found["address"]) == ("eth0", "10.2.0.15/24")
    assert (found["pings_sent"], found["pings_answered"]) == (120, 120)
    assert found["lease"]


def test_no_lease_is_no_lease() -> None:
    found = report.ethernet("lease  \ngateway \n")
    assert not found["lease"]
    assert found["pings_sent"] == 0


def test_disks_are_counted() -> None:
    text = "written abc  -\nbefore 100 200\nread abc  -\nafter 16484 16700\n"
    found = report.scsi(text)
    assert (found["bytes_read"], found["bytes_written"]) == (16384 * 512, 16500 * 512)
    assert found["equal"]
    assert not report.scsi("written \nread \n")["equal"]


def test_only_what_was_added_counts() -> None:
    assert report.added({"a": 1, "b": 2}, {"a": 1, "b": 5, "c": 4}) == {"b": 3, "c": 4}


def test_what_was_given_back() -> None:
    before = [("driver", "0000:01:00.0 e1000e"), ("driver", "0000:00:03.0 "), ("huge_pages", "0")]
    after = [*before[1:], ("driver", "0000:01:00.0 vfio-pci"), ("claim", "x"), ("fault", "DMAR")]
    found = report.given_back(before, after)
    assert found["drivers"]["0000:01:00.0"] == ["e1000e", "vfio-pci"]
    assert found["drivers"]["0000:00:03.0"] == ["", ""]
    assert (found["claims"], found["faults"]) == (["x"], ["DMAR"])


def test_it_is_told_in_a_terminals_width() -> None:
    found = {"sound": True, "failures": [], **sound()}
    text = told(found, PROMISED)
    assert max(map(len, text.splitlines())) <= COLUMNS
    for words in ("BLUE", "GREEN", "110 of 110 pings", "MSI-X 0", "as the table says"):
        assert words in text


def test_failures_are_told_and_end_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = copy.deepcopy(sound())
    list_greens(found)
    assert demo.finish(found, PROMISED, tmp_path) == 1
    said = capsys.readouterr()
    wrong = "blue.pci: it lists 0000:02:00.0, which is green's"
    assert wrong in said.out
    assert wrong in said.err
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept["sound"] is False
    assert kept["failures"] == [wrong]


def test_a_sound_report_ends_with_0(tmp_path: Path) -> None:
    assert demo.finish(sound(), PROMISED, tmp_path) == 0
    assert json.loads((tmp_path / "report.json").read_text())["sound"] is True
