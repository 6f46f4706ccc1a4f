"""What was taken from Linux, by whom, and how was it before?

An entry is written before a function is taken and removed after it is given back, so that
whatever dies in between, anybody can put it back: the entry names its holder. Between two lives of
an instance its keeper has what it had, and the entry names that too. Whoever takes or gives back a
function holds its lock meanwhile: looking and writing are one step.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import NamedTuple

from septum.errors import HostProblem, explained
from septum.host.processes import Process

SUFFIX = ".json"
_LOCK = ".lock"
_PATIENCE = 20.0  # seconds; longer than drivers take that let go at all
_PAUSE = 0.02  # seconds
_FIELDS = ("address", "driver", "driver_override", "pid", "started")


class Entry(NamedTuple):
    """One function as Linux had it, and the process that holds it."""

    address: str  # "0000:01:00.0"
    driver: str | None  # the driver it had, None if it had none
    driver_override: str  # empty when there was none
    holder: Process
    instance: str = ""
    keeper: Process | None = None  # who has it for the instance's next life, when its holder ends

    @property
    def is_held(self) -> bool:
        """Whether somebody has it; else Linux has to get it back."""
        return self.holder.is_alive or (self.keeper is not None and self.keeper.is_alive)

    def is_left(self, instance: str = "") -> bool:
        """Whether nobody has it, or only the keeper of an instance that is named."""
        return not self.holder.is_alive and (self.instance == instance or not self.is_held)


class Journal:
    """The entries of one directory, a file each: ADDRESS.json."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def path(self, address: str) -> str:
        return os.path.join(self.directory, address + SUFFIX)

    def write(self, entry: Entry) -> None:
        """Add or replace an entry: it is there whole or not at all."""
        import json

        os.makedirs(self.directory, 0o700, exist_ok=True)
        fresh = self.path(entry.address) + ".new"
        with open(fresh, "w", encoding="utf-8") as f:
            json.dump(
                {
                    "address": entry.address,
                    "driver": entry.driver,
                    "driver_override": entry.driver_override,
                    "pid": entry.holder.number,
                    "started": entry.holder.started,
                    "instance": entry.instance,
                    "keeper": entry.keeper,
                },
                f,
            )
        os.rename(fresh, self.path(entry.address))

    def read(self, address: str) -> Entry | None:
        """The entry of one function; None when it is not taken. HostProblem: it is damaged."""
        try:
            with open(self.path(address), encoding="utf-8") as f:
                text = f.read()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            text = ""
        entry = _entry(address, text)
        if entry is None:
            raise HostProblem(
                f"nobody can tell how Linux had {address}",
                because=f"{self.path(address)} is damaged",
                remedy=f"when no instance has it: rm {self.path(address)}, "
                f"echo > /sys/bus/pci/devices/{address}/driver_override, "
                f"echo {address} > /sys/bus/pci/drivers/vfio-pci/unbind and > "
                "/sys/bus/pci/drivers_probe",
            )
        return entry

    def locked(self, address: str, patience: float = _PATIENCE) -> Locked:
        """A with block in which nobody else takes or gives back a function."""
        os.makedirs(self.directory, 0o700, exist_ok=True)
        return Locked(os.path.join(self.directory, address + _LOCK), address, patience)

    def remove(self, address: str) -> None:
        """Forget an entry; no error when it is gone."""
        try:
            os.unlink(self.path(address))
        except FileNotFoundError:
            return

    def entries(self) -> list[Entry]:
        """Every entry that can be read, sorted by address."""
        return self._all()[0]

    def damaged(self) -> dict[str, HostProblem]:
        """What cannot be read, by address, each with what to do about it."""
        return self._all()[1]

    def unreturned(self) -> list[str]:
        """Addresses of what Linux should have back and has not, as far as anybody can tell."""
        entries, damaged = self._all()
        return sorted({e.address for e in entries if not e.is_held} | set(damaged))

    def _all(self) -> tuple[list[Entry], dict[str, HostProblem]]:
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return [], {}
        entries = []
        problems: dict[str, HostProblem] = {}
        for name in names:
            if not name.endswith(SUFFIX):
                continue
            address = name.removesuffix(SUFFIX)
            try:
                entry = self.read(address)
            except HostProblem as problem:
                problems[address] = problem
                continue
            if entry is not None:  # not removed in the meantime
                entries.append(entry)
        return entries, problems

    def left_by(self, instance: str) -> list[Entry]:
        """What an instance that is no more has not given back."""
        return [entry for entry in self.abandoned() if entry.instance == instance]

    def abandoned(self, instance: str = "") -> list[Entry]:
        """Entries that nobody holds: what they name has to be given back.

        Of an instance that is named also what its keeper has.
        """
        return [entry for entry in self.entries() if entry.is_left(instance)]

    def release(self, instance: str, keeper: Process) -> None:
        """Keep nothing any more of what an instance's last process had. By its keeper alone."""
        for entry in self.entries():
            # Nobody else may touch it, so no lock is needed: one might be held for long
            if (entry.instance, entry.keeper) == (instance, keeper) and not entry.holder.is_alive:
                self.write(entry._replace(keeper=None))


def _entry(address: str, text: str) -> Entry | None:
    """What a file says of a function; None when it is damaged, or another's."""
    import json

    try:
        fields = json.loads(text)
        name, driver, override, number, started = (fields[key] for key in _FIELDS)
        holder, keeper = Process(int(number), int(started)), fields.get("keeper")
        if keeper is not None:
            number, started = keeper
            keeper = Process(int(number), int(started))
        entry = Entry(name, driver, override, holder, fields.get("instance", ""), keeper)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    is_sound = (
        name == address
        and (driver is None or isinstance(driver, str))
        and isinstance(override, str)
        and isinstance(entry.instance, str)
    )
    return entry if is_sound else None


class Locked:
    """The lock of one function, in a file that stays: to remove it would be a step of its own.

    A plain class: contextlib is not otherwise needed on the boot path.
    """

    def __init__(self, path: str, address: str, patience: float) -> None:
        self.path = path
        self.address = address
        self.patience = patience
        self._file = -1

    def __enter__(self) -> None:
        end = time.monotonic() + self.patience
        with explained(f"cannot lock {self.address}"):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while not self._is_ours():
            if time.monotonic() >= end:
                os.close(self._file)
                raise HostProblem(
                    f"{self.address} is being taken or given back by somebody else",
                    because="its driver has not let go, or come back, yet",
                    remedy="see dmesg; septum ps tries again",
                )
            time.sleep(_PAUSE)

    def _is_ours(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        # A process forked meanwhile shares this lock: closing our copy would not release it.
        fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)
