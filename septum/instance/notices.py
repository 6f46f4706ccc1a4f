"""What does Linux tell us of a function that its owner's driver does not hear? Two events of VFIO.

Its request: Linux wants the function back, because its driver was unbound or it was pulled out.
Its error: the function, or the link to it, reported what it cannot correct (PCI Express AER).
Both end the instance. After an error the device may have done any part of what it was asked; its
owner's driver cannot know, because error reporting is Linux's. QEMU stops its guest there, too.
"""

from __future__ import annotations

import os
from functools import partial

from septum.errors import HostProblem
from septum.host.vfio import Device
from septum.instance.body import Body
from septum.layouts import vfio
from septum.units import PciAddress

_EVENTS = {
    vfio.PCI_REQ_IRQ: "Linux wants {at} back: it was unbound or removed",
    vfio.PCI_ERR_IRQ: (
        "{at} reported an error that cannot be corrected (AER, see dmesg): its instance was ended, "
        "before it works with wrong data"
    ),
}


def watch(device: Device, at: PciAddress, body: Body) -> None:
    """End the instance at either event. A function that is not PCI Express reports no errors."""
    for index, why in _EVENTS.items():
        if not device.interrupts[index].vectors:
            continue
        event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            device.connect(index, [event])
        except HostProblem as problem:
            os.close(event)
            body.space.say(f"it would not be noticed that {why.format(at=at)}: {problem}")
            continue
        body.link.watch(event, partial(_happened, event, why.format(at=at), body))


def _happened(event: int, why: str, body: Body) -> None:
    os.eventfd_read(event)
    body.outcome.end("failed", why)
