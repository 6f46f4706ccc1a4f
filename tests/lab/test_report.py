"""Does the report notice everything that is not as the table says?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from septum.lab import attempts, demo, judges, report, typed
from septum.lab.story import COLUMNS, told
from tests.lab.sound import CHECKSUM, MACHINE, PROMISED, interrupt, sound

Change = Callable[[dict[str, Any]], None]


def failed(found: dict[str, Any]) -> list[str]:
    return [str(one) for one in judges.failures(found, PROMISED)]


def test_promises() -> None:
    blue = PROMISED["blue"]
    assert (blue.memory, blue.processors, blue.numbers) == (512 << 20, 1, (0, 1))
    assert blue.functions["0000:01:00.0"] == ("8086:10d3", "0200")
    assert blue.on_the_way == ("0000:00:05.0",)
    assert blue.bridges == {"0000:00:05.0": ("1b36:000c", "0604")}
    assert blue.others["0000:02:00.0"] == "green"
    assert blue.others["0000:00:01.0"] == blue.others["0000:00:06.0"] == "the host"
    assert blue.of_class(report.SCSI) == "0000:00:03.0"
    assert blue.of_class("0300") == ""


def test_what_is_each_ones_own_is_known_from_the_computers_file() -> None:
    blue, green = PROMISED["blue"], PROMISED["green"]
    assert (blue.mac, blue.network) == ("52:54:00:00:00:05", "10.1.0.0/24")
    assert (green.mac, green.network) == ("52:54:00:00:00:06", "10.2.0.0/24")
    assert (blue.serial, green.serial) == ("scsi-1-0", "scsi-2-0")
    assert (blue.disk_size, green.disk_size) == (1 << 30, 256 << 20)


def test_each_reaches_for_all_that_is_the_others() -> None:
    targets = PROMISED["green"].targets
    assert {target.function for target in targets} == {"", "0000:00:03.0", "0000:01:00.0"}
    bars = {bar["span"]["start"] for function in MACHINE["functions"] for bar in function["bars"]
            if function["address"] in ("0000:00:03.0", "0000:01:00.0")}  # fmt: skip
    reached = {int(one.address, 16) for one in targets if one.what != report.CONFIGURATION}
    assert reached == bars | {(256 + 128) << 20}
    spaces = [one.address for one in targets if one.what == report.CONFIGURATION]
    assert spaces == ["0xb0018000", "0xb0100000"]


def test_as_many_pings_are_judged_as_are_typed() -> None:
    assert sum(map(int, re.findall(r"-c (\d+)", typed.PINGS))) == judges.PINGS


def test_what_is_right_has_no_failure() -> None:
    assert failed(sound()) == []


# ---- no value goes without a judge


def leaves(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value; of an empty list or table, that of its first item."""
    if isinstance(found, dict | list) and found:
        keys = found if isinstance(found, dict) else range(len(found))
        for key in keys:
            yield from leaves(found[key], (*path, key))
    else:
        yield path


def spoiled(value: Any) -> list[Any]:
    """Wrong values in the place of a right one."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [-1, 10**12]
    if isinstance(value, str):
        return ["spoiled", *([""] if value else [])]
    if value is None:
        return ["spoiled", -1]
    return [["spoiled"]] if isinstance(value, list) else [{"spoiled": 1}]


LEAVES = list(leaves(sound()))


@pytest.mark.parametrize("path", LEAVES, ids=[".".join(map(str, path)) for path in LEAVES])
def test_every_value_has_a_judge(path: tuple[Any, ...]) -> None:
    name = ".".join(map(str, path))
    if any(fnmatch(name, pattern) for pattern in judges.TOLD_ONLY):
        return
    holder = sound()
    for key in path[:-1]:
        holder = holder[key]
    for wrong in spoiled(holder[path[-1]]):
        found = sound()
        changed(*path, to=wrong)(found)
        assert failed(found), f"{name} may be {wrong!r}"


def tables(found: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each table that holds something."""
    if isinstance(found, dict | list):
        if isinstance(found, dict) and found:
            yield path
        for key in found if isinstance(found, dict) else range(len(found)):
            yield from tables(found[key], (*path, key))


TABLES = list(tables(sound()))


@pytest.mark.parametrize("path", TABLES, ids=[".".join(map(str, path)) for path in TABLES])
def test_what_no_judge_knows_is_a_failure(path: tuple[Any, ...]) -> None:
    """A value that is added to the report some day must find a judge."""
    if path == ("seconds",):
        return
    found = sound()
    holder: Any = found
    for key in path:
        holder = holder[key]
    holder["unjudged"] = next(iter(holder.values()))
    assert failed(found), f"{'.'.join(map(str, path))} may say more"


LISTS = [
    ("instances", "blue", "pci"),
    ("instances", "green", "pci"),
    ("interrupt_table",),
    ("attempts", "blue", "tried"),
    ("attempts", "green", "tried"),
    ("dma", "aims"),
    ("dma", "faults"),
]


@pytest.mark.parametrize("path", LISTS, ids=".".join)
def test_nothing_may_be_missing_from_a_list(path: tuple[str, ...]) -> None:
    def at(found: Any) -> Any:
        for key in path:
            found = found[key]
        return found

    for place in range(len(at(sound()))):
        found = sound()
        missing = at(found).pop(place)
        assert failed(found), f"{missing} may be missing"


def test_what_is_told_only_is_there_and_has_its_reason() -> None:
    for pattern, reason in judges.TOLD_ONLY.items():
        assert any(fnmatch(".".join(map(str, path)), pattern) for path in LEAVES), pattern
        assert len(reason) > 20


# ---- each judge, and the wrong fact it is there for


def changed(*path: Any, to: object) -> Change:
    """Set one value of the report."""

    def change(found: Any) -> None:
        for key in path[:-1]:
            found = found[key]
        found[path[-1]] = to

    return change


def blues(*path: str, to: object) -> Change:
    return changed("instances", "blue", *path, to=to)


def greens(*path: str, to: object) -> Change:
    return changed("instances", "green", *path, to=to)


def listing(name: str, address: str, identity: str = "8086:10d3", kind: str = "0200") -> Change:
    row = {"address": address, "vendor:device": identity, "class": kind}
    return lambda found: found["instances"][name]["pci"].append(row)


def hide_own(found: dict[str, Any]) -> None:
    found["instances"]["blue"]["pci"].pop()


def silent(found: dict[str, Any]) -> None:
    del found["instances"]["green"]


def with_row(*row: Any) -> Change:
    def change(found: dict[str, Any]) -> None:
        found["interrupt_table"].append({**interrupt(*row), "added": 0})

    return change


def in_row(number: int, **values: Any) -> Change:
    return lambda found: found["interrupt_table"][number].update(values)


def without_rows(request: str) -> Change:
    def change(found: dict[str, Any]) -> None:
        rows = found["interrupt_table"]
        rows[:] = [row for row in rows if row["request"] != request]

    return change


def same_data(found: dict[str, Any]) -> None:
    """Both disks hold the same: one of them may be the other's, or both one."""
    for said in found["instances"].values():
        said["scsi"].update(written="a" * 32, read="a" * 32)


def answered(number: int, by: str) -> Change:
    return changed("attempts", "green", "tried", number, "answered", to=by)


def another_fault(**values: str) -> Change:
    def change(found: dict[str, Any]) -> None:
        found["dma"]["faults"].append({**found["dma"]["faults"][0], **values})

    return change


PINGED = attempts.BYSTANDERS_PINGS
LEASE, FOREIGN = ("ethernet", "address"), "10.1.0.16/24"
MISSING_ROWS = [
    ("interrupt_table", without_rows(request))
    for request in (*judges.VMM_REQUESTS, *judges.EVERYBODYS)
]
WRONG: list[tuple[str, Change]] = [
    ("blue.pci", hide_own),
    ("blue.pci", listing("blue", "0000:02:00.0")),
    ("green.pci", listing("green", "0000:00:01.0")),
    ("green.pci", listing("green", "0000:00:09.0")),
    ("green.pci", listing("green", "0000:00:08.0", "1b36:000b", "0600")),  # no host bridge of its
    ("green.pci", listing("green", "0000:00:05.0", "1b36:000c", "0604")),
    ("green.pci", listing("green", "0000:02:00.0")),
    ("blue.pci", blues("pci", to=[])),
    ("green", silent),
    ("red", changed("instances", "red", to={**sound()["instances"]["blue"]})),
    ("interrupt_table", with_row("blue", "MSI-X 0", "0000:02:00.0", "blue", 3)),
    ("interrupt_table", with_row("blue", "MSI-X 9", "0000:00:09.0", "blue", 3)),
    ("interrupt_table", with_row("red", "IPI", "interprocessor", "VMM", None)),
    ("interrupt_table", in_row(6, request="INTx A")),
    ("interrupt_table", in_row(5, added=0)),
    ("interrupt_table", in_row(5, handled_by="VMM")),
    ("interrupt_table", in_row(5, handler="emulated by KVM")),
    ("interrupt_table", in_row(5, added=701)),
    *MISSING_ROWS,
    ("blue.os", blues("os", to="Linux green 6.12")),
    ("blue.memory_bytes", blues("memory_bytes", to=(512 << 20) - (384 << 10))),
    ("blue.memory_usable_bytes", blues("memory_usable_bytes", to=100 << 20)),
    ("blue.processors", blues("processors", to=2)),
    ("blue.on_processors", blues("on_processors", to={})),
    ("blue.on_processors", blues("on_processors", "blue cpu0", "allowed", to=[0])),
    ("blue.on_processors", blues("on_processors", "blue cpu0", "ran_on", to=[])),
    ("blue.on_processors", blues("on_processors", "blue cpu0", "ran_on", to=[0, 2])),
    ("blue.on_processors", blues("on_processors", "blue cpu1", to={"allowed": [0, 1],
                                                                   "ran_on": [0]})),
    ("blue.ethernet.lease", blues("ethernet", "lease", to=False)),
    ("green.ethernet.address", greens(*LEASE, to=FOREIGN)),  # on blue's network
    ("green.ethernet.address", greens(*LEASE, to="10.2.0.15/16")),
    ("green.ethernet.gateway", greens("ethernet", "gateway", to="10.1.0.2")),
    ("green.ethernet.mac", greens("ethernet", "mac", to=PROMISED["blue"].mac)),
    ("green.ethernet.function", greens("ethernet", "function", to="0000:01:00.0")),
    ("blue.ethernet.pings_answered", blues("ethernet", "pings_answered", to=109)),
    ("blue.ethernet.pings_answered", blues("ethernet", "pings_sent", to=0)),
    ("blue.scsi.equal", blues("scsi", "equal", to=False)),
    ("blue.scsi.equal", blues("scsi", "read", to=CHECKSUM["green"])),
    ("scsi.written", same_data),
    ("green.scsi.serial", greens("scsi", "serial", to="scsi-1-0")),
    ("green.scsi.size", greens("scsi", "size", to=1 << 30)),
    ("green.scsi.mark", greens("scsi", "mark", to="blue")),
    ("green.scsi.function", greens("scsi", "function", to="0000:00:03.0")),
    ("blue.scsi.bytes_written", blues("scsi", "bytes_written", to=4096)),
    ("blue.scsi.bytes_read", blues("scsi", "bytes_read", to=0)),
    ("blue.exits.until_init", blues("exits", "until_init", to={})),
    ("blue.exits.until_init", blues("exits", "until_init", to={"port read": 10**6})),
    ("blue.exits.during_io", blues("exits", "during_io", to={"memory read": 10**6})),
    ("blue.exits.msix_device", blues("exits", "msix_device", to={"0000:01:00.0 BAR 0": 1})),
    ("blue.exits.scsi_device", blues("exits", "scsi_device", to={"0000:00:03.0 BAR 1": 10**6})),
    ("blue.concealed", blues("concealed", to=[])),
    ("blue.concealed", blues("concealed", to=[*sound()["instances"]["blue"]["concealed"],
                                              "0000:00:03.0"])),
    ("at_the_same_time", changed("at_the_same_time", to=0.0)),
    ("attempts", changed("attempts", to={})),
    ("green.attempts.tried", answered(0, "0x00000000")),
    ("green.attempts.tried", answered(1, "devmem: mmap: Operation not permitted")),
    ("green.attempts.tried", answered(1, "0x00121000")),  # the controller's own identity
    ("green.attempts.tried", changed("attempts", "green", "tried", to=[])),
    ("green.attempts.recorded", changed("attempts", "green", "recorded", "no_memory", to=1)),
    ("green.attempts.recorded", changed("attempts", "green", "recorded", "no_port", to=0)),
    ("green.attempts.neighbour",
     changed("attempts", "green", "neighbour", "pings_answered", to=PINGED - 1)),
    ("green.attempts.neighbour",
     changed("attempts", "green", "neighbour", "read", to=CHECKSUM["green"])),
    ("dma.device", changed("dma", "device", to="0000:02:00.0")),
    ("dma.aims", changed("dma", "aims", to=[])),
    ("dma.aims", changed("dma", "aims", 0, "got", to="0x12345678")),  # it read something
    ("dma.aims", changed("dma", "aims", 1, "ended", to="0x80")),  # its script never came to an end
    ("dma.faults", changed("dma", "faults", to=[])),
    ("dma.faults", another_fault(device="0000:00:03.0")),
    ("dma.faults", another_fault(address="0x18001000")),
    ("dma.faults", another_fault(how="Write")),
    ("dma.read_again", changed("dma", "read_again", to=CHECKSUM["blue"])),
    ("dma.neighbour", changed("dma", "neighbour", "pings_answered", to=PINGED - 1)),
    ("dma.neighbour", changed("dma", "neighbour", "read", to="")),
    ("given_back.drivers", changed("given_back", "drivers", "0000:01:00.0", to=["e1000e", ""])),
    ("given_back.drivers", changed("given_back", "drivers", to={})),
    ("given_back.huge_pages", changed("given_back", "huge_pages", to=[0, 384])),
    ("blue.ended", changed("ended", "blue", to="unplugged")),
    ("green.ended", changed("ended", to={"blue": "powered off"})),
    ("given_back.claims", changed("given_back", "claims", to=["0000:01:00.0.json"])),
    ("given_back.faults", changed("given_back", "faults", to=["BUG: soft lockup"])),
]  # fmt: skip


@pytest.mark.parametrize(("line", "spoil"), WRONG, ids=[f"{n}-{w[0]}" for n, w in enumerate(WRONG)])
def test_what_is_wrong_is_named(line: str, spoil: Change) -> None:
    found = sound()
    spoil(found)
    assert line in {failure.line for failure in judges.failures(found, PROMISED)}


def test_what_is_wrong_with_one_is_not_said_of_the_other() -> None:
    found = sound()
    greens(*LEASE, to=FOREIGN)(found)
    assert failed(found) == [
        "green.ethernet.address: '10.1.0.16/24' is not of 0000:02:00.0's network 10.2.0.0/24"
    ]


# ---- what was said is read


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
        "lease eth0 10.2.0.15/24\nmac 52:54:00:00:00:06\ncard 0000:02:00.0\ngateway 10.2.0.2\n"
        "PING 10.2.0.2 (10.2.0.2): 56 data bytes\n"
        "10 packets transmitted, 10 received, 0% packet loss, time 911ms\n"
        "PING 10.2.0.2 (10.2.0.2): 1400 data bytes\n"
        f"110 packets transmitted, {received}, 0% packet loss\n"
        f"\n--- 10.2.0.2 ping statistics ---\n110 packets transmitted, {received}, 0% packet loss\n"
    )
    found = report.ethernet(text)
    assert (found["interface"], found["address"]) == ("eth0", "10.2.0.15/24")
    assert (found["pings_sent"], found["pings_answered"]) == (120, 120)
    assert (found["mac"], found["function"]) == ("52:54:00:00:00:06", "0000:02:00.0")
    assert found["lease"]


def test_no_lease_is_no_lease() -> None:
    found = report.ethernet("lease  \ngateway \n")
    assert not found["lease"]
    assert found["pings_sent"] == 0


def test_disks_are_counted() -> None:
    text = (
        "controller 0000:00:04.0\nsize 524288\nserial scsi-2-0\nwritten abc  -\n"
        "before 100 200\nread abc  -\nafter 16484 16700\nmark green\n"
    )
    found = report.scsi(text)
    assert (found["function"], found["serial"], found["mark"]) == (
        *("0000:00:04.0", "scsi-2-0"),
        "green",
    )
    assert found["size"] == 256 << 20
    assert (found["bytes_read"], found["bytes_written"]) == (16384 * 512, 16500 * 512)
    assert found["equal"]
    assert not report.scsi("written \nread \n")["equal"]


def test_only_what_was_added_counts() -> None:
    assert report.added({"a": 1, "b": 2}, {"a": 1, "b": 5, "c": 4}) == {"b": 3, "c": 4}


def test_what_was_given_back() -> None:
    before = [("driver", "0000:01:00.0 e1000e"), ("driver", "0000:00:03.0 "), ("huge_pages", "0")]
    after = [*before[1:], ("driver", "0000:01:00.0 vfio-pci"), ("claim", "x"), ("fault", "DMAR")]
    refused = "DMAR: [DMA Read NO_PASID] Request device [00:04.0] fault addr 0x18000000 [...]"
    earlier = ("fault", "another test's")
    found = report.given_back(
        [*before, earlier], [earlier, *after, ("fault", refused)], report.dma_faults([refused])
    )
    assert report.given_back(before, [*after, ("fault", refused)])["faults"] == ["DMAR", refused]
    assert found["drivers"]["0000:01:00.0"] == ["e1000e", "vfio-pci"]
    assert found["drivers"]["0000:00:03.0"] == ["", ""]
    assert (found["claims"], found["faults"]) == (["x"], ["DMAR"])


def test_refused_dma_is_read_from_the_kernels_messages() -> None:
    lines = [
        "[  108.0] DMAR: [DMA Read NO_PASID] Request device [00:04.0] fault addr 0x18000000 "
        "[fault reason 0x06] PTE Read access is not set",
        "[  110.6] DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0xfea88000 "
        "[fault reason 0x05] PTE Write access is not set",
    ]
    assert report.dma_faults([*lines, lines[0], "BUG: soft lockup"]) == [
        {"device": "0000:00:04.0", "how": "Read", "address": "0x18000000"},
        {"device": "0000:01:00.0", "how": "Write", "address": "0xfea88000"},
    ]


def test_where_threads_ran_is_gathered() -> None:
    text = "blue cpu0/0-1/1\nblue cpu0/0-1/0\nblue cpu1/1,3-4/3\n"
    assert typed.threads(text) == {
        "blue cpu0": {"allowed": [0, 1], "ran_on": [0, 1]},
        "blue cpu1": {"allowed": [1, 3, 4], "ran_on": [3]},
    }


def test_what_a_devices_io_added_is_told_from_the_rest() -> None:
    def rows(**counts: int) -> list[dict[str, Any]]:
        return [
            {"instance": "blue", "by": "answered by", "what": what.replace("_", " "), "exits": n}
            for what, n in counts.items()
        ]

    before = rows(serial_1=5, no_port=1)
    between = [*rows(serial_1=9, no_port=1, PCI_configuration=2)]
    after = [*between, {"instance": "blue", "by": "answered by", "what": "0000:00:03.0 BAR 1",
                        "exits": 10**6}]  # fmt: skip
    found = report.exits(PROMISED["blue"], before, between, after)
    assert found["msix_device"] == {"PCI configuration": 2}
    assert found["scsi_device"] == {"0000:00:03.0 BAR 1": 10**6}


def test_what_attempts_answered_is_read() -> None:
    targets = PROMISED["green"].targets[:2]
    said = f"memory {targets[0].address} 0xFFFFFFFF\nport 0xe000  ff\n"
    first, second = attempts.tried(targets, said)
    assert (first["answered"], second["answered"]) == ("0xFFFFFFFF", "")


def test_it_is_told_in_a_terminals_width() -> None:
    found = {"sound": True, "failures": [], **sound()}
    text = told(found, PROMISED)
    assert max(map(len, text.splitlines())) <= COLUMNS
    for words in (
        "BLUE",
        "GREEN",
        "110 of 110 pings",
        "MSI-X 0",
        "refused by the IOMMU",
        "as the table says",
    ):
        assert words in text


def test_failures_are_told_and_end_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sound()
    listing("blue", "0000:02:00.0")(found)
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
