"""Does a sound table pass, and does every fault of an unsound one get named where it stands?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from septum import settings
from septum.errors import TableProblem
from septum.machine.model import HostNeed, Iommu, Processor
from septum.partitions.findings import Finding, UnsoundTable
from septum.partitions.model import MemorySlice, PartitionTable, Processors
from septum.partitions.table import checked
from septum.units import GiB, MiB
from tests.machines import a_function, a_machine, address, groups_of, lab_functions

SOUND = """\
[machine]
platform = "pc"

[instances.blue]
kernel = "blue.vmlinuz"
initrd = "blue.initrd"
command_line = "console=ttyS0"
memory = "768M"
processors = { share = [0, 1], weight = 200 }
functions = [
    "0000:01:00.0",
    "00:04.0",
]
without_reset = ["00:04.0"]

[instances.green]
kernel = "/boot/green.vmlinuz"
memory = { base = "512M", float = "128M" }
processors = { share = [0] }
buses = ["0000:02"]
on_reboot = "stop"
"""

Check = Callable[..., PartitionTable]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def check(
        text: str,
        machine: Any = None,
        files_exist: Callable[[str], bool] | None = lambda path: True,
    ) -> PartitionTable:
        path = tmp_path / "table.toml"
        path.write_text(text)
        return checked(str(path), machine or a_machine(), files_exist=files_exist)

    return check


@pytest.fixture
def refused(check: Check) -> Callable[..., tuple[Finding, ...]]:
    def refused(text: str, **worlds: Any) -> tuple[Finding, ...]:
        with pytest.raises(UnsoundTable) as caught:
            check(text, **worlds)
        assert isinstance(caught.value, TableProblem)
        for finding in caught.value.findings:
            assert finding.what and finding.because and finding.remedy
            assert finding.where.line >= 1
            assert finding.where.file.endswith("table.toml")
            assert str(finding) in str(caught.value)
        lines = [finding.where.line for finding in caught.value.findings]
        assert lines == sorted(lines)
        return caught.value.findings

    return refused


Refused = Callable[..., tuple[Finding, ...]]


def one(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


def test_a_sound_table(check: Check, tmp_path: Path) -> None:
    table = check(SOUND)
    assert table.platform == "pc"
    blue, green = table.partitions
    assert blue.kernel == str(tmp_path / "blue.vmlinuz")
    assert blue.initrd == str(tmp_path / "blue.initrd")
    assert blue.command_line == "console=ttyS0"
    assert blue.memory == MemorySlice(768 * MiB, 0)
    assert blue.processors == Processors((0, 1), False, 200)
    assert blue.functions == (address("00:04.0"), address("01:00.0"))
    assert blue.without_reset == (address("00:04.0"),)
    assert (blue.on_reboot, green.on_reboot) == ("restart", "stop")
    assert green.kernel == "/boot/green.vmlinuz"
    assert green.initrd is None
    assert green.memory == MemorySlice(512 * MiB, 128 * MiB)
    assert green.processors == Processors((0,), False, 100)
    assert green.functions == (address("02:00.0"),)


def test_virtualization_is_off_unless_asked_for(check: Check) -> None:
    assert [one.nested for one in check(SOUND).partitions] == [False, False]
    asked = SOUND.replace('memory = "768M"', 'memory = "768M"\nnested = true')
    assert [one.nested for one in check(asked).partitions] == [True, False]


def test_more_processors_than_messages_can_name(check: Check, refused: Refused) -> None:
    processors = tuple(Processor(n, 0, n, 0, True, n) for n in range(300))
    machine = a_machine(processors=processors)
    many = SOUND.replace("[0, 1]", str(list(range(1, 257))))
    found = one(refused(many, machine=machine))
    assert "finds too many processors: 256" in found.what and "count = 255" in found.remedy
    assert found.where.line == 9
    limited = many.replace("weight = 200", "weight = 200, count = 255")
    assert check(limited, machine=machine).partition("blue").processors.found == 255


# What is changed in SOUND, the line the finding must name, and words it must say.
FAULTS = {
    "unknown key": ('memory = "768M"', 'memory = "768M"\nmemroy = 1', 9, "memroy", "memory?"),
    "unknown section": ("[machine]", "[mashine]", 1, "mashine", "machine?"),
    "unknown word": ('"pc"', '"pcs"', 2, "none of pc, alpha", "pc?"),
    "wrong type": ('"768M"', "true", 8, "memory cannot be read", "true is not"),
    "bad size": ('"768M"', '"768Q"', 8, "memory cannot be read", "768Q"),
    "missing key": ('kernel = "blue.vmlinuz"', "", 4, "kernel is missing", "no default"),
    "bad address": ('"0000:01:00.0"', '"1:0:0"', 11, "functions cannot be read", "1:0:0"),
    "bad number": ("share = [0]", "share = [true]", 19, "cannot be read", "true"),
    "weight": ("weight = 200", "weight = 20000", 9, "weight", "10000"),
    "no list": ('["00:04.0"]', '"00:04.0"', 14, "without_reset", "is not a list"),
    "no processors table": ("{ share = [0] }", "2", 19, "processors", "2 is not"),
    "both": ("share = [0] }", "share = [0], own = [1] }", 19, "both shared and owned", "share"),
    "neither": ("{ share = [0] }", "{ }", 19, "neither", "share"),
    "no such function": ('"0000:01:00.0"', '"0000:01:00.1"', 11, "is not there", "01:00.0?"),
    "no such bus": ('"0000:02"', '"0000:09"', 20, "nothing to own", "septum scan"),
    "bridge": ('"0000:01:00.0"', '"00:01.0"', 11, "a bridge goes along", "0000:01:00.0"),
    "host need": ('"0000:01:00.0"', '"00:07.0"', 11, "cannot be given to blue", "the login from"),
    "host need by bus": (
        '"0000:02"',
        '"0000:00"',
        20,
        "00:06.0 cannot be given",
        "root file system",
    ),
    "twice": ('    "00:04.0",', '    "00:04.0", "00:04.0",', 12, "given twice to blue", "once"),
    "two owners": ('"0000:02"', '"0000:01"', 20, "given to blue and to green", "functions of blue"),
    "torn group": ('"0000:01:00.0"', '"00:1f.2"', 11, "group 8", "00:1f.0 too"),
    "no reset": ('without_reset = ["00:04.0"]', "", 12, "cannot be reset", "without_reset ="),
    "reset not owned": ('["00:04.0"]', '["00:04.0", "00:05.0"]', 14, "not given to blue", "add it"),
    "beyond": ('"768M"', '"9G"', 8, "memory up to blue is 9216 MiB", "lab has 3968 MiB"),
    "too little": ('"768M"', '"16M"', 8, "too little: 16M", "32M"),
    "no whole pages": ('"768M"', '"769M"', 8, "not whole pages: base 769M", '"770M"'),
    "no processor": ("[0, 1]", "[0, 2]", 9, "processor 2 is not there", "0, 1"),
    "processor twice": ("[0, 1]", "[0, 0]", 9, "named twice", "once"),
    "empty processors": ("[0, 1]", "[]", 9, "blue has no processor", "empty"),
    "own and shared": ("share = [0] }", "own = [0] }", 19, "0 belongs to green", "blue too"),
    "bad name": ("[instances.green]", '[instances."Green 2"]', 16, "is not a name", "a to z"),
    "dash": ("[instances.green]", "[instances.--help]", 16, "is not a name", "begins with"),
    **{
        f"reserved {name}": ("[instances.green]", f"[instances.{name}]", 16, f"called {name}", "-1")
        for name in settings.RESERVED_NAMES
    },
    "two names": ("[instances.green]", "[instances.blue]", 16, "named blue", "line 4"),
    "two keys": (
        'memory = "768M"',
        'memory = "768M"\nmemory = "1G"',
        9,
        "memory is given twice",
        "",
    ),
    "queued": (
        'memory = "768M"',
        'memory = "768M"\ninterrupts = "queue"',
        9,
        "interrupts is not for the platform pc",
        "KVM delivers them",
        "leave it out",
    ),
    "nested": (
        'memory = "768M"', 'memory = "768M"\nnested = "yes"', 9, "nested cannot be read",
        '"yes" is neither true nor false', "write true or false",
    ),
    "ISA": ('memory = "768M"', 'memory = "768M"\nisa = ["serial1"]', 9, "isa is not for"),
    "placed": ('"768M"', '{ base = "768M", at = "1G" }', 8, "at is not for the platform pc"),
    "computer": ('"pc"', '"pc"\ncomputer = "clipper"', 3, "computer is not for the platform"),
    "no TOML": ('memory = "768M"', 'memory = "768M', 8, "not TOML", "quotes"),
    "instance no table": ("[instances.green]", "[instances]\ngreen = 5\n[x]", 17, "green", "table"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_at_its_line(name: str, refused: Refused) -> None:
    before, after, line, *words = FAULTS[name]
    assert before in SOUND
    findings = refused(SOUND.replace(before, after, 1))
    here = [finding for finding in findings if finding.where.line == line]
    assert any(all(word in str(finding) for word in words) for finding in here), [
        str(finding) for finding in findings
    ]


def test_all_faults_at_once(refused: Refused) -> None:
    text = SOUND
    changed = {"weight", "bad size", "no such bus", "no reset", "bad name", "unknown word"}
    for name in changed:
        text = text.replace(FAULTS[name][0], FAULTS[name][1], 1)
    lines = {finding.where.line for finding in refused(text)}
    assert {2, 8, 9, 12, 16, 20} <= lines


def test_one_fault_is_one_finding(refused: Refused) -> None:
    finding = one(refused(SOUND.replace('"0000:01:00.0"', '"0000:03:00.0"', 1)))
    assert finding.where.line == 11
    assert finding.where.key == "instances.blue.functions"
    assert one(refused(SOUND.replace("[0, 1]", "[true]"))).where.line == 9


def test_an_empty_table(refused: Refused) -> None:
    assert "no instances" in one(refused("")).what


def test_a_missing_table_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(UnsoundTable, match="cannot read the table"):
        checked(str(tmp_path / "nothing"), a_machine(), files_exist=None)
    with pytest.raises(UnsoundTable, match="cannot read the table"):
        checked(str(tmp_path), a_machine(), files_exist=None)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(UnsoundTable, match="not a text"):
        checked(str(tmp_path / "bytes"), a_machine(), files_exist=None)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "[" * 3, "\0", "a = 1\n="]
)
def test_what_no_parser_likes_is_a_finding_too(text: str, refused: Refused) -> None:
    refused(text)


def test_missing_kernels_are_named_and_captures_leave_them_out(
    refused: Refused, check: Check
) -> None:
    findings = refused(SOUND, files_exist=lambda path: path.startswith("/boot"))
    assert [finding.where.line for finding in findings] == [5, 6]
    assert "blue.vmlinuz" in findings[0].because
    check(SOUND, files_exist=None)


def test_no_isolation_no_table(refused: Refused, check: Check) -> None:
    groups = a_machine().iommu.groups
    absent = one(refused(SOUND, machine=a_machine(iommu=Iommu(False, False, ()))))
    assert "IOMMU is absent" in absent.because and "intel_iommu=on" in absent.remedy
    unmapped = one(refused(SOUND, machine=a_machine(iommu=Iommu(True, False, groups))))
    assert "interrupts are not remapped" in unmapped.because


def test_a_function_without_a_group_is_refused(refused: Refused) -> None:
    functions = tuple(
        function._replace(iommu_group=None) if function.address.bus == 2 else function
        for function in lab_functions()
    )
    finding = one(refused(SOUND, machine=a_machine(functions=functions)))
    assert "02:00.0 cannot be given" in finding.what and "no IOMMU group" in finding.because


def test_bridges_do_not_tear_a_group(check: Check) -> None:
    functions = tuple(
        function._replace(iommu_group=9) if str(function.address) == "0000:00:01.0" else function
        for function in lab_functions()
    )
    machine = a_machine(functions=functions)
    assert machine.iommu.groups == groups_of(functions)
    assert check(SOUND, machine=machine).partitions


def test_a_group_between_two_instances_is_torn_in_both(refused: Refused) -> None:
    functions = tuple(
        function._replace(iommu_group=9) if function.address.bus == 2 else function
        for function in lab_functions()
    )
    findings = refused(SOUND, machine=a_machine(functions=functions))
    assert [finding.where.line for finding in findings] == [11, 20]
    assert "of green" in findings[0].because and "of blue" in findings[1].because


def test_half_a_group_is_refused_and_the_whole_is_not(refused: Refused, check: Check) -> None:
    functions = tuple(
        function._replace(iommu_group=9) if str(function.address) == "0000:00:05.0" else function
        for function in lab_functions()
    )
    machine = a_machine(functions=functions)
    finding = one(refused(SOUND, machine=machine))
    assert "00:05.0 of Linux" in finding.because and finding.where.line == 11
    whole = SOUND.replace('"00:04.0"', '"00:04.0", "00:05.0"')
    assert len(check(whole, machine=machine).partitions[0].functions) == 3


def test_offline_processors_and_owning_all_of_them(refused: Refused) -> None:
    processors = tuple(
        processor._replace(online=processor.number == 0) for processor in a_machine().processors
    )
    finding = one(refused(SOUND, machine=a_machine(processors=processors)))
    assert "processor 1 is offline" in finding.what
    text = SOUND.replace("share = [0, 1]", "own = [0]").replace("share = [0]", "own = [1]")
    assert "all processors are owned" in one(refused(text)).what


def test_memory_counts_what_is_available_and_the_huge_pages(refused: Refused, check: Check) -> None:
    machine = a_machine(memory_available=1 * GiB, huge_pages=())
    finding = one(refused(SOUND, machine=machine))
    assert "memory up to green is 1408 MiB" in finding.what and "now" in finding.because
    assert check(SOUND, machine=a_machine(memory_available=1 * GiB))  # its huge pages are there


def test_a_bus_takes_all_below_it(check: Check) -> None:
    nic = a_function("02:00.0", iommu_group=10)
    deep = a_function("05:00.0", iommu_group=11)
    bridge = lab_functions()[2].bridge
    assert bridge is not None
    port = lab_functions()[2]._replace(bridge=bridge._replace(subordinate=5))
    inner = a_function(
        "02:01.0", bridge=bridge._replace(primary=2, secondary=5, subordinate=5), header_type=1
    )
    others = [f for f in lab_functions() if str(f.address) not in ("0000:00:02.0", "0000:02:00.0")]
    machine = a_machine(functions=tuple(sorted([*others, port, nic, inner, deep])))
    assert check(SOUND, machine=machine).partitions[1].functions == (
        address("02:00.0"),
        address("05:00.0"),
    )


def with_virtual(*more: Any) -> Any:
    """The lab computer with a card whose physical function 01:00.0 has a virtual one, 01:10.0."""
    virtual = a_function(
        "01:10.0", iommu_group=30, physical=address("01:00.0"), parent=address("00:01.0")
    )
    functions = tuple(sorted((*lab_functions(), virtual)))
    return a_machine(functions=functions, host_needs=more)


@pytest.mark.parametrize("owner", ["blue", "green"])
def test_a_virtual_function_is_not_given_beside_its_physical_one(
    owner: str, refused: Refused
) -> None:
    text = SOUND
    if owner == "blue":
        text = text.replace('"0000:01:00.0",', '"0000:01:00.0", "01:10.0",')
    else:
        text = text.replace('buses = ["0000:02"]', 'functions = ["01:10.0"]')
    finding = one(refused(text, machine=with_virtual()))
    assert "0000:01:10.0 disappears when blue takes 0000:01:00.0" in finding.what
    assert "leave 0000:01:00.0 to Linux" in finding.remedy


def test_a_virtual_function_alone_may_be_given(check: Check) -> None:
    check(SOUND.replace('"0000:01:00.0"', '"01:10.0"'), with_virtual())


def test_what_linux_needs_of_a_virtual_function_keeps_the_physical_one(refused: Refused) -> None:
    need = HostNeed(address("01:10.0"), "carries the default route (eth1)")
    finding = one(refused(SOUND, machine=with_virtual(need)))
    assert "virtual function 0000:01:10.0, which carries the default route" in finding.because
    assert "another interface" in finding.remedy
