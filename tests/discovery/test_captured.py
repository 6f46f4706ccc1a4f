"""Does discovery hold on machines that exist? Labs and two PCs, every function its own owner."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from septum.discovery.acpi.tables import description_tables
from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.routing import route
from septum.discovery.view import view
from septum.machine.files import HostFiles
from septum.machine.inventory import inventory
from septum.machine.model import Machine
from septum.translation.pci_config import ConfigurationSpace
from tests.captured import amd, cabinet, lab, laptop, two_roots, workstation
from tests.discovery.test_enumeration import by_ports, responder, scan
from tests.discovery.test_view import a_partition


@pytest.fixture(
    scope="module",
    params=[lab, workstation, laptop, two_roots, cabinet, amd],
    ids=lambda made: made.__name__,
)
def machine(request: pytest.FixtureRequest) -> Machine:
    captured: Callable[[], HostFiles] = request.param
    return inventory(captured())


def endpoints(machine: Machine) -> list[str]:
    return [
        str(function.address)
        for function in machine.functions
        if not function.is_bridge and function.class_code >> 16 != 0x06
    ]


def test_each_function_alone_is_found_by_a_scan(machine: Machine) -> None:
    for name in endpoints(machine):
        found = view(machine, a_partition(name))
        read = by_ports(ConfigurationMechanism(responder(found), found.ecam))
        seen: dict[str, int] = {}
        for root in found.root_buses:
            seen |= scan(read, root.domain, root.first)
        played = {str(where)[5:] for where in (*found.placeholders, *found.host_bridges)}
        way = {str(bridge.address)[5:] for bridge in found.bridges}
        assert set(seen) == {name[5:]} | played | way


def test_base_addresses_are_the_machines_own(machine: Machine) -> None:
    for name in endpoints(machine):
        (function,) = view(machine, a_partition(name)).functions
        space = ConfigurationSpace(function, function.configuration, 16)
        assert [(bar.index, bar.span) for bar in space.bars] == [
            (bar.index, bar.span) for bar in function.bars
        ]
        assert not space.command.bus_master
        assert space.msix is None or not space.msix.enabled
        assert (space.msix.vectors if space.msix else 0) == function.msix_vectors


def test_all_together_fit_their_tables(machine: Machine) -> None:
    found = view(machine, a_partition(*endpoints(machine)))
    routing = route(found)
    assert set(routing.gsi_of.values()) <= set(range(16, 24))
    tables = description_tables(found, range(64), routing)
    for (start, blob), (following, _) in zip(tables.blobs, tables.blobs[1:], strict=False):
        assert start + len(blob) <= following


def test_everything_found_lies_in_a_window_of_its_root(machine: Machine) -> None:
    found = view(machine, a_partition(*endpoints(machine)))
    windows = [span for root in found.root_buses for span in (*root.memory, *root.io)]
    for function in found.functions:
        for bar in function.bars:
            assert any(
                window.start <= bar.span.start and bar.span.end <= window.end for window in windows
            ), (function.address, bar)
