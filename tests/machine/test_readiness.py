"""Does every way a computer can fall short get its own no, with a remedy?"""

from __future__ import annotations

import pytest

from septum.machine.capture import CapturedFiles
from septum.machine.inventory import inventory
from septum.machine.model import Capability, HugePages, Iommu
from septum.machine.readiness import Facts, facts, readiness, ready
from tests.captured import lab
from tests.machines import a_function, a_machine, lab_functions

GOOD = Facts(
    root=True,
    locked_memory=-1,
    kvm="real",
    kvm_reason="it ran",
    kvm_device=True,
    vendor="intel",
    virtualization=True,
    nested_paging=True,
    iommu=Iommu(True, True, ()),
    iommu_table="DMAR",
    unsafe_interrupts=False,
    unchecked_sources=False,
    past_remapping=False,
    pretended_groups=False,
    no_iommu=False,
    trusted=(),
    vfio_pci="loaded",
    huge_pages=(HugePages(2 << 20, 512, 512),),
    cgroup_controllers=("cpuset", "cpu", "io"),
)


def test_a_good_computer() -> None:
    checks = readiness(GOOD)
    assert {check.answer for check in checks} == {"yes"}
    assert ready(checks)


@pytest.mark.parametrize(
    ("changes", "question", "answer", "remedy"),
    [
        ({"root": False}, "permissions", "no", "root"),
        ({"root": False, "locked_memory": 65536}, "locked memory", "no", "ulimit -l"),
        ({"kvm": "emulated"}, "KVM", "no", "make demo"),
        ({"kvm": "absent", "kvm_device": False}, "KVM", "no", "modprobe kvm_intel"),
        ({"kvm": "absent", "kvm_device": True}, "KVM", "no", "another hypervisor"),
        ({"kvm": "absent", "root": False}, "KVM", "no", "run as root"),
        (
            {"kvm": "absent", "kvm_device": False, "vendor": "amd"},
            "KVM",
            "no",
            "modprobe kvm_amd",
        ),
        (
            {"kvm": "absent", "kvm_device": False, "virtualization": False},
            "KVM",
            "no",
            "firmware setup",
        ),
        ({"nested_paging": False}, "nested paging", "poor", "ept=1"),
        ({"nested_paging": None}, "nested paging", "poor", "KVM"),
        ({"iommu": Iommu(False, False, ())}, "IOMMU", "no", "intel_iommu=on"),
        (
            {"iommu": Iommu(False, False, ()), "iommu_table": "IVRS"},
            "IOMMU",
            "no",
            "amd_iommu=on",
        ),
        ({"iommu": Iommu(False, False, ()), "iommu_table": ""}, "IOMMU", "no", "firmware setup"),
        ({"iommu": Iommu(True, False, ())}, "interrupt remapping", "no", "intremap=off"),
        ({"iommu": Iommu(False, False, ())}, "interrupt remapping", "no", "IOMMU"),
        ({"unsafe_interrupts": True}, "interrupt remapping", "no", "/etc/modprobe.d"),
        ({"unchecked_sources": True}, "interrupt remapping", "no", "nosid"),
        ({"past_remapping": True}, "interrupt remapping", "no", "x2APIC"),
        ({"pretended_groups": True}, "IOMMU groups", "no", "kernel command line"),
        ({"no_iommu": True}, "IOMMU groups", "poor", "enable_unsafe_noiommu_mode"),
        ({"trusted": ("0000:01:00.0",)}, "device translations", "poor", "pci=noats"),
        ({"vfio_pci": "available"}, "vfio-pci", "poor", "modprobe vfio-pci"),
        ({"vfio_pci": "absent"}, "vfio-pci", "no", "linux-image-amd64"),
        ({"cgroup_controllers": None}, "cgroup v2", "poor", "unified_cgroup_hierarchy"),
        ({"cgroup_controllers": ("cpu",)}, "cgroup v2", "poor", "cgroup_disable=cpuset"),
        ({"huge_pages": (HugePages(2 << 20, 0, 0),)}, "huge pages", "poor", "vm.nr_hugepages"),
    ],
)
def test_each_shortcoming(
    changes: dict[str, object], question: str, answer: str, remedy: str
) -> None:
    checks = readiness(GOOD._replace(**changes))
    (check,) = (check for check in checks if check.question == question)
    assert check.answer == answer
    assert remedy in check.remedy
    assert ready(checks) == all(other.answer != "no" for other in checks)


def test_facts_are_read_from_files() -> None:
    machine = inventory(lab())
    files = CapturedFiles(
        {
            "/proc/cpuinfo": b"processor: 0\nvendor_id : AuthenticAMD\nflags : fpu svm\n",
            "/sys/module/kvm_amd/parameters/npt": b"1\n",
            "/sys/firmware/acpi/tables/DMAR": b"",
            "/proc/sys/kernel/osrelease": b"6.12\n",
            "/lib/modules/6.12/kernel/drivers/vfio/pci/vfio-pci.ko.xz": b"",
            "/sys/fs/cgroup/cgroup.controllers": b"cpuset cpu\n",
            "/dev/kvm": b"",
        }
    )
    known = facts(files, machine, ("real", ""), root=True, locked_memory=-1)
    assert (known.vendor, known.virtualization, known.nested_paging) == ("amd", True, True)
    assert (known.iommu_table, known.vfio_pci, known.kvm_device) == ("DMAR", "available", True)
    assert known.cgroup_controllers == ("cpuset", "cpu")
    bare = facts(CapturedFiles({}), machine, ("absent", ""), root=False, locked_memory=0)
    assert (bare.nested_paging, bare.vfio_pci, bare.cgroup_controllers) == (None, "absent", None)


@pytest.mark.parametrize(
    ("told", "unchecked"),
    [
        ("intremap=nosid", True),
        ("intremap=on,nosid quiet", True),
        ("intremap=no_x2apic_optout", False),  # who sends it is checked in either mode
        ("intremap=nopost", False),
        ("", False),
    ],
)
def test_who_sends_an_interrupt(told: str, unchecked: bool) -> None:
    machine = a_machine(command_line=f"intel_iommu=on {told}")
    known = facts(CapturedFiles({}), machine, ("real", ""), root=True, locked_memory=-1)
    assert known.unchecked_sources == unchecked and not known.past_remapping


def test_what_the_kernel_was_told_and_said() -> None:
    ats = Capability(0x000F, 0x150, True)
    card = a_function("00:08.0", capabilities=(ats,))
    functions = tuple(sorted((*lab_functions(), card)))
    machine = a_machine(functions=functions, command_line="pcie_acs_override=downstream")
    files = CapturedFiles({"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode": b"Y\n"})
    said = [
        "DMAR-IR: Enabled IRQ remapping in xapic mode",
        "Compatibility-format IRQs enabled despite intr remapping;",
    ]
    known = facts(files, machine, ("real", ""), said, root=True, locked_memory=-1)
    assert known.pretended_groups and known.no_iommu and known.past_remapping
    assert known.trusted == ("0000:00:08.0",)
    machine = machine._replace(command_line="pci=noats")
    assert facts(files, machine, ("", ""), said[:1], root=True, locked_memory=-1).trusted == ()
