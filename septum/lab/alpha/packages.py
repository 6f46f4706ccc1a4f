"""Which Debian packages do the alpha platform's kernels, and its witness QEMU, need?

With the kernels built, running them needs none of these.
"""

from __future__ import annotations

import os

from septum.errors import HostProblem
from septum.lab import packages
from septum.lab.progress import Progress

FOR_KERNELS = (
    *("bc", "bison", "flex", "gcc", "gcc-alpha-linux-gnu", "libc6-dev", "make", "xz-utils"),
)
# Of one version with the lab's own QEMU, as they share files
WITNESSES = ("qemu-system-misc", "qemu-user")


def install(progress: Progress) -> None:
    """All of them, as the tests need; quick when nothing is missing. Raises HostProblem."""
    for_kernels(progress)
    witnesses(progress)


def for_kernels(progress: Progress) -> None:
    """What kernels and init are built with. Raises HostProblem."""
    missing = packages.missing_packages(FOR_KERNELS)
    if missing:
        _require_root("the alpha platform's kernels cannot be built", missing)
        with progress.step("reading the package lists"):
            packages.apt("update")
        with progress.step(f"installing {' '.join(missing)}"):
            packages.apt("install", *missing)


def witnesses(progress: Progress) -> None:
    """QEMU's Alpha computer, and QEMU for Alpha programs. Raises HostProblem."""
    missing = packages.missing_packages(WITNESSES)
    if not missing:
        return
    _require_root("there is no QEMU to compare with", missing)
    with progress.step("reading the package lists"):
        packages.apt("update")
    wanted = list(missing)
    if packages.candidate_version(missing[0]) < packages.QEMU_LOWEST:
        packages.add_backports()
        with progress.step("reading the package lists"):
            packages.apt("update")
        if packages.candidate_version(missing[0]) < packages.QEMU_LOWEST:
            wanted = ["-t", f"{packages.codename()}-backports", *missing]
    with progress.step(f"installing {' '.join(missing)}"):
        packages.apt("install", *wanted)


def _require_root(what: str, missing: tuple[str, ...]) -> None:
    if os.geteuid() != 0:
        raise HostProblem(
            what,
            because=f"Debian packages are missing: {' '.join(missing)}",
            remedy=packages.ROOT_REMEDY,
        )
