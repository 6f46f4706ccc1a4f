"""The kernels of the Alpha computer, built at the first test that asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from septum.engine.alpha.processor.processor import prepare
from septum.lab.alpha import files
from septum.lab.progress import Progress

HERE = Path(__file__).parent
BUILD_SECONDS = 3600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever takes the kernels boots them: `-m "not alpha"` leaves it out."""
    for item in items:
        if HERE in item.path.parents and "built" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.alpha)
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS))


@pytest.fixture(scope="session")
def built() -> files.AlphaFiles:
    """Kernels and init, and a processor that is compiled."""
    progress = Progress()
    made = files.build(progress)
    prepare(progress.say)
    return made
