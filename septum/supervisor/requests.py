"""What was asked of the supervisor and is not done yet?"""

from __future__ import annotations

from collections.abc import Mapping

from septum.host.channel import Channel
from septum.state import RUNNING
from septum.supervisor.instances import Instance

STARTED = "started"  # done when each instance runs, or does not even start
GONE = "gone"  # done when each has given everything back; then it is forgotten


class Request:
    """One asker, the instances it asked about, and what it waits for."""

    def __init__(self, channel: Channel, names: tuple[str, ...], wanted: str) -> None:
        self.channel = channel
        self.names = names
        self.wanted = wanted

    def is_met(self, instances: Mapping[str, Instance]) -> bool:
        """True when nothing is left to wait for."""
        about = [instances[name] for name in self.names if name in instances]
        if self.wanted == STARTED:
            return all(one.state == RUNNING or not one.is_active for one in about)
        return not any(one.is_active for one in about)
