"""Does an instance find its own functions, the way to them, and nothing else?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.discovery.view import View, view
from septum.errors import MachineProblem
from septum.machine.model import Bridge, Ecam, Machine, RootBus
from septum.partitions.model import MemorySlice, Partition, Processors
from septum.units import MiB, PciAddress, Span
from tests.machines import ROOT_PORT, a_function, a_machine, address, lab_functions


def a_partition(*functions: str) -> Partition:
    return Partition(
        "blue",
        "/boot/vmlinuz",
        None,
        "",
        MemorySlice(512 * MiB, 0),
        Processors((0, 1), False, 100),
        tuple(sorted(address(text) for text in functions)),
    )


def seen(*functions: str, machine: Machine | None = None) -> View:
    return view(machine or a_machine(), a_partition(*functions))


def addresses(items: tuple[PciAddress, ...]) -> list[str]:
    return [str(item) for item in items]


LAB_SCSI = next(f for f in lab_functions() if f.address == address("00:04.0"))


def two_roots() -> Machine:
    """A second root bus at 0x40 with a bridge of a multi-function device, and a domain 1."""
    port = a_function(
        "40:03.2",
        **ROOT_PORT | {"multifunction": True},
        bridge=Bridge(0x40, 0x41, 0x42, Span(0xD0000000, MiB), None, None),
    )
    switch = a_function(
        "41:00.0",
        **ROOT_PORT,
        bridge=Bridge(0x41, 0x42, 0x42, Span(0xD0000000, MiB), None, None),
        parent=port.address,
    )
    sound = a_function("42:00.1", multifunction=True, parent=switch.address, interrupt_pin=2)
    display = a_function("42:00.0", multifunction=True, parent=switch.address, interrupt_pin=1)
    far = a_function("0001:00:02.0")
    machine = a_machine(
        functions=tuple(sorted((*lab_functions(), port, switch, sound, display, far)))
    )
    first = machine.root_buses[0]._replace(last=0x3F)
    return machine._replace(
        root_buses=(
            first,
            RootBus(0, 0x40, 0x7F, (Span(0xD0000000, 16 * MiB),), (Span(0x8000, 0x1000),)),
            RootBus(1, 0, 255, (Span(0x9_0000_0000, 16 * MiB),), ()),
        ),
        ecam=(*machine.ecam, Ecam(1, 0, 255, Span(0xA_0000_0000, 256 * MiB))),
    )


def test_a_function_behind_a_root_port() -> None:
    blue = seen("00:04.0", "01:00.0")
    assert [str(f.address) for f in blue.functions] == ["0000:00:04.0", "0000:01:00.0"]
    assert [str(f.address) for f in blue.bridges] == ["0000:00:01.0"]
    assert addresses(blue.host_bridges) == ["0000:00:00.0"]
    assert blue.placeholders == ()
    (area,), (whole,) = blue.ecam, a_machine().ecam
    assert (area.first_bus, area.last_bus) == (0, 1), "nothing can be found beyond bus 1"
    assert area.span == Span(whole.span.start, 2 * MiB)
    assert blue.function(address("02:00.0")) is None
    behind = blue.function(address("01:00.0"))
    assert behind is not None and blue.bridge_above(behind) == blue.bridges[0]


def test_a_concealed_function_0_is_stood_in_for() -> None:
    assert addresses(seen("00:1f.2").placeholders) == ["0000:00:1f.0"]
    assert seen("00:1f.0", "00:1f.2").placeholders == ()


def test_a_bridge_that_is_not_function_0_is_found_too() -> None:
    green = seen("42:00.1", machine=two_roots())
    assert [str(f.address) for f in green.bridges] == ["0000:40:03.2", "0000:41:00.0"]
    assert addresses(green.placeholders) == ["0000:40:03.0", "0000:42:00.0"]
    assert addresses(green.host_bridges) == ["0000:00:00.0", "0000:40:00.0"]
    assert [root.first for root in green.root_buses] == [0, 0x40]
    assert [area.domain for area in green.ecam] == [0]


def test_another_domain_comes_with_the_first_bus() -> None:
    far = seen("0001:00:02.0", machine=two_roots())
    assert addresses(far.host_bridges) == ["0000:00:00.0", "0001:00:00.0"]
    assert [area.domain for area in far.ecam] == [0, 1]


def test_a_machine_without_bus_0_still_shows_one() -> None:
    machine = two_roots()
    machine = machine._replace(root_buses=machine.root_buses[1:2], ecam=())
    blue = seen("42:00.0", machine=machine)
    assert addresses(blue.host_bridges) == ["0000:00:00.0", "0000:40:00.0"]
    assert blue.root_buses[0].memory == ()


def test_windows_are_the_machines_own() -> None:
    machine = a_machine()
    (mine,), (whole,) = seen("00:04.0", "01:00.0").root_buses, machine.root_buses
    assert (mine.memory, mine.io) == (whole.memory, whole.io)
    assert (mine.first, mine.last) == (0, 1)


def test_a_root_without_windows_gets_those_of_what_stands_on_it() -> None:
    machine = a_machine()
    bare = machine._replace(root_buses=(RootBus(0, 0, 255, (), ()),))
    (root,) = seen("00:1f.2", "02:00.0", machine=bare).root_buses
    sata, port = machine.function(address("00:1f.2")), machine.function(address("00:02.0"))
    assert sata is not None and port is not None and port.bridge is not None
    assert set(root.memory) == {port.bridge.memory, sata.bars[1].span}
    assert set(root.io) == {port.bridge.io, sata.bars[0].span}


def test_a_window_grows_around_what_overlaps_it() -> None:
    machine = a_machine()
    (bar,) = (bar for bar in LAB_SCSI.bars if bar.index == 2)
    half = Span(bar.span.start + bar.span.size // 2, MiB)
    narrow = machine._replace(root_buses=(RootBus(0, 0, 255, (half,), ()),))
    (root,) = seen("00:04.0", machine=narrow).root_buses
    assert root.memory == (Span(bar.span.start, half.end - bar.span.start),)


def test_a_bridge_is_played_even_when_it_was_listed() -> None:
    blue = seen("41:00.0", "42:00.0", machine=two_roots())
    assert [str(f.address) for f in blue.functions] == ["0000:42:00.0"]
    assert [str(f.address) for f in blue.bridges] == ["0000:40:03.2", "0000:41:00.0"]


def test_a_vanished_function_is_named() -> None:
    with pytest.raises(MachineProblem, match=r"0000:00:09\.0"):
        seen("00:09.0")


@given(some.sets(some.sampled_from([f.address for f in two_roots().functions if not f.is_bridge])))
def test_nobody_elses_function_is_ever_in_view(owned: set[PciAddress]) -> None:
    machine = two_roots()
    partition = a_partition()._replace(functions=tuple(sorted(owned)))
    found = view(machine, partition)
    assert {f.address for f in found.functions} == owned
    assert all(f.is_bridge for f in found.bridges)
    played = {*found.placeholders, *found.host_bridges}
    assert not played & owned, "what is owned is never played"
    present = owned | played | {f.address for f in found.bridges}
    assert all(where._replace(function=0) in present for where in present)


def test_who_owns_nothing_is_promised_one_bus() -> None:
    """Linux looks at each of 32 devices of every bus that it is promised: 16,000 exits for 256."""
    nobody = seen()
    (root,), (area,) = nobody.root_buses, nobody.ecam
    assert (root.first, root.last) == (area.first_bus, area.last_bus) == (0, 0)
    (second, *_) = seen("40:03.2", machine=two_roots()).root_buses
    assert (second.first, second.last) == (0, 0), "nothing of its own is on the first"
