"""What is this computer to the commands and the supervisor? Linux keeps what no table gives away.

A start is measured, so everything is imported by who needs it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from septum.errors import MachineProblem
from septum.platforms.platform import ProcessPlatform

if TYPE_CHECKING:
    from septum.host.journal import Journal
    from septum.host.processes import Process
    from septum.host.runtime import RunDirectory
    from septum.machine.model import Machine
    from septum.messages import Report
    from septum.partitions.draft import Draft
    from septum.partitions.model import Partition
    from septum.state import Ending


class Pc(ProcessPlatform):
    """Instances in processes of their own, on KVM; functions by VFIO."""

    def directory(self) -> RunDirectory:
        from septum.host.runtime import RunDirectory

        return RunDirectory.from_environment()

    def machine(self, draft: Draft) -> Machine:
        """This computer, and the login it must not lose, also under sudo."""
        from septum.machine.files import HostFiles
        from septum.machine.inventory import inventory
        from septum.machine.session import login_environment

        files = HostFiles()
        return whole(inventory(files, login_environment(files, os.environ)))

    def captured(self, draft: Draft, capture: str) -> Machine:
        from septum.machine.capture import opened
        from septum.machine.inventory import inventory

        return whole(inventory(opened(capture)))

    def warm_up(self) -> None:
        import septum.instance.boot  # noqa: F401

    def restore(self, journal: Journal, instance: str = "") -> list[str]:
        from septum.host import claim, memory

        try:
            said = claim.restore_abandoned(journal, instance=instance)
        finally:
            pages = memory.restore_abandoned(journal.directory, instance=instance)
        return [*said, f"{pages} huge pages: given back to Linux"] if pages else said

    def run(
        self,
        partition: Partition,
        machine: Machine,
        directory: RunDirectory,
        report: Report,
        *,
        terminal: bool = False,
        keeper: Process | None = None,
    ) -> Ending:
        from septum.instance import boot

        return boot.run(
            partition,
            machine,
            directory,
            report,
            terminal=terminal,
            confined=True,
            keeper=keeper,
        )


def whole(machine: Machine) -> Machine:
    """A machine as it was read; MachineProblem when its files cannot be a computer's."""
    if not machine.processors:
        raise MachineProblem(
            f"{machine.name} shows no processor", because="its files are not complete"
        )
    return machine


PLATFORM = Pc()
