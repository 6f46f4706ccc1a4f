"""Which programs do the tests run on KVM? A few instructions each, in 64-bit mode, and their board.

Each ends by switching its computer off: ACPI's S5, as a kernel does.
"""

from __future__ import annotations

import ctypes
import mmap
import tempfile
from pathlib import Path
from typing import Any

from septum.discovery.pci_bus import ConfigurationMechanism
from septum.discovery.view import View
from septum.engine.kvm import start
from septum.engine.kvm.exits import RESUME, Stop, answer
from septum.engine.kvm.kernel import prepared
from septum.engine.kvm.machine import VirtualMachine
from septum.instance.board import legacy_ports
from septum.instance.boot import respond
from septum.layouts import acpi
from septum.machine.model import RootBus
from septum.shared.power import PowerManagement
from septum.shared.serial import SerialPort
from septum.translation.physical import PhysicalMap
from septum.units import MiB, PciAddress, Span
from tests.engine.kvm.kernels import ENTRY, vmlinux
from tests.instance.fakes import FUNCTION, Owner

SIZE = 32 * MiB
RESULT = 0x30000  # where programs leave what they found


def code(*parts: str) -> bytes:
    return b"".join(bytes.fromhex(part) for part in parts)


def dword(value: int) -> str:
    return value.to_bytes(4, "little").hex()


POWER_OFF = code(
    "66ba" + acpi.PM1A_CONTROL.to_bytes(2, "little").hex(),  # mov dx, PM1a control
    "66b80034",  # mov ax, S5 and sleep enable
    "66ef",  # out dx, ax
    "f4",  # hlt
)
HI = code(
    "66baf803",  # mov dx, 0x3f8
    "b048ee",  # mov al, 'H'; out dx, al
    "b069ee",  # mov al, 'i'; out dx, al
)
LISTEN = code(
    "66ba0206",  # mov dx, PM1 enable
    "66b80001",  # mov ax, power button
    "66ef",  # out dx, ax
    # again:
    "66ba0006",  # mov dx, PM1 status
    "66ed",  # in ax, dx
    "f6c401",  # test ah, power button
    "74f5",  # jz again
)
def chatter(count: int) -> bytes:
    """Write so many bytes to the serial port, as fast as it goes."""
    return code(
        "66baf803",  # mov dx, 0x3f8
        "b9" + dword(count),  # mov ecx, count
        "88c8",  # again: mov al, cl
        "ee",  # out dx, al
        "ffc9",  # dec ecx
        "75f9",  # jnz again
    )


TRIPLE_FAULT = code("0f0b")  # ud2, and no interrupt table
SCAN = code(
    "bf" + dword(RESULT),  # mov edi, RESULT
    "31c9",  # xor ecx, ecx
    # again:
    "b800000080",  # mov eax, enable
    "09c8",  # or eax, ecx
    "66baf80c",  # mov dx, 0xcf8
    "ef",  # out dx, eax
    "66bafc0c",  # mov dx, 0xcfc
    "ed",  # in eax, dx
    "8907",  # mov [rdi], eax
    "83c704",  # add edi, 4
    "81c1" + dword(0x100),  # add ecx, the next function
    "81f9" + dword(0x10000),  # cmp ecx, the next bus
    "72db",  # jb again
)


def load_from(address: int) -> bytes:
    return code(
        "bb" + dword(address),  # mov ebx, address
        "8b03",  # mov eax, [rbx]
        "bf" + dword(RESULT),  # mov edi, RESULT
        "8907",  # mov [rdi], eax
    )


def every_port(instruction: str, first: int = 0, last: int = 0xFFFF) -> bytes:
    """A two-byte instruction, such as NOP and OUT, with DX at each port and EAX zero."""
    return code(
        "ba" + dword(first),  # mov edx, first
        # again:
        "31c0",  # xor eax, eax
        instruction,
        "ffc2",  # inc edx
        "81fa" + dword(last + 1),  # cmp edx, last + 1
        "75f2",  # jne again
    )


class Guest:
    """One processor, its board, a function of its own on bus 0, and a program."""

    def __init__(self, program: bytes, owner: Owner | None = None) -> None:
        self.owner = owner or Owner(function=FUNCTION._replace(address=PciAddress(0, 0, 3, 0)))
        self.ended: list[str] = []
        self.said = bytearray()
        self._memory = mmap.mmap(-1, SIZE)
        self._anchor = ctypes.c_char.from_buffer(self._memory)
        self.machine = VirtualMachine()
        self.machine.map(0, SIZE, ctypes.addressof(self._anchor))
        space: Any = self.owner.space
        self.ports: PhysicalMap = space.ports
        function = self.owner.function.function
        seen = View(
            "blue", (function,), (), (), (PciAddress(0, 0, 0, 0),),
            (RootBus(0, 0, 255, (), ()),), (),
        )  # fmt: skip
        self.buses = respond(seen, {function.address: self.owner.function})
        port = SerialPort(self.said.append, lambda level: None)
        self.power = PowerManagement(self.ended.append, lambda level: None)
        legacy_ports(self.ports, port, self.power, ConfigurationMechanism(self.buses))
        self.processor = self.machine.processor(0, 1)
        self.stop = Stop(self.processor, self.ports, space.memory)
        self._load(program + POWER_OFF)

    def _load(self, program: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "vmlinux")
            path.write_bytes(vmlinux(program))
            kernel = prepared(str(path), folder)
            line = start.E820(Span(0, SIZE), 1)
            view = memoryview(self._memory)
            start.load(view, SIZE, kernel, start.Start(None, "", [line], 0))
            view.release()
        start.enter(self.processor, ENTRY)

    def run(self) -> str:
        """Until it ends: why."""
        outcome = RESUME
        while outcome == RESUME and not self.ended:
            result = self.processor.run()
            assert result == 0, f"KVM_RUN: {result}"
            outcome = answer(self.stop)
        return outcome or self.ended[0]

    def result(self, number: int = 0) -> int:
        at = RESULT + 4 * number
        return int.from_bytes(self._memory[at : at + 4], "little")

    def close(self) -> None:
        self.machine.__exit__()
        self.owner.interrupts.close()
        del self._anchor
        self._memory.close()
