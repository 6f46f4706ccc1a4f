"""Does each virtual processor say who it is? And does KVM take what we tell it?"""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.engine.kvm.machine import VirtualMachine, edit_cpuid
from septum.engine.kvm.routing import entries
from septum.errors import HostProblem
from septum.interrupts.routes import Message
from septum.layouts import kvm

has_kvm = pytest.mark.skipif(
    not os.access(kvm.DEVICE, os.R_OK | os.W_OK), reason="no /dev/kvm here"
)
WORDS = some.integers(0, (1 << 32) - 1)


def edited(number: int, count: int, **leaf: int) -> Any:
    entry = kvm.CpuidEntry(**leaf)
    edit_cpuid(entry, number, count)
    return entry


@given(some.integers(1, 64), some.data(), WORDS, WORDS, WORDS)
def test_features(count: int, data: some.DataObject, ebx: int, ecx: int, edx: int) -> None:
    number = data.draw(some.integers(0, count - 1))
    leaf = edited(number, count, function=1, ebx=ebx, ecx=ecx, edx=edx)
    assert leaf.ebx >> 24 == number and leaf.ebx >> 16 & 0xFF == count
    assert leaf.ebx & 0xFFFF == ebx & 0xFFFF
    assert leaf.ecx == ecx | 1 << 31 | 1 << 24, "a hypervisor, and the TSC deadline timer"
    assert leaf.edx & 1 << 28 == (1 << 28 if count > 1 else 0)
    assert leaf.edx | 1 << 28 == edx | 1 << 28


@given(some.integers(1, 64), some.sampled_from([0xB, 0x1F]), some.data())
def test_topology(count: int, function: int, data: some.DataObject) -> None:
    number = data.draw(some.integers(0, count - 1))
    threads, cores = (edited(number, count, function=function, index=n) for n in range(2))
    assert (threads.eax, threads.ebx, threads.edx) == (0, 1, number)
    assert cores.ebx == count and cores.edx == number
    assert number >> cores.eax == 0, "all are in one package"
    assert cores.eax == 0 or (count - 1) >> (cores.eax - 1), "and the package is not larger"


def test_other_leaves_stay() -> None:
    leaf = edited(1, 2, function=7, ebx=5)
    assert (leaf.eax, leaf.ebx) == (0, 5)
    assert edited(1, 2, function=0x8000001E).eax == 1


def test_routes_have_every_pin_and_the_messages_behind_them() -> None:
    table: list[Any] = list(entries([Message(24, 0x1_FEE01000, 0x4023)]))
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
        machine.route(entries([Message(24, 0xFEE00000, 0x31)]))
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
