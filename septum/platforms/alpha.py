"""What is a software Alpha computer to the commands and the supervisor? Any user has one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from septum.errors import GuestProblem, MachineProblem
from septum.platforms.platform import ComputerPlatform, RunningComputer

if TYPE_CHECKING:
    from septum.host.runtime import RunDirectory
    from septum.machine.model import Machine
    from septum.partitions.draft import Draft
    from septum.partitions.findings import Finding
    from septum.partitions.model import Partition, PartitionTable


class Alpha(ComputerPlatform):
    """All instances in the supervisor's process, with their computer; Linux lends nothing."""

    def directory(self) -> RunDirectory:
        from septum.host.runtime import RunDirectory

        return RunDirectory.personal(os.environ)

    def machine(self, draft: Draft) -> Machine:
        from septum.engine.alpha.computer.description import load
        from septum.engine.alpha.computer.inventory import machine_of

        if not draft.computer:
            raise MachineProblem(
                f"{draft.path} does not say which computer it divides",
                because="the alpha platform's computers are software; a machine file describes one",
                remedy='add computer = "clipper" to its section [machine]',
            )
        return machine_of(load(draft.computer), draft.computer)

    def captured(self, draft: Draft, capture: str) -> Machine:
        raise MachineProblem(
            f"{draft.path} is not for a captured machine",
            because="the computer it divides is software, and the table names it",
            remedy="leave --machine out",
        )

    def image_findings(self, draft: Draft, table: PartitionTable) -> list[Finding]:
        from septum.engine.alpha.vmm.kernel import read_kernel
        from septum.partitions.findings import Finding

        found = []
        for partition in table.partitions:
            initrd = os.path.getsize(partition.initrd) if partition.initrd else 0
            try:
                read_kernel(partition.kernel).require_room(partition.memory.total, initrd)
            except GuestProblem as problem:
                where = draft.where("instances", partition.name, "kernel")
                found.append(Finding(where, problem.what, problem.because, problem.remedy))
        return found

    def warm_up(self) -> None:
        """Import what the computer needs; its processor is compiled when somebody listens."""
        require_packages()
        import septum.software.computer  # noqa: F401

    def switch_on(
        self,
        machine: Machine,
        partitions: tuple[Partition, ...],
        directory: RunDirectory,
        say: Callable[[str], None],
    ) -> RunningComputer:
        require_packages()
        from septum.software.computer import SoftwareComputer

        return SoftwareComputer(machine, partitions, directory, say)


def require_packages() -> None:
    """Problem when the packages are missing that make a processor of Python."""
    from importlib.util import find_spec

    missing = [name for name in ("numpy", "numba") if find_spec(name) is None]
    if missing:
        raise MachineProblem(
            "no Alpha computer can be started here",
            because=f"Python has no {' and no '.join(missing)}",
            remedy="pip install 'septum[alpha]'",
        )


PLATFORM = Alpha()
