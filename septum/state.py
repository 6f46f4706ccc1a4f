"""In what state is an instance, and what may come next?

defined → starting → running → stopping → stopped → (starting again)
              │         │ ↓        │
              ├────── waiting ─────┤        waiting: between two lives, with all that it has
              └─────────┴──────────┴────→ failed  → (starting again)
"""

from __future__ import annotations

from typing import NamedTuple

from septum.errors import Problem

DEFINED = "defined"
STARTING = "starting"
RUNNING = "running"
WAITING = "waiting"
STOPPING = "stopping"
STOPPED = "stopped"
FAILED = "failed"

FOLLOWS: dict[str, tuple[str, ...]] = {
    DEFINED: (STARTING,),
    STARTING: (RUNNING, STOPPING, STOPPED, FAILED),
    RUNNING: (WAITING, STOPPING, STOPPED, FAILED),
    WAITING: (STARTING, STOPPING, STOPPED, FAILED),
    STOPPING: (WAITING, STOPPED, FAILED),
    STOPPED: (STARTING,),
    FAILED: (STARTING,),
}
ACTIVE = (STARTING, RUNNING, WAITING, STOPPING)  # it holds what the table gave it


class Ending(NamedTuple):
    """Why an instance does not run any more."""

    reason: str  # one of those below, or "failed"
    detail: str = ""


POWERED_OFF = "powered off"
RESET = "reset"
CRASHED = "shut down (triple fault)"
UNPLUGGED = "unplugged"  # as an administrator asked, without the OS's leave
TOO_OFTEN = "restarted too often"
ORDERLY = (POWERED_OFF, RESET, UNPLUGGED, "stopped")  # others leave an instance failed


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
