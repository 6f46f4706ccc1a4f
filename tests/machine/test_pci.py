"""Are sysfs's files about a function read right, and odd ones refused with a reason?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from septum.errors import MachineProblem, Problem
from septum.machine.capture import CapturedFiles, steps
from septum.machine.inventory import inventory
from septum.machine.pci import functions, on_the_way, root_of
from septum.units import PciAddress
from tests.captured import lab, workstation

NIC = "/sys/devices/pci0000:00/0000:00:05.0/0000:01:00.0"
WHERE = PciAddress.parse("01:00.0")


def changed(**files: bytes | None) -> CapturedFiles:
    """The lab with files of Ethernet 1 replaced or gone."""
    captured = lab()
    assert isinstance(captured, CapturedFiles)
    entries = dict(captured.entries)
    for name, content in files.items():
        if content is None:
            entries.pop(f"{NIC}/{name}", None)
        else:
            entries[f"{NIC}/{name}"] = content
    return CapturedFiles(entries)


def test_a_cut_off_configuration_space_is_a_problem() -> None:
    with pytest.raises(MachineProblem, match="config is cut off") as caught:
        inventory(changed(config=b"\x86\x80"))
    assert "2 bytes" in caught.value.because


def test_a_function_that_went_away_is_said() -> None:
    machine = inventory(changed(config=None))
    assert machine.function(WHERE) is None
    assert any("0000:01:00.0 does not answer" in text for text in machine.unknown)


def test_a_function_that_is_powered_down_is_said() -> None:
    machine = inventory(changed(config=b"\xff" * 256))
    assert machine.function(WHERE) is None


def test_a_virtual_function_has_its_identity_from_linux() -> None:
    captured = changed()
    header = captured.entries[f"{NIC}/config"]
    assert isinstance(header, bytes)
    machine = inventory(
        changed(config=b"\xff" * 4 + header[4:], vendor=b"0x8086\n", device=b"0x10ca\n")
    )
    function = machine.function(WHERE)
    assert function and (function.vendor, function.device) == (0x8086, 0x10CA)


@pytest.mark.parametrize(
    "text", [b"garbage", b"0x1 0x2", b"0x20 0x10 0x40200", b"-1 0x5 0x40200", b"1 2 3 4", b"\n\n"]
)
def test_a_garbled_resource_line_is_a_problem(text: bytes) -> None:
    with pytest.raises(MachineProblem, match="start, end and flags"):
        inventory(changed(resource=b"0x0 0x0 0x0\n" + text + b"\n0x0 0x0 0x0\n"))


def test_unassigned_bars_are_not_there() -> None:
    machine = inventory(changed(resource=b"0x0 0xfff 0x20040200\n0x0 0x0 0x40200\n"))
    function = machine.function(WHERE)
    assert function and function.bars == ()


def test_older_kernels_only_know_that_there_is_a_reset() -> None:
    captured = changed(reset_method=None, reset=b"")
    function = inventory(captured).function(WHERE)
    assert function and function.reset_methods == ("reset",)


def test_with_msi_on_the_line_is_not_known() -> None:
    captured = changed()
    space = bytearray(captured.entries[f"{NIC}/config"] or b"")  # type: ignore[arg-type]
    space[0xD2] |= 1  # Message Control of the capability at d0
    function = inventory(changed(config=bytes(space))).function(WHERE)
    assert function and function.interrupt_line == 0


def test_parents_from_bus_numbers_where_links_tell_nothing() -> None:
    captured = workstation()
    flat: dict[str, bytes | str | None] = {}
    for path, content in captured.entries.items():
        if path.startswith("/sys/bus/pci/devices/"):
            continue
        head, _, name = path.rpartition("/")
        device = head.rpartition("/")[2]
        if device.count(":") == 2 and head.startswith("/sys/devices/pci"):
            flat[f"/sys/bus/pci/devices/{device}/{name}"] = content
    found = functions(CapturedFiles(flat), {}, [])
    expected = functions(captured, {}, [])
    assert [(f.address, f.parent) for f in found] == [(f.address, f.parent) for f in expected]


def test_paths() -> None:
    vmd = "../../devices/pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0"
    assert [str(address) for address in on_the_way(vmd)] == [
        "0000:00:0e.0", "10000:e0:06.0", "10000:e1:00.0",
    ]  # fmt: skip
    assert root_of(vmd) == (0x10000, 0xE0)
    assert root_of("../../devices/platform/x") is None


@settings(max_examples=150)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none() | st.binary(max_size=300) | st.text(max_size=20).map(str.encode)
            for name in ("config", "resource", "irq", "numa_node", "reset_method", "vendor")
        },
    )
)
def test_odd_files_give_a_problem_or_a_machine(files: dict[str, bytes | None]) -> None:
    try:
        machine = inventory(changed(**files))
    except Problem as problem:
        assert problem.because
        return
    assert len(machine.functions) >= 11


def test_a_virtual_function_names_its_physical_one() -> None:
    files = workstation()
    folder = steps(files, "/sys/bus/pci/devices/0000:3b:00.1")[0]
    files.entries[f"{folder}/physfn"] = "../0000:3b:00.0"
    machine = inventory(CapturedFiles(files.entries))
    virtual = machine.function(PciAddress.parse("3b:00.1"))
    assert virtual is not None and virtual.physical == PciAddress.parse("3b:00.0")
    assert machine.virtual_functions(PciAddress.parse("3b:00.0")) == (virtual.address,)
    assert machine.virtual_functions(virtual.address) == ()
