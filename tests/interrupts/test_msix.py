"""Does the table an owner writes keep what was written, and say what changed? PCI 3.0, 6.8.2."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from septum.interrupts.msix import Change, MsixTable


def test_all_vectors_are_masked_after_reset() -> None:
    table = MsixTable(3)
    assert table.size == 48
    assert [table.entry(n) for n in range(3)] == [Change(n, True, 0, 0) for n in range(3)]
    assert [table.read(offset, 4) for offset in range(0, 48, 4)] == [0, 0, 0, 1] * 3


def test_as_linux_sets_a_vector_up() -> None:
    table = MsixTable(2)
    table.write(16, 4, 0xFEE01000)
    table.write(20, 4, 0)
    (change,) = table.write(24, 4, 0x4023)
    assert change == Change(1, True, 0xFEE01000, 0x4023)
    (change,) = table.write(28, 4, 0)
    assert change == Change(1, False, 0xFEE01000, 0x4023)
    (change,) = table.write(28, 4, 1)
    assert change.masked
    table.reset()
    assert table.entry(1) == Change(1, True, 0, 0)


def test_an_access_of_eight_bytes_sets_a_whole_address() -> None:
    table = MsixTable(1)
    (change,) = table.write(0, 8, 0x1_FEE00000)
    assert change.address == 0x1_FEE00000 and table.read(0, 8) == 0x1_FEE00000


def test_an_access_across_two_vectors_names_both() -> None:
    table = MsixTable(2)
    assert [change.vector for change in table.write(12, 8, 0)] == [0, 1]


def test_beyond_the_table_there_is_nothing() -> None:
    table = MsixTable(1)
    assert table.write(16, 4, 0xFFFFFFFF) == () and table.read(16, 4) == 0
    assert [change.vector for change in table.write(12, 8, 0xFFFFFFFF_00000000)] == [0]
    assert table.size == 16


@given(
    some.integers(1, 5),
    some.lists(
        some.tuples(
            some.integers(0, 90), some.sampled_from([1, 2, 4, 8]), some.integers(0, 2**64 - 1)
        )
    ),
)
def test_it_reads_as_plain_memory_would(vectors: int, writes: list[tuple[int, int, int]]) -> None:
    table = MsixTable(vectors)
    memory = bytearray(b"".join(bytes(12) + b"\1\0\0\0" for _ in range(vectors)))
    for offset, width, value in writes:
        text = (value % (1 << 8 * width)).to_bytes(width, "little")
        for place, byte in zip(range(offset, offset + width), text, strict=True):
            if place < len(memory):
                memory[place] = byte
        touched = {place // 16 for place in range(offset, offset + width) if place < len(memory)}
        assert {change.vector for change in table.write(offset, width, value)} == touched
        assert table.size == 16 * vectors
        assert table.read(0, table.size) == int.from_bytes(memory, "little")
