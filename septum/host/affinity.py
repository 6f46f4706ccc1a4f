"""Which of the machine's processors take the interrupts of an owned function? Its owner's.

Until it reaches KVM, an interrupt of a function in VFIO's hands is one of Linux's own, and Linux
spreads those over all processors: a flood of one owner's would be served in another's time.
Documentation/core-api/irq/irq-affinity.rst of Linux 6.12. Nothing needs to be put back: Linux
forgets where a message, or a line that nobody uses any more, was to go.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from septum.errors import MachineProblem
from septum.machine.processors import number_list


class Affinity:
    """The interrupts of one function. `root` is where /proc and /sys stand."""

    def __init__(self, address: str, processors: Sequence[int], root: str = "/") -> None:
        self.address = address
        self._processors = tuple(sorted(processors))
        self._device = os.path.join(root, "sys/bus/pci/devices", address)
        self._requests = os.path.join(root, "proc/irq")
        self._line = f"vfio-intx({address})"
        self.refused: dict[str, str] = {}  # by number: why Linux keeps it where it is

    def follow(self) -> bool:
        """Move what Linux has connected for it by now; whether something had to be moved."""
        numbers = self._messages() or self._own_line()
        self.refused = {one: why for one, why in self.refused.items() if one in numbers}
        return any([self._follows(number) for number in numbers if number not in self.refused])

    def _follows(self, number: str) -> bool:
        place, wanted = os.path.join(self._requests, number, "smp_affinity_list"), self._processors
        try:
            file = os.open(place, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False  # allocated, and nobody listens to it yet
        except OSError as error:
            self.refused[number] = os.strerror(error.errno or 0)
            return False
        try:
            if number_list(os.pread(file, _LONGEST, 0).decode().strip(), place) == wanted:
                return False
            os.write(file, ",".join(map(str, wanted)).encode())
        except OSError as error:
            self.refused[number] = os.strerror(error.errno or 0)
            return False
        except MachineProblem as problem:
            self.refused[number] = problem.what
            return False
        finally:
            os.close(file)
        return True

    def _messages(self) -> list[str]:
        """Numbers of its MSI or MSI-X vectors."""
        try:
            return os.listdir(os.path.join(self._device, "msi_irqs"))
        except OSError:
            return []  # none are in use

    def _own_line(self) -> list[str]:
        """The number of its line, if nobody else listens to it."""
        try:
            with open(os.path.join(self._device, "irq"), encoding="ascii") as file:
                number = file.read().strip()
            with os.scandir(os.path.join(self._requests, number)) as found:
                listeners = [entry.name for entry in found if entry.is_dir()]
        except OSError:
            return []  # it has none, or nobody listens to it
        return [number] if listeners == [self._line] else []


_LONGEST = 1 << 16  # bytes; a list of all processors Linux can have is shorter
