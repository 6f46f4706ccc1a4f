"""Are tables for a computer without a host judged by the same rules, and by what it has?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from septum.engine.alpha.computer.description import load, parse
from septum.engine.alpha.computer.inventory import FIRMWARE, machine_of
from septum.errors import TableProblem
from septum.machine.model import Machine
from septum.memory.slices import slices
from septum.partitions.findings import Finding, UnsoundTable
from septum.partitions.model import MemorySlice, Partition, PartitionTable, Processors
from septum.partitions.table import checked
from septum.units import MiB, PciAddress, Span
from tests.house.source import ROOT

EXAMPLE = ROOT / "examples/alpha-two-systems.toml"
ONE_HOSE = ROOT / "examples/alpha-one-hose.toml"
CLIPPER = machine_of(load("clipper"))
FILE = ROOT / "septum/engine/alpha/computer/machines/clipper.toml"


def check(text: str, folder: Path, machine: Machine = CLIPPER) -> PartitionTable:
    path = folder / "table.toml"
    path.write_text(text)
    return checked(str(path), machine, files_exist=lambda path: True)


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., PartitionTable]:
    """The example with one piece of its text replaced, checked."""

    def changed(old: str, new: str, machine: Machine = CLIPPER) -> PartitionTable:
        text = EXAMPLE.read_text()
        assert old in text
        return check(text.replace(old, new), tmp_path, machine)

    return changed


@pytest.fixture
def finding(changed: Callable[..., PartitionTable]) -> Callable[..., Finding]:
    """The only finding when it is replaced."""

    def finding(old: str, new: str, machine: Machine = CLIPPER) -> Finding:
        with pytest.raises(UnsoundTable) as caught:
            changed(old, new, machine)
        assert len(caught.value.findings) == 1, str(caught.value)
        return caught.value.findings[0]

    return finding


Changed = Callable[..., PartitionTable]
Only = Callable[..., Finding]


def test_the_example_is_sound(tmp_path: Path) -> None:
    table = check(EXAMPLE.read_text(), tmp_path)
    assert (table.platform, table.computer) == ("alpha", "clipper")
    blue, green = table.partitions
    assert blue.functions == (PciAddress(0, 0, 1, 0), PciAddress(0, 0, 2, 0))[: len(blue.functions)]
    assert green.functions == (PciAddress(1, 0, 3, 0), PciAddress(1, 0, 5, 0))
    assert blue.isa == ("serial1",) and green.isa == ()
    assert (blue.interrupts, green.interrupts) == ("switch", "queue")


def test_the_example_of_one_hose_is_sound(tmp_path: Path) -> None:
    table = check(ONE_HOSE.read_text(), tmp_path, machine_of(load("one-hose")))
    blue, green = table.partitions
    assert [address.domain for one in (blue, green) for address in one.functions] == [0, 0, 0, 0]
    assert not set(blue.functions) & set(green.functions)


def test_a_machine_file_is_found_from_the_table(changed: Changed, tmp_path: Path) -> None:
    table = changed('computer = "clipper"', 'computer = "mine.toml"')
    assert table.computer == str(tmp_path / "mine.toml")


def test_a_hose_that_is_not_there(finding: Only) -> None:
    found = finding('buses = ["0001:00"]', 'buses = ["0002:00"]')
    assert "0002:00 has nothing to own" in found.what
    assert found.where.key == "instances.green.buses"


def test_a_function_that_is_not_there(finding: Only) -> None:
    found = finding('buses = ["0001:00"]', 'buses = ["0001:00"]\nfunctions = ["0001:00:04.0"]')
    assert "0001:00:04.0 is not there" in found.what


def test_a_hose_given_twice(changed: Changed) -> None:
    with pytest.raises(UnsoundTable) as caught:
        changed('buses = ["0001:00"]', 'buses = ["0000:00"]')
    assert all("is given to blue and to green" in one.what for one in caught.value.findings)


def test_one_hose_of_two_owners_needs_windows_of_its_requesters(
    changed: Changed, tmp_path: Path
) -> None:
    old, new = 'buses = ["0000:00"]', 'functions = ["0000:00:01.0"]'
    with pytest.raises(UnsoundTable, match="cannot be divided from its IOMMU group"):
        try:
            changed(old, new)
        except UnsoundTable as refused:
            raise UnsoundTable(str(refused), refused.findings) from None
    text = FILE.read_text().replace("requester_windows = false", "requester_windows = true")
    assert text != FILE.read_text()
    machine = machine_of(parse(text, "mine.toml"))
    assert changed(old, new, machine).partitions[0].functions == (PciAddress(0, 0, 1, 0),)


def test_the_isa_bridge_stays(finding: Only) -> None:
    found = finding('buses = ["0001:00"]', 'buses = ["0001:00"]\nfunctions = ["0000:00:07.0"]')
    assert "cannot be given to green" in found.what


def test_isa_devices(finding: Only, changed: Changed) -> None:
    assert "did you mean serial1" in finding('isa = ["serial1"]', 'isa = ["serial2"]').remedy
    assert (
        "given to blue and to green"
        in finding('interrupts = "queue"', 'interrupts = "queue"\nisa = ["serial1"]').what
    )
    assert "given twice" in finding('["serial1"]', '["serial1", "serial1"]').what


def test_how_interrupts_are_delivered(finding: Only) -> None:
    found = finding('interrupts = "queue"', 'interrupts = "quue"')
    assert "did you mean queue" in found.because


def test_an_alpha_has_no_virtualization(finding: Only) -> None:
    found = finding('interrupts = "queue"', 'interrupts = "queue"\nnested = true')
    assert "nested is not for the platform alpha" in found.what


def test_memory_beyond_the_computer(changed: Changed) -> None:
    with pytest.raises(UnsoundTable, match="not sound"):
        changed('memory = "64M"', 'memory = "96M"')


def test_slices_that_overlap(finding: Only, changed: Changed) -> None:
    first = 'memory = { base = "64M", at = "64M" }\nprocessors = { share = [0], weight = 150 }'
    old = 'memory = "64M"\nprocessors = { share = [0], weight = 100 }'
    text = EXAMPLE.read_text()
    start = text.index('memory = "64M"\n# Both run')
    with_first = text[:start] + first.split("\n")[0] + text[start + len('memory = "64M"') :]
    EXAMPLE_WITH = with_first
    assert old in EXAMPLE_WITH
    folder_text = EXAMPLE_WITH.replace(
        old, 'memory = { base = "64M", at = "96M" }\nprocessors = { share = [0], weight = 100 }'
    )
    with pytest.raises(UnsoundTable) as caught:
        changed(text, folder_text)
    (found,) = caught.value.findings
    assert "memory of green overlaps that of blue" in found.what
    away = folder_text.replace('at = "96M"', 'at = "128M"')
    assert changed(text, away).partitions[1].memory == MemorySlice(64 * MiB, 0, 128 * MiB)
    outside = folder_text.replace('at = "96M"', 'at = "130M"')
    with pytest.raises(UnsoundTable) as caught:
        changed(text, outside)
    assert "is not there" in caught.value.findings[0].what


def test_firmware_keeps_its_own(finding: Only) -> None:
    text = EXAMPLE.read_text()
    place = text.rindex('memory = "64M"')
    new = (
        text[:place]
        + 'memory = { base = "64M", at = "2M" }'
        + text[place + len('memory = "64M"') :]
    )
    assert "is not there" in finding(text, new).what


def test_all_processors_may_be_owned_where_no_linux_needs_one(changed: Changed) -> None:
    two = CLIPPER._replace(
        processors=tuple(CLIPPER.processors[0]._replace(number=number) for number in range(2))
    )
    text = EXAMPLE.read_text().replace("share = [0], weight = 150", "own = [0]")
    new = text.replace("share = [0], weight = 100", "own = [1]")
    assert changed(EXAMPLE.read_text(), new, two).partitions[0].processors.own


def test_an_instance_has_its_place_on_one_processor(finding: Only) -> None:
    two = CLIPPER._replace(
        processors=tuple(CLIPPER.processors[0]._replace(number=number) for number in range(2))
    )
    found = finding("share = [0], weight = 150", "share = [0, 1], weight = 150", two)
    assert "blue has more than one processor" in found.what


def test_an_instance_finds_the_one_processor(finding: Only) -> None:
    found = finding("share = [0], weight = 150", "share = [0], count = 2, weight = 150")
    assert "blue finds more processors than it may run on" in found.what


def partition(name: str, size: int, at: int | None = None) -> Partition:
    memory = MemorySlice(size, 0, at)
    return Partition(name, "/k", None, "", memory, Processors((0,), False, 100), ())


def places(partitions: list[Partition]) -> dict[str, Span]:
    """Where in the machine each lies; in its own addresses it begins at 0, in one piece."""
    found = slices(CLIPPER, partitions)
    assert all(one.ram == (Span(0, one.size),) for one in found.values())
    return {name: one.place for name, one in found.items()}


def test_slices_are_natural_and_apart() -> None:
    found = places([partition("a", 64 * MiB), partition("b", 64 * MiB)])
    assert found == {"a": Span(64 * MiB, 64 * MiB), "b": Span(128 * MiB, 64 * MiB)}


def test_slices_leave_placed_ones_alone() -> None:
    found = places([partition("a", 32 * MiB), partition("b", 64 * MiB, 32 * MiB)])
    assert found == {"a": Span(96 * MiB, 32 * MiB), "b": Span(32 * MiB, 64 * MiB)}


def test_slices_that_are_not_powers_of_two_still_fit() -> None:
    found = places([partition("a", 96 * MiB), partition("b", 80 * MiB)])
    assert found["a"].start >= FIRMWARE and not found["a"].overlaps(found["b"])
    with pytest.raises(TableProblem, match="finds no place"):
        slices(CLIPPER, [partition("a", 96 * MiB), partition("b", 96 * MiB)])
