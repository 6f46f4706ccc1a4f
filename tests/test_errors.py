"""Does every error say what, because, and what to try?"""

from __future__ import annotations

import errno
import os

import pytest

from septum import errors
from septum.errors import HostProblem, Problem, explained


def test_a_problem_prints_three_lines() -> None:
    problem = Problem("cannot start blue", because="it runs", remedy="septum down")
    assert str(problem).splitlines() == [
        "cannot start blue",
        "  because: it runs",
        "  try:     septum down",
    ]
    assert str(Problem("that is all")) == "that is all"


def test_every_kind_is_a_problem_and_drawn_in_the_tree() -> None:
    kinds = Problem.__subclasses__()
    mine = [kind for kind in kinds if kind.__module__ == errors.__name__]
    assert len(mine) >= 6
    assert errors.__doc__ is not None
    for kind in mine:
        assert f"── {kind.__name__}" in errors.__doc__


def test_what_linux_refuses_is_explained() -> None:
    with (
        pytest.raises(HostProblem) as caught,
        explained("cannot open it", {errno.ENOENT: "make it first"}),
    ):
        os.open("/nonexistent/file", os.O_RDONLY)
    assert caught.value.what == "cannot open it"
    assert caught.value.because == os.strerror(errno.ENOENT)
    assert caught.value.remedy == "make it first"
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_an_error_without_a_number_keeps_its_words() -> None:
    with pytest.raises(HostProblem) as caught, explained("cannot map it"):
        raise OSError("short read")
    assert (caught.value.because, caught.value.remedy) == ("short read", "")


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), explained("cannot divide"):
        _ = 1 // 0
