"""One lab computer for all tests of this folder: booted at the first that asks for it.

A test whose lab was lost has learned nothing, and is done again in a fresh one; a test that failed
is not. septum/lab/lost.py says what is evidence for a lost lab. Both are counted apart, and what
was lost is listed at the end, with its evidence.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from septum.errors import LabLost
from septum.lab import lost
from septum.lab.run import Lab

HERE = Path(__file__).parent
RERUNS = 2
ONLY_LOST = r"^LabLost: "  # as pytest-rerunfailures writes an error
FAILURES = (Exception, pytest.fail.Exception)
LOST = pytest.StashKey[list[str]]()
WAS_LOST = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LOST] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever takes the lab is a lab test, and `-m "not lab"` leaves it out."""
    for item in items:
        if HERE in item.path.parents and "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.flaky(reruns=RERUNS, only_rerun=[ONLY_LOST]))


def told_apart(item: pytest.Item) -> Generator[None, Any, Any]:
    with lost.told_apart(lambda: getattr(item, "funcargs", {}).get("running_lab"), FAILURES):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from told_apart(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from told_apart(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[WAS_LOST] = False
    if call.excinfo is not None and call.excinfo.errisinstance(LabLost):
        report.lab_lost = item.stash[WAS_LOST] = True  # type: ignore[attr-defined]
        item.config.stash[LOST].append(f"{item.nodeid} ({call.when}): {call.excinfo.value}")
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    """A test that was lost until the end is no failed one; it is no passed one either."""
    if report.outcome == "failed" and getattr(report, "lab_lost", False):
        return "lab lost", "L", ("LAB LOST", {"red": True})
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.stash[LOST]:
        terminalreporter.section("the lab was lost")
        for one in config.stash[LOST]:
            terminalreporter.line(one)


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    lab = Lab()
    with lab:
        yield lab


@pytest.fixture
def lab(running_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab; a fresh one when it was lost, or this test was in the one before."""
    again = getattr(request.node, "execution_count", 1) > 1
    if again or not running_lab.answers():
        running_lab.restart()
    yield running_lab
    if request.node.stash[WAS_LOST]:
        return  # and that was said
    if because := lost.evidence(running_lab):
        remedy = f"see {running_lab.folder}"
        raise LabLost("the lab was lost in this test", because=because, remedy=remedy)
