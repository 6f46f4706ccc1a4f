"""Does an instance that ended by itself start again, and when? Told the time, it only decides.

A restart takes the host's time: a process, huge pages, resets of devices. So the time from one
start to the next is at least restart_delay, twice that, and so on, as long as restarts are recent
(restart_within); and when these are restart_limit, the instance stays down. Who lived long enough
does not wait.
"""

from __future__ import annotations

from septum.partitions.model import Partition
from septum.state import CRASHED, RESET, TOO_OFTEN, Ending
from septum.units import LONGEST_DURATION, duration_text

LONGEST_DELAY = 60.0  # seconds, unless restart_delay itself is longer
_MOST_DOUBLINGS = 32


def wants_restart(partition: Partition, ending: Ending) -> bool:
    """True where the table says that an instance which ended like this starts again."""
    said = {RESET: partition.on_reboot, CRASHED: partition.on_crash}
    return said.get(ending.reason) == "restart"


class Restarts:
    """One instance's restarts of its own accord."""

    def __init__(self) -> None:
        self.count = 0
        self._recent: list[float] = []  # when, on the clock of those who ask

    def next(self, partition: Partition, started: float, now: float) -> float | None:
        """When one that started then and ended now starts again; None: it has done so too often.

        Seconds of one clock that does not go back.
        """
        self._recent = [one for one in self._recent if now - one < partition.restart_within]
        if len(self._recent) >= partition.restart_limit:
            return None
        doubled = partition.restart_delay * 2.0 ** min(len(self._recent), _MOST_DOUBLINGS)
        delay = min(doubled, max(LONGEST_DELAY, partition.restart_delay))
        if not 0 <= delay <= LONGEST_DURATION:  # no table says that, but a message may
            delay = LONGEST_DELAY
        self._recent.append(now)
        self.count += 1
        return max(now, started + delay)


def held_down(partition: Partition, ending: Ending) -> Ending:
    """How one ended that may not start again, because it did so too often."""
    within = duration_text(partition.restart_within)
    detail = f"{ending.reason} again, after {partition.restart_limit} restarts within {within}"
    return Ending(TOO_OFTEN, f"{detail} (restart_limit); septum up starts it anew")
