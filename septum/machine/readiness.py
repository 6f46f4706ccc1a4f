"""Can this computer run instances? Each no with what would help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from septum.machine.cautions import is_trusted
from septum.machine.files import HostFiles
from septum.machine.model import HugePages, Iommu, Machine
from septum.units import size_text

# Linux, drivers/iommu/intel/irq_remapping.c: firmware left them on, and they stayed on.
_OLD_FORMAT = "Compatibility-format IRQs enabled despite intr remapping"
_NO_IOMMU = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
_CONTROLLERS = ("cpu", "cpuset")


class Facts(NamedTuple):
    """What the answers are made from; plain values, so that any computer can be made up."""

    root: bool
    locked_memory: int  # bytes this process may lock, -1 without limit
    kvm: str  # "real", "emulated" or "absent", as the self-test found
    kvm_reason: str
    kvm_device: bool  # there is a /dev/kvm
    vendor: str  # "intel", "amd" or "" where the processor does not say
    virtualization: bool  # the processor's flag vmx or svm
    nested_paging: bool | None  # None: the module is not loaded
    iommu: Iommu
    iommu_table: str  # firmware describes an IOMMU: "DMAR" (Intel's), "IVRS" (AMD's) or ""
    unsafe_interrupts: bool  # VFIO was told to do without interrupt remapping
    unchecked_sources: bool  # remapping does not ask which device sent an interrupt
    past_remapping: bool  # the kernel said that interrupts of the old format pass by it
    pretended_groups: bool  # Linux was told to take functions for more separate than they are
    no_iommu: bool  # VFIO was told to hand out functions that no IOMMU confines
    trusted: tuple[str, ...]  # functions whose own translations the IOMMU would believe (ATS)
    vfio_pci: str  # "loaded", "available" or "absent"
    huge_pages: tuple[HugePages, ...]
    cgroup_controllers: tuple[str, ...] | None  # None: no cgroup v2


class Check(NamedTuple):
    """One question: "yes", "no", or "poor" for what costs speed but stops nothing."""

    question: str
    answer: str
    found: str
    remedy: str = ""
    stops: bool = True  # a no keeps instances from running here


def facts(
    files: HostFiles,
    machine: Machine,
    kvm: tuple[str, str],
    said: Iterable[str] = (),
    *,
    root: bool,
    locked_memory: int,
) -> Facts:
    """Read what `readiness` decides on.

    `kvm` is the self-test's answer, `said` what the kernel has said since it booted.
    """
    flags, vendor = _processor(files)
    module = {"intel": "kvm_intel/parameters/ept", "amd": "kvm_amd/parameters/npt"}
    nested = files.read_text(f"/sys/module/{module.get(vendor, 'kvm')}", "")
    tables = files.names("/sys/firmware/acpi/tables")
    unsafe = "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"
    controllers = files.read_text("/sys/fs/cgroup/cgroup.controllers", "absent")
    return Facts(
        root=root,
        locked_memory=locked_memory,
        kvm=kvm[0],
        kvm_reason=kvm[1],
        kvm_device=files.exists("/dev/kvm"),
        vendor=vendor,
        virtualization=bool({"vmx", "svm"} & flags),
        nested_paging=nested in ("Y", "1") if nested else None,
        iommu=machine.iommu,
        iommu_table=next((name for name in ("DMAR", "IVRS") if name in tables), ""),
        unsafe_interrupts=files.read_text(unsafe, "N") in ("Y", "1"),
        unchecked_sources=_intremap_without_sources(machine.command_line),
        past_remapping=any(_OLD_FORMAT in line for line in said),
        pretended_groups="pcie_acs_override=" in machine.command_line,
        no_iommu=files.read_text(_NO_IOMMU, "N") in ("Y", "1"),
        trusted=tuple(str(one.address) for one in machine.functions if is_trusted(machine, one)),
        vfio_pci=_module(files),
        huge_pages=machine.huge_pages,
        cgroup_controllers=None if controllers == "absent" else tuple(controllers.split()),
    )


def _intremap_without_sources(command_line: str) -> bool:
    """Linux, Documentation/admin-guide/kernel-parameters.txt: intremap=nosid."""
    words = [word for word in command_line.split() if word.startswith("intremap=")]
    return any("nosid" in word.partition("=")[2].split(",") for word in words)


def _processor(files: HostFiles) -> tuple[set[str], str]:
    flags: set[str] = set()
    vendor = ""
    for line in files.read_text("/proc/cpuinfo", "").splitlines():
        key, _, text = line.partition(":")
        if key.strip() == "vendor_id":
            vendor = {"GenuineIntel": "intel", "AuthenticAMD": "amd"}.get(text.strip(), "")
        elif key.strip() == "flags":
            flags = set(text.split())
            break
    if {"svm", "vmx"} & flags:  # says it better: a virtual computer may mix the two
        vendor = "amd" if "svm" in flags else "intel"
    return flags, vendor


def _module(files: HostFiles) -> str:
    if files.exists("/sys/bus/pci/drivers/vfio-pci"):
        return "loaded"
    release = files.read_text("/proc/sys/kernel/osrelease", "")
    there = files.names(f"/lib/modules/{release}/kernel/drivers/vfio/pci")
    return "available" if any(name.startswith("vfio-pci.ko") for name in there) else "absent"


def readiness(known: Facts) -> tuple[Check, ...]:
    """All questions with their answers, in the order one would mend them."""
    return (
        _permissions(known),
        _kvm(known),
        _nested_paging(known),
        _iommu(known),
        _interrupt_remapping(known),
        _groups(known),
        _translations(known),
        _vfio(known),
        _cgroups(known),
        _huge_pages(known),
        _locked_memory(known),
    )


def ready(checks: tuple[Check, ...]) -> bool:
    """Whether instances can run here; "poor" answers do not prevent it."""
    return all(check.answer != "no" or not check.stops for check in checks)


def _permissions(known: Facts) -> Check:
    if known.root:
        return Check("permissions", "yes", "root")
    return Check("permissions", "no", "not root", "run it as root, with sudo for one")


def _kvm(known: Facts) -> Check:
    if known.kvm == "real":
        return Check("KVM", "yes", known.kvm_reason)
    if known.kvm == "emulated":
        return Check(
            "KVM",
            "no",
            f"emulated, no stock kernel will get far: {known.kvm_reason}",
            "use a computer, or a virtual one, with hardware virtualization; "
            "the lab works anywhere: make demo",
        )
    if known.kvm_device:
        remedy = "stop another hypervisor that holds the processor (VirtualBox, VMware)"
        return Check("KVM", "no", known.kvm_reason, remedy if known.root else "run as root")
    if known.virtualization:
        module = "kvm_amd" if known.vendor == "amd" else "kvm_intel"
        return Check("KVM", "no", known.kvm_reason, f"modprobe {module}")
    return Check(
        "KVM",
        "no",
        f"{known.kvm_reason}; the processor shows neither vmx nor svm",
        "switch on VT-x (Intel) or SVM (AMD) in the firmware setup",
    )


def _nested_paging(known: Facts) -> Check:
    if known.nested_paging is None:
        return Check("nested paging", "poor", "not known: KVM's module is not loaded", "see KVM")
    if known.nested_paging:
        return Check("nested paging", "yes", "EPT" if known.vendor == "intel" else "NPT")
    option = "kvm_intel ept=1" if known.vendor == "intel" else "kvm_amd npt=1"
    return Check("nested paging", "poor", "switched off", f"load the module so: modprobe {option}")


def _iommu(known: Facts) -> Check:
    if known.iommu.present:
        return Check("IOMMU", "yes", f"{len(known.iommu.groups)} groups")
    if known.iommu_table:
        option = "amd_iommu=on" if known.iommu_table == "IVRS" else "intel_iommu=on"
        return Check(
            "IOMMU",
            "no",
            "firmware describes one, Linux does not use it",
            f"boot Linux with {option} on the kernel command line",
        )
    return Check(
        "IOMMU", "no", "firmware describes none", "switch on VT-d or AMD-Vi in the firmware setup"
    )


def _interrupt_remapping(known: Facts) -> Check:
    question = "interrupt remapping"
    if known.unsafe_interrupts:
        return Check(
            question,
            "no",
            "VFIO was told to do without",
            "take allow_unsafe_interrupts out of the module's options in /etc/modprobe.d",
        )
    if known.iommu.interrupt_remapping and known.unchecked_sources:
        return Check(
            question,
            "no",
            "Linux does not check who sends an interrupt (intremap=nosid)",
            "take nosid out of intremap= on the kernel command line",
        )
    if known.iommu.interrupt_remapping and known.past_remapping:
        return Check(
            question,
            "no",
            "interrupts of the old format pass by it, as the kernel has said",
            "update the firmware; switch on x2APIC there, and boot without nox2apic",
        )
    if known.iommu.interrupt_remapping:
        return Check(question, "yes", "Linux uses it")
    if not known.iommu.present:
        return Check(question, "no", "there is no IOMMU to do it", "see IOMMU")
    return Check(
        question,
        "no",
        "Linux does not use it",
        "switch on x2APIC or interrupt remapping in the firmware setup; "
        "take intremap=off off the kernel command line",
    )


def _groups(known: Facts) -> Check:
    if known.pretended_groups:
        return Check(
            "IOMMU groups",
            "no",
            "Linux was told that functions are apart which are not (pcie_acs_override=)",
            "take it off the kernel command line; use slots that have groups of their own",
        )
    if known.no_iommu:
        return Check(
            "IOMMU groups",
            "poor",
            "VFIO was told to hand out functions that no IOMMU confines; Septum takes none",
            "take enable_unsafe_noiommu_mode out of the module's options in /etc/modprobe.d",
        )
    return Check("IOMMU groups", "yes", "as the hardware has them")


def _translations(known: Facts) -> Check:
    if known.trusted:
        return Check(
            "device translations",
            "poor",
            f"the IOMMU believes {', '.join(known.trusted)} (ATS)",
            "boot Linux with pci=noats, or trust these cards and who owns them",
        )
    return Check("device translations", "yes", "no card's own are believed")


def _vfio(known: Facts) -> Check:
    if known.vfio_pci == "loaded":
        return Check("vfio-pci", "yes", "loaded")
    if known.vfio_pci == "available":
        return Check("vfio-pci", "poor", "there, but not loaded", "modprobe vfio-pci")
    return Check(
        "vfio-pci",
        "no",
        "this kernel has no such module",
        "install the distribution's general kernel (Debian: linux-image-amd64)",
    )


def _cgroups(known: Facts) -> Check:
    if known.cgroup_controllers is None:
        return Check(
            "cgroup v2",
            "poor",
            "not mounted at /sys/fs/cgroup: processors cannot be shared by weight",
            "boot Linux with systemd.unified_cgroup_hierarchy=1",
        )
    missing = [name for name in _CONTROLLERS if name not in known.cgroup_controllers]
    if missing:
        return Check(
            "cgroup v2",
            "poor",
            f"without {' and '.join(missing)}",
            f"boot Linux without cgroup_disable={','.join(missing)}",
        )
    return Check("cgroup v2", "yes", "with " + " and ".join(_CONTROLLERS))


def _huge_pages(known: Facts) -> Check:
    pools = [pool for pool in known.huge_pages if pool.total]
    if pools:
        found = ", ".join(f"{pool.free} of {size_text(pool.size)} free" for pool in pools)
        return Check("huge pages", "yes", found)
    return Check(
        "huge pages",
        "poor",
        "none reserved: memory is mapped for DMA page by page, which takes seconds",
        "reserve as many as the instances' memory needs: sysctl vm.nr_hugepages=1024 gives 2 GiB",
    )


def _locked_memory(known: Facts) -> Check:
    if known.root or known.locked_memory < 0:
        return Check("locked memory", "yes", "no limit")
    return Check(
        "locked memory",
        "no",
        f"at most {size_text(known.locked_memory)}",
        "run as root, or raise it with ulimit -l",
    )
