"""What is one processor of the machine to the VMM? Its turn-takers and its clock."""

from __future__ import annotations

from septum.engine.alpha.processor import state as s
from septum.engine.alpha.processor.processor import Processor
from septum.engine.alpha.vmm.instance import Instance
from septum.shared.schedule import RunQueue


class Seat:
    """One processor, and the instances that take turns on it."""

    def __init__(self, number: int, processor: Processor, slice_cycles: int) -> None:
        self.number = number
        self.processor = processor
        self.queue = RunQueue(slice_cycles)
        self.instances: list[Instance] = []
        self.counters = processor.counters.data
        self.delayed: dict[str, int] = {}  # who starts anew, and the cycle it begins at
        self.preempt = False  # another is to run at once
        self.switches = 0
        self.idle = 0  # cycles

    @property
    def now(self) -> int:
        """Cycles since power-on, as this processor counts them."""
        counters = self.counters
        return int(counters[s.INSTRUCTIONS] + counters[s.SKIPPED])

    @property
    def running(self) -> list[Instance]:
        """Its instances that have started and not ended."""
        return [one for one in self.instances if one.starts and one.ended is None]
