"""In what state is an instance, and what may come next?

defined → starting → running → stopping → stopped → (starting again)
              └─────────┴──────────┴────→ failed  → (starting again)
"""

from __future__ import annotations

from typing import NamedTuple

from septum.errors import Problem

DEFINED = "defined"
STARTING = "starting"
RUNNING = "running"
STOPPING = "stopping"
STOPPED = "stopped"
FAILED = "failed"

FOLLOWS: dict[str, tuple[str, ...]] = {
    DEFINED: (STARTING,),
    STARTING: (RUNNING, STOPPING, STOPPED, FAILED),
    RUNNING: (STOPPING, STOPPED, FAILED),
    STOPPING: (STOPPED, FAILED),
    STOPPED: (STARTING,),
    FAILED: (STARTING,),
}
ACTIVE = (STARTING, RUNNING, STOPPING)  # there is a process, and it holds what the table gave it


class Ending(NamedTuple):
    """Why an instance does not run any more."""

    reason: str  # "powered off", "reset", "stopped", "failed", "shut down (triple fault)"
    detail: str = ""


ORDERLY = ("powered off", "reset", "stopped")  # every other reason leaves an instance failed


def after(ending: Ending) -> str:
    """The state an ending leaves an instance in."""
    return STOPPED if ending.reason in ORDERLY else FAILED


def moved(name: str, now: str, to: str) -> str:
    """The new state; a Problem when an instance cannot go there from here."""
    if to not in FOLLOWS[now]:
        raise Problem(
            f"{name} cannot become {to}",
            because=f"it is {now}",
            remedy=f"from here it can become {' or '.join(FOLLOWS[now])}",
        )
    return to
