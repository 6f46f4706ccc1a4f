"""One lab computer for all tests of this folder: booted at the first that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.errors import LabLost
from septum.lab.run import Lab

HERE = Path(__file__).parent


# QEMU's emulation of SVM loses a nested guest at times, or the lab computer with it: with several
# processors an instance the host's kernel may panic over a corrupted stack in the thread of one,
# or wait for an interrupt that QEMU took and did not deliver. septum/lab/qemu.py puts the commonest
# cause right; a test that still fails is done again in a fresh lab. Only one that fails in three
# labs has failed.
RERUNS = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever takes the lab is a lab test, and `-m "not lab"` leaves it out."""
    for item in items:
        if HERE in item.path.parents and "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.flaky(reruns=RERUNS))


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    lab = Lab()
    with lab:
        yield lab


@pytest.fixture
def lab(running_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab; a fresh one when it was lost, or when this test failed in the one before."""
    again = getattr(request.node, "execution_count", 1) > 1
    if again or not running_lab.answers():
        running_lab.restart()
    yield running_lab
    if not running_lab.answers():
        raise LabLost("the lab was lost in this test", remedy=f"see {running_lab.folder}")
