"""Is every wish to find a bus elsewhere that cannot be met refused, with its reason? [0048]"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from septum.discovery.view import view
from septum.machine.inventory import inventory
from septum.machine.model import Machine
from septum.partitions.findings import Finding, UnsoundTable
from septum.partitions.model import PartitionTable
from septum.partitions.table import checked
from septum.settings import PciBus
from tests.access_control import with_access_control
from tests.captured import two_roots
from tests.machines import groups_of

TABLE = """\
[instances.blue]
kernel = "blue.vmlinuz"
memory = "256M"
processors = {{ share = [0] }}
functions = [{functions}]
present = {present}
"""
ETHERNET, DISK, BELOW, NVME = "0000:81:00.0", "0000:82:00.0", "0000:03:00.0", "0000:04:00.0"
MACHINE = with_access_control(inventory(two_roots()))
Check = Callable[..., PartitionTable]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def check(
        functions: tuple[str, ...], present: dict[str, str] | str, machine: Machine = MACHINE
    ) -> PartitionTable:
        if isinstance(present, dict):
            pairs = ", ".join(f'"{own}" = "{seen}"' for own, seen in present.items())
            present = f"{{ {pairs} }}"
        text = TABLE.format(
            functions=", ".join(f'"{one}"' for one in functions),
            present=present,
        )
        path = tmp_path / "table.toml"
        path.write_text(text)
        return checked(str(path), machine, files_exist=None)

    return check


def refused(check: Check, *wanted: object) -> Finding:
    with pytest.raises(UnsoundTable) as told:
        check(*wanted)
    (finding,) = told.value.findings
    assert finding.where.line == 6 and finding.remedy
    return finding


def test_the_second_root_bus_as_the_first(check: Check) -> None:
    (blue,) = check((ETHERNET, DISK), {"0000:80": "0000:00"}).partitions
    assert blue.present == ((PciBus(0, 0x80), PciBus(0, 0)),)
    (blue,) = check((BELOW,), {"03": "00"}).partitions
    assert blue.present == ((PciBus(0, 3), PciBus(0, 0)),)


@pytest.mark.parametrize(
    ("functions", "present", "because"),
    [
        ((ETHERNET,), {"0000:80": "0000:80"}, "found anyway"),
        ((ETHERNET,), {"0000:03": "0000:00"}, "blue owns nothing on it or below"),
        ((ETHERNET,), {"0000:70": "0000:00"}, "blue owns nothing on it or below"),
        ((ETHERNET, BELOW), {"0000:03": "0000:80"}, "80:01.0 stands on it"),
        ((ETHERNET, BELOW), {"0000:80": "0000:00"}, "00:05.0 stands on it"),
        ((BELOW, NVME), {"0000:03": "0000:04"}, "0000:04:00.0 stands on it"),
        ((ETHERNET,), {"0000:81": "0000:10"}, "can lead to higher numbers only"),
        ((ETHERNET, DISK), {"0000:80": "0000:fe"}, "would go beyond ff"),
    ],
)
def test_where_a_bus_cannot_be(
    check: Check, functions: tuple[str, ...], present: dict[str, str], because: str
) -> None:
    finding = refused(check, functions, present)
    assert because in finding.because
    (own, seen), *_ = present.items()
    assert finding.what == f"bus {own} cannot be presented to blue as {seen}"


def test_two_buses_as_one(check: Check) -> None:
    finding = refused(check, (ETHERNET, BELOW), {"0000:81": "0000:90", "0000:03": "0000:90"})
    assert finding.because == "bus 0000:03 would be found as 0000:90 too"


def test_a_cycle(check: Check) -> None:
    """Told at each of its buses: whichever is mended, the table is sound."""
    with pytest.raises(UnsoundTable) as told:
        check((ETHERNET, BELOW), {"0000:81": "0000:03", "0000:03": "0000:81"})
    chains = sorted(finding.because for finding in told.value.findings)
    assert chains == [
        "the numbers go round in a cycle: 0000:03 as 0000:81 as 0000:03",
        "the numbers go round in a cycle: 0000:81 as 0000:03 as 0000:81",
    ]


def test_a_chain_is_no_cycle(check: Check) -> None:
    """Bus 3 may have the number that bus 81 leaves."""
    table = check((ETHERNET, BELOW), {"0000:81": "0000:a0", "0000:03": "0000:81"})
    seen = view(MACHINE, table.partitions[0])
    assert {str(one.address) for one in seen.functions} == {"0000:a0:00.0", "0000:81:00.0"}


def test_half_a_group(check: Check) -> None:
    """What the IOMMU cannot tell apart moves together or not at all."""
    functions = tuple(
        one._replace(iommu_group=7) if str(one.address) in (BELOW, NVME) else one
        for one in MACHINE.functions
    )
    machine = MACHINE._replace(
        functions=functions, iommu=MACHINE.iommu._replace(groups=groups_of(functions))
    )
    with pytest.raises(UnsoundTable) as told:
        check((BELOW,), {"0000:03": "0000:00"}, machine)
    said = [finding for finding in told.value.findings if "presented" in finding.what]
    assert "half of IOMMU group 7 only" in said[0].because and NVME in said[0].because
    assert check((BELOW, NVME), {"0000:01": "0000:00"}, machine)


@pytest.mark.parametrize(
    "text", ['"0000:00"', "{ x = 3 }", '{ "0000:80" = 3 }', '{ "0000:80" = "nowhere" }', "[1]"]
)
def test_what_is_no_table_of_buses(check: Check, text: str) -> None:
    with pytest.raises(UnsoundTable) as told:
        check((ETHERNET,), text)
    assert all(finding.what == "present cannot be read" for finding in told.value.findings)
    assert all('{ "0000:03" = "0000:00" }' in finding.remedy for finding in told.value.findings)


BUSES = some.sampled_from(["00", "01", "02", "03", "04", "05", "7f", "80", "81", "82", "90", "ff"])


@settings(max_examples=300)
@given(
    some.lists(some.sampled_from([ETHERNET, DISK, BELOW, NVME]), min_size=1, unique=True),
    some.dictionaries(BUSES, BUSES, max_size=3),
)
def test_nothing_accepted_is_found_twice(owned: list[str], present: dict[str, str]) -> None:
    """Whatever is accepted: each place means one function, and each bridge leads to its own."""
    import tempfile

    pairs = ", ".join(f'"{own}" = "{seen}"' for own, seen in present.items())
    names = ", ".join(f'"{one}"' for one in owned)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(TABLE.format(functions=names, present=f"{{ {pairs} }}"))
        file.flush()
        try:
            (blue,) = checked(file.name, MACHINE, files_exist=None).partitions
        except UnsoundTable:
            return
    seen = view(MACHINE, blue)
    places = [one.address for one in (*seen.functions, *seen.bridges)]
    assert len(places) == len(set(places))
    assert not set(places) & {*seen.host_bridges, *seen.placeholders}
    at = [seen.machine(place) for place in places]
    assert {str(one) for one in at} >= set(owned) and len(set(at)) == len(places)
    roots = {(root.domain, root.first) for root in seen.root_buses}
    ways = {(one.address.domain, one.bridge.secondary) for one in seen.bridges if one.bridge}
    assert len(ways) == len(seen.bridges) and not ways & roots
    for place in places:
        assert (place.domain, place.bus) in roots | ways
    for one in seen.bridges:
        assert one.bridge is not None
        assert one.address.bus == one.bridge.primary < one.bridge.secondary
        assert one.bridge.secondary <= one.bridge.subordinate
