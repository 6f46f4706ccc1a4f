"""Does each virtual processor say who it is, and is virtualization kept from it?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.engine.kvm.cpuid import address_bits, can_nest, packed, parsed, presented
from septum.layouts import kvm

WORDS = some.integers(0, (1 << 32) - 1)
COUNTS = some.integers(1, 64) | some.sampled_from([128, 254, 255, 256, 300, 1024])


def leaf(function: int, index: int = 0, **words: int) -> kvm.CpuidEntry:
    return kvm.CpuidEntry(function=function, index=index, **words)


def one(number: int, count: int, function: int, nested: bool = False, **words: int) -> Any:
    (entry,) = presented([leaf(function, **words)], number, count, nested)
    return entry


@given(COUNTS, some.data(), WORDS, WORDS, WORDS)
def test_features(count: int, data: some.DataObject, ebx: int, ecx: int, edx: int) -> None:
    """Two fields have eight bits each, and leave the others alone when a number has more."""
    number = data.draw(some.integers(0, count - 1))
    found = one(number, count, 1, ebx=ebx, ecx=ecx, edx=edx)
    assert found.ebx >> 24 == number & 0xFF and found.ebx >> 16 & 0xFF == min(count, 255)
    assert found.ebx & 0xFFFF == ebx & 0xFFFF
    assert found.ecx == (ecx | 1 << 31 | 1 << 24) & ~(1 << 5), "a hypervisor, a deadline timer"
    assert found.edx & 1 << 28 == (1 << 28 if count > 1 else 0)
    assert found.edx | 1 << 28 == edx | 1 << 28


# As this KVM lists them: all levels of the processor it was asked on, before Linux 6.2; one
# empty level since.
OLD = [leaf(0xB, 0, eax=1, ebx=2, ecx=0x100, edx=5), leaf(0xB, 1, eax=4, ebx=8, ecx=0x201, edx=5)]
NEW = [leaf(0xB, 0, edx=5)]


@pytest.mark.parametrize("listed", [OLD, NEW], ids=["with levels", "empty"])
@given(count=COUNTS, data=some.data())
def test_topology(listed: list[kvm.CpuidEntry], count: int, data: some.DataObject) -> None:
    number = data.draw(some.integers(0, count - 1))
    threads, cores, end = found = presented(listed, number, count)
    assert all((e.edx, e.flags) == (number, 1) for e in found), "the whole id, not eight bits"
    assert [e.ecx for e in found] == [0x100, 0x201, 0x002], "thread, core, no more"
    assert (threads.eax, threads.ebx) == (0, 1) and (end.eax, end.ebx) == (0, 0)
    assert cores.ebx == count
    assert number >> cores.eax == 0, "all are in one package"
    assert cores.eax == 0 or (count - 1) >> (cores.eax - 1), "and the package is not larger"


def test_the_second_topology_leaf_is_told_where_there_is_one() -> None:
    listed = [*NEW, leaf(0x1F, 0)]
    assert [(e.function, e.index) for e in presented(listed, 0, 2)] == [
        (0xB, 0), (0xB, 1), (0xB, 2), (0x1F, 0), (0x1F, 1), (0x1F, 2),
    ]  # fmt: skip


@given(COUNTS, WORDS)
def test_caches(count: int, eax: int) -> None:
    """What has no room in a field does not flow over into the next."""
    for function in (4, 0x8000001D):
        found = one(0, count, function, eax=eax)
        if not eax & 0x1F:
            assert found.eax == eax
            continue
        level = eax >> 5 & 7
        assert found.eax & 0x3FFF == eax & 0x3FFF
        assert found.eax >> 14 & 0xFFF == (count - 1 if level >= 3 else 0)
        assert found.eax >> 26 == (min(count - 1, 63) if function == 4 else 0)


def test_amd_s_leaves() -> None:
    sizes = one(3, 6, 0x80000008, eax=0x3028, ecx=0x1_7007)
    assert (sizes.eax, sizes.ecx) == (0x3028, 0x1_3005)
    topology = one(3, 6, 0x8000001E, eax=17, ebx=0x104, ecx=0x301)
    assert (topology.eax, topology.ebx, topology.ecx) == (3, 3, 0), "one thread a core, one node"
    assert one(300, 512, 0x80000008).ecx == 0x90FF


# ---- virtualization


INTEL = [leaf(1, ecx=1 << 5 | 1), leaf(0x80000001, ecx=1), leaf(7, ebx=1 << 5)]
AMD = [
    leaf(1, ecx=1),
    leaf(0x80000001, ecx=1 << 2 | 1 << 5),
    leaf(0x8000000A, eax=1, ebx=8, edx=0x1BCFF),
]


def words(leaves: list[kvm.CpuidEntry], function: int) -> tuple[int, ...]:
    (found,) = (e for e in leaves if e.function == function)
    return found.eax, found.ebx, found.ecx, found.edx


def test_virtualization_is_not_passed_on_unasked() -> None:
    assert can_nest(INTEL) and can_nest(AMD)
    intel, amd = (presented(listed, 0, 1) for listed in (INTEL, AMD))
    assert not can_nest(intel) and not can_nest(amd)
    assert words(intel, 1)[2] & 0xFF == 1 and words(intel, 7) == (0, 1 << 5, 0, 0)
    assert words(intel, 0x80000001)[2] == 1
    assert words(amd, 0x80000001)[2] == 1 << 5
    assert words(amd, 0x8000000A) == (0, 0, 0, 0)


def test_it_is_when_the_table_asks() -> None:
    intel, amd = (presented(listed, 0, 1, True) for listed in (INTEL, AMD))
    assert can_nest(intel) and can_nest(amd)
    assert words(amd, 0x8000000A) == (1, 8, 0, 0x1BCFF)


def test_a_kvm_that_has_none() -> None:
    assert not can_nest([leaf(1, ecx=1), leaf(7, ecx=1 << 5)])


# ---- the table itself


def test_kvm_s_own_table_is_left_as_it_was() -> None:
    listed = [*INTEL, *NEW]
    before = packed(listed)
    presented(listed, 1, 2)
    assert packed(listed) == before
    assert [bytes(e) for e in parsed(before)] == [bytes(e) for e in listed]


def test_how_long_addresses_are() -> None:
    assert address_bits([leaf(0x80000008, eax=0x3928)]) == 40
    assert address_bits([leaf(1)]) == 36


def test_other_leaves_stay() -> None:
    found = one(1, 2, 7, ebx=5)
    assert (found.eax, found.ebx) == (0, 5)
    assert one(0, 1, 0x40000001, eax=0x1007EFB).eax == 0x1007E7B, "but for paravirtual spinlocks"
