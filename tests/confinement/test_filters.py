"""Does an assembled program say of each call what its list says?"""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.confinement.calls import Test as Rule
from septum.confinement.filters import program
from septum.layouts import seccomp
from tests.confinement.judge import judged

NUMBERS = st.integers(0, 500)
WORDS = st.integers(0, 2**64 - 1)
RULES = st.one_of(
    st.none(),
    st.builds(
        Rule,
        st.integers(0, 5),
        st.lists(st.integers(0, 7), max_size=5).map(tuple),
        st.sampled_from((seccomp.ALL_BITS, 4)),
        st.sampled_from((errno.EPERM, errno.EACCES)),
    ),
)


@given(
    st.dictionaries(NUMBERS, RULES, max_size=30),
    st.dictionaries(NUMBERS, st.sampled_from((errno.ENOSYS, errno.EACCES))),
    st.sets(NUMBERS),
    NUMBERS,
    st.lists(st.one_of(st.integers(0, 7), WORDS), min_size=6, max_size=6),
)
def test_what_is_said_of_a_call(
    calls: dict[int, Rule | None],
    answered: dict[int, int],
    killed: set[int],
    number: int,
    arguments: list[int],
) -> None:
    text = program(calls, answered, killed)
    if number in calls:
        rule = calls[number]
        allowed = rule is None or (
            arguments[rule.argument] & seccomp.ALL_BITS & rule.mask in rule.values
        )
        expected = seccomp.ALLOW if allowed else seccomp.ERRNO | (rule.error if rule else 0)
    elif number in answered:
        expected = seccomp.ERRNO | answered[number]
    elif number in killed:
        expected = seccomp.KILL_PROCESS
    else:
        expected = seccomp.ERRNO | errno.EPERM
    assert judged(text, number, tuple(arguments)) == expected


@given(st.integers(0, 2**32 - 1), NUMBERS)
def test_another_table_of_calls_is_nobody_s(arch: int, number: int) -> None:
    text = program({number: None}, {}, ())
    same = arch == seccomp.ARCH_X86_64
    assert judged(text, number, arch=arch) == (seccomp.ALLOW if same else seccomp.KILL_PROCESS)
    assert judged(text, number | seccomp.X32_BIT) == seccomp.KILL_PROCESS


def test_a_program_that_linux_would_not_take() -> None:
    with pytest.raises(ValueError, match="instructions"):
        program(dict.fromkeys(range(3000)), {}, ())
