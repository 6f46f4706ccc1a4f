"""One lab computer for all tests of this folder: booted at the first that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from septum.errors import LabLost
from septum.lab.run import Lab

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever takes the lab is a lab test, and `-m "not lab"` leaves it out."""
    for item in items:
        if HERE in item.path.parents and "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def running_lab() -> Iterator[Lab]:
    lab = Lab()
    with lab:
        yield lab


@pytest.fixture
def lab(running_lab: Lab) -> Iterator[Lab]:
    """The lab; when it died during a test, that is an error of its own beside the test's."""
    if not running_lab.alive():
        pytest.fail(f"LabLost: an earlier test lost the lab; see {running_lab.folder}")
    yield running_lab
    if not running_lab.answers():
        raise LabLost("the lab was lost in this test", remedy=f"see {running_lab.folder}")
