"""What does an instance give up before it runs, and who of its threads keeps what?

All that is taken from Linux has been taken by then, and all that is used is open: KVM, VFIO, the
sockets and logs. What has to be given back later is its parent's, who finds it in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from septum.confinement import calls
from septum.confinement.limits import limits
from septum.engine.kvm import machine
from septum.host import vfio
from septum.host.confinement import Confinement
from septum.host.processes import open_files
from septum.instance.body import Body
from septum.instance.owned import OwnedFunction
from septum.layouts.privileges import SET_NON_BLOCKING
from septum.units import PciAddress

Narrow = Callable[[str], None]  # what a thread calls first, with its kind

REQUESTS = {
    calls.PROCESSOR: tuple(
        one.request for one in (*machine.BY_PROCESSORS, *vfio.BY_PROCESSORS)
    ),
    calls.LINK: (
        *(one.request for one in (*machine.BY_LINK, *vfio.BY_LINK)),
        SET_NON_BLOCKING,  # who comes to the sockets must not hold up the others
    ),
    calls.MAIN: tuple(one.request for one in (*machine.BY_MAIN, *vfio.BY_MAIN)),
}


def confine(
    body: Body,
    owned: Mapping[PciAddress, OwnedFunction],
    somewhere: str,
    stage: Callable[[str], None],
) -> Narrow:
    """Give up what is needed no more; with what is returned each thread gives up the rest.

    `somewhere` is a directory that exists. HostProblem when Linux does not let it.
    """
    vectors = sum(kind.vectors for one in owned.values() for kind in one.device.interrupts)
    processors = body.plan.partition.processors.found
    to = limits(body.memory.size, processors, vectors, len(open_files()))
    confinement = Confinement(to, REQUESTS)
    lacking = confinement.enter(somewhere)
    stage(f"confined, but without {'; '.join(lacking)}" if lacking else "confined")
    return confinement.narrow


def not_confined(thread: str) -> None:
    """A process that others use too, as that of a test, gives up nothing."""
