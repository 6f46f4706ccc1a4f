"""Was the lab lost, or did what was tried in it fail? By evidence, never by the failure itself.

QEMU's emulation of SVM loses a nested guest at times, or the lab computer with it: the lab host's
kernel panics over a corrupted stack, or finds that a processor's timer has stopped; the lab falls
silent; or a guest that did nothing wrong never gets to its first process, or falls into a triple
fault at its work. septum/lab/qemu.py puts two causes right. What is done again in a fresh lab is
what was lost by one of these, and nothing else: a check that failed has failed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from septum.engine.kvm.exits import TRIPLE_FAULT
from septum.errors import LabLost, Problem
from septum.lab import report, typed
from septum.lab.run import PANIC, TIMER_STOPPED, Lab
from septum.lab.terminal import Terminal


def evidence(lab: Lab) -> str:
    """How one sees that the lab computer was lost; "" when it was not."""
    if not lab.alive():
        return "QEMU has ended"
    if lab.console_log.exists():
        for line in lab.console_log.read_bytes().splitlines():
            if PANIC in line or TIMER_STOPPED in line:
                return f"the lab host says: {line.decode(errors='replace').strip()}"
    return "" if lab.answers() else "the lab does not answer"


@contextmanager
def told_apart(
    the_lab: Callable[[], Lab | None], failures: tuple[type[BaseException], ...] = (Problem,)
) -> Iterator[None]:
    """Raise LabLost in the place of one of these failures, when there is evidence for it.

    the_lab: asked after a failure; None when no lab had been started by then.
    """
    try:
        yield
    except LabLost:
        raise
    except failures as failure:
        lab = the_lab()
        if lab is not None and (because := evidence(lab)):
            remedy = f"see {lab.folder}"
            raise LabLost("the lab was lost", because=because, remedy=remedy) from failure
        raise


def was_lost_on_its_way(
    row: Mapping[str, object], owners: Mapping[str, int], complaints: Sequence[str]
) -> bool:
    """Whether QEMU lost a guest that never got to its first process.

    row: its line of septum ps; owners: its exits by who answered; complaints: of the host's
    kernel. It must have been refused nothing: then what stopped it may be Septum's doing.
    """
    is_silent = row["state"] == "running" or TRIPLE_FAULT in (row["reason"], row["ending"])
    return is_silent and not owners.get("no memory") and not complaints


class Arrivals:
    """Whether systems that start after this was made arrive, or are lost on their way."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._before = complaints(lab)

    def wait_for(self, terminal: Terminal, words: str, seconds: float) -> None:
        """Wait until a console says these words. Problem when it does not; LabLost when QEMU
        lost the system."""
        try:
            terminal.wait_for(words, seconds)
        except Problem as problem:
            if self.was_lost(terminal.name):
                name = terminal.name
                raise LabLost(f"{name} was lost on its way", because=str(problem)) from problem
            raise

    @contextmanager
    def at_work(self, names: Iterable[str]) -> Iterator[None]:
        """Raise LabLost in the place of a Problem when one of these fell into a triple fault.

        A stock system does that by itself no more at its work than on its way to it.
        """
        try:
            yield
        except LabLost:
            raise
        except Problem as problem:
            for name in names:
                row = self._row(name)
                fell = row is not None and TRIPLE_FAULT in (row["reason"], row["ending"])
                if fell and self.was_lost(name):
                    because = f"{TRIPLE_FAULT}; {problem}"
                    raise LabLost(f"{name} was lost at its work", because=because) from problem
            raise

    def _row(self, name: str) -> dict[str, object] | None:
        asked = self.lab.run("septum ps --json", check=True).stdout
        return next((row for row in json.loads(asked) if row["name"] == name), None)

    def was_lost(self, name: str) -> bool:
        """Whether an instance that never got to its first process was lost by QEMU."""
        row = self._row(name)
        shown = self.lab.run(f"septum show exits {name} --json")  # refused when it does not run
        owners = report.by_reason(json.loads(shown.stdout) if shown.code == 0 else [], name,
                                  "answered by")  # fmt: skip
        new = [one for one in complaints(self.lab) if one and one not in self._before]
        return row is not None and was_lost_on_its_way(row, owners, new)


def complaints(lab: Lab) -> list[str]:
    """What the host's kernel has complained of: devices that were refused, and its own faults."""
    return lab.run(typed.COMPLAINTS).stdout.splitlines()
