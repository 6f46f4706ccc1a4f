"""Does a kernel find what the boot protocol promises it? Documentation/arch/x86/boot.rst."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.engine.kvm import start as module
from septum.engine.kvm.kernel import Kernel, prepared
from septum.engine.kvm.start import E820, Start, enter, load
from septum.errors import GuestProblem
from septum.layouts import boot, kvm
from septum.units import MiB, Span
from tests.engine.kvm.kernels import ENTRY, elf

SIZE = 32 * MiB
MAP = (E820(Span(0, 0x9FC00), 1), E820(Span(0x9FC00, 0x400), 2), E820(Span(MiB, SIZE - MiB), 1))


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    path = tmp_path / "vmlinux"
    path.write_bytes(elf(((ENTRY, b"code" * 1024, MiB),)))
    return prepared(str(path), str(tmp_path / "cache"))


@pytest.fixture
def initrd(tmp_path: Path) -> str:
    path = tmp_path / "initrd"
    path.write_bytes(b"initrd" * 1000)
    return str(path)


def loaded(kernel: Kernel, start: Start, size: int = SIZE) -> bytearray:
    memory = bytearray(size)
    load(memoryview(memory), size, kernel, start)
    return memory


def number(memory: bytearray, offset: int, form: str) -> int:
    (value,) = struct.unpack_from(form, memory, boot.ZERO_PAGE_ADDRESS + offset)
    assert isinstance(value, int)
    return value


def test_the_zero_page(kernel: Kernel, initrd: str) -> None:
    memory = loaded(kernel, Start(initrd, "console=ttyS0 quiet", MAP, 0xE0000))
    assert number(memory, 0x1FE, "<H") == 0xAA55
    assert number(memory, 0x202, "<I") == int.from_bytes(b"HdrS", "little")
    assert number(memory, 0x206, "<H") == 0x20C
    assert number(memory, 0x210, "<B") == 0xFF and number(memory, 0x211, "<B") == 1
    assert number(memory, 0x070, "<Q") == 0xE0000
    command_line = number(memory, 0x228, "<I")
    assert memory[command_line : command_line + 20] == b"console=ttyS0 quiet\0"
    assert number(memory, 0x238, "<I") == 2047
    assert number(memory, 0x1E8, "<B") == len(MAP)
    at = boot.ZERO_PAGE_ADDRESS + 0x2D0
    said = [struct.unpack_from("<QQI", memory, at + 20 * n) for n in range(3)]
    assert said == [(e.span.start, e.span.size, e.type) for e in MAP]


def test_the_kernel_stands_where_it_wants(kernel: Kernel) -> None:
    memory = loaded(kernel, Start(None, "", MAP, 0))
    assert memory[ENTRY : ENTRY + 4096] == b"code" * 1024
    assert not any(memory[ENTRY + 4096 : ENTRY + MiB])
    assert number(memory, 0x218, "<I") == number(memory, 0x21C, "<I") == 0, "no initrd"


def test_the_initrd_stands_as_high_as_it_may(kernel: Kernel, initrd: str) -> None:
    memory = loaded(kernel, Start(initrd, "", MAP, 0))
    address, size = number(memory, 0x218, "<I"), number(memory, 0x21C, "<I")
    assert size == 6000 and address % 4096 == 0 and SIZE - 8192 <= address <= SIZE - size
    assert memory[address : address + size] == b"initrd" * 1000


def test_an_initrd_that_fits_to_the_page_and_one_that_does_not(
    kernel: Kernel, tmp_path: Path
) -> None:
    room = SIZE - kernel.end
    path = tmp_path / "big"
    path.write_bytes(bytes(room))
    loaded(kernel, Start(str(path), "", MAP, 0))
    path.write_bytes(bytes(room + 1))
    with pytest.raises(GuestProblem, match="does not fit") as told:
        loaded(kernel, Start(str(path), "", MAP, 0))
    assert told.value.remedy == "give the instance more memory"
    path.write_bytes(bytes(2 * SIZE))
    with pytest.raises(GuestProblem, match="does not fit"):
        loaded(kernel, Start(str(path), "", MAP, 0))


def test_too_little_memory_for_the_kernel(kernel: Kernel) -> None:
    with pytest.raises(GuestProblem, match="kernel does not fit") as told:
        loaded(kernel, Start(None, "", MAP, 0), kernel.end - 4096)
    assert "memory ends at" in told.value.because


def test_a_kernel_that_wants_the_first_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(elf(((0x7000, b"code", 4),), 0x7000))
    with pytest.raises(GuestProblem, match="does not fit"):
        loaded(prepared(str(path), str(tmp_path / "cache")), Start(None, "", MAP, 0))


def test_long_texts_and_maps_are_refused(kernel: Kernel) -> None:
    loaded(kernel, Start(None, "x" * 2047, MAP * 42, 0))
    with pytest.raises(GuestProblem, match="command line is too long"):
        loaded(kernel, Start(None, "x" * 2048, MAP, 0))
    with pytest.raises(GuestProblem, match="too many entries"):
        loaded(kernel, Start(None, "", MAP * 43, 0))


def test_an_initrd_that_cannot_be_read(kernel: Kernel, tmp_path: Path) -> None:
    with pytest.raises(GuestProblem, match="cannot read the initrd") as told:
        loaded(kernel, Start(str(tmp_path / "none"), "", MAP, 0))
    assert "No such file" in told.value.because
    with pytest.raises(GuestProblem, match="cannot read the initrd"):
        loaded(kernel, Start(str(tmp_path), "", MAP, 0))


def test_a_file_that_shrinks_while_it_is_read(kernel: Kernel) -> None:
    Path(kernel.path).write_bytes(Path(kernel.path).read_bytes()[:5000])
    with pytest.raises(GuestProblem, match="became shorter"):
        loaded(kernel, Start(None, "", MAP, 0))


def walk(memory: bytes, address: int) -> int:
    """What long mode's page tables make of an address. Intel SDM volume 3, 4.5."""
    table = boot.PML4_ADDRESS
    for shift in (39, 30, 21):
        index = address >> shift & 511
        (entry,) = struct.unpack_from("<Q", memory, table + 8 * index)
        assert entry & 3 == 3, "present, writable"
        table = entry & ~0xFFF
        if entry & 0x80:
            return int(table | address & (1 << shift) - 1)
    raise AssertionError("4 KiB pages are not used")


TABLES = bytes(boot.PML4_ADDRESS) + module._page_tables()


@given(some.integers(0, (4 << 30) - 1))
def test_the_first_four_gibibytes_are_themselves(address: int) -> None:
    assert walk(TABLES, address) == address


class Processor:
    """What enter() sets, taken down."""

    def special_registers(self) -> kvm.SpecialRegisters:
        return kvm.SpecialRegisters()

    def set_special_registers(self, special: kvm.SpecialRegisters) -> None:
        self.special: Any = special

    def set_registers(self, registers: kvm.Registers) -> None:
        self.registers = registers


def test_processor_0_enters_in_64_bit_mode() -> None:
    processor: Any = Processor()
    enter(processor, 0x1000200)
    registers, special = processor.registers, processor.special
    assert (registers.rip, registers.rsi) == (0x1000200, boot.ZERO_PAGE_ADDRESS)
    assert registers.rflags == 2, "interrupts are off"
    assert special.efer & 0x500 == 0x500 and special.cr0 & 0x80000001 == 0x80000001
    assert special.cr3 == boot.PML4_ADDRESS and special.cr4 & 0x20
    assert (special.cs.selector, special.cs.l, special.cs.db) == (0x10, 1, 0)
    assert (special.ds.selector, special.ss.selector, special.ds.db) == (0x18, 0x18, 1)
    assert boot.GDT[2] >> 53 & 1 == 1, "the code segment of the table is a 64-bit one too"
