"""Are processors, memory and pools read as Linux writes them?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from septum.errors import MachineProblem
from septum.machine.capture import CapturedFiles
from septum.machine.processors import number_list, processors

CPU = "/sys/devices/system/cpu"


def test_number_list() -> None:
    assert number_list("0-3,8,10-11", "x") == (0, 1, 2, 3, 8, 10, 11)
    assert number_list("", "x") == ()


@pytest.mark.parametrize("text", ["x", "3-1", "1-", "-1", "0-99999999", "1,,2"])
def test_what_is_no_list_is_a_problem(text: str) -> None:
    with pytest.raises(MachineProblem, match="not a list of numbers"):
        number_list(text, "x")


@given(st.sets(st.integers(0, 300)))
def test_lists_come_back(numbers: set[int]) -> None:
    assert number_list(",".join(map(str, numbers)), "x") == tuple(sorted(numbers))


@given(st.text(max_size=20))
def test_any_text_is_a_list_or_a_problem(text: str) -> None:
    try:
        assert all(number >= 0 for number in number_list(text, "x"))
    except MachineProblem as problem:
        assert problem.because


def test_an_offline_processor_is_listed_as_such() -> None:
    found = processors(
        CapturedFiles(
            {
                f"{CPU}/present": b"0-1\n",
                f"{CPU}/online": b"0\n",
                f"{CPU}/cpu0/topology/core_id": b"7\n",
                f"{CPU}/cpu0/topology/physical_package_id": b"0\n",
                "/sys/devices/system/node/node1/cpulist": b"0-1\n",
                "/proc/cpuinfo": b"processor\t: 0\napicid\t\t: 14\n",
            }
        )
    )
    assert found[0] == (0, 0, 7, 1, True, 14)
    assert found[1] == (1, -1, -1, 1, False, -1)


def test_no_processor_files_is_a_problem() -> None:
    with pytest.raises(MachineProblem, match="present"):
        processors(CapturedFiles({}))
