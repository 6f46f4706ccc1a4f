"""Who may interrupt whom? The interrupt table of the patent [0039], live.

Rows: request, device, handled by, handler, count. What an instance's own devices request is
handled by the instance: the handler is the vector its kernel wrote into the message, or the line
(GSI) its kernel was told of. What is shared stays with the VMM.
"""

from __future__ import annotations

from typing import NamedTuple

from septum.layouts import message

VMM = "VMM"


class Interrupt(NamedTuple):
    """One row."""

    request: str  # "MSI-X 0", "MSI 0", "INTx A", "timer", "serial"
    device: str
    handled_by: str  # an instance's name, or VMM
    handler: str  # "vector 35 of processor 0", "GSI 17", "not connected", or the VMM's own word
    delivered: int | None  # delivered since the instance started; None when nobody counts

    def row(self) -> dict[str, object]:
        """As listings and reports show it."""
        return {
            "request": self.request,
            "device": self.device,
            "handled_by": self.handled_by,
            "handler": self.handler,
            "count": self.delivered,
        }


def message_handler(address: int, data: int) -> str:
    """What a message asks for: the vector, and the processor's APIC id. Intel SDM 3, 11.11."""
    vector = message.MessageData(data).vector
    return f"vector {vector} of processor {message.MessageAddress(address).destination}"


def counts(text: str) -> dict[str, int]:
    """Counts by action name out of /proc/interrupts: {"vfio-msix[0](0000:01:00.0)": 12}."""
    lines = text.splitlines()
    processors = len(lines[0].split()) if lines else 0
    found: dict[str, int] = {}
    for line in lines[1:]:
        words = line.split()
        numbers = words[1 : 1 + processors]
        if len(words) <= 1 + processors or not all(number.isdigit() for number in numbers):
            continue
        # Several actions may share a line: each saw every interrupt of it.
        total = sum(int(number) for number in numbers)
        for word in words[1 + processors :]:
            found[word.rstrip(",")] = total
    return found
