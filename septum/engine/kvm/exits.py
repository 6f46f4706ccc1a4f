"""Why did a virtual processor stop, and who answers? One function a reason."""

from __future__ import annotations

from collections.abc import Callable

from septum.engine.kvm.machine import VirtualProcessor
from septum.layouts import kvm
from septum.layouts.kvm import Exit
from septum.state import CRASHED
from septum.translation.physical import PhysicalMap
from septum.translation.verdict import all_ones

RESUME = ""  # an outcome: go on; any other text is why the instance ends
TRIPLE_FAULT = CRASHED
FAILED = "failed"

_BYTES = [all_ones(width) for width in range(9)]


class Stop:
    """All that answering an exit of one processor may touch."""

    def __init__(
        self, processor: VirtualProcessor, ports: PhysicalMap, memory: PhysicalMap
    ) -> None:
        self.processor = processor
        self.ports = ports
        self.memory = memory
        self.run = processor.run_area
        self.reasons: dict[str, int] = {}  # exits by reason
        self.owners: dict[str, int] = {}  # of these, by who answered
        self.detail = ""

    def count(self, reason: str, owner: str) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.owners[owner] = self.owners.get(owner, 0) + 1


Handler = Callable[[Stop], str]
HANDLERS: dict[int, Handler] = {}


def answers(reason: Exit) -> Callable[[Handler], Handler]:
    """Register the one function that answers a reason; TypeError when there is one already."""

    def register(handler: Handler) -> Handler:
        if reason in HANDLERS:
            raise TypeError(f"{reason.name} is already answered by {HANDLERS[reason].__name__}")
        HANDLERS[int(reason)] = handler
        return handler

    return register


def answer(stop: Stop) -> str:
    """Carry out what the exit asks for; RESUME, or why the instance ends."""
    reason = stop.processor.header.exit_reason
    handler = HANDLERS.get(reason)
    if handler is None:
        stop.detail = f"KVM stopped for a reason nobody answers: {reason}"
        return FAILED
    return handler(stop)


@answers(Exit.IO)
def port_access(stop: Stop) -> str:
    """A port instruction; with a repeat prefix KVM hands over several values at once."""
    io = stop.processor.io
    width, port, run = io.size, io.port, stop.run
    here = stop.ports.find(port)
    stop.count("port write" if io.direction else "port read", here.owner if here else "no port")
    access = here.access if here else None
    start = io.data_offset
    for at in range(start, start + io.count * width, width):
        if io.direction:
            if access:
                access(port, width, int.from_bytes(run[at : at + width], "little"))
        else:
            value = access(port, width, None) if access else _BYTES[width]
            run[at : at + width] = (value & _BYTES[width]).to_bytes(width, "little")
    return RESUME


@answers(Exit.MMIO)
def memory_access(stop: Stop) -> str:
    """An access to a guest-physical address that no slot backs."""
    mmio = stop.processor.mmio
    address, width = mmio.phys_addr, mmio.len
    here = stop.memory.find(address)
    stop.count(
        "memory write" if mmio.is_write else "memory read", here.owner if here else "no memory"
    )
    access = here.access if here else None
    if mmio.is_write:
        if access:
            access(address, width, mmio.data & _BYTES[width])
    else:
        value = access(address, width, None) if access else _BYTES[width]
        mmio.data = value & _BYTES[width]
    return RESUME


@answers(Exit.SHUTDOWN)
def shut_down(stop: Stop) -> str:
    """A triple fault: on a board it would reset."""
    stop.detail = f"rip {stop.processor.registers().rip:#x}"
    return TRIPLE_FAULT


@answers(Exit.INTR)
def interrupted(stop: Stop) -> str:
    """A signal: the loop looks why."""
    return RESUME


@answers(Exit.IRQ_WINDOW_OPEN)
def window_open(stop: Stop) -> str:
    return RESUME


@answers(Exit.INTERNAL_ERROR)
def internal_error(stop: Stop) -> str:
    """KVM could not go on, mostly at an instruction its emulator lacks."""
    suberror = stop.processor.internal.suberror
    names = {int(error): error.name for error in kvm.InternalError}
    where = f"at rip {stop.processor.registers().rip:#x}"
    stop.detail = (
        f"KVM gave up ({names.get(suberror, suberror)}) {where}: the guest runs where it has no "
        "memory, or this KVM lacks the instruction there (septum doctor)"
    )
    return FAILED


@answers(Exit.FAIL_ENTRY)
def fail_entry(stop: Stop) -> str:
    stop.detail = "the processor refused the guest's state"
    return FAILED


@answers(Exit.SYSTEM_EVENT)
def system_event(stop: Stop) -> str:
    stop.detail = "KVM reported a system event"
    return TRIPLE_FAULT
