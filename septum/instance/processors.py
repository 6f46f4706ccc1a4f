"""How do an instance's processors run? One thread each, until one of them ends the instance."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable

from septum.engine.kvm.exits import FAILED, RESUME, Stop, answer
from septum.engine.kvm.machine import VirtualMachine
from septum.engine.kvm.statistics import Statistics
from septum.host.processes import set_name
from septum.instance.address_space import AddressSpace

KICK = signal.SIGUSR1  # makes KVM_RUN return; nothing else


class Processors:
    """The virtual processors of one instance.

    `lock` is held while an exit is answered, by whoever answers or asks; never during KVM_RUN.
    It is the only lock of an instance.
    """

    def __init__(
        self,
        name: str,
        machine: VirtualMachine,
        space: AddressSpace,
        numbers: tuple[int, ...],
        count: int,
        lock: threading.Lock,
    ) -> None:
        self.name = name
        self.lock = lock
        self.numbers = numbers  # the machine's processors they run on
        self._stops = [
            Stop(machine.processor(number, count), space.ports, space.memory)
            for number in range(count)
        ]
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._narrow: Callable[[], None] = lambda: None
        self.on_end: Callable[[str, str], None] = lambda reason, detail: None

    @property
    def first(self) -> Stop:
        return self._stops[0]

    @property
    def statistics(self) -> tuple[Statistics, ...]:
        """What KVM counts of each."""
        return tuple(stop.processor.statistics for stop in self._stops)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Exits of all processors: by reason, and by who answered."""
        return {
            "reasons": _sum(stop.reasons for stop in self._stops),
            "owners": _sum(stop.owners for stop in self._stops),
        }

    def start(self, narrow: Callable[[], None]) -> None:
        """Let all run; each thread calls `narrow` first, and gives up what it does not need.

        From the main thread: it owns the signal that stops them.
        """
        self._narrow = narrow
        signal.signal(KICK, lambda number, frame: None)
        signal.siginterrupt(KICK, True)
        # Back from the guest, a processor waits for the interpreter; 5 ms, Python's default, is
        # longer than a guest's patience with a slow device.
        sys.setswitchinterval(_SWITCH)
        for stop in self._stops:
            thread = threading.Thread(
                target=self._loop, args=(stop,), name=f"{self.name} cpu{stop.processor.number}"
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Make all leave the guest, and wait for them."""
        self._stopping = True
        for stop in self._stops:
            stop.processor.header.immediate_exit = 1
        for thread in self._threads:
            while thread.is_alive():
                if thread.ident is not None:
                    signal.pthread_kill(thread.ident, KICK)
                thread.join(_KICK_AGAIN)

    def _loop(self, stop: Stop) -> None:
        set_name(f"{self.name} cpu{stop.processor.number}")
        try:
            os.sched_setaffinity(0, self.numbers)
        except OSError as error:
            # It may have no other processors, and without this one the instance would stand still.
            numbers = ", ".join(str(number) for number in self.numbers)
            because = error.strerror or str(error)
            self.on_end(FAILED, f"it cannot run on processors {numbers}: {because}")
            return
        run, lock = stop.processor.run, self.lock
        self._narrow()
        while not self._stopping:
            result = run()
            if result < 0:
                if -result in (errno.EINTR, errno.EAGAIN):
                    continue
                self.on_end(FAILED, f"KVM_RUN: {os.strerror(-result)}")
                return
            try:
                with lock:
                    outcome = answer(stop)
            except BaseException as error:
                # A bug of ours must end the instance, not leave it without this processor.
                self.on_end(FAILED, f"a processor's exit was not answered: {error!r}")
                raise
            if outcome != RESUME:
                self.on_end(outcome, stop.detail)
                return


_SWITCH = 0.0005  # seconds
_KICK_AGAIN = 0.05  # seconds; a kick may arrive just before KVM_RUN, immediate_exit covers that


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in counts:
        for name, number in list(part.items()):
            total[name] = total.get(name, 0) + number
    return total
