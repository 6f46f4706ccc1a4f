"""Is /dev/kvm a processor, or a program that plays one?

A guest of a dozen instructions in 64-bit mode uses two that KVM's instruction emulator does not
know, then counts. A processor does it in microseconds; an emulator stops, or crawls.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import time

from septum.engine.kvm.machine import VirtualMachine, VirtualProcessor
from septum.engine.kvm.start import enter
from septum.errors import Problem
from septum.layouts import boot, kvm

_MEMORY = 1 << 20
_CODE = 1 << 16
_SCRATCH = _CODE + (1 << 12)
_PORT = 128  # where PCs write power-on codes: nothing listens
_ROUNDS = 100_000
_SLOW_SECONDS = 0.1  # 1 microsecond a round; the slowest processor takes a thousandth

# Intel SDM volume 2. RDI points at 16 zero bytes, RAX = RDX = 0, RBX has 17 bits set.
_PROGRAM = bytes.fromhex(
    "48 0f c7 0f"  # cmpxchg16b [rdi]: equal, so RCX:RBX is stored
    "f3 48 0f b8 07"  # popcnt rax, [rdi]
    "e6 80"  # out 128, al
    "b9 a0 86 01 00"  # mov ecx, 100000
    "ff c9"  # dec ecx
    "75 fc"  # jnz back to it
    "e6 80"  # out 128, al
    "f4"  # hlt
)
_PATTERN = (1 << 17) - 1


def selftest(device: str = kvm.DEVICE) -> tuple[str, str]:
    """("real" | "emulated" | "absent", why). Never raises a Problem; takes under a second."""
    if not os.path.exists(device):
        return "absent", f"there is no {device}"
    try:
        with VirtualMachine(device) as machine:
            return _examine(machine)
    except Problem as problem:
        return "absent", f"{problem.what}: {problem.because}" if problem.because else problem.what


def _examine(machine: VirtualMachine) -> tuple[str, str]:
    memory = mmap.mmap(-1, _MEMORY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    anchor = (ctypes.c_char * _MEMORY).from_buffer(memory)
    machine.map(0, _MEMORY, ctypes.addressof(anchor))
    _place(memory)
    processor = machine.processor(0, 1)
    enter(processor, _CODE)
    registers = processor.registers()
    registers.rax = registers.rdx = registers.rcx = 0
    registers.rbx, registers.rdi = _PATTERN, _SCRATCH
    processor.set_registers(registers)
    first = _until_port(processor)
    if first:
        return "emulated", f"a 64-bit guest stopped at its first instructions: {first}"
    if memory[_SCRATCH : _SCRATCH + 4] != _PATTERN.to_bytes(4, "little"):
        return "emulated", "a 64-bit guest computed a wrong result"
    begun = time.monotonic()
    second = _until_port(processor)
    took = time.monotonic() - begun
    if second:
        return "emulated", f"a 64-bit guest stopped in a plain loop: {second}"
    if took > _SLOW_SECONDS:
        return "emulated", f"{_ROUNDS} rounds of a plain loop took {took * 1000:.0f} ms"
    return "real", f"a 64-bit guest ran {_ROUNDS} rounds in {took * 1000:.1f} ms"


def _place(memory: mmap.mmap) -> None:
    """The program, and what 64-bit mode asks for: segments, and one large page at itself."""
    for address, content in (
        (boot.GDT_ADDRESS, struct.pack("<4Q", *boot.GDT)),
        (boot.PML4_ADDRESS, struct.pack("<Q", boot.PDPT_ADDRESS | boot.PRESENT_WRITABLE)),
        (boot.PDPT_ADDRESS, struct.pack("<Q", boot.PAGE_DIRECTORY_ADDRESS | boot.PRESENT_WRITABLE)),
        (boot.PAGE_DIRECTORY_ADDRESS, struct.pack("<Q", boot.LARGE_PAGE)),
        (_CODE, _PROGRAM),
    ):
        memory[address : address + len(content)] = content


def _until_port(processor: VirtualProcessor) -> str:
    """Run to the next write to the port; what happened instead, or nothing."""
    result = processor.run()
    if result < 0:
        return os.strerror(-result)
    reason = processor.header.exit_reason
    if reason == kvm.Exit.IO and processor.io.port == _PORT:
        return ""
    if reason == kvm.Exit.INTERNAL_ERROR:
        return "KVM could not emulate an instruction"
    try:
        return f"KVM_EXIT_{kvm.Exit(reason).name}"
    except ValueError:
        return f"exit reason {reason}"
