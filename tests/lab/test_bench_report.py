"""Are the bench's figures put together as they were meant? With figures made up here."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from septum.lab import bench_report, measure

SMAPS = """\
55d0-55d8 r-xp 00000000 00:01 11  /usr/bin/python3.11
Size:                 32 kB
Rss:                  28 kB
Private_Clean:         4 kB
Private_Dirty:         8 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
VmFlags: rd ex mr mw me
7f00-7f90 rw-s 00000000 00:0f 12  /memfd:guest (deleted)
Size:             524288 kB
Rss:                   0 kB
Private_Clean:         0 kB
Private_Dirty:         0 kB
Shared_Hugetlb:    81920 kB
Private_Hugetlb:       0 kB
VmFlags: rd wr mr mw me
7ff0-7ff1 rw-p 00000000 00:00 0
Size:                  8 kB
Rss:                   8 kB
Private_Clean:         0 kB
Private_Dirty:         8 kB
"""


def results(septum: float = 1.5, reads: int = 20_000) -> dict[str, Any]:
    """Each of septum and qemu_q35, and reads that took so many nanoseconds."""
    held = {
        "seconds_to_entry": 0.25,
        "seconds_to_init": 1.0,
        "exits": {"io": 3, "cpuid": 4},
        "user_exits": {"KVM_EXIT_IO": 3},
        "memory": {"guest_resident": 80 << 20, "resident": 16 << 20, "private": 10 << 20},
    }
    busy = [0, 9]
    for _ in range(3):
        busy += [busy[-1] + 9 + 100 * reads, busy[-1] + 9 + 100 * reads + 9]
    read = {"busy": busy[:-1], "user_exits": [5] * 7, "reads": 100}
    return {
        "start": {"septum": [septum, septum + 0.01, septum - 0.01], "qemu_q35": [2.0, 2.0, 2.0]},
        "hold": {"septum": held, "qemu_q35": held},
        "reads": {"native": read, "septum": read, "qemu": read},
    }


def test_a_start_is_its_median_and_how_far_apart_the_others_are() -> None:
    found = bench_report.spread([1.0, 3.0, 2.0])
    assert found["median"] == 2.0 and found["spread"] == 1.0


def test_of_many_one_that_is_far_off_says_nothing() -> None:
    assert bench_report.spread([10.0, 10.0, 10.1, 99.0, 10.0, 10.1, 9.9])["spread"] < 0.02


def test_reads_that_are_far_apart_are_not_compared() -> None:
    noisy = results()
    read = noisy["reads"]["qemu"]
    noisy["reads"]["qemu"] = {**read, "busy": [*read["busy"][:-1], read["busy"][-1] * 3]}
    found = bench_report.report(noisy, [])
    assert found["too_noisy"] == ["qemu"]
    judged = {one["what"]: one for one in found["targets"]}
    assert judged["reads, to QEMU's"]["value"] is None and not judged["reads, to QEMU's"]["met"]
    assert judged["reads, to native"]["met"]
    assert "quieter machine" in bench_report.listing(found)


def test_reads_are_told_from_the_program_that_makes_them() -> None:
    # Rounds of (one block, then 10 more): the first, colder one is left out
    busy = [0.0, 7.0, 500.0, 505.0, 610.0, 615.0, 740.0]
    assert bench_report.cycles_per_read(busy, 10) == [10.0, 12.0]


def test_ratios_and_targets_follow_the_figures() -> None:
    found = bench_report.report(results(), [])
    assert found["ratios"]["start_septum_to_qemu_q35"] == 0.75
    assert found["ratios"]["reads_septum_to_native"] == 1.0
    met = {one["what"]: (one["met"], one["after_met"]) for one in found["targets"]}
    assert met["start, lab seconds"] == (True, False)
    assert met["memory beyond the guest"] == (True, False)
    assert found["before_guest"]["septum"] == {"seconds": 0.25, "share": 0.25}
    assert found["exits_until_init"]["septum"]["all"] == 7


def test_what_is_not_there_is_not_met_and_named() -> None:
    given = results()
    del given["start"]["septum"], given["hold"]["septum"], given["reads"]["native"]
    found = bench_report.report(given, ["the start of septum: it did not"])
    assert not any(one["met"] for one in found["targets"] if "reads, to QEMU" not in one["what"])
    assert "reads_septum_to_native" not in found["ratios"]
    shown = bench_report.listing(found)
    assert "could not be measured: the start of septum" in shown


@pytest.mark.parametrize(("seconds", "said"), [(1.89, "met"), (1.91, "not met")])
def test_the_listing_says_whether_a_target_is_met(seconds: float, said: str) -> None:
    shown = bench_report.listing(bench_report.report(results(septum=seconds), []))
    line = next(line for line in shown.splitlines() if line.startswith("start, lab seconds"))
    assert line.split("1.89 ")[-1].split("1.35")[0].strip() == said


def test_guest_memory_is_not_the_monitors() -> None:
    found = measure.mappings(SMAPS)
    assert [area.size >> 10 for area in found] == [32, 524288, 8]
    memory = measure.memory_beyond_guest([found])
    assert memory == {"guest_resident": 80 << 20, "resident": 36 << 10, "private": 20 << 10}


def test_a_process_beside_the_monitor_counts_with_what_is_its_own() -> None:
    holder = measure.mappings(SMAPS)
    beside = [measure.Area("[heap]", 64 << 10, 48 << 10, 12 << 10, 0)]
    for family in ([holder, beside], [beside, holder]):
        memory = measure.memory_beyond_guest(family)
        assert memory == {"guest_resident": 80 << 20, "resident": 48 << 10, "private": 32 << 10}


def test_whom_a_process_has_begun() -> None:
    before = measure.children(os.getpid())  # a lab of these tests, perhaps
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert sorted(measure.children(os.getpid())) == sorted([*before, child.pid])
    finally:
        child.kill()
        child.wait()


def test_exits_are_counted_and_named() -> None:
    hist = """\
# event histogram
{ exit_reason:        123 } hitcount:         40
{ exit_reason:         96 } hitcount:          2
{ exit_reason:       9999 } hitcount:          1
Totals:
    Hits: 43
"""
    form = (
        'print fmt: "x", (REC->isa == 1) ? __print_symbolic(REC->exit_reason, { 96, "WRONG" }) : '
        '__print_symbolic(REC->exit_reason, { 0x07b, "io" }, { 0x060, "interrupt" },'
        ' { 0x040 + 1, "DB excp" }), REC->rip'
    )
    counts = measure.histogram(hist)
    assert counts == {"123": 40, "96": 2, "9999": 1}
    assert measure.named(counts, form) == {"io": 40, "interrupt": 2, "9999": 1}
    form = '__print_symbolic(REC->reason, { 2, "KVM_EXIT_" "IO" }, { 6, "KVM_EXIT_" "MMIO" })'
    assert measure.named({"2": 1}, form) == {"KVM_EXIT_IO": 1}


def test_the_first_entry_is_when_the_guest_begins() -> None:
    trace = """\
# tracer: nop
 septum-12  [000] d....  1234.500000: kvm_entry: vcpu 0, rip 0x1000000
 septum-12  [000] d....  1234.600000: kvm_entry: vcpu 0, rip 0x1000010
"""
    assert measure.first_entry(trace) == 1234.5
    with pytest.raises(ValueError, match="no entry"):
        measure.first_entry("# tracer: nop\n")
