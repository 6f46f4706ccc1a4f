"""Do the registers of configuration space stand where the specification puts them?"""

from __future__ import annotations

import inspect

from septum.layouts import pci
from septum.layouts.register import Register


def registers() -> list[type[Register]]:
    return [
        item
        for _, item in inspect.getmembers(pci, inspect.isclass)
        if issubclass(item, Register) and item is not Register
    ]


def test_registers_are_whole_bytes_aligned_and_documented() -> None:
    for register in registers():
        assert register.width in (8, 16, 32, 64)
        assert register.offset % min(register.width // 8, 4) == 0
        assert register.__doc__ and ("PCI" in register.__doc__ or "Bridge" in register.__doc__)


def test_fields_fit_and_do_not_overlap() -> None:
    # Parts of these have names of their own too; which it is depends on another bit.
    joined = {"class_code", "memory_type", "prefetchable", "memory_base", "io_base"}
    for register in registers():
        taken = 0
        for name, field in register.fields.items():
            assert field.mask < 1 << register.width, (register, name)
            if name not in joined:
                assert not taken & field.mask, (register, name)
                taken |= field.mask


def test_sizes_of_msi() -> None:
    plain = pci.MsiControl(0)
    assert [
        pci.msi_size(plain),
        pci.msi_size(plain.but(address_64=1)),
        pci.msi_size(plain.but(per_vector_masking=1)),
        pci.msi_size(plain.but(address_64=1, per_vector_masking=1)),
    ] == [0x0A, 0x0E, 0x14, 0x18]
