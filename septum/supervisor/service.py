"""What has a supervisor to do besides, that systemd started as a service?

It waits for its first instance, keeps the computer awake while instances own devices, and knows
how long it may take to end.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from septum.host.systemd import Wakefulness
from septum.supervisor.instances import Instance

FIRST_START_SECONDS = 60.0  # whoever wanted it asks soon, but computers can be slow


class Service:
    """The duties of one supervisor towards systemd."""

    def __init__(self, within: float) -> None:
        self.within = within  # seconds an instance gets to end when systemd ends the service
        self.awaited_until: float | None = time.monotonic() + FIRST_START_SECONDS
        self.wakefulness = Wakefulness()

    def awaits(self) -> float | None:
        """Seconds for which it still waits for its first instance; None: it does not."""
        if self.awaited_until is None:
            return None
        left = self.awaited_until - time.monotonic()
        return left if left > 0 else None

    def look_after(self, active: Iterable[Instance]) -> None:
        """No sleep while one of these instances owns a function: nothing would wake that up."""
        partitions = [instance.partition for instance in active]
        if partitions:
            self.awaited_until = None  # from now on it leaves when it is of no more use
        self.wakefulness.keep(any(partition.functions for partition in partitions))

    def close(self) -> None:
        """In an instance's process: leave these duties to the supervisor."""
        self.wakefulness.forget()
