"""Does an instance end when its function is wanted back, or reports what it cannot correct?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from septum.host.vfio import InterruptIndex
from septum.instance.body import Outcome
from septum.instance.notices import watch
from septum.layouts import vfio
from tests.instance.fakes import FUNCTION, FakeDevice


class Watched:
    """A device, its body as far as it is asked, and what happened to it."""

    def __init__(self) -> None:
        self.device = FakeDevice()
        self.outcome = Outcome()
        self.said: list[str] = []
        self.calls: dict[int, Callable[[], None]] = {}

    def watch(self) -> None:
        link = SimpleNamespace(watch=self.calls.__setitem__)
        space = SimpleNamespace(say=self.said.append)
        body = SimpleNamespace(link=link, space=space, outcome=self.outcome)
        watch(cast(Any, self.device), FUNCTION.address, cast(Any, body))

    def signal(self, index: int) -> None:
        (event,) = self.device.connected[index]
        os.eventfd_write(event, 1)
        self.calls[event]()

    @property
    def end(self) -> str:
        assert self.outcome._ended.is_set()
        reason, detail = self.outcome.ending[:2]
        assert reason == "failed"
        return detail


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    for event in watched.calls:
        os.close(event)


def test_an_error_that_is_not_corrected_ends_it(watched: Watched) -> None:
    watched.watch()
    watched.signal(vfio.PCI_ERR_IRQ)
    assert watched.end.startswith("0000:01:00.0 reported an error that cannot be corrected (AER")
    assert "was ended" in watched.end


def test_linux_wants_it_back(watched: Watched) -> None:
    watched.watch()
    watched.signal(vfio.PCI_REQ_IRQ)
    assert watched.end == "Linux wants 0000:01:00.0 back: it was unbound or removed"


def test_a_conventional_function_reports_no_errors(watched: Watched) -> None:
    kept = watched.device.interrupts[: vfio.PCI_ERR_IRQ]
    watched.device.interrupts = (*kept, InterruptIndex(0, False), InterruptIndex(1, False))
    watched.watch()
    assert set(watched.device.connected) == {vfio.PCI_REQ_IRQ} and not watched.said


def test_what_linux_refuses_is_said_and_gone_without(watched: Watched) -> None:
    watched.device.refuses.add("connect")
    files = len(os.listdir("/proc/self/fd"))
    watched.watch()
    assert len(watched.said) == 2 and not watched.calls
    assert "it would not be noticed that Linux wants 0000:01:00.0 back" in watched.said[0]
    assert len(os.listdir("/proc/self/fd")) == files
