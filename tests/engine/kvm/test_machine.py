"""Does KVM take what we tell it: slots, interrupts, processors, files of VFIO?"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import pytest

from septum.engine.kvm.machine import VirtualMachine
from septum.engine.kvm.routing import RoutingTable
from septum.errors import HostProblem
from septum.interrupts.routes import FIRST_MESSAGE, LAST, RoutedMessage
from septum.layouts import kvm, msr
from septum.memory.mtrr import uncached
from septum.units import GiB, MiB, Span
from tests.engine.kvm.fakes import entries

has_kvm = pytest.mark.skipif(
    not os.access(kvm.DEVICE, os.R_OK | os.W_OK), reason="no /dev/kvm here"
)


def test_routes_have_every_pin_and_the_messages_behind_them() -> None:
    given = RoutingTable()
    given.put(RoutedMessage(24, 0xFEE00000, 0x31))
    given.put(RoutedMessage(24, 0x1_FEE01000, 0x4023))
    table = entries(bytes(given.text))
    pins = [(e.gsi, e.word0, e.word1) for e in table[:-1]]
    assert all(e.type == kvm.IRQ_ROUTING_IRQCHIP for e in table[:-1])
    assert (0, kvm.IRQCHIP_IOAPIC, 2) in pins and (0, kvm.IRQCHIP_PIC_MASTER, 0) in pins
    for gsi in range(1, 24):
        if gsi != 2:
            assert (gsi, kvm.IRQCHIP_IOAPIC, gsi) in pins
        if 8 <= gsi < 16:
            assert (gsi, kvm.IRQCHIP_PIC_SLAVE, gsi - 8) in pins
    assert len(pins) == len(set(pins)) == 7 + 8 + 23
    last = table[-1]
    assert (last.gsi, last.type) == (24, kvm.IRQ_ROUTING_MSI)
    assert (last.word0, last.word1, last.word2) == (0xFEE01000, 1, 0x4023)


def test_no_device_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HostProblem) as told:
        VirtualMachine(str(tmp_path / "kvm"))
    assert "modprobe" in told.value.remedy
    (tmp_path / "file").write_bytes(b"")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(HostProblem, match="KVM_CREATE_VM"):
        VirtualMachine(str(tmp_path / "file"))
    assert len(os.listdir("/proc/self/fd")) == before


@has_kvm
def test_slots_come_and_go() -> None:
    memory = mmap.mmap(-1, 1 << 20)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    with VirtualMachine() as machine:
        free = len(machine.free_slots)
        slot = machine.map(0, 1 << 20, address)
        with pytest.raises(HostProblem, match="SET_USER_MEMORY_REGION"):
            machine.map(4096, 4096, address)
        assert len(machine.free_slots) == free - 1, "a refused one is not used up"
        machine.unmap(slot)
        assert len(machine.free_slots) == free
        assert machine.map(4096, 4096, address) == slot


@has_kvm
def test_interrupts_are_connected_and_disconnected() -> None:
    event, unmask = os.eventfd(0), os.eventfd(0)
    with VirtualMachine() as machine:
        table = RoutingTable()
        table.put(RoutedMessage(24, 0xFEE00000, 0x31))
        machine.route(table)
        machine.irqfd(event, 24)
        with pytest.raises(HostProblem, match="IRQFD"):
            machine.irqfd(event, 24)
        machine.irqfd_off(event, 24)
        machine.irqfd(event, 17, resample=unmask)
        machine.irqfd_off(event, 17)
        machine.irq_line(4, 1)
        machine.irq_line(4, 0)
    os.close(event)
    os.close(unmask)


@has_kvm
def test_leaving_closes_everything() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with VirtualMachine() as machine:
        machine.processor(0, 2)
        machine.processor(1, 2)
    assert len(os.listdir("/proc/self/fd")) == before


@has_kvm
def test_processors_begin_as_firmware_leaves_them() -> None:
    """The second too: INIT, by which its system starts it, changes none of this."""
    holes = [Span(0xC0000000, 1 * GiB - 1 * MiB), Span(1 << 40, 1 * GiB)]
    with VirtualMachine() as machine:
        machine.describe(nested=False, uncached=uncached([Span(0, 512 * MiB)], holes))
        for number in range(2):
            processor = machine.processor(number, 2)
            assert processor.read_register(msr.DEFAULT_TYPE) == 0xC06
            assert processor.read_register(msr.VARIABLE_BASE) == 0xC0000000
            mask = processor.read_register(msr.VARIABLE_BASE + 1)
            assert mask is not None and mask & 0xFFFFFFFF == 0xC0000800
            assert processor.read_register(msr.FIXED_4K[-1]) == 0x06060606_06060606
            assert processor.read_register(msr.FIXED_16K_VIDEO) == 0
            strings = processor.read_register(msr.MISC_ENABLE)
            assert strings is not None and strings & msr.FAST_STRINGS


@has_kvm
def test_a_register_kvm_has_not_is_not_written() -> None:
    with VirtualMachine() as machine:
        processor = machine.processor(0, 1)
        nowhere = 0xDEAD0000
        assert processor.read_register(nowhere) is None
        assert processor.write_registers([(msr.MISC_ENABLE, 1), (nowhere, 1)]) == 1


@has_kvm
def test_what_is_no_file_of_vfio_is_refused() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with VirtualMachine() as machine, open(os.devnull) as nothing:
        for _ in range(2):  # there is one device of KVM's for all of them
            with pytest.raises(HostProblem, match=r"KVM_(SET_DEVICE_ATTR|CREATE_DEVICE)"):
                machine.know(nothing.fileno())
    assert len(os.listdir("/proc/self/fd")) == before


@has_kvm
def test_kvm_takes_as_many_messages_as_there_are_numbers() -> None:
    table = RoutingTable()
    for gsi in range(FIRST_MESSAGE, LAST + 1):
        table.put(RoutedMessage(gsi, 0xFEE00000, 0x31))
    with VirtualMachine() as machine:
        machine.route(table)
        table.put(RoutedMessage(LAST + 1, 0xFEE00000, 0x31))
        with pytest.raises(HostProblem, match="GSI_ROUTING"):
            machine.route(table)
