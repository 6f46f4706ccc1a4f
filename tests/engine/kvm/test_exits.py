"""Who answers when a processor stops, and with what? Without KVM: the stops are made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.engine.kvm.exits import FAILED, HANDLERS, RESUME, TRIPLE_FAULT, answer, answers
from septum.layouts.kvm import Exit
from septum.translation.physical import PhysicalMap, played, split
from septum.units import Span
from tests.engine.kvm.fakes import stopped


class Register:
    """Answers at a span; remembers what was asked."""

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self.seen: list[tuple[int, ...]] = []

    def read(self, offset: int, width: int) -> int:
        self.seen.append((offset, width))
        return self.value

    def write(self, offset: int, width: int, value: int) -> None:
        self.seen.append((offset, width, value))


def a_map(start: int, size: int, register: Register) -> PhysicalMap:
    access = split(start, register.read, register.write)
    return PhysicalMap(1, [played(Span(start, size), "register", access)])


def test_a_port_is_written_and_read() -> None:
    register = Register(0x1234ABCD)
    stop, processor = stopped(ports=a_map(0x3F8, 8, register))
    processor.at_port(0x3FB, 1, (0x83,))
    assert answer(stop) == RESUME
    processor.at_port(0x3F8, 2, 1)
    assert answer(stop) == RESUME and processor.got() == (0xABCD,)
    assert register.seen == [(3, 1, 0x83), (0, 2)]
    assert stop.reasons == {"port write": 1, "port read": 1} and stop.owners == {"register": 2}


def test_a_repeated_instruction_brings_several_values() -> None:
    register = Register(7)
    stop, processor = stopped(ports=a_map(0x3F8, 8, register))
    processor.at_port(0x3F8, 1, tuple(b"Hi!"))
    answer(stop)
    assert register.seen == [(0, 1, value) for value in b"Hi!"]
    processor.at_port(0x3F8, 4, 3)
    answer(stop)
    assert processor.got() == (7, 7, 7)


@given(some.integers(0, 0xFFFF), some.sampled_from([1, 2, 4]), some.integers(1, 20))
def test_where_nobody_is_there_are_all_ones(port: int, width: int, count: int) -> None:
    stop, processor = stopped()
    processor.at_port(port, width, count)
    assert answer(stop) == RESUME
    assert set(processor.got()) == {(1 << 8 * width) - 1}
    processor.at_port(port, width, (0,) * count)
    assert answer(stop) == RESUME
    assert stop.owners == {"no port": 2}


@given(some.integers(0, (1 << 52) - 1), some.integers(1, 8))
def test_memory_nobody_backs_is_all_ones(address: int, width: int) -> None:
    stop, processor = stopped()
    processor.at_memory(address, width)
    assert answer(stop) == RESUME and processor.mmio.data == (1 << 8 * width) - 1
    processor.at_memory(address, width, 0xFF)
    assert answer(stop) == RESUME
    assert stop.reasons == {"memory read": 1, "memory write": 1}


def test_a_register_in_memory() -> None:
    register = Register((1 << 64) - 2)
    stop, processor = stopped(memory=a_map(0xFEA00000, 4096, register))
    processor.at_memory(0xFEA00010, 4, 0xDEADBEEF_12345678)
    answer(stop)
    processor.at_memory(0xFEA00FFC, 4)
    answer(stop)
    assert register.seen == [(0x10, 4, 0x12345678), (0xFFC, 4)]
    assert processor.mmio.data == 0xFFFFFFFE, "no more than was asked for"


@pytest.mark.parametrize(
    ("reason", "outcome", "words"),
    [
        (Exit.SHUTDOWN, TRIPLE_FAULT, "rip 0x1000"),
        (Exit.INTR, RESUME, ""),
        (Exit.IRQ_WINDOW_OPEN, RESUME, ""),
        (Exit.FAIL_ENTRY, FAILED, "refused"),
        (Exit.SYSTEM_EVENT, TRIPLE_FAULT, "system event"),
        (Exit.HYPERCALL, FAILED, "nobody answers: 3"),
        (999, FAILED, "nobody answers: 999"),
    ],
)
def test_other_reasons(reason: int, outcome: str, words: str) -> None:
    stop, processor = stopped()
    processor.header.exit_reason = reason
    assert answer(stop) == outcome and words in stop.detail


@pytest.mark.parametrize(("suberror", "words"), [(1, "EMULATION"), (77, "77")])
def test_kvm_gives_up(suberror: int, words: str) -> None:
    stop, processor = stopped()
    processor.header.exit_reason = Exit.INTERNAL_ERROR
    processor.internal.suberror = suberror
    assert answer(stop) == FAILED and words in stop.detail and "doctor" in stop.detail


def test_two_answers_to_one_reason_are_a_bug() -> None:
    before = dict(HANDLERS)
    with pytest.raises(TypeError, match="IO is already answered by port_access"):
        answers(Exit.IO)(lambda stop: RESUME)
    assert before == HANDLERS
