"""Which number does each interrupt of an instance have? Lines 0 to 23, then messages."""

from __future__ import annotations

from typing import NamedTuple

from septum.errors import Problem

FIRST_MESSAGE = 24  # after the pins of one IOAPIC
# KVM_MAX_IRQ_ROUTES of include/linux/kvm_host.h: 4096 entries; the pins take 38 of them.
LAST = FIRST_MESSAGE + 4096 - 38 - 1


class RoutedMessage(NamedTuple):
    """A message-signalled interrupt: what a device writes where. PCI 3.0, 6.8."""

    gsi: int
    address: int
    data: int


class Numbers:
    """Gives each message-signalled vector of an instance a GSI of its own."""

    def __init__(self) -> None:
        self._next = FIRST_MESSAGE

    def take(self, count: int) -> range:
        """The next `count` numbers; Problem when there are not so many."""
        if self._next + count - 1 > LAST:
            raise Problem(
                f"cannot have {count} interrupt messages more",
                because=f"an instance has {LAST - FIRST_MESSAGE + 1}",
                remedy="give it fewer functions, or let their drivers use fewer queues",
            )
        taken = range(self._next, self._next + count)
        self._next += count
        return taken
