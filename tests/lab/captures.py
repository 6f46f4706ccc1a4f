"""Is what tests/captured holds of a lab computer still what that is?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from septum.lab.run import Lab
from septum.machine.capture import opened
from septum.machine.inventory import inventory


class Stands(NamedTuple):
    """A function, and with whom it shares an IOMMU group."""

    address: str
    vendor: int
    device: int
    group: tuple[str, ...]


def same(lab: Lab, captured: Path) -> bool:
    """Whether the running lab has the captured one's functions, grouped as there.

    What it has now is left in the run's folder, to be taken in place of the old one.
    """
    now = lab.folder / captured.name
    lab.run(f"septum scan --capture /var/tmp/{captured.name}", check=True)
    lab.get(f"/var/tmp/{captured.name}", now)
    return standing(now) == standing(captured)


def standing(path: Path) -> list[Stands]:
    machine = inventory(opened(str(path)))
    found = []
    for one in machine.functions:
        group = machine.group(one.iommu_group) if one.iommu_group is not None else None
        together = tuple(map(str, group.functions)) if group else ()
        found.append(Stands(str(one.address), one.vendor, one.device, together))
    return found
