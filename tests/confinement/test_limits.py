"""Is a process given what it needs, and not much more?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from septum.confinement.limits import (
    FIRST_USER,
    MOST_PROCESSES,
    group_memory,
    group_tasks,
    limits,
    user,
)
from septum.units import GiB, MiB

COUNT = st.integers(0, 5000)


@given(st.integers(1, MOST_PROCESSES), st.integers(1, MOST_PROCESSES))
def test_a_user_for_each_process(one: int, other: int) -> None:
    assert (user(one) == user(other)) == (one == other)
    assert 0 < FIRST_USER < user(one) < 2**31, "what some file systems and tools take for a sign"


def test_no_user_that_somebody_else_gives_out() -> None:
    assert FIRST_USER > 2_000_200_000, "sssd's default ends there"
    assert FIRST_USER > 1_879_048_191, "systemd's containers end there"


@given(st.integers(16 * MiB, 1 << 44), st.integers(1, 512), COUNT, COUNT)
def test_what_it_needs(memory: int, processors: int, vectors: int, files: int) -> None:
    to = limits(memory, processors, vectors, files)
    assert to.files >= files + vectors + 64
    assert to.tasks >= processors + 3, "its processors, main, link, and KVM's page recovery"
    assert to.locked >= memory
    assert group_tasks(processors) > to.tasks
    assert memory + 128 * MiB < group_memory(memory) < 2 * memory + GiB
