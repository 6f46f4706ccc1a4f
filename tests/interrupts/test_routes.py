"""Does every message of an instance get a number of its own?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from septum.errors import Problem
from septum.interrupts.routes import FIRST_MESSAGE, LAST, Numbers


@given(some.lists(some.integers(1, 600), max_size=6))
def test_numbers_never_meet_each_other_or_a_pin(counts: list[int]) -> None:
    numbers = Numbers()
    taken: set[int] = set()
    for count in counts:
        if len(taken) + count > LAST - FIRST_MESSAGE + 1:
            with pytest.raises(Problem, match="interrupt messages"):
                numbers.take(count)
            continue
        fresh = set(numbers.take(count))
        assert len(fresh) == count and not fresh & taken
        assert min(fresh) >= 24 and max(fresh) <= LAST
        taken |= fresh


def test_all_of_them_can_be_had() -> None:
    numbers = Numbers()
    assert len(numbers.take(LAST - FIRST_MESSAGE + 1)) == 4096 - 38
    with pytest.raises(Problem) as told:
        numbers.take(1)
    assert told.value.because and told.value.remedy
