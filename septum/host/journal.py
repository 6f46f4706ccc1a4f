"""What was taken from Linux, by whom, and how was it before?

An entry is written before a function is taken and removed after it is given back, so that
whatever dies in between, anybody can put it back: the entry names its holder.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from septum.host.processes import Process

SUFFIX = ".json"


class Entry(NamedTuple):
    """One function as Linux had it, and the process that holds it."""

    address: str  # "0000:01:00.0"
    driver: str | None  # the driver it had, None if it had none
    driver_override: str  # empty when there was none
    holder: Process
    instance: str = ""


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
                },
                f,
            )
        os.rename(fresh, self.path(entry.address))

    def read(self, address: str) -> Entry | None:
        """The entry of one function; None when it is not taken (or its file is damaged)."""
        import json

        try:
            with open(self.path(address), encoding="utf-8") as f:
                fields = json.load(f)
            return Entry(
                fields["address"],
                fields["driver"],
                fields["driver_override"],
                Process(int(fields["pid"]), int(fields["started"])),
                fields.get("instance", ""),
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def remove(self, address: str) -> None:
        """Forget an entry; no error when it is gone."""
        try:
            os.unlink(self.path(address))
        except FileNotFoundError:
            return

    def entries(self) -> list[Entry]:
        """Every entry, sorted by address."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        found = (self.read(n.removesuffix(SUFFIX)) for n in names if n.endswith(SUFFIX))
        return [entry for entry in found if entry is not None]

    def left_by(self, instance: str) -> list[Entry]:
        """What an instance that is no more has not given back."""
        return [entry for entry in self.abandoned() if entry.instance == instance]

    def abandoned(self) -> list[Entry]:
        """Entries whose holder is dead: what they name has to be given back."""
        return [entry for entry in self.entries() if not entry.holder.is_alive]
