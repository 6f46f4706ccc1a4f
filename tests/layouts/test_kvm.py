"""Do the layouts of KVM agree with <linux/kvm.h>?"""

from __future__ import annotations

import pytest

from septum.layouts import kvm
from septum.layouts.cstruct import CStruct
from septum.layouts.kvm import KVM, Capability, Exit, InternalError
from tests.layouts.headers import fields, size, values

HEADERS = ("linux/kvm.h", "sys/ioctl.h")

STRUCTS: tuple[tuple[type[CStruct], str, dict[str, str]], ...] = (
    (
        kvm.EnableCap,
        "struct kvm_enable_cap",
        {"arg0": "args", "arg1": "args[1]", "arg2": "args[2]", "arg3": "args[3]"},
    ),
    (kvm.UserspaceMemoryRegion, "struct kvm_userspace_memory_region", {}),
    (kvm.Registers, "struct kvm_regs", {}),
    (kvm.Segment, "struct kvm_segment", {}),
    (kvm.DescriptorTable, "struct kvm_dtable", {}),
    (kvm.SpecialRegisters, "struct kvm_sregs", {}),
    (kvm.CpuidEntry, "struct kvm_cpuid_entry2", {}),
    (kvm.LapicState, "struct kvm_lapic_state", {}),
    (kvm.PitConfig, "struct kvm_pit_config", {}),
    (kvm.IrqLevel, "struct kvm_irq_level", {}),
    (kvm.Irqfd, "struct kvm_irqfd", {}),
    (kvm.StatsHeader, "struct kvm_stats_header", {}),
    (kvm.StatsDescriptor, "struct kvm_stats_desc", {}),
    (
        kvm.IrqRoutingEntry,
        "struct kvm_irq_routing_entry",
        {
            "padding": "pad",
            "word0": "u.msi.address_lo",
            "word1": "u.msi.address_hi",
            "word2": "u.msi.data",
            "word3": "u.msi.devid",
            "pad": "u.pad[4]",
        },
    ),
)


@pytest.mark.parametrize(
    ("ours", "theirs", "names"), STRUCTS, ids=lambda x: getattr(x, "__name__", "")
)
def test_structs(ours: type[CStruct], theirs: str, names: dict[str, str]) -> None:
    expected = size(ours, theirs) | fields(ours, theirs, **names)
    assert values(HEADERS, tuple(expected)) == expected


def test_the_page_kvm_shares_with_us() -> None:
    run = "struct kvm_run"
    io, mmio, internal = (f"offsetof({run}, {name})" for name in ("io", "mmio", "internal"))
    names = {"padding1": "padding1", "padding2": "", "flags": "flags"}
    expected = fields(kvm.RunHeader, run, **names)
    expected |= {io: kvm.RUN_UNION, mmio: kvm.RUN_UNION, internal: kvm.RUN_UNION}
    for struct, part, skipped in (
        (kvm.RunIo, "io", {}),
        (kvm.RunMmio, "mmio", {"padding1": "", "padding2": ""}),
        (kvm.RunInternal, "internal", {"data0": "data"}),
    ):
        for name, *_ in struct._fields_:
            word = skipped.get(name, name)
            if word:
                where = kvm.RUN_UNION + getattr(struct, name).offset
                expected[f"offsetof({run}, {part}.{word})"] = where
    expected[f"offsetof({run}, mmio.data)"] = kvm.MMIO_DATA
    assert values(HEADERS, tuple(expected)) == expected


def test_the_heads_of_what_has_a_length() -> None:
    expected = {
        "offsetof(struct kvm_cpuid2, entries)": kvm.CPUID_HEADER,
        "offsetof(struct kvm_irq_routing, entries)": 8,
        "offsetof(struct kvm_irq_routing, nr)": kvm.IrqRoutingHeader.nr.offset,  # type: ignore[attr-defined]
        "offsetof(struct kvm_irq_routing_entry, u.irqchip.irqchip)": 16,
        "offsetof(struct kvm_irq_routing_entry, u.irqchip.pin)": 20,
    }
    assert values(HEADERS, tuple(expected)) == expected


def test_request_numbers() -> None:
    names = [name for name in vars(KVM) if not name.startswith("_")]
    expected = {f"KVM_{name}": getattr(KVM, name).request for name in names}
    assert len(expected) > 20
    assert values(HEADERS, tuple(expected)) == expected


def test_numbers() -> None:
    expected = {f"KVM_EXIT_{one.name}": int(one) for one in Exit}
    expected |= {f"KVM_CAP_{one.name}": int(one) for one in Capability}
    expected |= {f"KVM_INTERNAL_ERROR_{one.name}": int(one) for one in InternalError}
    expected |= {
        "KVM_API_VERSION": kvm.API_VERSION,
        "KVM_MEM_READONLY": kvm.MEM_READONLY,
        "KVM_PIT_SPEAKER_DUMMY": kvm.PIT_SPEAKER_DUMMY,
        "KVM_IRQFD_FLAG_DEASSIGN": kvm.IRQFD_DEASSIGN,
        "KVM_IRQFD_FLAG_RESAMPLE": kvm.IRQFD_RESAMPLE,
        "KVM_IRQ_ROUTING_IRQCHIP": kvm.IRQ_ROUTING_IRQCHIP,
        "KVM_IRQ_ROUTING_MSI": kvm.IRQ_ROUTING_MSI,
        "KVM_IRQCHIP_PIC_MASTER": kvm.IRQCHIP_PIC_MASTER,
        "KVM_IRQCHIP_PIC_SLAVE": kvm.IRQCHIP_PIC_SLAVE,
        "KVM_IRQCHIP_IOAPIC": kvm.IRQCHIP_IOAPIC,
        "KVM_EXIT_IO_OUT": 1,
    }
    missing = "KVM_EXIT_MEMORY_FAULT"  # since Linux 6.8; older headers may stand here
    del expected[missing]
    assert values(HEADERS, tuple(expected)) == expected
